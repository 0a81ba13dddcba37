"""What counts as flat, and what as left behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.figures import POINTS, Sample, at_point, grown, left_behind

FLAT = Sample(
    rss_mib=100, tasks=50, files=30, sockets=20, threads=10, lines=5000, series=4000, queued=0, waiting=3, ended=0
)


def growing(name: str, step: float) -> list[Sample]:
    return [replace(FLAT, **{name: getattr(FLAT, name) + step * number}) for number in range(POINTS)]


def test_figures_that_stay_are_flat() -> None:
    assert list(grown([FLAT] * POINTS)) == []


@pytest.mark.parametrize(
    ("name", "step"),
    [("rss_mib", 2), ("tasks", 5), ("files", 5), ("threads", 2), ("lines", 300), ("series", 300), ("queued", 2)],
)
def test_a_figure_that_grows_from_point_to_point_is_not_flat(name: str, step: float) -> None:
    assert len(list(grown(growing(name, step)))) == 1


def test_a_figure_that_warms_up_at_first_and_one_bad_point_at_the_end_are_flat() -> None:
    points = [replace(FLAT, rss_mib=50), *[FLAT] * 8, replace(FLAT, rss_mib=500, tasks=500)]
    assert list(grown(points)) == []


def test_what_is_not_judged_may_grow() -> None:
    assert list(grown(growing("ended", 100))) == []


def test_what_is_not_flat_is_told_with_its_figures() -> None:
    [told] = grown(growing("threads", 2))
    assert told == "threads: 26 at the end, 14 at the beginning, at most 22 is allowed"


def test_the_medians_of_a_point_are_by_figure() -> None:
    samples = [replace(FLAT, tasks=tasks, rss_mib=rss) for tasks, rss in ((1, 9), (2, 8), (900, 7))]
    assert at_point(samples) == replace(FLAT, tasks=2, rss_mib=8)


def test_with_every_canary_gone_no_series_no_message_and_no_further_task_is_left() -> None:
    before = replace(FLAT, series=0, waiting=0)
    assert list(left_behind(before, replace(before, tasks=52, rss_mib=900))) == []
    after = replace(before, series=1, waiting=1, tasks=53)
    assert [told.partition(":")[0] for told in left_behind(before, after)] == [
        "asyncio tasks",
        "series of canaries",
        "messages in the outbox",
    ]
