"""The table at the end counts runs, what broke and the faults, by story, however few there were."""

from __future__ import annotations

from tests.faults.spans import Spans
from tests.faults.table import ON_A_CONTROL_PLANE, SECONDS, TALE, Table, tale


def test_each_story_is_a_row_with_its_runs_what_broke_how_long_it_took_and_its_faults() -> None:
    table = Table()
    table.take([(TALE, tale("a gale", {"409": 2}, ON_A_CONTROL_PLANE)), (SECONDS, 3.0)], broken=False, seconds=90)
    table.take([(TALE, tale("a promotion", {"409": 1, "killed": 1}))], broken=False, seconds=7)
    table.take([(TALE, tale("a promotion", {"killed": 2})), (TALE, tale("a push", {}))], broken=True, seconds=10)
    assert [*table.sections()] == [
        (
            "stories under foul weather",
            [
                "             runs  broken  seconds   409  killed",
                "a promotion     2       1       12     1       3",
                "a push          1       1        5     0       0",
                "3 runs with 4 faults, 2 broken, 17 s",
            ],
        ),
        (
            "on a real control plane",
            [
                "        runs  broken  seconds   409",
                "a gale     1       0        3     2",
                "1 runs with 2 faults, 0 broken, 3 s",
            ],
        ),
    ]


def test_what_broke_before_it_could_say_what_it_told_is_counted_all_the_same() -> None:
    table = Table()
    table.broke("test_a_gale")
    [(_, lines)] = table.sections()
    assert lines[1:] == ["test_a_gale     1       1        0", "1 runs with 0 faults, 1 broken, 0 s"]


def test_each_worker_says_from_when_until_when_it_was_busy_and_with_what() -> None:
    spans = Spans()
    spans.take("gw1", "test_gales", 110.0, 150.0)
    spans.take("gw0", "test_stories", 100.0, 101.0)
    spans.take("gw0", "test_stories", 102.0, 103.0)
    spans.take("gw0", "test_kills", 103.0, 130.0)
    assert [*spans.lines()] == [
        "gw0: from 0 s to 30 s, busy for 29 s: test_kills 27 s, test_stories 2 s",
        "gw1: from 10 s to 50 s, busy for 40 s: test_gales 40 s",
    ]
    assert [*Spans().lines()] == []
