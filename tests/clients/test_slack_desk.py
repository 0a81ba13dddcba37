"""What a bot does in Slack, over HTTP against the stand-in: post, update, and find again what is in doubt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from canary.clients import slack_desk
from canary.clients.slack_api import SlackSettings, WebApi
from canary.clients.slack_desk import Desk, Posted
from canary.sandbox.slack import SlackStandIn, slack_stand_in

SINCE = datetime.fromtimestamp(1_700_000_000, UTC)
BODY: dict[str, Any] = {"text": "hello"}


@dataclass(frozen=True, slots=True)
class There:
    """The stand-in, and a desk in front of it."""

    slack: SlackStandIn
    desk: Desk


@pytest.fixture
async def there() -> AsyncIterator[There]:
    async with slack_stand_in(channels=["#general", "#releases"]) as slack:
        yield There(slack, Desk(WebApi(SlackSettings(token=slack.token, api_url=slack.url))))


@pytest.mark.parametrize("channel", ["#releases", "releases", "C00000002"])
async def test_a_message_is_found_again_by_its_mark_in_the_channel_and_in_a_thread(there: There, channel: str) -> None:
    card = await there.desk.post(BODY, channel=channel, mark="u/r1")
    reply = await there.desk.post(BODY, channel=card.channel, mark="u/1", thread_ts=card.ts, reply_broadcast=False)
    found = [
        await there.desk.find("u/r1", channel=channel, thread=None, since=SINCE),
        await there.desk.find("u/1", channel=channel, thread=card, since=SINCE),
        await there.desk.find("u/1", channel=channel, thread=None, since=SINCE),
        await there.desk.find("u/2", channel=channel, thread=card, since=SINCE),
    ]
    assert found == [card, reply, None, None]
    assert card.channel == "C00000002"


async def test_a_search_goes_through_all_pages(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_desk, "PAGE", 2)
    posted = [await there.desk.post(BODY, channel="#general", mark=f"u/{number}") for number in range(5)]
    assert await there.desk.find("u/0", channel="#general", thread=None, since=SINCE) == posted[0]


async def test_an_update_replaces_the_text_and_keeps_the_mark(there: There) -> None:
    card = await there.desk.post(BODY, channel="#general", mark="u/r1")
    await there.desk.update({"text": "later"}, at=card, mark="u/r1")
    [message] = there.slack.messages
    assert (message.text, message.edits) == ("later", 1)
    assert await there.desk.find("u/r1", channel="#general", thread=None, since=SINCE) == card


@pytest.mark.parametrize("missing", ["channels:history", "channels:read"])
async def test_what_may_not_be_read_is_not_found_and_that_is_said_once(there: There, missing: str) -> None:
    await there.desk.post(BODY, channel="#general", mark="u/r1")
    there.slack.workspace.scopes -= {missing}
    with capture_logs() as logs:
        found = [await there.desk.find("u/r1", channel="#general", thread=None, since=SINCE) for _ in range(2)]
    assert found == [None, None]
    assert [(log["event"], "docs/slack.md" in log["why"]) for log in logs] == [("slack_history_not_read", True)]


async def test_a_channel_that_is_not_there_has_nothing_in_it(there: There) -> None:
    assert await there.desk.find("u/1", channel="#nowhere", thread=None, since=SINCE) is None
    nowhere = Posted(channel="C00000001", ts="1.2")
    assert await there.desk.find("u/1", channel="#general", thread=nowhere, since=SINCE) is None
