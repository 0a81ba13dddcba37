"""What the sandbox's PromQL does not know it refuses by name: no query gets a wrong value."""

from __future__ import annotations

import pytest

from canary.sandbox.promql import evaluate
from canary.sandbox.promql_values import QueryError, Sample, Vector
from canary.sandbox.tsdb import Store

NOT_UNDERSTOOD = [
    ("sum(", 'invalid parameter "query": parse error: unclosed left parenthesis'),
    ("rate(m)", "expected type matrix in call to function 'rate', got vector"),
    ("", "no expression found in input"),
    ("m[5m:1m]", "the sandbox's PromQL does not know SubqueryExpr"),
    ("topk(1, m)", "the aggregation topk is not known to the sandbox's PromQL"),
    ("sqrt(m)", "the function sqrt() is not known to the sandbox's PromQL"),
    ("deriv(m[1m])", "the function deriv() is not known to the sandbox's PromQL"),
    ("m atan2 m", "the operator 'atan2' is not known to the sandbox's PromQL"),
    ("m + fill(0) m", "fill modifiers are not known to the sandbox's PromQL"),
    ('m{a="1" or a="2"}', "`or` between label matchers is not PromQL"),
    ('m{a=~"[[:alpha:]]"}', "uses syntax that the sandbox does not know"),
    (r'm{a=~"\\pL"}', "uses syntax that the sandbox does not know"),
    ('m{a=~"a++"}', "uses syntax that the sandbox does not know"),
]
NOT_POSSIBLE = [
    ("m + on () m", "many-to-many matching not allowed"),
    ("m + on () sum(m)", "many-to-one matching must be explicit"),
    ("{__name__=~'m|n'} * 2", "vector cannot contain metrics with the same labelset"),
    ("label_replace(m, 'a-b', '', 'a', '')", "invalid destination label name"),
]


def store() -> Store:
    found = Store()
    for name, a in (("m", "1"), ("m", "2"), ("n", "1")):
        found.append({"__name__": name, "a": a}, 1000, 1.0)
    return found


@pytest.mark.parametrize(("query", "reason"), NOT_UNDERSTOOD)
def test_what_is_not_understood_is_bad_data(query: str, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        evaluate(store(), query, 1000)
    assert (reason in str(caught.value), caught.value.kind) == (True, "bad_data"), str(caught.value)


@pytest.mark.parametrize(("query", "reason"), NOT_POSSIBLE)
def test_what_cannot_be_carried_out_is_an_execution_error(query: str, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        evaluate(store(), query, 1000)
    assert (reason in str(caught.value), caught.value.kind) == (True, "execution"), str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "matches"), [("a.c", True), ("a|b", False), ("(?i)ABC", True), ("ab", False), (r"\\w+", True)]
)
def test_a_regular_expression_matches_the_whole_value(pattern: str, matches: bool) -> None:
    found = Store()
    found.append({"__name__": "m", "a": "abc"}, 1000, 1.0)
    expected = [Sample({"__name__": "m", "a": "abc"}, 1.0)] if matches else []
    assert evaluate(found, f'm{{a=~"{pattern}"}}', 1000) == Vector(expected)


def test_a_letter_of_another_script_is_no_word_character() -> None:
    found = Store()
    found.append({"__name__": "m", "a": "é"}, 1000, 1.0)
    assert evaluate(found, r'm{a=~"\\w"}', 1000) == Vector([])
