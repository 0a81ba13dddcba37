"""Selectors that are asked about at once: one that selects what all do, and whose series are whose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.controller.measure import pods_of
from canary.controller.selectors import Selector, read, union, varying
from canary.sandbox.promql import evaluate
from canary.sandbox.promql_values import Vector
from canary.sandbox.tsdb import Store
from meshes.parts.promql import one_of, quoted

NOW = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
VALUES = ("", "a", "b", "a.b", "axb", "a|b", "a-b", 'say "a"', "back\\slash", "checkout-6bbf8c7d9-x2x4z", "é")
EXPRESSIONS = ("a|b", "a.b", r"a\.b", "a.*", "[a-c]{1,2}", ".+", "a?-b", "|a", pods_of("checkout", ""), "é.")
MATCHERS = st.one_of(
    st.sampled_from(VALUES).map(lambda value: f"={quoted(value)}"),
    st.sampled_from(EXPRESSIONS).map(lambda pattern: f"=~{quoted(pattern)}"),
    st.lists(st.sampled_from(VALUES), min_size=1, max_size=3).map(lambda values: one_of("x", values)[1:]),
)
SELECTORS = st.builds(
    lambda x, y, rest: f'm{{kept="yes",x{x},y{y}{rest}}}', MATCHERS, MATCHERS, st.sampled_from(("", ',x!="b"'))
)


def parsed(text: str) -> Selector:
    found = read(text)
    assert found is not None, text
    return found


def store() -> Store:
    filled = Store()
    for x in VALUES:
        for y in VALUES[:4]:
            for kept in ("yes", "no"):
                filled.append({"__name__": "m", "x": x, "y": y, "kept": kept}, NOW, 1.0)
    return filled


STORE = store()


def selected(text: str) -> list[tuple[str, str, str]]:
    found = evaluate(STORE, text, NOW)
    assert isinstance(found, Vector)
    return sorted(tuple(one.labels.get(name, "") for name in ("x", "y", "kept")) for one in found.samples)  # type: ignore[misc]


def picked(one: Selector, among: Sequence[Selector]) -> list[tuple[str, str, str]]:
    """What of the union's series is that of one selector, as far as it tells by the labels that vary."""
    every = selected(union(among))
    places = {"x": 0, "y": 1, "kept": 2}
    own = [(places[label], one.labels[label]) for label in varying(among)]
    return [series for series in every if all(may.accepts(series[place]) for place, may in own)]


@given(texts=st.lists(SELECTORS, min_size=1, max_size=5))
def test_each_selector_picks_its_own_series_from_those_of_the_union(texts: list[str]) -> None:
    read_ones = [parsed(text) for text in texts]
    among = [one for one in read_ones if one.shape == read_ones[0].shape]
    for one, text in zip(read_ones, texts, strict=True):
        if one in among:
            assert picked(one, among) == selected(text)


@given(text=SELECTORS)
def test_a_union_of_one_selects_what_it_does(text: str) -> None:
    assert varying([parsed(text)]) == ()
    assert selected(union([parsed(text)])) == selected(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('m{x="a"}', 'n{x="a"}'),
        ('m{x="a"}', 'm{x="a",y="b"}'),
        ('m{x="a"}', 'm{x!="a"}'),
        ('m{x="a",y!="b"}', 'm{x="a",y!="c"}'),
        ('m{x="a",y!="b"}', 'm{x="a",y!~"b"}'),
    ],
)
def test_other_metrics_labels_and_exclusions_are_other_shapes(one: str, other: str) -> None:
    assert parsed(one).shape != parsed(other).shape


def test_the_order_of_matchers_does_not_matter() -> None:
    assert parsed('m{x="a",y=~"b|c",z!="d"}') == parsed('m{z!="d", y=~"b|c", x="a"}')


@pytest.mark.parametrize(
    "text",
    [
        'm{x=~"(?i)a"}',
        'm{x=~"(a|b)c"}',
        'm{x=~"a*?"}',
        'm{x=~"a++"}',
        r'm{x=~"\\d+"}',
        r'm{x=~"\\pL"}',
        'm{x=~"[^a]"}',
        'm{x=~"[[:alpha:]]"}',
        'm{x=~"[a--b]"}',
        'm{x=~"[c-a]"}',
        'm{x=~"^a$"}',
        'm{x=~"a{3,2}"}',
        'm{x=~"a{2000}"}',
        'm{x=~"a{,2}"}',
        'm{x=~"a",x=~"b"}',
        'm{canary_part="1"}',
        '{__name__="m",x="a"}',
        '{__name__=~"m|n",x="a"}',
        'm{x="a" or y="b"}',
        'm{x="a"} offset 1m',
        'm{x="a"} @ 1',
        'sum(m{x="a"})',
        'm{x="a"',
        "",
    ],
)
def test_what_might_mean_something_else_here_is_not_read(text: str) -> None:
    assert read(text) is None
