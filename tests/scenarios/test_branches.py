"""A branch of a test goes its own way, what fails in it is heard of, and the test goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.scenarios.branches import Branches

pytestmark = pytest.mark.looptime


async def test_a_branch_has_lived_through_all_that_was_before_and_changes_nothing_of_the_test() -> None:
    branches, loop, seen = Branches(), asyncio.get_running_loop(), ["before"]
    await asyncio.sleep(7)
    if branches.begin("here"):
        await asyncio.sleep(1000)
        seen.append("branch")
        well = (seen, loop.time()) == (["before", "branch"], 1007)
        branches.end(None if well else AssertionError(f"{seen} at {loop.time()}"))
    await asyncio.sleep(1)
    assert (branches.points, branches.failed) == (["here"], {})
    assert (seen, loop.time()) == (["before"], 8)


async def test_what_fails_in_a_branch_is_told_with_where() -> None:
    branches = Branches()
    for number in (1, 2, 3):
        if branches.begin(f"point {number}"):
            branches.end(AssertionError("it was two") if number == 2 else None)
    assert [*branches.failed] == ["point 2"]
    assert branches.failed["point 2"].endswith("AssertionError: it was two\n")


async def test_a_branch_that_ends_without_a_word_has_failed() -> None:
    branches = Branches()
    if branches.begin("here"):
        os._exit(0)
    assert branches.failed == {"here": "the process ended without a word, with 0"}


async def test_there_are_no_branches_of_branches() -> None:
    branches = Branches()
    if branches.begin("here"):
        branches.end(AssertionError("a branch began") if branches.begin("there") else None)
    assert (branches.points, branches.failed) == (["here"], {})
