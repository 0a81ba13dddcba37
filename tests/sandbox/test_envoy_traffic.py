"""Real requests through a real Envoy to real pods: what the split is, and that no change loses a request."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import Any

from canary.sandbox.envoy import EnvoySettings
from canary.sandbox.load import LoadSettings
from canary.sandbox.rules import Retries
from tests.meshes.gamma_objects import EVERY_PATH, http_route
from tests.meshes.gamma_objects import to as ref
from tests.sandbox.dataplane import bench, destination, endpoints, pod, service, split, virtual_service

PRIMARY = pod("checkout-primary", "11111", "10.0.0.1")
CANARY = pod("checkout", "22222", "10.0.0.2", image="shop/checkout:v2")
BOTH = (endpoints("checkout", ["10.0.0.1"]), endpoints("checkout-canary", ["10.0.0.2"]))

SETTLE = 0.1
"""Seconds for what was in flight at a change to be answered."""


async def test_the_share_of_the_canary_is_its_weight() -> None:
    async with bench() as it:
        await asyncio.gather(it.node.start(PRIMARY), it.node.start(CANARY))
        await it.change(*BOTH, split(0))
        async with await it.load() as load:
            for weight, seconds in ((0, 0.5), (5, 3.0), (50, 1.0), (100, 0.5)):
                await it.change(split(weight))
                await asyncio.sleep(SETTLE)
                await load.mark()
                await asyncio.sleep(seconds)
                counted = await load.mark()
                wanted, requests = weight / 100, counted.requests
                sigma = math.sqrt(requests * wanted * (1 - wanted))
                assert requests >= 150 * seconds
                assert abs(counted.answers_of(workload="checkout").requests - requests * wanted) <= 5 * sigma
            total = await load.finish()
        assert (total.lost, total.failed, total.skipped) == (0, 0, 0)


async def test_switching_weights_and_endpoints_under_load_loses_nothing() -> None:
    second = pod("checkout-primary", "11111", "10.0.0.3")
    async with bench(EnvoySettings(delay=0.01, retries=Retries(attempts=0, on=""))) as it:
        await asyncio.gather(*(it.node.start(each) for each in (PRIMARY, CANARY, second)))
        await it.change(*BOTH, split(0))
        async with await it.load(LoadSettings(rate=400)) as load:
            for turn in range(12):
                await it.change(split(0), endpoints("checkout", ["10.0.0.1", "10.0.0.3"][turn % 2 :]))
                await it.change(split(60), service(f"other-{turn}"))
            total = await load.finish()
    assert total.losses == {}
    assert total.requests > 100
    assert total.failed == 0


async def test_a_rolling_replacement_of_pods_under_load_loses_nothing() -> None:
    generations = [
        [pod("checkout-primary", f"{number}{number}", f"10.0.{number}.{one}", LATENCY_MS="20") for one in range(2)]
        for number in range(3)
    ]
    async with bench(EnvoySettings(retries=Retries(attempts=0, on=""))) as it:
        await asyncio.gather(*(it.node.start(each) for each in generations[0]))
        await it.change(endpoints("checkout", ["10.0.0.0", "10.0.0.1"]))
        async with await it.load() as load, asyncio.TaskGroup() as stopping:
            for old, new in itertools.pairwise(generations):
                await asyncio.gather(*(it.node.start(each) for each in new))
                await asyncio.sleep(0.3)
                it.cluster.apply(endpoints("checkout", [each["status"]["podIP"] for each in new]))
                for each in old:
                    stopping.create_task(it.node.stop(each))
            await asyncio.sleep(0.5)
            await it.envoy.settled()
            await asyncio.sleep(0.5)
            total = await load.finish()
    assert total.losses == {}
    assert total.failed == 0
    assert {source.revision for source in total.answers} == {"00", "11", "22"}


async def test_a_pod_that_answers_500_has_failed_but_is_not_lost() -> None:
    async with bench() as it:
        await it.node.start(pod("checkout", "22222", "10.0.0.2", ERROR_RATE="1"))
        await it.change(endpoints("checkout", ["10.0.0.2"]))
        async with await it.load() as load:
            await asyncio.sleep(0.3)
            total = await load.finish()
        retried = await it.envoy.stats(r"^cluster\.shop_checkout_8080\.upstream_rq_retry$")
    assert total.requests == total.failed > 0
    assert total.lost == 0
    assert list(retried.values()) == [0], "Istio does not retry a 500"


async def test_what_no_pod_answered_is_lost() -> None:
    async with bench(EnvoySettings(delay=0.0)) as it:
        await it.node.start(PRIMARY)
        await it.change(endpoints("checkout", ["10.0.0.1"]))
        async with await it.load() as load:
            await it.change(split(100))
            await asyncio.sleep(SETTLE)
            await load.mark()
            await asyncio.sleep(0.2)
            no_endpoints = await load.mark()
            await it.change(virtual_service({"route": [destination("nobody")]}))
            await asyncio.sleep(SETTLE)
            await load.mark()
            await asyncio.sleep(0.2)
            no_service = await load.mark()
    assert set(no_endpoints.losses) == {"503 no healthy upstream"}
    assert set(no_service.losses) == {"503 "}
    assert no_endpoints.answers == no_service.answers == {}


async def test_the_share_of_a_service_that_is_not_there_is_500_with_the_gateway_api() -> None:
    def to(name: str, weight: int) -> dict[str, Any]:
        return {"matches": EVERY_PATH, "backendRefs": [ref(name, weight), ref("checkout", 100 - weight)]}

    async with bench(EnvoySettings(delay=0.0, mesh="gateway-api")) as it:
        await it.node.start(PRIMARY)
        await it.change(endpoints("checkout", ["10.0.0.1"]), http_route(to("nobody", 50)))
        async with await it.load() as load:
            await asyncio.sleep(0.5)
            half = await load.mark()
            await it.change(http_route({"matches": EVERY_PATH, "backendRefs": [ref("checkout", 0)]}))
            await asyncio.sleep(SETTLE)
            await load.mark()
            await asyncio.sleep(0.2)
            none = await load.mark()
    assert (set(half.losses), set(none.losses)) == ({"500 "}, {"500 "})
    assert half.answers_of(workload="checkout-primary").requests > 0
    assert none.answers == {}


async def test_the_meshs_retries_hide_most_of_a_pod_whose_address_refuses() -> None:
    """Not all: the least busy of two is taken, which is the one that refuses, at times for the retries too."""
    hidden = await _lost_where_one_of_two_refuses(None)
    shown = await _lost_where_one_of_two_refuses(EnvoySettings(retries=Retries(attempts=0, on="")))
    assert (hidden < 0.1, shown > 0.3) == (True, True), (hidden, shown)


async def _lost_where_one_of_two_refuses(settings: EnvoySettings | None) -> float:
    """Return the share of the requests that no pod answered."""
    async with bench(settings) as it:
        await it.node.start(PRIMARY)
        await it.change(endpoints("checkout", ["10.0.0.1", "10.9.9.9"]))
        async with await it.load() as load:
            await asyncio.sleep(1.0)
            total = await load.finish()
    return total.lost / total.requests
