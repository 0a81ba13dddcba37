"""A change of tracked configuration is a revision like a push: analysed, promoted or rolled back with what it held."""

from __future__ import annotations

import pytest

from canary.ports import DEPLOYMENT, POD
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


async def test_a_push_and_config_at_once_are_one_rollout(stage: Stage) -> None:
    holding = await configured(stage)
    stage.cluster.apply(config_map(text="new"))
    stage.cluster.apply(reading("2.0"))
    await stage.until_serving("2.0")
    assert stage.history == [("2.0", "promoted")]
    assert stage.weights == [0, 20, 50, 0]
    assert holding.serving == ["new"] * 3


async def test_config_that_is_reverted_in_mid_rollout_is_no_failure(stage: Stage) -> None:
    holding = await configured(stage)
    stage.cluster.apply(config_map(text="new"))
    await stage.until_weight(50)
    stage.cluster.apply(config_map(text="old"))
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == ["Initialized", "Progressing", "Finalizing", "Succeeded"]
    assert (stage.weights, holding.serving) == ([0, 20, 50, 0], ["old"] * 3)
    assert stage.history == [("1.0", "reverted")]


async def test_config_that_is_there_and_back_in_a_moment_takes_other_pods(stage: Stage) -> None:
    """Both events come before the next pass: a pod that starts between them holds what nobody asked for."""
    holding = await configured(stage)
    stage.cluster.apply(reading("2.0"))
    await stage.until_weight(20)
    before = {pod["metadata"]["uid"] for pod in pods_of(stage.cluster, "checkout")}
    await stage.rest(2)
    stage.cluster.apply(config_map(text="new"))
    stage.cluster.apply(config_map(text="old"))
    await stage.until(lambda: stage.weight == 0)
    await stage.until_weight(20)
    assert not before & {pod["metadata"]["uid"] for pod in pods_of(stage.cluster, "checkout")}
    await stage.until_serving("2.0")
    assert holding.serving == ["old"] * 3
    assert stage.history == [("2.0", "promoted")]


async def test_mending_the_config_of_a_failed_version_is_a_new_rollout(stage: Stage) -> None:
    holding = await configured(stage)
    stage.canary_traffic(bad=0.5)
    stage.cluster.apply(config_map(text="wrong"))
    stage.cluster.apply(reading("2.0"))
    await stage.until_phase(Phase.FAILED)
    await stage.rest()
    assert stage.status.phase is Phase.FAILED
    stage.canary_traffic(bad=0.0)
    stage.cluster.apply(config_map(text="right"))
    await stage.until_serving("2.0")
    assert stage.history == [("2.0", "rolled_back"), ("2.0", "promoted")]
    assert holding.serving == ["right"] * 3
    await stage.rest()
    assert sorted(copies(stage).values()) == ["right"]


async def test_config_that_changes_in_the_middle_of_a_promotion_comes_next(stage: Stage) -> None:
    holding = await configured(stage)
    stage.cluster.apply(reading("2.0"))
    await stage.until_phase(Phase.PROMOTING)
    stage.cluster.apply(config_map(text="new"))
    await stage.until_phase(Phase.SUCCEEDED)
    assert (stage.serving, holding.serving) == (["2.0"] * 3, ["old"] * 3)
    await stage.until(lambda: len(stage.history) == 2)
    assert stage.history == [("2.0", "promoted"), ("2.0", "promoted")]
    assert holding.serving == ["new"] * 3


async def test_a_restart_is_no_new_version_and_reads_the_copies(stage: Stage) -> None:
    holding = await configured(stage)
    before = stage.status.stable
    at = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T10:00:00Z"}
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"template": {"metadata": {"annotations": at}}}})
    served = {pod["metadata"]["uid"] for pod in pods_of(stage.cluster, "checkout-primary")}
    await stage.until(lambda: not served & {p["metadata"]["uid"] for p in pods_of(stage.cluster, "checkout-primary")})
    after = stage.status.stable
    assert before is not None
    assert after is not None
    assert (after.key, stage.history) == (before.key, [])
    assert holding.serving == ["old"] * 3


async def test_pods_that_are_left_alone_do_not_prove_newer_config(stage: Stage) -> None:
    """Somebody sets replicas again and again, so they are left: these pods hold what was there before."""
    holding = await configured(stage)
    for _ in range(4):
        stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 3}})
        await stage.rest(20)
    assert holding.by("checkout") == ["old"] * 3
    stage.cluster.apply(config_map(text="new"))
    await stage.until_weight(20)
    assert holding.by("checkout") == ["new"]
    await stage.until(lambda: holding.serving == ["new"] * 3)
