"""What people do with a canary, and how that must end whatever the weather. Each story is told with a sky over it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from canary.ports import CANARY, DEPLOYMENT, SERVICE
from canary.rollout.phases import Phase
from canary.sandbox.simulated import CRASHING, UNPULLABLE, PodBehaviour
from meshes.contract import Manifest
from tests.builders import config_map, ref
from tests.embedded import ready_images
from tests.faults.sky import Fault, Sky
from tests.scenarios.configured import Holding, reading
from tests.scenarios.stage import Stage, image

Story = Callable[[Stage, Sky, random.Random], Awaitable[None]]
STORIES: dict[str, Story] = {}

RAINY_S = 400.0
"""How long the weather is foul at most; a rollout of the stage's steps takes about 150 s without it."""
AFTER_S = 3600.0
"""How long a story may then take to its end, in virtual time."""
AT_REST = (Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED)


def story(tell: Story) -> Story:
    """Enter a story under its name."""
    STORIES[tell.__name__.replace("_", " ")] = tell
    return tell


async def rain_until(stage: Stage, sky: Sky, over: Callable[[], object]) -> None:
    """Let it rain until the story is over, at most for RAINY_S; then let it come to its end in peace."""
    async with sky.open():
        with suppress(AssertionError):  # the end is looked for again below, when all is well
            await stage.until(over, RAINY_S)
    await stage.until(over, AFTER_S)


def serves(stage: Stage, tag: str, phase: Phase = Phase.SUCCEEDED) -> Callable[[], bool]:
    """Return whether a version serves alone, and all is at rest."""
    return lambda: stage.serving == [tag] * 3 and stage.status.phase is phase and stage.candidate == (0, False)


@story
async def a_good_version_is_promoted(stage: Stage, sky: Sky, _: random.Random) -> None:
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "2.0"))
    assert stage.history == [("2.0", "promoted")]


@story
async def a_bad_version_is_rolled_back(stage: Stage, sky: Sky, dice: random.Random) -> None:
    stage.canary_traffic(bad=dice.choice((0.05, 0.3, 1.0)))
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))
    assert stage.history == [("2.0", "rolled_back")]


@story
async def a_slow_version_is_rolled_back(stage: Stage, sky: Sky, _: random.Random) -> None:
    check = {"name": "latency", "builtin": "latency-p99", "max": "500ms"}
    stage.edit_spec(analysis={"interval": "20s", "steps": [{"weight": 20}, {"weight": 50}], "checks": [check]})
    stage.canary_traffic(slow=0.3)
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))


@story
async def a_version_that_does_not_come_up_is_rolled_back(stage: Stage, sky: Sky, dice: random.Random) -> None:
    stage.runtime.by_tag["2.0"] = dice.choice((CRASHING, UNPULLABLE))
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))
    assert stage.weight == 0


@story
async def a_version_that_dies_after_a_while_is_rolled_back(stage: Stage, sky: Sky, dice: random.Random) -> None:
    sky.never(Fault.STALE, Fault.API_DOWN, Fault.SLOW)  # nobody can act on what nobody can know
    stage.runtime.by_tag["2.0"] = PodBehaviour(dies_after=dice.uniform(12, 30))
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))


@story
async def a_push_at_any_moment_is_the_one_that_ends_in_service(stage: Stage, sky: Sky, dice: random.Random) -> None:
    stage.push("2.0")
    await asyncio.sleep(dice.uniform(0, 180))
    stage.push("3.0")
    await rain_until(stage, sky, serves(stage, "3.0"))


@story
async def of_five_pushes_in_a_row_the_last_ends_in_service(stage: Stage, sky: Sky, dice: random.Random) -> None:
    span = dice.choice((0.5, 20.0, 120.0))

    async def burst() -> None:
        for tag in ("2.0", "3.0", "4.0", "5.0", "6.0"):
            stage.push(tag)
            await asyncio.sleep(dice.uniform(0, span))

    pushing = asyncio.create_task(burst())
    await rain_until(stage, sky, serves(stage, "6.0"))
    await pushing


@story
async def a_revert_at_any_moment_leaves_the_old_version_in_service(stage: Stage, sky: Sky, dice: random.Random) -> None:
    stage.push("2.0")
    await asyncio.sleep(dice.uniform(0, 180))
    stage.push("1.0")
    await rain_until(stage, sky, lambda: serves(stage, "1.0")() or serves(stage, "1.0", Phase.INITIALIZED)())


@story
async def what_failed_is_not_tried_again(stage: Stage, sky: Sky, _: random.Random) -> None:
    stage.canary_traffic(bad=0.5)
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))
    stage.push("1.0")
    await stage.until(serves(stage, "1.0"), AFTER_S)
    stage.canary_traffic(bad=0.0)
    stage.forget()
    stage.push("2.0")
    await stage.rest(300)
    assert (stage.weights, stage.serving) == ([0], ["1.0"] * 3)


