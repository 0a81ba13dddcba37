"""The query that the controller's checks are made of: how many were counted in a window, new series from 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from canary.sandbox.promql import evaluate
from canary.sandbox.promql_range import Edition
from canary.sandbox.promql_values import Sample, Value, Vector
from canary.sandbox.tsdb import Store

SCRAPE = 15_000
T = 100 * SCRAPE + 5_000
"""The moment of the question: 5 s after the newest scrape, which is the 100th."""

W = 'requests_total{pod="canary"}'
COUNTED = f"sum((increase({W}[60s]) and ({W} offset 60s)) or ({W} unless ({W} offset 60s)))"
BUCKETS = (
    'sum by (le) ((increase(b{pod="canary"}[60s]) and (b{pod="canary"} offset 60s))'
    ' or (b{pod="canary"} unless (b{pod="canary"} offset 60s)))'
)


def stored(*series: tuple[dict[str, str], int, Iterable[float | None]]) -> Store:
    """Return a store with series that begin at the given scrape and have one sample a scrape."""
    store = Store()
    for labels, first, values in series:
        for turn, value in enumerate(values):
            store.append(labels, (first + turn) * SCRAPE, value)
    return store


def requests(code: str, pod: str = "canary") -> dict[str, str]:
    return {"__name__": "requests_total", "pod": pod, "code": code}


def bucket(le: str) -> dict[str, str]:
    return {"__name__": "b", "pod": "canary", "le": le}


def near(value: float) -> Any:
    return pytest.approx(value)


def one(value: float, **labels: str) -> Vector:
    return Vector([Sample(labels, near(value))])


def asked(store: Store, query: str = COUNTED, at: int = T, edition: Edition = Edition.V3) -> Value:
    return evaluate(store, query, at, edition=edition)


def test_an_old_series_counts_its_increase_stretched_to_the_whole_window() -> None:
    # 4 scrapes in 60 s, 10 each: 30 in 45 s, and the samples are within a scrape of both edges.
    assert asked(stored((requests("200"), 0, [10.0 * turn for turn in range(101)]))) == one(30 * 60 / 45)


def test_a_new_series_counts_from_0() -> None:
    assert asked(stored((requests("500"), 98, [4.0, 6.0, 9.0]))) == one(9)


def test_a_new_series_with_a_single_sample_counts() -> None:
    assert asked(stored((requests("500"), 100, [3.0]))) == one(3)


def test_new_and_old_series_are_added_up() -> None:
    old, new = (requests("200"), 0, [10.0 * turn for turn in range(101)]), (requests("500"), 99, [1.0, 2.0])
    assert asked(stored(old, new)) == one(40 + 2)


def test_a_series_of_other_pods_is_not_counted() -> None:
    assert asked(stored((requests("200", pod="primary"), 0, [1.0] * 101))) == Vector([])


def test_a_reset_counts_what_came_before_and_after_it() -> None:
    # 960, 970, then from 0: 2, 7. The increase is 10 + 2 + 5 in 45 s.
    values = [10.0 * turn for turn in range(99)] + [2.0, 7.0]
    assert asked(stored((requests("200"), 0, values))) == one(17 * 60 / 45)


def test_a_counter_that_was_near_0_is_not_stretched_to_below_0() -> None:
    # 4 in 45 s from a first value of 0.5: it was 0 only 45 * 0.5 / 4 s before, nearer than the window's start.
    values = [0.5] * 97 + [0.5, 1.5, 2.5, 4.5]
    covered = 45 + 45 * 0.5 / 4 + 5
    assert asked(stored((requests("200"), 0, values))) == one(4 * covered / 45)


def test_a_vanished_pod_counts_what_it_still_did_in_the_window() -> None:
    # Three samples of 10 each before the stale marker; then the end is 35 s away: half a scrape is assumed.
    values = [10.0 * turn for turn in range(99)]
    assert asked(stored((requests("200"), 0, [*values, None]))) == one(10 * (15 + 10 + 7.5) / 15)


def test_a_new_pod_that_vanished_inside_the_window_counts_nothing() -> None:
    assert asked(stored((requests("500"), 98, [4.0, 6.0, None]))) == Vector([])


def test_without_series_there_is_no_result() -> None:
    assert asked(Store()) == Vector([])


def test_an_idle_counter_counts_0() -> None:
    assert asked(stored((requests("200"), 0, [7.0] * 101))) == one(0)


def test_buckets_are_counted_by_edge_new_ones_from_0() -> None:
    old = [(bucket(le), 0, [step * turn for turn in range(101)]) for le, step in (("0.1", 1.0), ("+Inf", 3.0))]
    new = (bucket("0.5"), 99, [1.0, 2.0])
    assert asked(stored(*old, new), BUCKETS) == Vector(
        [
            Sample({"le": "0.1"}, near(4)),
            Sample({"le": "+Inf"}, near(12)),
            Sample({"le": "0.5"}, 2.0),
        ]
    )


@pytest.mark.parametrize(("edition", "inside"), [(Edition.V3, 4.0), (Edition.V2, 5.0)])
def test_a_sample_at_the_very_start_of_a_range_is_inside_only_for_prometheus_2(edition: Edition, inside: float) -> None:
    store = stored((requests("200"), 0, [1.0] * 101))
    assert asked(store, f"sum(count_over_time({W}[60s]))", 100 * SCRAPE, edition) == one(inside)


@pytest.mark.parametrize(("edition", "alive"), [(Edition.V3, []), (Edition.V2, [Sample({}, 1.0)])])
def test_a_sample_as_old_as_the_lookback_is_alive_only_for_prometheus_2(edition: Edition, alive: list[Sample]) -> None:
    store = stored((requests("200"), 0, [1.0]))
    assert asked(store, f"sum({W})", 300_000, edition) == Vector(alive)


@pytest.mark.parametrize(("edition", "stretched"), [(Edition.V3, 7.5), (Edition.V2, 10.0)])
def test_prometheus_2_stretches_a_young_counter_further_towards_its_zero_point(
    edition: Edition, stretched: float
) -> None:
    # First sample 35 s after the window's start, zero point 10 s before it: beyond half a scrape, within a whole one.
    store = stored((requests("200"), 98, [10.0, 25.0, 40.0]))
    assert asked(store, f"increase({W}[75s])", T + 5_000, edition) == Vector(
        [Sample({"pod": "canary", "code": "200"}, near(30 * (30 + stretched + 10) / 30))]
    )


def test_a_stale_marker_ends_a_series_at_once_and_a_later_sample_revives_it() -> None:
    store = stored((requests("200"), 98, [1.0, None, 5.0]))
    assert [asked(store, f"sum({W})", turn * SCRAPE) for turn in (98, 99, 100)] == [one(1), Vector([]), one(5)]


@pytest.mark.parametrize(
    ("counts", "median"),
    [
        ([40.0, 30.0, 80.0, 100.0], 2 + 2 * (50 - 40) / 40),  # a count below the one before it counts as that one
        ([25.0, 75.0, 75.0, 100.0], 1 + 1 * (50 - 25) / 50),
        ([60.0, 60.0, 60.0, 60.0], 0.5),
        ([0.0, 0.0, 0.0, 9.0], 4.0),
    ],
)
def test_a_quantile_is_interpolated_inside_its_bucket(counts: list[float], median: float) -> None:
    edges = zip(("1", "2", "4", "+Inf"), counts, strict=True)
    store = stored(*[(bucket(le), 100, [count]) for le, count in edges])
    assert asked(store, "histogram_quantile(0.5, sum by (le) (b))") == one(median)


def test_towards_an_edge_further_than_1_1_times_the_distance_of_samples_half_of_it_is_assumed() -> None:
    # Samples every 15 s, far from 0 in value. The newest is 16 s old, then 17 s: 1.13 times the distance.
    store = stored((requests("200"), 10, [1000.0, 1010.0, 1020.0]))
    found = [asked(store, f"sum(increase({W}[40s]))", (10 * 15 + age) * 1000) for age in (46, 47)]
    assert found == [one(10 * (15 + 9 + 16) / 15), one(10 * (15 + 8 + 7.5) / 15)]


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ('a{code=~"1|2"} and a{code=~"2|3"}', ["2"]),
        ('a{code=~"1|2"} or a{code=~"2|3"}', ["1", "2", "3"]),
        ('a{code=~"1|2"} unless a{code=~"2|3"}', ["1"]),
        ('a{code="1"} or on (app) a{code=~"2|3"}', ["1"]),
    ],
)
def test_sets_go_by_the_labels_and_take_from_the_left_first(query: str, codes: list[str]) -> None:
    store = stored(*[({"__name__": "a", "app": "x", "code": code}, 100, [float(code)]) for code in "123"])
    expected = [Sample({"__name__": "a", "app": "x", "code": code}, float(code)) for code in codes]
    assert asked(store, query) == Vector(expected)
