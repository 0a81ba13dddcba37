"""How soon a watch reads on after some changes: in a burst others come first, and several of one object become one.

Not its job: which changes those are (newest, in kube_shape).
"""

from __future__ import annotations

import asyncio

from canary.ports import ENDPOINT_SLICE, REPLICA_SET
from meshes.contract import Kind

FOLLOWS = (REPLICA_SET, ENDPOINT_SLICE)
"""Kinds whose changes follow from others that were told before."""
FOLLOWS_S = 0.1
"""Seconds for which the next of those are waited for."""
SHORT_TURN_S = 0.005
"""A turn of the event loop that takes longer tells that there is more to do than can be done at once."""
BUSY_S = 0.03
"""Seconds for which the next changes of any kind are waited for then."""
MANY = 4
"""Changes that came together."""


async def others_first(kind: Kind, came: int, *, every: bool) -> None:
    """Wait as long as a watch of this kind is to wait before it reads on, after so many changes that `came` together.

    Who asks for `every` change waits a turn, and so does who gets many at once: they are read together already.
    """
    began, wait_s = now(), FOLLOWS_S if kind in FOLLOWS and not every else 0.0
    await asyncio.sleep(wait_s)
    if not every and not wait_s and came < MANY and now() - began > SHORT_TURN_S:
        await asyncio.sleep(BUSY_S)


def now() -> float:
    """Return the event loop's time, in seconds."""
    return asyncio.get_running_loop().time()
