"""The samples in memory."""

from __future__ import annotations

from datetime import timedelta

from canary.sandbox.tsdb import Matcher, MatchKind, Store

M = Matcher("__name__", MatchKind.EQUAL, "m")


def test_labels_in_another_order_and_empty_ones_name_the_same_series() -> None:
    store = Store()
    assert store.series({"__name__": "m", "a": "1", "b": ""}) is store.series({"a": "1", "__name__": "m"})


def test_a_sample_that_is_not_newer_is_ignored() -> None:
    series = Store().series({"__name__": "m"})
    for at, value in ((2, 1.0), (2, 2.0), (1, 3.0), (3, 4.0)):
        series.append(at, value)
    assert series.between(above=0, until=9) == [(2, 1.0), (3, 4.0)]


def test_samples_older_than_the_retention_go_and_series_without_samples_too() -> None:
    store = Store(timedelta(seconds=1))
    store.append({"__name__": "m", "a": "old"}, 500, 1.0)
    for at in (500, 1500, 2000):
        store.append({"__name__": "m", "a": "new"}, at, float(at))
    store.trim(now=2000)
    assert [(s.labels["a"], s.between(above=0, until=9999)) for s in store.select([M])] == [
        ("new", [(1500, 1500.0), (2000, 2000.0)])
    ]


def test_two_names_at_once_are_no_series() -> None:
    store = Store()
    store.append({"__name__": "m"}, 1, 1.0)
    assert list(store.select([M, Matcher("__name__", MatchKind.EQUAL, "n")])) == []


def test_a_label_that_is_not_there_counts_as_empty() -> None:
    store = Store()
    store.append({"__name__": "m"}, 1, 1.0)
    kinds = {kind: [*store.select([M, Matcher("a", kind, "")])] != [] for kind in MatchKind}
    assert kinds == {
        MatchKind.EQUAL: True,
        MatchKind.NOT_EQUAL: False,
        MatchKind.REGEX: True,
        MatchKind.NOT_REGEX: False,
    }
