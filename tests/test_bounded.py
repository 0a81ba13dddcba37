"""A test in virtual time that would never end fails, whatever it is that does not end."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import pytest

from tests.bounded import BOUND_S, bound_of, bounded

SHORT_S = 0.1


async def waits() -> None:
    await asyncio.Event().wait()


async def does_not_give_up() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


async def ends_with_a_task_that_does_not() -> None:
    task = asyncio.create_task(does_not_give_up(), name="obstinate")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task)


async def never_yields() -> None:
    while True:
        pass


def run(test: object) -> None:
    """Run a coroutine and forget what it leaves: the loop of a broken test cannot be ended in order.

    What asyncio says of such tasks is said when they are collected, which may be in the middle of any later test.
    """
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        loop.run_until_complete(test)  # type: ignore[arg-type]
    finally:
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()


@pytest.mark.parametrize(
    ("test", "where"),
    [
        (waits, "is at waits"),
        (does_not_give_up, "is at does_not_give_up"),
        (ends_with_a_task_that_does_not, "obstinate is at does_not_give_up"),
        (never_yields, "is at never_yields"),
    ],
)
def test_what_never_ends_is_a_failure_that_says_where_it_stands(test: object, where: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=where), bounded(SHORT_S):
        run(test())  # type: ignore[operator]


def test_nothing_is_said_of_it_later(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(pytest.fail.Exception), bounded(SHORT_S):
        run(ends_with_a_task_that_does_not())
    gc.collect()
    assert caplog.messages == []


def test_what_ends_in_time_is_let_be() -> None:
    with bounded(30):
        asyncio.run(asyncio.sleep(0))


@pytest.mark.bound(SHORT_S)
def test_a_test_may_ask_for_a_bound_of_its_own(request: pytest.FixtureRequest) -> None:
    assert bound_of(request.node) == SHORT_S


def test_without_a_word_a_test_has_the_usual_bound(request: pytest.FixtureRequest) -> None:
    assert bound_of(request.node) == BOUND_S
