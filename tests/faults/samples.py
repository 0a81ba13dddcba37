"""A Prometheus whose samples are not what they should be: old ones, as of a replica that lags behind, and nonsense."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from canary.ports import Metrics, Series
from tests.faults.gale import Squall

STALE_SHARE, NONSENSE_SHARE = 0.1, 0.02
BEHIND_S = (2.0, 20.0)


@dataclass(slots=True)
class Samples:
    """Answers as `behind` does, but now and then as of some seconds ago, or with NaN, while it is not `clear`."""

    behind: Metrics
    dice: random.Random
    counted: Counter[str]
    clear: bool = False

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        fate = 1.0 if self.clear else self.dice.random()
        if fate < NONSENSE_SHARE:
            self.counted[Squall.NONSENSE] += 1
            return [replace(one, value=math.nan) for one in await self.behind.query(promql, at)]
        if fate < NONSENSE_SHARE + STALE_SHARE:
            self.counted[Squall.STALE_SAMPLES] += 1
            at -= timedelta(seconds=self.dice.uniform(*BEHIND_S))
        return await self.behind.query(promql, at)
