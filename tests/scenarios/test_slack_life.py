"""Slack beside the straight way: refusals, pauses, newer versions, restarts, ends and deletions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from canary.ports import CANARY, EVENT
from canary.rollout.phases import Phase
from canary.sandbox.calls import Verb
from tests.builders import canary, deployment, ref, service, settings
from tests.scenarios.slack import Office, reason_of
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


@pytest.fixture
async def office(stage: Stage) -> AsyncIterator[Office]:
    office = Office(stage)
    yield office
    await office.close()


def events(stage: Stage, reason: str) -> list[str]:
    return [one["message"] for one in stage.cluster.store.list(EVENT, "shop") if one["reason"] == reason]


async def test_what_slack_refuses_is_one_event_on_the_canary_with_the_remedy_and_the_rollout_goes_on(
    stage: Stage, office: Office
) -> None:
    office.workspace.members = frozenset()
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest(30)
    [event] = events(stage, "SlackRefused")
    assert "(not_in_channel): invite the app to the channel" in event
    assert (office.messages, stage.status.telling.letters) == ([], ())
    told = ["Initialized", *(reason for reason in stage.reasons if reason != "Succeeded")]
    assert len(office.workspace.calls) == len(told)


async def test_a_pause_is_shown_in_the_channel_with_the_commands_that_answer_it(stage: Stage, office: Office) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "pause": True}, 50))
    stage.push("2.0")
    await stage.until_phase(Phase.PAUSED)
    await stage.rest(5)
    [card] = office.cards
    assert office.thread(card)[-1] == "Paused+"
    assert card.plain().splitlines()[0] == "🟡 shop/checkout: Paused at 20 %"
    assert card.plain().splitlines()[-1] == "`canary resume checkout -n shop` · `canary abort checkout -n shop`"
    assert "@" not in office.messages[-1].plain()


async def test_a_newer_version_ends_the_one_message_and_begins_another(stage: Stage, office: Office) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.push("3.0")
    await stage.until_serving("3.0")
    await stage.rest(30)
    first, second = office.cards
    assert (office.thread(first)[-1], office.thread(second)[0]) == ("Superseded+", "RolloutStarted")
    assert "Superseded: " in first.plain()
    assert "gets no requests" in first.plain()
    assert second.plain().splitlines()[0] == "🟢 shop/checkout: Succeeded"


async def test_with_slack_a_step_costs_one_write_more_at_most(stage: Stage, office: Office) -> None:
    await stage.onboarded(analysis=analysis(20, 50, 80))
    await stage.pushed("2.0", 20)
    await stage.rest(15)
    stage.client.requests.clear()
    await stage.until_weight(50)
    await stage.rest(15)
    writes = [call.ref.kind for call in stage.client.requests.log if call.verb is not Verb.READ]
    assert len([kind for kind in writes if kind != EVENT]) <= 7
    assert office.thread(office.cards[0]) == ["RolloutStarted", "WeightAdvanced", "WeightAdvanced"]


async def test_a_rollback_mentions_and_a_failed_evaluation_does_not(stage: Stage, office: Office) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=0.03)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    await stage.rest(5)
    calls = {reason_of(one) for one in office.messages if "@S0TEAM" in one.plain()}
    assert calls == {"RolledBack"}


async def test_a_controller_that_starts_at_rest_asks_slack_nothing_and_writes_nothing(
    stage: Stage, office: Office
) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest(1200)
    office.kill()
    office.workspace.calls.clear()
    stage.start()
    await stage.rest(60)
    assert (office.workspace.calls, list(stage.client.requests.log)) == ([], [])


async def test_a_controller_that_is_told_to_end_tells_and_writes_down_what_waits_first(
    stage: Stage, office: Office
) -> None:
    await stage.onboarded()
    await stage.rest(30)
    stage.canary_traffic(bad=0.5)
    await stage.pushed("2.0", 20)
    await stage.until_weight(0)
    stage.controllers[-1].task.cancel()
    await stage.rest(6)
    assert stage.controllers[-1].task.done()
    [card] = office.cards
    assert office.thread(card)[-1] == "RolledBack+"
    assert stage.status.telling.letters == ()
    assert stage.status.telling.thread is not None
    assert stage.status.telling.thread.ts == card.ts


async def test_slack_that_is_down_delays_nothing_and_a_controller_that_ends_does_not_wait_for_it(
    stage: Stage, office: Office
) -> None:
    office.workspace.weather.down = True
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED, within=100)
    assert stage.reasons[-2:] == ["Promoted", "Succeeded"]
    assert len(stage.status.telling.letters) == 6
    stage.controllers[-1].task.cancel()
    await stage.rest(6)
    assert stage.controllers[-1].task.done()
    office.workspace.weather.down = False
    stage.start()
    await stage.rest(120)
    [card] = office.cards
    assert office.thread(card) == [
        "RolloutStarted",
        "WeightAdvanced",
        "WeightAdvanced",
        "PromotionStarted",
        "Promoted+",
    ]
    assert office.repeats == 0


async def test_the_last_words_about_a_canary_that_is_deleted_are_told(stage: Stage, office: Office) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None)
    await stage.rest(30)
    assert [reason_of(one) for one in office.messages] == ["Initialized", "Leaving"]


async def test_a_canary_that_was_never_valid_is_one_message_and_one_event_through_a_restart_too(
    stage: Stage, office: Office
) -> None:
    await stage.there()
    stage.cluster.apply(canary(analysis=analysis(interval="soon"), notify={"slackChannel": "#general"}))
    stage.start()
    await stage.rest(60)
    office.kill()
    stage.start()
    await stage.rest(1200)
    [message] = office.messages
    assert (reason_of(message), message.channel) == ("InvalidSpec", office.workspace.id_of("general"))
    assert 'spec.analysis.interval: found "soon"' in message.plain()
    assert len(events(stage, "InvalidSpec")) == 1
    assert stage.status.telling.letters == ()
    stage.edit_spec(analysis={"interval": "20s"})
    await stage.until_phase(Phase.INITIALIZED)
    await stage.rest(30)
    assert [reason_of(one) for one in office.messages] == ["InvalidSpec", "Initialized"]


async def test_a_channel_that_cannot_be_read_either_sends_the_message_to_the_usual_one(
    stage: Stage, office: Office
) -> None:
    await stage.there()
    stage.cluster.apply(canary(analysis=analysis(interval="soon"), notify={"slackChannel": ["x"]}))
    stage.start()
    await stage.rest(60)
    [message] = office.messages
    assert (reason_of(message), message.channel) == ("InvalidSpec", office.workspace.id_of("releases"))


async def test_annotations_that_were_never_valid_are_one_message_and_one_event_on_each_object(
    stage: Stage, office: Office
) -> None:
    stage.cluster.apply(deployment(annotations=settings(enabled="true", interval="soon")))
    stage.cluster.apply(service())
    stage.start()
    await stage.rest(60)
    office.kill()
    stage.start()
    await stage.rest(1200)
    [message] = office.messages
    assert reason_of(message) == "InvalidSpec"
    assert "canary.delivery/interval" in message.plain()
    told = [one for one in stage.cluster.store.list(EVENT, "shop") if one["reason"] == "InvalidSpec"]
    about = [one["involvedObject"]["kind"] for one in told]
    assert sorted(set(about)) == ["Canary", "Deployment"]
    assert about.count("Canary") == 1
