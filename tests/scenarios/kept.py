"""What the controller keeps in memory, by place: how much stands in each attribute of each of its live objects.

It looks at all objects of the controller's classes, so that a new attribute is counted without anybody's doing.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

OURS = ("canary.controller", "canary.clients", "canary.telemetry", "canary.app")
CONTAINERS = (dict, set, list, deque)
CACHES = (
    "canary.clients.indexes",
    "canary.clients.kube_cache",
    "canary.clients.sharing",
    "canary.controller.memo",
    "canary.controller.selectors",
)
"""They hold what the API server has, or what was computed of it for the last few thousand objects."""


def kept() -> Counter[str]:
    """Return how many objects there are of each class, how much stands in each of their containers, and the tasks."""
    gc.collect()
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        module = str(kind.__module__)
        if not module.startswith(OURS) or module in CACHES:
            continue
        where = f"{module}.{kind.__qualname__}"
        found[where] += 1
        for name, value in _attributes(each):
            if isinstance(value, CONTAINERS):
                found[f"{where}.{name}"] += len(value)
            elif isinstance(value, MetricWrapperBase):
                found[f"{where}.{name}"] += len(next(iter(value.collect())).samples)
    found["tasks"] = len(asyncio.all_tasks())
    return found


def _attributes(of: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(of, "__dict__", {}).items()
    for base in type(of).__mro__:
        for name in getattr(base, "__slots__", ()):
            if hasattr(of, name):
                yield name, getattr(of, name)
