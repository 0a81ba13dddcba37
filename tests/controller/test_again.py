"""By what of a status an observation differs, so that no look that would see something else is saved."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable
from itertools import product
from typing import Any, cast

import pytest

from canary.controller.again import looks_at
from canary.rollout.model import Stage, Status, World
from canary.rollout.phases import Phase
from canary.rollout.values import replace
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import deployment
from tests.controller.driver import NEW, Driver, onboarded, push

pytestmark = pytest.mark.looptime

NEWER = "registry.example/checkout:3.0"
OTHERWISE = {"memory.repeats"}
"""What counts commands that were given in vain: it changes only in a pass after which the command is taken away."""


class Noting:
    """A status, or its memory, that notes by their paths which fields are read."""

    def __init__(self, value: object, read: set[str], path: str = "") -> None:
        self._value, self._read, self._path = value, read, path

    def __getattr__(self, name: str) -> Any:
        value, path = getattr(self._value, name), f"{self._path}{name}"
        if name == "memory":
            return Noting(value, self._read, f"{path}.")
        self._read.add(path)
        return value


def noting(status: Status) -> tuple[Status, set[str]]:
    read: set[str] = set()
    return cast(Status, Noting(status, read)), read


async def in_mid_rollout(cluster: InMemoryCluster, then: str) -> Driver:
    """A canary with a weight, after its Deployment was applied anew with another image and a command, in one write."""
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight > 0)
    cluster.apply(deployment(image=then, replicas=None, annotations={"canary.delivery/command": "retry"}))
    await asyncio.sleep(1)  # until the caches show it
    return driver


async def test_every_field_that_an_observation_reads_is_looked_at(cluster: InMemoryCluster) -> None:
    driver = await in_mid_rollout(cluster, NEW)
    seen_by, by_observation = noting(driver.status)
    driver.observe(seen_by)
    looked_at, by_looks = noting(driver.status)
    looks_at(looked_at)
    assert by_observation - by_looks == OTHERWISE


@pytest.mark.parametrize("then", [NEW, NEWER], ids=["with a command", "with a newer template"])
async def test_statuses_that_look_alike_show_the_same_world(cluster: InMemoryCluster, then: str) -> None:
    driver = await in_mid_rollout(cluster, then)
    status, worlds = driver.status, defaultdict[Hashable, list[World]](list)
    for phase, stage in product((None, *Phase), Stage):
        like = replace(status, phase=phase, memory=replace(status.memory, stage=stage))
        worlds[looks_at(like)].append(driver.observe(like).world)
    assert [len({repr(world) for world in alike}) for alike in worlds.values()] == [1] * len(worlds)
    assert len({repr(alike[0]) for alike in worlds.values()}) > 1
