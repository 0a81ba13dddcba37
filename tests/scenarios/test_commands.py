"""What people command through the annotation, on the Canary or on the Deployment."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.phases import Phase
from canary.sandbox.simulated import PodBehaviour
from meshes.contract import Kind
from tests.builders import deployment, ref, settings
from tests.scenarios.stage import Stage, analysis, image

pytestmark = pytest.mark.looptime

PROMOTED = ["Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
HOLDERS = pytest.mark.parametrize("holder", [CANARY, DEPLOYMENT], ids=["canary", "deployment"])


def command_left(stage: Stage, kind: Kind) -> str | None:
    annotations = stage.cluster.now(ref(kind))["metadata"].get("annotations") or {}
    found: str | None = annotations.get("canary.delivery/command")
    return found


async def under_way(stage: Stage) -> None:
    """Version 2.0 is at 20 % and stays there for ten minutes."""
    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}, 50))
    await stage.pushed("2.0", 20)


@HOLDERS
async def test_abort_takes_the_weight_away_within_a_second(stage: Stage, holder: Kind) -> None:
    await under_way(stage)
    stage.command("abort", holder)
    await stage.until(lambda: stage.weight == 0, within=1)
    await stage.until_phase(Phase.FAILED)
    assert stage.phases == ["Initialized", "Progressing", "RollingBack", "Failed"]
    assert "alice" in stage.status.message
    assert (stage.history, command_left(stage, holder)) == ([("2.0", "rolled_back")], None)


@HOLDERS
async def test_promote_skips_the_remaining_steps(stage: Stage, holder: Kind) -> None:
    await under_way(stage)
    stage.command("promote", holder)
    await stage.until_phase(Phase.SUCCEEDED, within=90)
    assert (stage.phases, stage.weights) == (PROMOTED, [0, 20, 0])
    assert (stage.serving, command_left(stage, holder)) == (["2.0"] * 3, None)


@HOLDERS
async def test_pause_and_resume(stage: Stage, holder: Kind) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    stage.command("pause", holder)
    await stage.until_phase(Phase.PAUSED, within=1)
    await stage.rest(300)
    assert (stage.status.phase, stage.weight, command_left(stage, holder)) == (Phase.PAUSED, 20, None)
    stage.command("resume", holder)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == ["Initialized", "Progressing", "Paused", *PROMOTED[1:]]
    assert stage.weights == [0, 20, 50, 0]


async def test_a_paused_version_that_fails_is_rolled_back(stage: Stage) -> None:
    await under_way(stage)
    stage.command("pause")
    await stage.until_phase(Phase.PAUSED)
    stage.canary_traffic(bad=0.5)
    await stage.until_phase(Phase.FAILED, within=90)
    assert stage.phases == ["Initialized", "Progressing", "Paused", "RollingBack", "Failed"]


async def test_abort_while_promoting_puts_the_old_version_back(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.runtime.by_tag["2.0"] = PodBehaviour(ready_after=30.0)
    await stage.until_phase(Phase.PROMOTING)
    await stage.rest(5)
    stage.command("abort")
    await stage.until(lambda: stage.weight == 0, within=1)
    await stage.until_phase(Phase.FAILED)
    await stage.until(lambda: stage.serving == ["1.0"] * 3)
    assert stage.history == [("2.0", "rolled_back")]


@pytest.mark.parametrize(
    ("word", "because"),
    [
        ("promote", "`promote` is refused"),
        ("abort", "`abort` is refused"),
        ("pause", "`pause` is refused"),
        ("resume", "`resume` is refused"),
        ("retry", "`retry` is refused"),
        ("release", "`release` is refused: the Canary is not leaving"),
        ("reboot", "`reboot` is refused: it is no command"),
    ],
)
async def test_a_command_that_makes_no_sense_at_rest_is_refused_and_taken_away(
    stage: Stage, word: str, because: str
) -> None:
    await stage.onboarded()
    stage.command(word)
    await stage.rest(30)
    assert command_left(stage, CANARY) is None
    assert [note.text.startswith(because) for note in stage.told.notes] == [True]
    assert (stage.phases, stage.weights, stage.reasons) == (["Initialized"], [0], ["CommandRefused"])


async def test_a_command_that_comes_with_a_template_change_is_refused(stage: Stage) -> None:
    await under_way(stage)
    stage.cluster.apply(deployment(image=image("3.0"), replicas=None, annotations=settings(command="promote")))
    await stage.until(lambda: stage.weight == 0)
    await stage.until(lambda: stage.weight == 20)
    assert "CommandRefused" in stage.reasons
    assert command_left(stage, DEPLOYMENT) is None
    assert stage.serving == ["1.0"] * 3


async def test_the_same_command_twice_is_carried_out_twice(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    for _ in range(2):
        stage.command("pause")
        await stage.until_phase(Phase.PAUSED, within=2)
        await stage.rest(3)
        stage.command("resume")
        await stage.until_phase(Phase.PROGRESSING, within=2)
        await stage.rest(3)
    assert stage.phases == ["Initialized", "Progressing", "Paused", "Progressing", "Paused", "Progressing"]


async def test_suspend_holds_a_rollout_and_starts_none(stage: Stage) -> None:
    await stage.onboarded()
    stage.edit_spec(suspend=True)
    stage.push("2.0")
    await stage.rest(120)
    assert (stage.phases, stage.weights) == (["Initialized"], [0])
    stage.edit_spec(suspend=False)
    await stage.until_weight(20)
    stage.edit_spec(suspend=True)
    await stage.rest(300)
    assert (stage.status.phase, stage.weight) == (Phase.PROGRESSING, 20)
    stage.command("abort")
    await stage.until_weight(0, within=1)
    assert stage.serving == ["1.0"] * 3


async def test_edited_steps_go_on_at_the_first_that_is_not_below(stage: Stage) -> None:
    await under_way(stage)
    stage.edit_spec(analysis=analysis(10, 30, 60))
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 30, 60, 0]
