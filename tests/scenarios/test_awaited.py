"""What `canary wait` says at each end of a rollout, with the whole controller at work and every change looked at."""

from __future__ import annotations

import pytest

from canary.cli.awaited import Aim, Awaited, Result, Standing
from canary.ports import CANARY, DEPLOYMENT, Watched
from canary.rollout.phases import Phase
from tests.builders import ref
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime


class Waiting:
    """A wait that began now, and is told of every change; its first result stays."""

    def __init__(self, stage: Stage, **aim: str) -> None:
        self._stage = stage
        self._awaited = Awaited(Aim(**aim))
        self.standing = Standing(text="")
        self._look()
        stage.cluster.store.listen(self._note)

    def _note(self, _: Watched) -> None:
        self._look()

    def _look(self) -> None:
        if self.standing.result is None:
            store = self._stage.cluster.store
            self.standing = self._awaited.look(store.get(ref(CANARY)), store.get(ref(DEPLOYMENT)))

    @property
    def result(self) -> Result | None:
        return self.standing.result


async def test_a_promotion_is_waited_for_to_its_very_end(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    waiting = Waiting(stage)
    await stage.until_phase(Phase.FINALIZING)
    assert (waiting.result, "Finalizing" in waiting.standing.text) == (None, True)
    await stage.until_serving("2.0")
    assert waiting.result is Result.PROMOTED
    assert "all 2 steps passed" in waiting.standing.text


async def test_what_serves_already_is_answered_at_once(stage: Stage) -> None:
    await stage.onboarded()
    assert Waiting(stage).result is Result.PROMOTED


async def test_the_first_version_is_waited_for_until_it_is_onboarded(stage: Stage) -> None:
    await stage.there()
    waiting = Waiting(stage)
    assert waiting.standing == Standing(text="there is no Canary yet")
    await stage.onboarded()
    assert waiting.result is Result.PROMOTED


async def test_a_rollback_says_why(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    waiting = Waiting(stage)
    await stage.until_weight(20)
    stage.canary_traffic(bad=1.0)
    await stage.until_phase(Phase.FAILED)
    assert waiting.result is Result.ENDED
    assert waiting.standing.text.startswith("Rolled back ")


async def test_a_version_that_failed_before_is_answered_at_once(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    stage.command("abort")
    await stage.until_phase(Phase.FAILED)
    assert Waiting(stage).result is Result.ENDED


async def test_a_later_push_ends_the_wait_for_the_one_before(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    waiting = Waiting(stage)
    stage.push("3.0")
    later = Waiting(stage)
    await stage.until_serving("3.0")
    assert (waiting.result, later.result) == (Result.ENDED, Result.PROMOTED)
    assert "Superseded" in waiting.standing.text


async def test_a_push_that_was_never_looked_at_ends_the_wait_too(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    waiting = Waiting(stage)
    stage.push("3.0")
    await stage.until_serving("3.0")
    assert waiting.result is Result.ENDED
    assert waiting.standing.text.startswith("a later revision came before generation ")


async def test_a_revert_ends_the_wait_for_what_was_reverted_and_fulfils_that_for_what_serves(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    waiting = Waiting(stage)
    stage.push("1.0")
    back = Waiting(stage)
    await stage.until_phase(Phase.SUCCEEDED)
    assert (waiting.result, back.result) == (Result.ENDED, Result.PROMOTED)
    assert "Reverted" in waiting.standing.text


async def test_an_older_end_is_not_taken_for_that_of_a_push_that_waits(stage: Stage) -> None:
    await stage.onboarded()
    stage.edit_spec(suspend=True)
    stage.push("2.0")
    waiting = Waiting(stage)
    await stage.rest(300)
    assert (waiting.result, "is not taken up yet" in waiting.standing.text) == (None, True)
    stage.edit_spec(suspend=False)
    await stage.until_serving("2.0")
    assert waiting.result is Result.PROMOTED


async def test_a_promoted_version_stays_promoted_when_the_next_comes_at_once(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    waiting = Waiting(stage)
    await stage.until_phase(Phase.PROMOTING)
    stage.push("3.0")
    await stage.until_weight(20)
    assert waiting.result is Result.PROMOTED


async def test_an_image_is_waited_for_before_it_is_pushed(stage: Stage) -> None:
    await stage.onboarded()
    waiting = Waiting(stage, image=image("2.0"))
    await stage.rest()
    assert waiting.standing.text.endswith(f"waits for the image {image('2.0')}, the Deployment has {image('1.0')}")
    stage.push("2.0")
    await stage.until_serving("2.0")
    assert waiting.result is Result.PROMOTED


async def test_a_revision_is_waited_for_by_the_name_that_status_shows(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    assert stage.status.revision is not None
    waiting = Waiting(stage, revision=stage.status.revision.shown)
    other = Waiting(stage, revision="5d9c7b8f6d")
    await stage.until_serving("2.0")
    assert (waiting.result, other.result) == (Result.PROMOTED, None)


async def test_a_canary_that_goes_ends_the_wait(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    waiting = Waiting(stage)
    stage.push("1.0")
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None)
    assert waiting.result is Result.ENDED
