"""A Prometheus that is slow, gone or hanging costs the controller a bounded wait, and never its event loop."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest

from canary.clients.prometheus import THREADS, Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.clients.retry import Patience
from canary.errors import Unavailable
from tests.clients.raw_server import Asked, Reply, dripping, never, raw_server, vector

AT = datetime(2026, 1, 1, tzinfo=UTC)
ONCE = Patience(tries=1, within=timedelta(seconds=20))
IMPATIENT = Patience(tries=3, within=timedelta(seconds=0.3))


def access(url: str, answer: float = 0.2) -> PrometheusAccess:
    return PrometheusAccess(url=url, connect=5.0, answer=answer)


@pytest.mark.parametrize("reply", [never, dripping])
async def test_an_answer_that_does_not_come_or_does_not_end_is_given_up(reply: Reply) -> None:
    async with raw_server(reply) as server, Prometheus(access(server.url), patience=ONCE) as prometheus:
        with pytest.raises(Unavailable) as caught:
            await prometheus.query("m", AT)
    message = f"Prometheus at {server.url} did not answer in time: check its load, and the cost of the query"
    assert str(caught.value) == message


async def test_the_whole_of_all_tries_has_a_limit() -> None:
    async with raw_server(never) as server, Prometheus(access(server.url, 5.0), patience=IMPATIENT) as prometheus:
        with pytest.raises(Unavailable) as caught:
            await prometheus.query("m", AT)
    message = f"Prometheus at {server.url} did not answer within 0.3 s: check its load, and the cost of the query"
    assert str(caught.value) == message


async def test_a_refused_connection_says_so_and_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused, and nobody else gets the port
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Prometheus(access(url)) as prometheus:
            with pytest.raises(Unavailable) as caught:
                await prometheus.query("m", AT)
    message = f"Prometheus at {url} cannot be reached (Connection refused): check that it runs, and the address"
    assert str(caught.value) == message


async def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    async with Prometheus(access("http://prometheus.invalid:9090"), patience=ONCE) as prometheus:
        with pytest.raises(Unavailable, match=r"^Prometheus at http://prometheus.invalid:9090 cannot be reached \("):
            await prometheus.query("m", AT)


async def test_hung_queries_block_neither_the_loop_nor_name_look_ups() -> None:
    reached = asyncio.Event()

    async def hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(server.asked) == THREADS:
            reached.set()
        await never(asked, writer)

    async with (
        raw_server(hang) as server,
        Prometheus(access(server.url, 3.0), patience=Patience(within=timedelta(seconds=1))) as prometheus,
        asyncio.TaskGroup() as tasks,
    ):
        hung = [tasks.create_task(expect_unavailable(prometheus)) for _ in range(100)]
        async with asyncio.timeout(30):
            await reached.wait()
            await asyncio.get_running_loop().getaddrinfo("localhost", 80)  # in the loop's default pool
            assert not any(task.done() for task in hung)
    assert len(server.asked) == THREADS


async def expect_unavailable(prometheus: Prometheus) -> None:
    with pytest.raises(Unavailable):
        await prometheus.query("m", AT)


async def test_after_hung_queries_the_next_ones_are_answered() -> None:
    async with raw_server(never) as server, Prometheus(access(server.url), patience=ONCE) as prometheus:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2 * THREADS):
                tasks.create_task(expect_unavailable(prometheus))
        server.reply = vector()
        assert await prometheus.query("m", AT) == []
