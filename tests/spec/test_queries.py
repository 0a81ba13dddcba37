"""PromQL of users: no value leaves its string, and the limit is the comparison that the parser puts at the top."""

from __future__ import annotations

import promql_parser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canary.rollout.model import Limit
from canary.spec.queries import (
    LONGEST,
    PLACEHOLDERS,
    LimitedQuery,
    check_query,
    fill,
    split_limit,
    takes_both_sides,
    tells_sides_apart,
)

NAMES = "a query with no other placeholders than namespace, target, primary, service, pods, revision, interval"
PLACES = "placeholders between \" or ', {{ interval }} alone outside of strings too"
LIMITED = "PromQL that ends in <= or >= and a finite number, such as sum(queue_lag) <= 100"


def labels(query: str) -> dict[str, str]:
    """Return the matchers of a query that is one selector, or a sum of one."""
    parsed = promql_parser.parse(query)
    if isinstance(parsed, promql_parser.AggregateExpr):
        parsed = parsed.expr
    assert isinstance(parsed, promql_parser.VectorSelector)
    return {matcher.name: matcher.value for matcher in parsed.matchers.matchers}


@given(st.text(), st.sampled_from("\"'"))
@example('"}) or vector(0) #', '"')
@example("'}) or vector(0) #", "'")
@example("\\", '"')
@example('\\"', '"')
@example("\n\r`", "'")
@example("{{ pods }}", '"')
def test_no_value_can_leave_its_string(value: str, quote: str) -> None:
    query = f"sum(lag{{pod={quote}{{{{ pods }}}}{quote}, job={quote}x{quote}}})"
    assert labels(fill(query, {"pods": value})) == {"pod": value, "job": "x"}


@given(st.text(), st.text())
def test_two_values_stay_apart(one: str, other: str) -> None:
    query = """lag{pod="a{{pods}}b", job='{{target}}-{{ pods }}'}"""
    filled = labels(fill(query, {"pods": one, "target": other}))
    assert filled == {"pod": f"a{one}b", "job": f"{other}-{one}"}


def test_a_value_is_not_filled_in_again() -> None:
    assert fill('x{a="{{ pods }}"}', {"pods": "{{ target }}", "target": "t"}) == 'x{a="{{ target }}"}'


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_placeholder_is_filled_in_within_a_string(name: str) -> None:
    assert fill(f'x{{a="{{{{ {name} }}}}"}}', dict.fromkeys(PLACEHOLDERS, "5m")) == 'x{a="5m"}'


@pytest.mark.parametrize("query", ["rate(x[{{ interval }}])", "rate(x[{{interval}}])", "x offset {{  interval  }}"])
def test_the_interval_may_stand_outside_of_strings(query: str) -> None:
    check_query(query)
    assert "90s" in fill(query, {"interval": "90s"})


@pytest.mark.parametrize("value", ["5m] or vector(0) #", "", "1.5m", "5", "\u0665m"])
def test_an_interval_that_is_no_duration_stays_inside_of_strings(value: str) -> None:
    with pytest.raises(ValueError, match="^" + PLACES.replace("{{", r"\{\{") + "$"):
        fill("rate(x[{{ interval }}])", {"interval": value})


# fmt: off
REFUSED = (
    ('x{a="{{ pod }}"}', NAMES),
    ('x{a="{{ }}"}', NAMES),
    ('x{a="{{ Pods }}"}', NAMES),
    ("{{ pods }}", PLACES),
    ("x{a=`{{ pods }}`}", PLACES),
    ("x # {{ pods }}", PLACES),
    ("x # '\n + {{ target }}", PLACES),
    ("x{a=`{{ interval }}`}", PLACES),
    ("", "PromQL (no expression found in input)"),
    ("sum(x", "PromQL (unclosed left parenthesis)"),
    ("x[5m]", "PromQL of one number, not of a range or a text"),
    ("(x[5m:1m])", "PromQL of one number, not of a range or a text"),
    ("'x'", "PromQL of one number, not of a range or a text"),
    ("x" * (LONGEST + 1), f"PromQL of at most {LONGEST} characters"),
)
# fmt: on


