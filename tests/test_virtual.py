"""Virtual time passes at once, and not before everything that can run has run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.looptime

TURNS = 200


async def test_time_stands_still_while_a_task_has_something_to_do() -> None:
    loop = asyncio.get_running_loop()
    woken: list[tuple[str, float]] = []

    async def sets_out_late() -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        woken.append(("sooner", loop.time()))

    async def waits() -> None:
        await asyncio.sleep(2)
        woken.append(("later", loop.time()))

    await asyncio.gather(waits(), sets_out_late())
    assert woken == [("sooner", 1), ("later", 2)]


async def test_time_passes_without_idle_turns_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = asyncio.get_running_loop()
    turns: list[float] = []
    once = loop._run_once

    def counted() -> None:
        turns.append(loop.time())
        once()

    monkeypatch.setattr(loop, "_run_once", counted)
    await asyncio.sleep(5)
    assert turns[-1] == 5
    assert len(turns) <= 5
