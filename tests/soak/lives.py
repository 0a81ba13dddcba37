"""The lives of canaries: each comes, has rollouts of every kind, leaves, and comes anew under another name."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, assert_never

from tests.soak.town import LateError, Town

ROLLOUTS = 6
"""How many a canary has before it leaves."""
ONBOARDED_S, ROLLOUT_S, LEFT_S = 120.0, 240.0, 120.0
AT_REST = ("Succeeded", "Failed")


class Story(StrEnum):
    """What happens to a version."""

    PASSES = "passes"
    FAILS = "fails"
    CRASHES = "crashes"
    IS_ABORTED = "is aborted"
    IS_FOLLOWED = "is followed in mid-rollout"
    IS_TAKEN_BACK = "is taken back in mid-rollout"
    IS_CONFIGURATION = "is configuration alone"


ENDS: Mapping[Story, tuple[str, ...]] = {
    Story.PASSES: ("promoted",),
    Story.FAILS: ("rolled_back",),
    Story.CRASHES: ("rolled_back",),
    Story.IS_ABORTED: ("rolled_back",),
    Story.IS_FOLLOWED: ("superseded", "promoted"),
    Story.IS_TAKEN_BACK: ("reverted",),
    Story.IS_CONFIGURATION: ("promoted",),
}
"""How the rollouts of each story end, in order."""


class Lives:
    """Runs lives until told to stop. `ended` counts rollouts by outcome, `left` canaries; `wrong` says what was."""

    def __init__(self, town: Town, seed: int) -> None:
        self.ended: Counter[str] = Counter()
        self.left = 0
        self.wrong: list[str] = []
        self.stopping = asyncio.Event()
        self._town = town
        self._dice = random.Random(seed)
        self._numbers = itertools.count(1)

    async def run(self, after_s: float) -> None:
        """One life after the other, from so many seconds on until `stopping`; the last one is lived to its end."""
        await asyncio.sleep(after_s)
        while not self.stopping.is_set():
            name = f"app-{next(self._numbers)}"
            try:
                await _Life(self, self._town, name, self._dice).run()
                self.left += 1
            except LateError as late:
                self.wrong.append(str(late))
                return  # what stands there stays, to be looked at


class _Life:
    def __init__(self, lives: Lives, town: Town, name: str, dice: random.Random) -> None:
        self._lives, self._town, self._name, self._dice = lives, town, name, dice
        self._annotated = dice.random() < 0.5
        self._tags = itertools.count(1)
        self._stable = ""
        self._pushed = ""

    async def run(self) -> None:
        town, name = self._town, self._name
        self._stable = self._pushed = self._tag()
        town.come(name, self._stable, annotated=self._annotated)
        await town.until(name, lambda it: it.get("phase") == "Initialized", "its onboarding", ONBOARDED_S)
        for _ in range(ROLLOUTS):
            if self._lives.stopping.is_set():
                break
            await self._rollout(self._dice.choice(list(Story)))
        if self._dice.random() < 0.3:
            await self._push()
            await self._until_weight()
        town.leave(name, self._stable, annotated=self._annotated)
        await town.until(name, lambda it: not it, "its leave", LEFT_S)
        town.clear(name)

    async def _rollout(self, story: Story) -> None:
        before = _marks(self._town.status(self._name))
        await self._tell(story)
        wanted = ENDS[story]

        def new(status: Mapping[str, Any]) -> list[str]:
            return [outcome for mark, outcome in _marks(status).items() if mark not in before]

        def is_over(status: Mapping[str, Any]) -> bool:
            return status.get("phase") in AT_REST and len(new(status)) >= len(wanted)

        await self._town.until(self._name, is_over, f"the end of what {story} ({', '.join(wanted)})", ROLLOUT_S)
        found = new(self._town.status(self._name))[::-1]
        self._lives.ended.update(found)
        if tuple(found) != wanted:
            self._lives.wrong.append(f"{self._name}: what {story} ended {found}")
        if found[-1] == "promoted":
            self._stable = self._pushed
        self._town.fail(self._name, 0.0)

    async def _tell(self, story: Story) -> None:
        town, name = self._town, self._name
        if story is Story.IS_CONFIGURATION:
            town.configure(name, self._tag())
            return
        if story is Story.FAILS:
            town.fail(name, 1.0)
        await self._push()
        match story:
            case Story.PASSES | Story.FAILS:
                return
            case Story.CRASHES:
                await self._until_weight()
                await town.crash(name)
            case Story.IS_ABORTED:
                await self._until_weight()
                await town.abort(name)
            case Story.IS_FOLLOWED:
                await self._until_weight()
                await self._push()
            case Story.IS_TAKEN_BACK:
                await self._until_weight()
                await self._push(self._stable)
            case _:
                assert_never(story)

    async def _push(self, tag: str = "") -> None:
        self._pushed = tag or self._tag()
        self._town.push(self._name, self._pushed, annotated=self._annotated)

    async def _until_weight(self) -> None:
        await self._town.until(self._name, lambda it: it.get("weight"), "requests to its new version", ROLLOUT_S)

    def _tag(self) -> str:
        return f"{next(self._tags)}.0"


def _marks(status: Mapping[str, Any]) -> Mapping[tuple[str, str], str]:
    """The outcome of each rollout that is over, newest first, by what makes it one."""
    past: Sequence[Mapping[str, Any]] = status.get("history") or ()
    return {(one["revision"], one["startedAt"]): one["outcome"] for one in past}
