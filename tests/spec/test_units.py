"""Durations and percentages, as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.spec.units import DURATION_PATTERN, format_duration, parse_duration, parse_percent

MILLISECOND = timedelta(milliseconds=1)
DURATIONS = st.integers(1, 365 * 24 * 3600 * 1000).map(lambda count: count * MILLISECOND)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1ms", MILLISECOND),
        ("500ms", 500 * MILLISECOND),
        ("90s", timedelta(seconds=90)),
        ("1m30s", timedelta(seconds=90)),
        ("2h", timedelta(hours=2)),
        ("1h2m3s4ms", timedelta(hours=1, minutes=2, seconds=3, milliseconds=4)),
        ("0h1m", timedelta(minutes=1)),
        (" 5m ", timedelta(minutes=5)),
        ("8760h", timedelta(days=365)),
    ],
)
def test_a_duration_is_whole_numbers_with_units(text: str, value: timedelta) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "s",
        "5 s",
        "1.5s",
        "-5s",
        "+5s",
        "5S",
        "5d",
        "30s1m",
        "5s5s",
        "0s",
        "8760h1ms",
        "\u0665s",
        "5s\n5s",
        "1e3s",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a duration such as 90s, 1m30s or 500ms, from 1ms to 8760h$"):
        parse_duration(text)


def test_the_least_and_the_most_are_allowed_and_told() -> None:
    least, most = timedelta(seconds=5), timedelta(minutes=10)
    assert [parse_duration(text, least=least, most=most) for text in ("5s", "10m")] == [least, most]
    for text in ("4999ms", "10m1ms"):
        with pytest.raises(ValueError, match=r"from 5s to 10m$"):
            parse_duration(text, least=least, most=most)


@given(DURATIONS)
def test_a_duration_that_is_written_is_read_again(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@given(DURATIONS)
def test_the_pattern_of_the_crd_lets_pass_what_is_written(value: timedelta) -> None:
    text = format_duration(value)
    assert re.fullmatch(DURATION_PATTERN, text)
    assert len(text) <= 20


@given(st.text(alphabet="0123456789hms ", max_size=12))
def test_what_the_pattern_of_the_crd_refuses_is_no_duration(text: str) -> None:
    if not re.fullmatch(DURATION_PATTERN, text.strip()):
        with pytest.raises(ValueError, match=r"^a duration"):
            parse_duration(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(microseconds=400), "0s"),
        (timedelta(microseconds=1600), "2ms"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(days=1), "24h"),
    ],
)
def test_a_duration_is_written_in_whole_milliseconds(value: timedelta, text: str) -> None:
    assert format_duration(value) == text


@pytest.mark.parametrize(
    ("text", "value"), [("99", 99.0), ("99.5", 99.5), (" 99.5 % ", 99.5), ("0", 0.0), ("100", 100.0)]
)
def test_a_percentage_may_have_its_sign(text: str, value: float) -> None:
    assert parse_percent(text) == value


@pytest.mark.parametrize(
    "text", ["", "%", "100.1", "-1", "1e1", "nan", "inf", ".5", "5.", "99,5", "\u0669", "99%%", "9 9"]
)
def test_anything_else_is_no_percentage(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a percentage such as 99 or 99\.5, from 0 to 100$"):
        parse_percent(text)


def test_the_bounds_of_a_percentage_are_allowed_and_told() -> None:
    assert [parse_percent(text, least=1, most=50.5) for text in ("1", "50.5")] == [1.0, 50.5]
    for text in ("0.999999", "50.6"):
        with pytest.raises(ValueError, match=r"from 1 to 50\.5$"):
            parse_percent(text, least=1, most=50.5)
