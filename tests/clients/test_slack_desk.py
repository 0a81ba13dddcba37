"""What a bot does in Slack, over HTTP against the stand-in: post, update, and find again what is in doubt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from canary.clients import slack_desk
from canary.clients.slack_api import SlackSettings, WebApi
from canary.clients.slack_desk import Desk, Found, Mark, Posted
from canary.sandbox.slack import SlackStandIn, slack_stand_in
from tests.clients.slack_told import NOW, now

pytestmark = pytest.mark.looptime

SINCE = NOW
BODY: dict[str, Any] = {"text": "hello"}


def mark(text: str, last: int = 0) -> Mark:
    of, _, name = text.partition("/")
    return Mark(of=of, name=name, last=last)


def found_at(at: Posted, last: int = 0) -> Found:
    return Found(at=at, last=last)


@dataclass(frozen=True, slots=True)
class There:
    """The stand-in, and a desk in front of it."""

    slack: SlackStandIn
    desk: Desk


@pytest.fixture
async def there() -> AsyncIterator[There]:
    async with slack_stand_in(channels=["#general", "#releases"], now=now) as slack:
        yield There(slack, Desk(WebApi(SlackSettings(token=slack.token, api_url=slack.url))))


@pytest.mark.parametrize("channel", ["#releases", "releases", "C00000002"])
async def test_a_message_is_found_again_by_its_mark_in_the_channel_and_in_a_thread(there: There, channel: str) -> None:
    card = await there.desk.post(BODY, channel=channel, mark=mark("u/r1"))
    reply = await there.desk.post({**BODY, "thread_ts": card.ts}, channel=card.channel, mark=mark("u/1"))
    found = [
        await there.desk.find(mark("u/r1"), channel=channel, thread=None, since=SINCE),
        await there.desk.find(mark("u/1"), channel=channel, thread=card, since=SINCE),
        await there.desk.find(mark("u/1"), channel=channel, thread=None, since=SINCE),
        await there.desk.find(mark("u/2"), channel=channel, thread=card, since=SINCE),
    ]
    assert found == [found_at(card), found_at(reply, 1), None, None]
    assert card.channel == "C00000002"


async def test_a_search_goes_through_all_pages(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_desk, "PAGE", 2)
    posted = [await there.desk.post(BODY, channel="#general", mark=mark(f"u/{number}")) for number in range(5)]
    assert await there.desk.find(mark("u/0"), channel="#general", thread=None, since=SINCE) == found_at(posted[0])


async def test_an_update_replaces_the_text_and_keeps_the_mark(there: There) -> None:
    card = await there.desk.post(BODY, channel="#general", mark=mark("u/r1"))
    await there.desk.update(lambda: {"text": "later"}, at=card, mark=mark("u/r1"), urgent=True)
    [message] = there.slack.messages
    assert (message.text, message.edits) == ("later", 1)
    assert await there.desk.find(mark("u/r1"), channel="#general", thread=None, since=SINCE) == found_at(card)


@pytest.mark.parametrize("missing", ["channels:history", "channels:read"])
async def test_what_may_not_be_read_is_not_found_and_that_is_said_once(there: There, missing: str) -> None:
    there.slack.workspace.keep("C00000001", {**BODY, "metadata": mark("u/r1").metadata()})
    there.slack.workspace.scopes -= {missing}
    with capture_logs() as logs:
        found = [await there.desk.find(mark("u/r1"), channel="#general", thread=None, since=SINCE) for _ in range(2)]
    assert found == [None, None]
    assert [(log["event"], "docs/slack.md" in log["why"]) for log in logs] == [("slack_history_not_read", True)]


async def test_a_channel_that_is_not_there_has_nothing_in_it(there: There) -> None:
    assert await there.desk.find(mark("u/1"), channel="#nowhere", thread=None, since=SINCE) is None
    nowhere = Posted(channel="C00000001", ts="1.2")
    assert await there.desk.find(mark("u/1"), channel="#general", thread=nowhere, since=SINCE) is None


async def test_a_notice_is_found_in_the_message_that_tells_several(there: There) -> None:
    at = await there.desk.post(BODY, channel="#general", mark=mark("u/3", last=7))

    async def find(text: str) -> Found | None:
        return await there.desk.find(mark(text), channel="#general", thread=None, since=SINCE)

    assert [await find(text) for text in ("u/2", "u/3", "u/7", "u/8", "v/5")] == [
        None,
        found_at(at, 7),
        found_at(at, 7),
        None,
        None,
    ]


async def test_what_was_posted_long_before_is_not_read(there: There) -> None:
    await there.desk.post(BODY, channel="#general", mark=mark("u/r1"))
    later = SINCE + timedelta(hours=1)
    assert await there.desk.find(mark("u/r1"), channel="#general", thread=None, since=later) is None


@pytest.mark.parametrize("private", [False, True])
async def test_with_the_scopes_of_one_type_of_channel_those_of_that_type_are_read_by_name(
    there: There, private: bool
) -> None:
    workspace, kind = there.slack.workspace, "groups" if private else "channels"
    workspace.private = frozenset({"releases"}) if private else frozenset({"general"})
    workspace.scopes = frozenset({"chat:write", f"{kind}:read", f"{kind}:history"})
    workspace.keep("C00000002", {**BODY, "metadata": mark("u/r1").metadata()})
    found = await there.desk.find(mark("u/r1"), channel="#releases", thread=None, since=SINCE)
    assert (found is not None, "conversations.history" in workspace.calls) == (True, True)
