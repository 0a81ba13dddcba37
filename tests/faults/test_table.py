"""The table at the end counts runs, what broke and the faults, by story, however few there were."""

from __future__ import annotations

from tests.faults.table import ON_A_CONTROL_PLANE, TALE, Table, tale


def test_each_story_is_a_row_with_its_runs_what_broke_and_its_faults() -> None:
    table = Table()
    table.take([(TALE, tale("a gale", {"409": 2}, ON_A_CONTROL_PLANE)), ("seconds", 3.0)], broken=False)
    table.take([(TALE, tale("a promotion", {"409": 1, "killed": 1}))], broken=False)
    table.take([(TALE, tale("a promotion", {"killed": 2}))], broken=True)
    assert [*table.sections()] == [
        (
            "stories under foul weather",
            [
                "             runs  broken   409  killed",
                "a promotion     2       1     1       3",
                "2 runs with 4 faults, 1 broken",
            ],
        ),
        (
            "on a real control plane",
            ["        runs  broken   409", "a gale     1       0     2", "1 runs with 2 faults, 0 broken"],
        ),
    ]