@pytest.mark.parametrize(("query", "allowed"), REFUSED, ids=[query[:40] for query, _ in REFUSED])
def test_what_is_no_query_is_refused_with_what_is_allowed(query: str, allowed: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        check_query(query)
    assert str(caught.value) == allowed


def test_quotes_within_comments_and_escapes_within_strings_do_not_mislead() -> None:
    query = "x{a='it\\'s {{ pods }}'} # it's\n + y{b=\"# {{ pods }}\"}"
    assert fill(query, {"pods": "p"}) == "x{a='it\\'s p'} # it's\n + y{b=\"# p\"}"


@pytest.mark.parametrize(
    ("query", "apart"),
    [
        ('x{a="{{ pods }}"}', True),
        ('x{a="{{target}}"}', True),
        ('x{a="{{ revision }}"}', True),
        ('x{a="{{ namespace }}", b="{{ service }}", c="{{ primary }}"}[{{ interval }}]', False),
        ("x", False),
    ],
)
def test_a_query_tells_the_sides_apart_by_what_only_one_side_has(query: str, apart: bool) -> None:
    assert tells_sides_apart(query) is apart


# fmt: off
SPLIT = (
    ("sum(a)<=5", "sum(a)", Limit.MAX, 5.0),
    ("  sum(a) >=\n0.5  ", "sum(a)", Limit.MIN, 0.5),
    ("sum(a) <= 5 <= 6", "sum(a) <= 5", Limit.MAX, 6.0),
    ("a > 1 >= 2", "a > 1", Limit.MIN, 2.0),
    ("a >= bool 1 <= 2", "a >= bool 1", Limit.MAX, 2.0),
    ("(a <= 5) >= 2", "(a <= 5)", Limit.MIN, 2.0),
    ("sum(a{b='<= 3'}) <= 5", "sum(a{b='<= 3'})", Limit.MAX, 5.0),
    ("a * 2 <= -5", "a * 2", Limit.MAX, -5.0),
    ("a <= 5e3", "a", Limit.MAX, 5000.0),
    ("sum(a) # the sum <= 7\n<= 5", "sum(a) # the sum <= 7", Limit.MAX, 5.0),
    ("a <= 5 # enough", "a", Limit.MAX, 5.0),
    ('rate(a{p="{{ pods }}"}[{{ interval }}]) <= 1', 'rate(a{p="{{ pods }}"}[{{ interval }}])', Limit.MAX, 1.0),
)
UNSPLIT = (
    "a", "a < 5", "a > 5", "a == 5", "a <= bool 5", "5 >= a", "a <= b", "a <= on(x) b", "a <= (5)", "a <= 1 + 1",
    "a <= +Inf", "a <= NaN", "(a <= 5)", "sum(a <= 5)", "a <= 5 or b <= 6", "a <= 5 > 3", "a <= 5 + 1", "a <= 5 # <= 6",
    "a{b='<= 5'}", "a # <= 5", "a <= 5 # <= 5", "-(a <= 5)", "a <= 5 and on() b",
)
# fmt: on


@pytest.mark.parametrize(("text", "query", "side", "limit"), SPLIT, ids=[text for text, *_ in SPLIT])
def test_the_last_comparison_at_the_top_is_the_limit(text: str, query: str, side: Limit, limit: float) -> None:
    assert split_limit(text) == LimitedQuery(query=query, side=side, limit=limit)


@pytest.mark.parametrize("text", UNSPLIT)
def test_what_ends_in_no_comparison_with_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        split_limit(text)
    assert str(caught.value) == LIMITED


@pytest.mark.parametrize("text", ["a[5m] <= 5", "'x' <= 5", "1 <= 5", "sum(a <= 5", "a <= ", "<= 5"])
def test_what_is_no_promql_is_refused_with_the_parser_s_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"^PromQL \(.+\)$"):
        split_limit(text)


QUERIES = st.sampled_from(["a", "sum(a)", "a > 1", "a <= 2", "a{b='>= 1'}", "a >= bool 1", "a # <= 3\n", "(a <= 9)"])


@given(QUERIES, st.sampled_from(["<=", ">="]), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(" \n"))
def test_a_query_and_a_limit_that_are_put_together_come_apart_again(
    query: str, operator: str, limit: float, space: str
) -> None:
    split = split_limit(f"{query}{space}{operator} {limit!r}")
    side = Limit.MAX if operator == "<=" else Limit.MIN
    assert split == LimitedQuery(query=query.strip(), side=side, limit=limit)


@pytest.mark.parametrize(
    ("matcher", "both"),
    [
        ('pod=~"{{ target }}-.*"', True),
        ("pod =~ '{{target}}-.+'", True),
        ('destination_workload=~"{{ target }}.*"', True),
        ('pod=~"{{ target }}-[0-9a-z]+-[0-9a-z]+"', False),
        ('pod=~"{{ target }}-\\\\w+-\\\\w+"', False),
        ('pod=~"{{ target }}(-\\\\w+)+"', False),
        ('pod=~"{{ target }}-("', False),
        (f'pod=~"{".*" * 40}{{{{ target }}}}{".*" * 40}z"', False),
        (f'pod=~"{"(.|.)" * 27}{{{{ target }}}}"', False),
        ('pod=~"{{ target }}-(.*|a|b|c|d|e)"', True),
        ('workload=~"{{ target }}"', False),
        ('workload="{{ target }}"', False),
        ('pod=~"{{ pods }}"', False),
    ],
)
def test_an_expression_that_takes_the_primary_along_is_found(matcher: str, both: bool) -> None:
    query = f'sum(lag{{namespace="{{{{ namespace }}}}",{matcher}}})'
    assert takes_both_sides(query) == (matcher if both else "")


def test_a_long_word_costs_no_time_that_grows_with_its_square() -> None:
    assert takes_both_sides("a" * 1_000_000) == ""
