"""A template whose ReplicaSet is about to come is awaited in silence, for a moment."""

from __future__ import annotations

import asyncio

import pytest

from canary.controller.newcomers import SOON, Newcomers
from canary.rollout.model import Revision, Target
from canary.rollout.values import replace
from canary.sandbox.cluster import InMemoryCluster
from tests.rollout.builders import a_target

pytestmark = pytest.mark.looptime

A = ("shop", "a")


def target(digest: str, pin: str = "") -> Target:
    return a_target(Revision(digest=digest, restarted_at="", pin=pin, image="shop:1.0"))


async def test_a_replicaset_is_awaited_in_silence_for_a_second_and_for_another_template_anew(
    cluster: InMemoryCluster,
) -> None:
    newcomers, new = Newcomers(cluster.clock), target("new")
    assert newcomers.is_awaited(A, new)
    await asyncio.sleep(SOON.total_seconds() - 0.1)
    assert newcomers.is_awaited(A, new)
    await asyncio.sleep(0.1)
    assert not newcomers.is_awaited(A, new)
    assert newcomers.is_awaited(A, target("newer"))


async def test_none_is_awaited_that_is_there_nor_without_a_deployment(cluster: InMemoryCluster) -> None:
    newcomers, new = Newcomers(cluster.clock), target("new")
    assert newcomers.is_awaited(A, new)
    assert not newcomers.is_awaited(A, replace(new, revision=replace(new.revision, pin="5d9")))
    await asyncio.sleep(10)
    assert newcomers.is_awaited(A, new)
    assert not newcomers.is_awaited(A, None)
