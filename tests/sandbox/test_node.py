"""Pods as real servers: when they are ready, what they answer, how they end."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import aiohttp
import pytest

from canary.errors import ConfigError, Unavailable
from canary.sandbox.application import OVERLOAD_S, Behaviour, behaviour
from canary.sandbox.node import NodeRuntime
from canary.sandbox.runtime import Attentive, ImageUnpullable, PodCrashed
from tests.sandbox.dataplane import pod

LIMIT = 20.0
"""Seconds after which what is waited for will not come."""


def url(node: NodeRuntime, of: str = "10.0.0.2") -> str:
    host, port = node.address(of) or ("", 0)
    return f"http://{host}:{port}/"


def test_an_environment_becomes_a_behaviour() -> None:
    env = {"ERROR_RATE": "0.25", "LATENCY_MS": "20", "JITTER_MS": "5", "STARTUP_MS": "1500", "CRASH": "true"}
    more = {"LINGER_MS": "4000", "CRASH_AFTER_MS": "100", "CRASH_ABOVE_RPS": "40", "SOMETHING": "else"}
    assert behaviour({}) == Behaviour()
    assert behaviour({**env, **more}) == Behaviour(
        error_rate=0.25,
        latency=0.02,
        jitter=0.005,
        startup=1.5,
        crash=True,
        crash_after=0.1,
        crash_above=40.0,
        linger=4.0,
        linger_limit=4.0,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("ERROR_RATE", "1.5"), ("ERROR_RATE", "-1"), ("LATENCY_MS", "fast"), ("JITTER_MS", "nan"), ("CRASH", "yes")],
)
def test_a_value_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is "):
        behaviour({name: value})


async def test_a_ready_pod_answers_and_says_who_it_is() -> None:
    wanted = pod("checkout", "22222", "10.0.0.2", image="shop/checkout:v2")
    async with NodeRuntime() as node, aiohttp.ClientSession() as session:
        assert isinstance(node, Attentive)
        assert node.address("10.0.0.2") is None
        await node.start(wanted)
        assert node.address("checkout-22222-2") == node.address("10.0.0.2")
        assert node.targets() == {"checkout-22222-2": node.address("10.0.0.2")}
        assert node.labels("checkout-22222-2") == {"namespace": "shop", "pod": "checkout-22222-2"}
        async with session.get(url(node), headers={"host": "checkout"}) as answer:
            said = {name: value for name, value in answer.headers.items() if name.startswith("x-canary")}
            assert answer.status == 200
        async with session.get(url(node) + "metrics") as metrics:
            text = await metrics.text()
    assert said == {
        "x-canary-pod": "checkout-22222-2",
        "x-canary-workload": "checkout",
        "x-canary-revision": "22222",
        "x-canary-version": "v2",
    }
    assert text.count("istio_requests_total{") == 1


@pytest.mark.parametrize(("rate", "status"), [("0", "0"), ("1", "14")])
async def test_a_grpc_request_is_answered_200_with_its_outcome_in_grpc_status(rate: str, status: str) -> None:
    grpc = {"content-type": "application/grpc", "te": "trailers"}
    async with NodeRuntime() as node, aiohttp.ClientSession() as session:
        await node.start(pod("checkout", "1", "10.0.0.2", ERROR_RATE=rate))
        async with session.post(url(node), headers=grpc, data=bytes(5)) as answer:
            assert (answer.status, answer.headers["grpc-status"]) == (200, status)
        async with session.get(url(node) + "metrics") as metrics:
            text = await metrics.text()
    counted = next(line for line in text.splitlines() if line.startswith("istio_requests_total{"))
    assert f'request_protocol="grpc",response_code="200",grpc_response_status="{status}"' in counted


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"CRASH": "true"}, PodCrashed, "checkout-1-1 ended at its start"),
        ({"ERROR_RATE": "lots"}, PodCrashed, "checkout-1-1: ERROR_RATE is 'lots'"),
        ({"image": "shop/checkout:missing"}, ImageUnpullable, "checkout-1-1: image shop/checkout:missing cannot be"),
    ],
)
async def test_a_pod_that_cannot_run_says_why(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    async with NodeRuntime() as node:
        with pytest.raises(error, match=message):
            await node.start(pod("checkout", "1", "10.0.0.1", **wrong))
        assert node.targets() == {}


async def test_a_stop_ends_a_pod_that_is_still_starting() -> None:
    slow = pod("checkout", "1", "10.0.0.1", STARTUP_MS="3600000")
    async with NodeRuntime() as node, asyncio.timeout(LIMIT):
        starting = asyncio.create_task(node.start(slow))
        await asyncio.sleep(0)
        await node.stop(slow)
        with pytest.raises(PodCrashed, match="stopped before it was ready"):
            await starting
        await node.stop(slow)


async def test_a_stopped_pod_finishes_what_it_has_begun_and_closes() -> None:
    wanted = pod("checkout", "1", "10.0.0.2", LATENCY_MS="3000", LINGER_MS="1000")
    async with NodeRuntime() as node, aiohttp.ClientSession() as session, asyncio.timeout(LIMIT):
        await node.start(wanted)
        where = url(node)
        answering = asyncio.create_task(session.get(where))
        await asyncio.sleep(0.5)
        await node.stop(wanted)
        async with await answering as answer:
            assert (answer.status, answer.headers.get("connection")) == (200, "close")
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(where)
        assert (node.address("10.0.0.2"), node.targets()) == (None, {})


async def test_a_stopped_pod_is_cut_off_when_its_grace_is_over() -> None:
    wanted = pod("checkout", "1", "10.0.0.2", LATENCY_MS="3600000", LINGER_MS="0")
    wanted["spec"]["terminationGracePeriodSeconds"] = 0
    async with NodeRuntime() as node, aiohttp.ClientSession() as session, asyncio.timeout(LIMIT):
        await node.start(wanted)
        answering = asyncio.create_task(session.post(url(node)))
        await asyncio.sleep(0.5)
        await node.stop(wanted)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await answering


async def test_a_pod_that_crashes_later_ends_without_an_answer() -> None:
    wanted = pod("checkout", "1", "10.0.0.2", LATENCY_MS="3600000", CRASH_AFTER_MS="150")
    async with NodeRuntime() as node, aiohttp.ClientSession() as session, asyncio.timeout(LIMIT):
        await node.start(wanted)
        answering = asyncio.create_task(session.post(url(node)))
        await node.ended(wanted)
        with pytest.raises(aiohttp.ClientConnectionError):
            await answering
        await node.start(wanted)


async def test_a_pod_that_crashes_under_load_ends_at_the_first_request_too_many_in_three_seconds() -> None:
    wanted = pod("checkout", "1", "10.0.0.2", CRASH_ABOVE_RPS="1")
    async with NodeRuntime() as node, aiohttp.ClientSession() as session, asyncio.timeout(LIMIT):
        await node.start(wanted)
        for _ in range(2):
            for _ in range(3):
                async with session.get(url(node)) as answer:
                    assert answer.status == 200
            await asyncio.sleep(OVERLOAD_S + 0.1)
        for _ in range(3):
            async with session.get(url(node)) as answer:
                assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(url(node))
        await node.ended(wanted)


async def test_a_node_whose_process_dies_says_so_to_all_who_ask() -> None:
    slow = pod("checkout", "1", "10.0.0.1", STARTUP_MS="3600000")
    async with NodeRuntime() as node, asyncio.timeout(LIMIT):
        starting = asyncio.create_task(node.start(slow))
        await asyncio.sleep(0)
        os.kill(node.pid, signal.SIGKILL)
        for asked in (starting, node.stop(slow)):
            with pytest.raises(Unavailable, match="the node of the sandbox: the process that runs the pods has ended"):
                await asked