@story
async def config_that_changes_at_any_moment_ends_in_service(stage: Stage, sky: Sky, dice: random.Random) -> None:
    holding = Holding(stage)
    stage.cluster.apply(config_map(text="old"))
    stage.cluster.apply(reading("1.0"))
    await stage.until(lambda: holding.serving == ["old"] * 3 and stage.status.phase is Phase.SUCCEEDED, AFTER_S)
    if dice.random() < 0.5:
        stage.cluster.apply(reading("2.0"))
        await asyncio.sleep(dice.uniform(0, 180))
    stage.cluster.apply(config_map(text="new"))
    await rain_until(stage, sky, lambda: holding.serving == ["new"] * 3 and stage.status.phase is Phase.SUCCEEDED)
    assert stage.candidate == (0, False)


@story
async def a_restart_in_mid_rollout_loses_nothing(stage: Stage, sky: Sky, dice: random.Random) -> None:
    stage.push("2.0")
    await asyncio.sleep(dice.uniform(0, 150))
    restart = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"template": restart}}, "kubectl-rollout")
    await rain_until(stage, sky, serves(stage, "2.0"))


@story
async def another_size_in_mid_rollout_is_taken(stage: Stage, sky: Sky, dice: random.Random) -> None:
    sky.never(Fault.STALE, Fault.API_DOWN, Fault.SLOW)  # a raise that is under way knows nothing of a larger primary
    stage.push("2.0")
    await asyncio.sleep(dice.uniform(0, 120))
    stage.edit_spec(replicas=5)
    await rain_until(stage, sky, lambda: stage.serving == ["2.0"] * 5 and stage.status.phase is Phase.SUCCEEDED)


@story
async def an_abort_at_any_moment_leaves_one_version_in_service(stage: Stage, sky: Sky, dice: random.Random) -> None:
    stage.push("2.0")
    await asyncio.sleep(dice.uniform(0, 150))
    stage.command("abort")
    await rain_until(
        stage, sky, lambda: serves(stage, "1.0", Phase.FAILED)() or serves(stage, "2.0", Phase.SUCCEEDED)()
    )


@story
async def whatever_is_commanded_the_next_version_comes_through(stage: Stage, sky: Sky, dice: random.Random) -> None:
    stage.push("2.0")

    async def command() -> None:
        for word in dice.choices(("pause", "resume", "promote", "abort", "retry", "release"), k=4):
            await asyncio.sleep(dice.uniform(0, 60))
            stage.command(word)

    commanding = asyncio.create_task(command())
    async with sky.open():
        await commanding
        await stage.rest(60)
    stage.push("3.0")
    await stage.rest(30)
    stage.command("resume")
    await stage.until(serves(stage, "3.0"), AFTER_S)


@story
async def prometheus_is_down_from_the_first_check_to_the_last(stage: Stage, sky: Sky, _: random.Random) -> None:
    stage.push("2.0")
    await stage.until_weight(20)
    stage.metrics.silent = True
    async with sky.open():
        await stage.rest(RAINY_S)
    assert stage.history == []
    assert stage.serving == ["1.0"] * 3
    stage.metrics.silent = False
    await stage.until(serves(stage, "2.0"), AFTER_S)
    assert stage.history == [("2.0", "promoted")]


@story
async def an_environment_that_fails_for_both_sides_promotes_nothing(stage: Stage, sky: Sky, _: random.Random) -> None:
    stage.push("2.0")
    await stage.until_weight(20)
    stage.canary_traffic(bad=0.5)
    stage.primary_traffic(bad=0.5)
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))


@story
async def nobody_asks_for_anything_and_nothing_is_promoted(stage: Stage, sky: Sky, _: random.Random) -> None:
    stage.canary_traffic(rate=0.0)
    stage.primary_traffic(rate=0.0)
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))


@story
async def the_primary_does_not_come_up_with_what_passed(stage: Stage, sky: Sky, _: random.Random) -> None:
    def choose(pod: Manifest) -> PodBehaviour | None:
        serving = "canary.delivery/role" in pod["metadata"]["labels"]
        return CRASHING if serving and pod["spec"]["containers"][0]["image"].endswith(":2.0") else None

    stage.runtime.choose = choose
    stage.edit_spec(progressDeadline="60s")
    stage.push("2.0")
    await rain_until(stage, sky, serves(stage, "1.0", Phase.FAILED))


@story
async def leaving_gives_everything_back(stage: Stage, sky: Sky, dice: random.Random) -> None:
    if dice.random() < 0.5:
        stage.push("2.0")
        await asyncio.sleep(dice.uniform(0, 150))
    stage.cluster.remove(ref(CANARY))

    def left() -> bool:
        return stage.cluster.store.get(ref(CANARY)) is None and len(ready_images(stage.cluster)) == 3

    async with sky.open():
        await stage.rest(200)
    if not left() and stage.status.stable is not None:
        stage.push(stage.status.stable.image.rpartition(":")[2])  # else leaving waits for `release`
    await stage.until(left, AFTER_S)
    assert set(ready_images(stage.cluster)) <= {image("1.0"), image("2.0")}
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}
    assert stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None
