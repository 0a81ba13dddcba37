"""Random answers in the place of Slack's: read, or an error of our family in bounded words that tells no secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import looptime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.clients.slack_api import Refused, SlackSettings, WebApi, Webhook
from canary.clients.slack_desk import Desk, Found, Mark, Posted
from canary.errors import CanaryError, Unavailable
from tests.fuzz.counts import fuzzed
from tests.fuzz.talker import Talker, answers, talker
from tests.fuzz.values import spoilt

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "xoxb-hunter2-never-shown"
POSTED = {"ok": True, "ts": "1.2", "channel": "C1", "message": {"text": "hello"}, "response_metadata": {}}
MARKED = {"event_payload": {"id": "u/m"}}
LISTED = {"ok": True, "channels": [{"id": "C1", "name": "a"}], "messages": [{"ts": "1.2", "metadata": MARKED}]}
CALLS = st.sampled_from(
    [("chat.postMessage", {"channel": "#a", "text": "hello"}), ("auth.test", {}), ("conversations.list", {})]
)

server = pytest.fixture(scope="module")(talker)


@pytest.fixture(scope="module")
def api(server: Talker) -> WebApi:
    return WebApi(SlackSettings(token=TOKEN, api_url=f"{server.url}/"))


@pytest.fixture(scope="module")
def webhook(server: Talker) -> Webhook:
    return Webhook(SlackSettings(webhook_url=f"{server.url}/services/{TOKEN}"))


@pytest.fixture(scope="module")
def apart() -> Iterator[Talker]:
    """No server, but a loop in virtual time: the next page of a list is asked for seconds after the last one."""
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        yield Talker(runner=runner)


def assert_told(failure: CanaryError) -> None:
    assert isinstance(failure, Unavailable | Refused)
    assert len(str(failure)) < 1000
    assert TOKEN not in str(failure)
    assert not isinstance(failure, Unavailable) or (failure.retry_after or 0) <= 86400


@fuzzed
@given(st.one_of(answers(POSTED), answers(LISTED)), CALLS)
def test_any_answer_of_slack_is_read_or_an_error(
    server: Talker, api: WebApi, answer: bytes, call: tuple[str, dict[str, str]]
) -> None:
    server.answer = answer
    found = server.ask(api.call(*call))
    if isinstance(found, CanaryError):
        assert_told(found)
    else:
        assert isinstance(found, dict)


@fuzzed
@given(answers("ok"))
def test_any_answer_of_a_webhook_is_taken_or_an_error(server: Talker, webhook: Webhook, answer: bytes) -> None:
    server.answer = answer
    found = server.ask(webhook.post({"text": "hello"}))
    if found is not None:
        assert_told(found)


class Says:
    """The Web API, with the next of these answers for each call."""

    def __init__(self, said: list[Any]) -> None:
        self._said = said

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self._said.pop() if self._said else {}
        return found if isinstance(found, dict) else {}


@fuzzed
@given(st.lists(st.one_of(spoilt(POSTED), spoilt(LISTED)), max_size=3), st.booleans())
def test_any_place_of_a_message_is_short_enough_to_be_stored(apart: Talker, said: list[Any], sought: bool) -> None:
    desk, mark = Desk(Says(said)), Mark(of="u", name="m")
    found = apart.ask(
        desk.find(mark, channel="#a", thread=None, since=SINCE) if sought else desk.post({}, channel="#a", mark=mark)
    )
    at = found.at if isinstance(found, Found) else found
    if isinstance(at, Posted):
        assert len(json.dumps([at.channel, at.ts]).encode()) < 3000
    else:
        assert sought
        assert found is None
