"""The work of simulated controllers: once for all the events that named an object, on every loop that runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from canary.ports import DEPLOYMENT
from canary.sandbox.worklist import Worklist
from meshes.contract import ObjectRef
from tests.builders import ref


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_what_is_due_already_is_worked_on_once_for_all_that_named_it(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    done: list[ObjectRef] = []

    async def named_again() -> None:
        work = Worklist(done.append, delay=-1.0)  # as when the loop comes to it too late
        work.add(ref(DEPLOYMENT))
        work.add(ref(DEPLOYMENT), after=5.0)
        work.add(ref(DEPLOYMENT), after=-1.0)
        await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(named_again())
    assert done == [ref(DEPLOYMENT)]
