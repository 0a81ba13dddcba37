"""A controller keeps nothing of canaries that left, and no more of one that stays the more rollouts it has."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, SERVICE
from canary.rollout.model import Status
from tests.builders import canary, config_map, deployment, ref, service
from tests.scenarios.kept import kept
from tests.scenarios.slack import Office
from tests.scenarios.stage import Stage, analysis, image
from tests.telemetry.scraped import scrape

pytestmark = pytest.mark.looptime


@pytest.fixture
async def office(stage: Stage) -> AsyncIterator[Office]:
    office = Office(stage)
    yield office
    await office.close()


def push(stage: Stage, name: str, tag: str) -> None:
    container = {"name": "app", "image": image(tag, name), "envFrom": [{"configMapRef": {"name": f"{name}-config"}}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    stage.cluster.apply(deployment(name, template=template, replicas=2))


def configure(stage: Stage, name: str, text: str) -> None:
    stage.cluster.apply(config_map(f"{name}-config", text=text))


async def comes(stage: Stage, name: str) -> None:
    configure(stage, name, "0")
    stage.cluster.apply(service(name))
    push(stage, name, "1")
    stage.cluster.apply(canary(name, analysis=analysis()))
    await stage.until(lambda: status(stage, name).get("phase") == "Initialized")


async def rolls(stage: Stage, name: str, turn: int) -> None:
    """A version that fails, one that passes, and a configuration that passes."""
    stage.metrics.set(name, bad=1.0)
    push(stage, name, f"{turn}-bad")
    await ended(stage, name, "rolled_back", "Failed")
    stage.metrics.set(name, bad=0.0)
    push(stage, name, f"{turn}-good")
    await ended(stage, name, "promoted", "Succeeded")
    configure(stage, name, f"{turn}")
    await ended(stage, name, "promoted", "Succeeded")


NEWEST = "canary.controller.news.News._newest"
STATES = ("Deployment", "ReplicaSet", "Pod", "EndpointSlice")
"""Kinds of which the newest state of each object that there is is kept."""


async def ended(stage: Stage, name: str, outcome: str, phase: str) -> None:
    await stage.until(lambda: status(stage, name)["phase"] == "Progressing")
    await stage.until(lambda: status(stage, name)["phase"] == phase)
    assert status(stage, name)["history"][0]["outcome"] == outcome


async def leaves(stage: Stage, name: str) -> None:
    stage.cluster.remove(ref(CANARY, name))
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY, name)) is None)
    for kind, own in ((DEPLOYMENT, name), (SERVICE, name), (CONFIG_MAP, f"{name}-config")):
        stage.cluster.remove(ref(kind, own))
    await stage.rest()


def status(stage: Stage, name: str) -> dict[str, Any]:
    return dict((stage.cluster.store.get(ref(CANARY, name)) or {}).get("status") or {})


async def test_nothing_is_kept_of_canaries_that_left(stage: Stage, office: Office) -> None:
    async def lives(*names: str) -> None:
        for name in names:
            await comes(stage, name)
            await rolls(stage, name, 1)
            await leaves(stage, name)

    stage.start()
    await lives("first", "second")
    before = kept()
    await lives("third", "fourth", "fifth")
    assert kept() - before == Counter()
    assert scrape(stage.controllers[-1].telemetry).of_canaries() == set()


async def test_no_more_is_kept_of_a_canary_the_more_rollouts_it_has(stage: Stage, office: Office) -> None:
    async def turns(*numbers: int) -> None:
        for turn in numbers:
            await rolls(stage, "first", turn)
        await stage.rest()

    stage.start()
    await comes(stage, "first")
    await turns(1, 2, 3, 4)
    before = kept()
    await turns(5, 6, 7)
    states = Counter({NEWEST: sum(one["kind"] in STATES for one in stage.cluster.store.objects)})
    assert kept() - before == states - Counter({NEWEST: before[NEWEST]})  # Kubernetes keeps ReplicaSets of former ones
    assert kept()[NEWEST] == states[NEWEST]


async def test_of_what_was_read_of_a_status_only_the_newest_is_kept(stage: Stage) -> None:
    def statuses() -> int:
        gc.collect()
        return sum(isinstance(one, Status) for one in gc.get_objects())

    stage.start()
    await comes(stage, "first")
    await rolls(stage, "first", 1)
    await stage.rest()
    before = statuses()
    await rolls(stage, "first", 2)
    await stage.rest()
    assert statuses() <= before
