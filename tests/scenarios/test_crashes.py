"""The controller is killed after any of its writes: the next one ends the rollout as it would have ended.

How many writes a life has is found by a life without a crash; each test asserts that its controller was killed, so no
case passes because nothing happened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from canary.ports import CANARY, DEPLOYMENT, HPA, POD, Propagation
from canary.rollout.phases import Phase
from canary.sandbox.simulated import NEVER_READY, PodBehaviour
from meshes.contract import Manifest
from tests.bounded import MINUTES_S
from tests.builders import autoscaler, canary, config_map, ref
from tests.scenarios.branches import Branches
from tests.scenarios.configured import Holding, reading
from tests.scenarios.faults import Crashes, CrashInEach
from tests.scenarios.stage import Stage, analysis, image
from tests.scenarios.test_leaving import assert_serves_alone, left_over

pytestmark = pytest.mark.looptime

Act = Callable[[Stage], Awaitable[None]]


async def onboarded(stage: Stage) -> None:
    await stage.onboarded()


async def with_an_autoscaler(stage: Stage) -> None:
    await stage.onboarded(autoscaler(least=2))


async def with_config(stage: Stage) -> None:
    Holding(stage)
    await stage.onboarded(config_map(text="old"), reading())


async def in_mid_rollout(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)


async def about_to_promote(stage: Stage) -> None:
    """The new primary never becomes ready, so that the promotion is put back."""
    await stage.onboarded(skipAnalysis=True, progressDeadline="60s")
    stage.runtime.choose = _stuck


def _stuck(pod: Manifest) -> PodBehaviour | None:
    serves = "canary.delivery/role" in pod["metadata"]["labels"]
    return NEVER_READY if serves and pod["spec"]["containers"][0]["image"] == image("2.0") else None


async def there(stage: Stage) -> None:
    await stage.there()
    stage.start()


async def promote(stage: Stage) -> None:
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)


async def promote_with_new_config(stage: Stage) -> None:
    stage.cluster.apply(config_map(text="new"))
    stage.cluster.apply(reading("2.0"))
    await stage.until_phase(Phase.SUCCEEDED)


async def roll_back(stage: Stage) -> None:
    stage.canary_traffic(bad=0.2)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)


async def put_back(stage: Stage) -> None:
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)


async def revert(stage: Stage) -> None:
    stage.push("1.0")
    await stage.until_phase(Phase.SUCCEEDED)


async def onboard(stage: Stage) -> None:
    stage.cluster.apply(canary(analysis=analysis()))
    await stage.until_phase(Phase.INITIALIZED)


async def leave(stage: Stage) -> None:
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: left_over(stage) == [])


async def leave_with_the_stable_version(stage: Stage) -> None:
    stage.cluster.remove(ref(CANARY))
    stage.push("1.0")
    await stage.until(lambda: left_over(stage) == [])


async def failed(stage: Stage) -> None:
    await stage.onboarded()
    await roll_back(stage)


async def primary_orphaned(stage: Stage) -> None:
    await _primary_deleted(stage, Propagation.ORPHAN)


async def primary_deleted(stage: Stage) -> None:
    await _primary_deleted(stage, Propagation.BACKGROUND)


async def _primary_deleted(stage: Stage, cascade: Propagation) -> None:
    before = stage.primary["metadata"]["uid"]
    pods = _primary_pods(stage)
    stage.cluster.remove(ref(DEPLOYMENT, "checkout-primary"), cascade)
    await stage.until(lambda: _made_again(stage, before), within=60)
    await stage.rest(10)
    assert _primary_pods(stage) == pods


def _made_again(stage: Stage, before: str) -> bool:
    live = stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary"))
    return live is not None and live["metadata"]["uid"] != before


def _primary_pods(stage: Stage) -> list[str]:
    pods = stage.cluster.store.list(POD, "shop", {"canary.delivery/role": "primary"})
    return sorted(pod["metadata"]["uid"] for pod in pods)


async def leave_with_an_orphan(stage: Stage) -> None:
    """`-primary` is deleted as an orphan, and its Canary before anybody could make it again."""
    stage.cluster.remove(ref(DEPLOYMENT, "checkout-primary"), Propagation.ORPHAN)
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: left_over(stage) == [])
    await stage.until(lambda: _primary_pods(stage) == [], within=30)


def assert_rests(stage: Stage, tag: str, *history: tuple[str, str]) -> None:
    assert stage.serving == [tag] * 3
    assert (stage.candidate, stage.weight) == ((0, False), 0)
    assert stage.history == list(history)


def promoted(stage: Stage) -> None:
    assert stage.phases == ["Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
    assert stage.weights == [0, 20, 50, 0]
    assert_rests(stage, "2.0", ("2.0", "promoted"))


def promoted_with_its_autoscaler(stage: Stage) -> None:
    promoted(stage)
    spec = stage.cluster.now(ref(HPA))["spec"]
    assert (spec["scaleTargetRef"]["name"], spec["minReplicas"]) == ("checkout-primary", 2)


def rolled_back(stage: Stage) -> None:
    assert stage.phases == ["Initialized", "Progressing", "RollingBack", "Failed"]
    assert stage.weights == [0, 20, 0]
    assert_rests(stage, "1.0", ("2.0", "rolled_back"))


def was_put_back(stage: Stage) -> None:
    assert stage.phases == ["Initialized", "Progressing", "Promoting", "RollingBack", "Failed"]
    assert stage.primary["spec"]["template"]["spec"]["containers"][0]["image"] == image("1.0")
    assert_rests(stage, "1.0", ("2.0", "rolled_back"))


def reverted(stage: Stage) -> None:
    assert stage.weights[-1] == 0
    assert_rests(stage, "1.0", ("2.0", "reverted"))


def initialized(stage: Stage) -> None:
    assert stage.phases == ["Initializing", "Initialized"]
    assert_rests(stage, "1.0")


def serves_on(stage: Stage) -> None:
    assert stage.status.phase is Phase.INITIALIZED
    assert_rests(stage, "1.0")


def left(stage: Stage) -> None:
    assert_serves_alone(stage)


@dataclass(frozen=True, kw_only=True)
class Life:
    """A stretch of a canary's life. `writes` is how many it costs, Events included; the controller is killed after
    each `step`th of them here, and in tests/faults after each."""

    begin: Act
    live: Act
    holds: Callable[[Stage], None]
    writes: int
    step: int = 1


LIVES = {
    "a promotion": Life(begin=onboarded, live=promote, holds=promoted, writes=39),
    "a promotion with an autoscaler": Life(
        begin=with_an_autoscaler, live=promote, holds=promoted_with_its_autoscaler, writes=41, step=3
    ),
    "a promotion with new config": Life(
        begin=with_config, live=promote_with_new_config, holds=promoted, writes=41, step=3
    ),
    "a rollback": Life(begin=onboarded, live=roll_back, holds=rolled_back, writes=23),
    "a promotion that is put back": Life(begin=about_to_promote, live=put_back, holds=was_put_back, writes=21),
    "a revert": Life(begin=in_mid_rollout, live=revert, holds=reverted, writes=10),
    "onboarding": Life(begin=there, live=onboard, holds=initialized, writes=19),
    "leaving": Life(begin=onboarded, live=leave, holds=left, writes=17),
    "a primary that is orphaned": Life(begin=onboarded, live=primary_orphaned, holds=serves_on, writes=6),
    "a primary that is deleted": Life(begin=failed, live=primary_deleted, holds=rolled_back, writes=7),
    "leaving with an orphaned primary": Life(begin=onboarded, live=leave_with_an_orphan, holds=left, writes=17),
    "leaving in mid-rollout": Life(begin=in_mid_rollout, live=leave_with_the_stable_version, holds=left, writes=31),
}


@pytest.mark.parametrize("name", LIVES)
async def test_a_life_without_a_crash_costs_the_writes_after_which_it_is_killed(stage: Stage, name: str) -> None:
    life = LIVES[name]
    await life.begin(stage)
    stage.client.requests.clear()
    await life.live(stage)
    life.holds(stage)
    assert stage.client.requests.writes == life.writes


@pytest.mark.bound(MINUTES_S)
@pytest.mark.parametrize("name", LIVES)
async def test_it_survives_a_crash_after_any_write(stage: Stage, branches: Branches, name: str) -> None:
    life = LIVES[name]
    await life.begin(stage)
    crashes = CrashInEach(stage, branches, range(1, life.writes + 1, life.step))
    await life.live(stage)
    await stage.rest(1)
    crashes.assert_all()
    life.holds(stage)


@pytest.mark.parametrize("every", [7, 9, 13])
async def test_a_promotion_survives_one_crash_after_another(stage: Stage, every: int) -> None:
    await stage.onboarded()
    crashes = Crashes(stage, every, times=100)
    await promote(stage)
    assert crashes.killed >= 3
    assert_rests(stage, "2.0", ("2.0", "promoted"))
