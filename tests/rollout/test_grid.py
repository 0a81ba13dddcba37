"""Where windows begin and end: together for many canaries, and not for ever for those that began together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from canary.rollout.grid import PLACES, newest_scrape, on_grid
from canary.rollout.situation import Pass, track
from tests.rollout.builders import T0, a_plan, at, under_test, world_under_test

MOMENTS = st.datetimes(min_value=T0.replace(tzinfo=None), max_value=at(10_000).replace(tzinfo=None)).map(
    lambda moment: moment.replace(tzinfo=T0.tzinfo)
)
SCRAPES = st.integers(1_000, 600_000).map(lambda ms: timedelta(milliseconds=ms))


@given(moment=MOMENTS, scrape=SCRAPES, later=st.integers(0, 2))
def test_the_grid_is_never_before_the_moment_and_soon_after_it(moment: datetime, scrape: timedelta, later: int) -> None:
    found = on_grid(moment, scrape, later=later)
    most = scrape * (1 + later) / PLACES + timedelta(microseconds=1)
    assert timedelta(0) <= found - moment < most


@given(one=MOMENTS, other=MOMENTS, scrape=SCRAPES)
def test_windows_that_begin_in_one_place_end_in_one_moment_however_long_they_are(
    one: datetime, other: datetime, scrape: timedelta
) -> None:
    now = at(20_000)
    begins = [on_grid(moment, scrape) for moment in (one, other)]
    ends = {newest_scrape(begin, now, scrape) for begin in begins}
    assert len(ends) == 1 or (begins[0] - begins[1]) % scrape != timedelta(0)


def effective(name: str, settled_at: float) -> float:
    """Seconds after T0 from which a weight counts that is settled at `settled_at`."""
    status, plan = under_test(), a_plan(name=name)
    memory = replace(status.memory, effective_at=None, weight_at=at(settled_at) - plan.timing.settle)
    status = replace(status, memory=memory)
    found = track(
        Pass(plan=plan, status=status, world=world_under_test(), now=at(settled_at))
    ).status.memory.effective_at
    assert found is not None
    return (found - T0).total_seconds()


def test_those_that_began_together_drift_apart_and_are_never_late_by_more_than_two_places() -> None:
    names = [f"app-{number}" for number in range(200)]
    first = [effective(name, 101) for name in names]
    assert set(first) == {105, 110}
    second = [effective(name, begun + 66) for name, begun in zip(names, first, strict=True)]
    assert set(second) == {175, 180, 185}
    shares = [second.count(moment) / len(names) for moment in sorted(set(second))]
    assert min(shares) > 0.15


def test_after_many_steps_those_that_began_together_are_spread_evenly_over_the_places() -> None:
    names = [f"app-{number}" for number in range(300)]
    moments = dict.fromkeys(names, 101.0)
    for _ in range(8):
        moments = {name: effective(name, moment + 66) for name, moment in moments.items()}
        places = [round(moment % 15) for moment in moments.values()]
    assert sorted(set(places)) == [0, 5, 10]
    assert all(0.25 < places.count(place) / len(names) < 0.42 for place in set(places))


def test_the_chance_is_the_same_at_each_look() -> None:
    assert len({effective("checkout", 101) for _ in range(10)}) == 1
