"""A change of tracked configuration is a revision like a push: analysed, promoted or rolled back with what it held."""

from __future__ import annotations

import pytest

from canary.ports import POD
from canary.rollout.phases import Phase
from tests.builders import config_map, ref
from tests.embedded import pods_of
from tests.scenarios.configured import configured, copies, reading
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime


async def test_config_alone_is_rolled_out(stage: Stage) -> None:
    holding = await configured(stage)
    stable = stage.status.stable
    assert stable is not None
    assert (holding.serving, stage.candidate) == (["old"] * 3, (0, False))
    assert list(copies(stage).values()) == ["old"]
    stage.cluster.apply(config_map(text="new"))
    await stage.until_weight(20)
    tested = stage.status.revision
    assert tested is not None
    assert (tested.digest, tested.pin) == (stable.digest, stable.pin)
    assert tested.shown == f"{tested.pin}-{tested.config}" != stable.shown
    assert (holding.by("checkout"), holding.serving) == (["new"], ["old"] * 3)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0]
    assert stage.phases == ["Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
    assert holding.serving == ["new"] * 3
    await stage.rest()
    assert list(copies(stage).values()) == ["new"]


async def test_a_rollback_of_config_serves_the_old_one_throughout(stage: Stage) -> None:
    holding = await configured(stage)
    served: set[str] = set()
    stage.cluster.store.listen(lambda event: served.update(holding.serving if event.ref.kind == POD else ()))
    stage.canary_traffic(bad=0.5)
    stage.cluster.apply(config_map(text="new"))
    await stage.until_weight(20)
    stage.cluster.remove(ref(POD, pods_of(stage.cluster, "checkout-primary")[0]["metadata"]["name"]))
    await stage.until_phase(Phase.FAILED)
    assert (holding.serving, served) == (["old"] * 3, {"old"})
    assert [outcome for _, outcome in stage.history] == ["rolled_back"]
    assert stage.candidate == (0, False)


async def test_config_that_changes_in_mid_rollout_starts_again_with_new_pods(stage: Stage) -> None:
    holding = await configured(stage)
    stage.cluster.apply(reading("2.0"))
    await stage.until_weight(50)
    stage.cluster.apply(config_map(text="new"))
    await stage.until(lambda: stage.weight == 0)
    await stage.until_weight(20)
    assert holding.by("checkout") == ["new"]
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0, 20, 50, 0]
    assert stage.history == [("2.0", "superseded"), ("2.0", "promoted")]
    assert holding.serving == ["new"] * 3
