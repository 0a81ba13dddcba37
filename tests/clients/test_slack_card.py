"""What the message of a rollout shows, and that nothing in it can break Slack's form."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from canary.clients.slack_card import render_card
from canary.ports import Card, CheckLine, Mood
from canary.sandbox.slack_limits import fault
from canary.sandbox.slack_text import plain

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CARD = Card(
    namespace="shop",
    canary="checkout",
    phase="Paused",
    mood=Mood.WAITING,
    revision="abc",
    image="shop/checkout:2.0",
    stable="old",
    weight=20,
    step=1,
    steps=(20, 50),
    checks=(
        CheckLine(text="success-rate is 98 % (at least 99 %): 2 bad of 100 requests", passed=False),
        CheckLine(text="latency is 0.1 s", passed=True),
        CheckLine(text="errors: no answer", passed=None),
    ),
    message="Paused at 20 % by its steps & waits",
    until=NOW,
    commands=("canary resume checkout -n shop", "canary abort checkout -n shop"),
    started_at=NOW,
    ended_at=None,
)


def shown(card: Card) -> list[str]:
    body = render_card(card)
    return plain(body["text"], body["blocks"], ()).splitlines()


def test_it_shows_how_far_it_is_what_the_checks_say_what_it_waits_for_and_what_answers_it() -> None:
    assert shown(CARD) == [
        "🟡 shop/checkout: Paused at 20 %",
        "▰▰▱▱▱▱▱▱▱▱ 20 % of the requests, step 1 of 2 (20, 50 %)",
        "  Image: shop/checkout:2.0",
        "  Revision: abc",
        "  Stable revision: old",
        "  Started: 12:00:00 UTC",
        "❌ success-rate is 98 % (at least 99 %): 2 bad of 100 requests",
        "✅ latency is 0.1 s",
        "⏳ errors: no answer",
        "Paused at 20 % by its steps & waits",
        "until 12:00:00 UTC",
        "`canary resume checkout -n shop` · `canary abort checkout -n shop`",
    ]


def test_an_end_shows_who_serves_and_when_it_ended() -> None:
    good = replace(CARD, phase="Succeeded", mood=Mood.GOOD, ended_at=NOW, checks=(), commands=(), message="Promoted")
    bad = replace(good, phase="Failed", mood=Mood.BAD)
    assert (shown(good)[:2], shown(bad)[:2]) == (
        ["🟢 shop/checkout: Succeeded", "▰▰▰▰▰▰▰▰▰▰ serves all requests"],
        ["🔴 shop/checkout: Failed", "▱▱▱▱▱▱▱▱▱▱ gets no requests"],
    )
    assert shown(good)[-2:] == ["  Ended: 12:00:00 UTC", "Promoted"]


def test_any_weight_above_0_is_to_be_seen() -> None:
    assert [shown(replace(CARD, weight=weight))[1][:10].count("▰") for weight in (0, 1, 14, 96, 100)] == [
        0,
        1,
        1,
        10,
        10,
    ]


def test_moments_are_shown_in_the_readers_own_time_zone() -> None:
    assert "<!date^1767268800^{time_secs}|12:00:00 UTC>" in str(render_card(CARD)["blocks"])


def test_checks_that_find_no_room_are_counted() -> None:
    many = tuple(CheckLine(text="x" * 5000, passed=True) for _ in range(20))
    lines = [line for line in shown(replace(CARD, checks=many)) if "x" in line or "more" in line]
    assert (len(lines), lines[-1]) == (10, "… and 11 more")


ANY_TEXT = st.one_of(st.text(max_size=60), st.text(alphabet="&<>x\n\0", max_size=9000))


LONG_TEXT = st.builds(lambda one, length: one * length, st.sampled_from("&x`\n"), st.integers(300, 9000))


@given(
    namespace=ANY_TEXT,
    commands=st.lists(st.one_of(ANY_TEXT, LONG_TEXT), max_size=20),
    name=ANY_TEXT,
    image=ANY_TEXT,
    message=ANY_TEXT,
    checks=st.lists(st.builds(CheckLine, text=ANY_TEXT, passed=st.sampled_from([True, False, None])), max_size=20),
    weight=st.integers(0, 100),
    steps=st.lists(st.integers(1, 100), max_size=100),
)
def test_whatever_a_rollout_says_slack_takes_the_message(
    name: str,
    image: str,
    message: str,
    checks: list[CheckLine],
    weight: int,
    steps: list[int],
    namespace: str,
    commands: list[str],
) -> None:
    card = replace(
        CARD,
        namespace=namespace,
        canary=name,
        image=image,
        revision=image,
        message=message,
        checks=checks,
        weight=weight,
        steps=steps,
        commands=commands,
    )
    body = render_card(card)
    assert fault(body) == ""
    assert "<!here" not in str(body)
