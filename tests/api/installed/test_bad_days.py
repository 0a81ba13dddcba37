"""Bad days of a rollout on a real control plane: what must happen when the version is not the only thing that fails."""

from __future__ import annotations

import pytest

from canary.ports import DEPLOYMENT, Watched
from canary.rollout.phases import Phase
from canary.sandbox.simulated import CRASHING, PodBehaviour
from meshes.contract import Manifest
from tests.api.harness import Harness, hold_as_before
from tests.api.side_by_side import scene

pytestmark = pytest.mark.xdist_group("api-scenes")

ONBOARDED = ["Initializing", "Initialized"]


@scene
async def test_what_passed_and_does_not_come_up_as_the_primary_is_put_back(it: Harness) -> None:
    def choose(pod: Manifest) -> PodBehaviour | None:
        serving = "canary.delivery/role" in pod["metadata"]["labels"]
        return CRASHING if serving and pod["spec"]["containers"][0]["image"].endswith(":2.0") else None

    it.runtime.choose = choose
    await it.there(progress_deadline="10s")
    before = it.apex.ready()
    await it.push("2.0", progress_deadline="10s")
    await it.until_phase(Phase.FAILED)
    assert it.phases == [*ONBOARDED, "Progressing", "Promoting", "RollingBack", "Failed"]
    assert it.weights == [0, 50, 0]
    assert set(before) <= set(it.apex.ready())
    await it.until(lambda: it.serving() == ("1.0", 3))
    await hold_as_before(it)


@scene
async def test_a_failure_of_both_sides_is_waited_out_at_weight_0_and_is_not_the_versions(it: Harness) -> None:
    await it.there()
    await it.push("2.0")
    await it.until_weight(50)
    for side in ("checkout", "checkout-primary"):
        it.metrics.set(side, bad=0.5)
    await it.until(lambda: "EnvironmentFailing" in it.reasons)
    await it.until_weight(0)
    assert it.status.phase is Phase.PROGRESSING
    for side in ("checkout", "checkout-primary"):
        it.metrics.set(side, bad=0.0)
    await it.until_phase(Phase.SUCCEEDED)
    assert it.weights == [0, 50, 0, 50, 0]
    assert it.serving() == ("2.0", 3)


@scene
async def test_the_same_pods_serve_before_during_and_after_a_rollback(it: Harness) -> None:
    await it.there(max_failures="1")
    primary = it.live(DEPLOYMENT, "checkout-primary")
    assert primary is not None
    before, seen = it.apex.ready(), set[tuple[str, ...]]()
    assert len(before) == 3

    def look(_: Watched) -> None:
        seen.add(tuple(it.apex.ready()))

    it.view.subscribe(look)
    it.metrics.set("checkout", bad=0.04)
    await it.push("2.0", max_failures="1")
    await it.until_phase(Phase.FAILED)
    assert it.weights == [0, 50, 0]
    assert seen == {tuple(before)}
    after = it.live(DEPLOYMENT, "checkout-primary")
    assert after is not None
    assert (after["spec"], after["metadata"]["generation"]) == (primary["spec"], primary["metadata"]["generation"])
    await hold_as_before(it)
