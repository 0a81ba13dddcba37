"""The stand-in's workspace keeps to Slack's documented clock, pages, scopes and rates. Without sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.sandbox.slack_workspace import ALL_SCOPES, POSTING_ANYWHERE, Workspace

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RELEASES, SECRET = "C00000001", "C00000002"


@dataclass
class Slack:
    """A workspace and its clock."""

    now: datetime = BEGAN

    def __post_init__(self) -> None:
        self.workspace = Workspace(now=lambda: self.now, channels=("releases", "secret"), private=frozenset({"secret"}))

    def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return self.workspace.answer(method, arguments).body

    def posted(self, text: str, after_s: float = 1.0, **more: Any) -> str:
        self.now += timedelta(seconds=after_s)
        return str(self.call("chat.postMessage", channel=RELEASES, text=text, **more)["ts"])

    def texts(self, **arguments: Any) -> list[str]:
        found = self.call("conversations.history", channel=RELEASES, **arguments)
        return [one["text"] for one in found["messages"]]


@pytest.fixture
def slack() -> Slack:
    return Slack()


def test_messages_are_stamped_by_its_clock_and_no_two_alike(slack: Slack) -> None:
    slack.workspace.rates.burst = 2
    assert [slack.posted("a", 1.5), slack.posted("b", 0.0), slack.posted("c", 5.0)] == [
        "1767225601.500000",
        "1767225601.500001",
        "1767225606.500000",
    ]


def test_history_is_bounded_by_oldest_and_latest_which_are_left_out_unless_inclusive(slack: Slack) -> None:
    ts = [slack.posted(text) for text in "abcd"]
    assert slack.texts() == ["d", "c", "b", "a"]
    assert slack.texts(oldest=ts[1]) == ["d", "c"]
    assert slack.texts(latest=ts[1]) == ["a"]
    assert slack.texts(oldest=ts[1], latest=ts[2], inclusive=True) == ["c", "b"]
    assert slack.call("conversations.history", channel=RELEASES, oldest="x")["error"] == "invalid_ts_oldest"


def test_a_thread_is_its_parent_and_the_replies_since(slack: Slack) -> None:
    parent = slack.posted("parent")
    ts = [slack.posted(text, thread_ts=parent) for text in "abc"]
    found = slack.call("conversations.replies", channel=RELEASES, ts=parent, oldest=ts[0])
    assert [one["text"] for one in found["messages"]] == ["parent", "b", "c"]


def test_a_page_goes_on_where_the_one_before_ended_though_messages_came_since(slack: Slack) -> None:
    for text in "abcd":
        slack.posted(text)
    first = slack.call("conversations.history", channel=RELEASES, limit=2)
    slack.posted("e")
    cursor = first["response_metadata"]["next_cursor"]
    second = slack.call("conversations.history", channel=RELEASES, limit=2, cursor=cursor)
    assert [[one["text"] for one in page["messages"]] for page in (first, second)] == [["d", "c"], ["b", "a"]]
    assert (first["has_more"], second["has_more"], second["response_metadata"]["next_cursor"]) == (True, False, "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"cursor": "what?"}, "invalid_cursor"),
        ({"cursor": "YWZ0ZXI6MS4y"}, "invalid_cursor"),
        ({"limit": 0.5}, "invalid_limit"),
        ({"limit": "many"}, "invalid_limit"),
        ({"limit": 1000}, "invalid_limit"),
    ],
)
def test_a_page_that_cannot_be_is_refused(slack: Slack, arguments: dict[str, Any], code: str) -> None:
    assert slack.call("conversations.history", channel=RELEASES, **arguments)["error"] == code


@pytest.mark.parametrize(
    ("method", "arguments", "scope"),
    [
        ("chat.postMessage", {"channel": RELEASES, "text": "x"}, "chat:write"),
        ("conversations.history", {"channel": RELEASES}, "channels:history"),
        ("conversations.history", {"channel": SECRET}, "groups:history"),
        ("conversations.replies", {"channel": SECRET, "ts": "1.2"}, "groups:history"),
        ("conversations.list", {}, "channels:read"),
        ("conversations.list", {"types": "private_channel"}, "groups:read"),
        ("conversations.list", {"types": "public_channel,private_channel"}, "groups:read"),
    ],
)
def test_each_type_of_conversation_needs_its_own_scope(
    slack: Slack, method: str, arguments: dict[str, Any], scope: str
) -> None:
    assert slack.call(method, **arguments).get("error") in (None, "thread_not_found")
    slack.now += timedelta(seconds=1)
    slack.workspace.scopes = ALL_SCOPES - {scope}
    refused = slack.call(method, **arguments)
    assert (refused["error"], refused["needed"]) == ("missing_scope", scope)


def test_who_is_no_member_posts_in_public_with_a_scope_for_it_and_sees_nothing_private(slack: Slack) -> None:
    slack.workspace.members = frozenset()

    def error(channel: str) -> object:
        slack.now += timedelta(seconds=1)
        return slack.call("chat.postMessage", channel=channel, text="x").get("error")

    assert (error(RELEASES), error(SECRET)) == ("not_in_channel", "channel_not_found")
    slack.workspace.scopes |= {POSTING_ANYWHERE}
    assert (error(RELEASES), error(SECRET)) == (None, "channel_not_found")
    listed = slack.call("conversations.list", types="public_channel,private_channel")["channels"]
    assert [one["name"] for one in listed] == ["releases"]


def test_a_channel_takes_one_message_a_second_and_another_channel_its_own(slack: Slack) -> None:
    def post(channel: str) -> tuple[int, str | None]:
        answer = slack.workspace.answer("chat.postMessage", {"channel": channel, "text": "x"})
        return answer.status, answer.headers.get("Retry-After")

    assert [post(RELEASES), post(RELEASES), post(SECRET)] == [(200, None), (429, "1"), (200, None)]
    slack.now += timedelta(seconds=0.9)
    assert post(RELEASES) == (429, "1")
    slack.now += timedelta(seconds=0.1)
    assert post(RELEASES) == (200, None)
    assert slack.workspace.limited == 2


@pytest.mark.parametrize(
    ("method", "most"), [("conversations.history", 50), ("conversations.list", 20), ("auth.test", 200)]
)
def test_a_method_takes_as_many_calls_a_minute_as_its_tier_says(slack: Slack, method: str, most: int) -> None:
    answers = [slack.workspace.answer(method, {"channel": RELEASES}) for _ in range(most)]
    assert {answer.status for answer in answers} == {200}
    if method == "auth.test":
        return
    slack.now += timedelta(seconds=20.5)
    refused = slack.workspace.answer(method, {"channel": RELEASES})
    assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
    slack.now += timedelta(seconds=40)
    assert slack.workspace.answer(method, {"channel": RELEASES}).status == 200
