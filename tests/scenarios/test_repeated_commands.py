"""A command that is given again and again, as by a tool that applies the annotation with each sync."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.phases import Phase
from canary.rollout.repeats import MOST
from canary.sandbox.simulated import NEVER_READY
from meshes.contract import Kind
from tests.scenarios.stage import Stage
from tests.scenarios.test_commands import command_left, under_way

pytestmark = pytest.mark.looptime

TEN_MINUTES_S = 600


async def repeated(stage: Stage, word: str, every: float = 3, seconds: float = TEN_MINUTES_S) -> None:
    """Give a command on and on."""
    for _ in range(int(seconds / every)):
        stage.command(word)
        await stage.rest(every)


def slack(stage: Stage) -> list[str]:
    return [note.reason for note in stage.told.notes]


async def test_a_command_in_vain_is_answered_five_times_and_then_in_silence(stage: Stage) -> None:
    await stage.onboarded()
    stage.client.requests.clear()
    await repeated(stage, "resume")
    said = ["CommandRefused"] * 5 + ["CommandContested"]
    assert (stage.reasons, slack(stage)) == (said, said)
    assert stage.client.requests.writes <= 50


async def test_it_is_taken_away_within_a_minute_once_it_is_given_no_more(stage: Stage) -> None:
    await stage.onboarded()
    await repeated(stage, "resume", seconds=60)
    await stage.rest(61)
    assert command_left(stage, CANARY) is None


async def test_who_repeats_it_stands_in_the_condition_contested_until_an_hour_was_quiet(stage: Stage) -> None:
    await stage.onboarded()
    await repeated(stage, "resume", seconds=60)
    [told] = [one for one in stage.status.conditions if one.type == "Contested"]
    assert told.reason == "CommandContested"
    assert "the command `resume` is set back again and again by alice" in told.message
    await stage.rest(3700)
    assert not [one for one in stage.status.conditions if one.type == "Contested"]


async def test_an_hour_later_it_is_answered_in_words_again(stage: Stage) -> None:
    await stage.onboarded()
    await repeated(stage, "resume", seconds=60)
    await stage.rest(3700)
    stage.forget()
    stage.command("resume")
    await stage.rest(1)
    assert stage.reasons == ["CommandRefused"]


@pytest.mark.parametrize("holder", [CANARY, DEPLOYMENT], ids=["canary", "deployment"])
async def test_an_abort_acts_beside_it(stage: Stage, holder: Kind) -> None:
    await under_way(stage)
    await repeated(stage, "resume", seconds=60)
    stage.command("resume")
    await stage.rest(1)
    stage.command("abort", holder)
    await stage.until(lambda: stage.weight == 0, within=1)
    await stage.until_phase(Phase.FAILED)


@pytest.mark.parametrize("holder", [CANARY, DEPLOYMENT], ids=["canary", "deployment"])
async def test_a_person_is_answered_beside_it(stage: Stage, holder: Kind) -> None:
    await under_way(stage)
    await repeated(stage, "retry", seconds=60)
    stage.command("retry")
    await stage.rest(1)
    stage.command("pause", holder)
    await stage.until_phase(Phase.PAUSED, within=1)


async def test_one_that_means_something_by_now_is_carried_out(stage: Stage) -> None:
    await under_way(stage)
    await repeated(stage, "resume", seconds=60)
    stage.command("pause")
    await stage.until_phase(Phase.PAUSED, within=1)
    stage.command("resume")
    await stage.until_phase(Phase.PROGRESSING, within=1)
    last = stage.status.last_command
    assert last is not None
    assert last.name == "resume"


async def test_a_promotion_that_is_commanded_again_and_again_costs_few_writes(stage: Stage) -> None:
    """It is refused while the pods of the new primary are awaited."""
    await stage.onboarded(progressDeadline="20m")
    stage.runtime.choose = lambda pod: NEVER_READY if "canary.delivery/role" in pod["metadata"]["labels"] else None
    await stage.pushed("2.0", 20)
    stage.command("promote")
    await stage.until_phase(Phase.PROMOTING)
    await stage.rest(10)
    stage.client.requests.clear()
    await repeated(stage, "promote")
    assert stage.status.phase is Phase.PROMOTING
    evaluations = TEN_MINUTES_S // 20
    assert stage.client.requests.writes <= 50 + evaluations


async def test_a_few_commands_in_a_minute_are_all_carried_out(stage: Stage) -> None:
    await under_way(stage)
    for _ in range(4):
        stage.command("pause")
        await stage.until_phase(Phase.PAUSED, within=1)
        await stage.rest(5)
        stage.command("resume")
        await stage.until_phase(Phase.PROGRESSING, within=1)
        await stage.rest(5)
    assert "CommandRefused" not in stage.reasons
    assert stage.reasons.count("Paused") == stage.reasons.count("Resumed") == 4


async def test_pauses_and_resumes_without_end_are_all_carried_out_and_told_of_five_times(stage: Stage) -> None:
    await under_way(stage)
    stage.forget()
    for _ in range(30):
        for word, phase in (("pause", Phase.PAUSED), ("resume", Phase.PROGRESSING)):
            stage.command(word)
            await stage.until_phase(phase, within=1)
            await stage.rest(5)
    said = [reason for reason in stage.reasons if reason in ("Paused", "Resumed", "CommandContested")]
    assert said == ["Paused", "Resumed"] * 5 + ["CommandContested"]
    assert [reason for reason in slack(stage) if reason in said] == said
    assert "`pause` was carried out 5 times within an hour by alice" in stage.told.notes[-1].text
    [contested] = [one for one in stage.status.conditions if one.type == "Contested"]
    assert contested.reason == "CommandContested"


async def test_one_that_was_carried_out_often_is_answered_when_it_changes_nothing(stage: Stage) -> None:
    await under_way(stage)
    for _ in range(MOST):
        stage.command("pause")
        await stage.until_phase(Phase.PAUSED, within=1)
        stage.command("resume")
        await stage.until_phase(Phase.PROGRESSING, within=1)
    stage.forget()
    stage.command("resume")
    await stage.rest(1)
    assert stage.reasons == ["CommandRefused"]


async def test_each_rollout_that_is_aborted_is_told_however_many_there_are(stage: Stage) -> None:
    await stage.onboarded()
    for number in range(MOST + 2):
        await stage.pushed(f"2.{number}", 20)
        stage.command("abort")
        await stage.until_phase(Phase.FAILED)
    assert slack(stage).count("RolledBack") == MOST + 2
    assert "CommandContested" not in stage.reasons


async def test_what_was_refused_is_not_the_last_command(stage: Stage) -> None:
    await under_way(stage)
    stage.command("pause")
    await stage.until_phase(Phase.PAUSED, within=1)
    before = stage.status.last_command
    stage.command("retry")
    await stage.until(lambda: "CommandRefused" in stage.reasons and command_left(stage, CANARY) is None)
    assert (stage.status.last_command, before is not None) == (before, True)
