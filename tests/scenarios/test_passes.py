"""How many passes what happens costs: those that would find nothing are not made."""

from __future__ import annotations

import pytest

from canary.controller.news import News
from canary.rollout.phases import Phase
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


def passes(stage: Stage) -> list[tuple[bool, str]]:
    """Whether each pass since the log was cleared changed the status, and what it said."""
    return [(each["changed"], each["because"]) for each in stage.logs if each["event"] == "reconciled"]


async def test_no_pass_finds_nothing_while_only_statuses_are_written(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}))
    await stage.pushed("2.0", 20)
    stage.client.latency = 0.01
    stage.logs.clear()
    stage.command("abort")
    await stage.until_phase(Phase.FAILED)
    made = passes(stage)
    assert [because.rpartition(": ")[2] for _, because in made] == [
        "weight 0 is not accepted yet",
        "weight 0, draining for 15 s",
        "weight 0, draining for 15 s",  # when its time began is known now
        "the candidate goes to 0",
        "aborted by alice",
    ]
    assert all(changed for changed, _ in made)


async def test_what_goes_on_does_not_hang_when_no_event_comes_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}))
    await stage.pushed("2.0", 20)
    monkeypatch.setattr(News, "of", lambda *_: None)
    await stage.until_phase(Phase.SUCCEEDED, within=2 * 3600)
    assert stage.serving == ["2.0"] * 3
