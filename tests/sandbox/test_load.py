"""What the load counts: by who answered, and strictly lost when nobody did."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from canary.errors import Unavailable
from canary.sandbox.load import Load, LoadSettings
from canary.sandbox.load_counts import Answers, LoadSample, Source

LIMIT = 20.0
POD = "x-canary-pod: p\r\nx-canary-workload: checkout\r\nx-canary-revision: 1\r\nx-canary-version: v1\r\n"
SOURCE = Source("checkout", "1", "v1")


@asynccontextmanager
async def server(answer: str, *, then_close: bool = False) -> AsyncIterator[tuple[str, int]]:
    """A server that says `answer` to each request, nothing when it is empty; and closes the connection then."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer.encode())
                if then_close:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[:2]


def said(status: str, headers: str = "", body: str = "") -> str:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n{body}"


async def counted(address: tuple[str, int], settings: LoadSettings | None = None, seconds: float = 0.3) -> LoadSample:
    async with asyncio.timeout(LIMIT), Load(address, "checkout", settings) as load:
        await asyncio.sleep(seconds)
        return await load.finish()


async def test_an_answer_of_a_pod_counts_for_its_source_with_its_code_and_latency() -> None:
    async with server(said("500 Oops", POD, "no")) as address:
        total = await counted(address)
    answers = total.answers[SOURCE]
    assert set(total.answers) == {SOURCE}
    assert (set(answers.codes), total.lost, total.skipped) == ({500}, 0, 0)
    assert total.requests == total.failed == sum(answers.latencies_ms.values()) > 10
    assert 0 < (total.total.latency_ms(0.5) or 0) <= (total.total.latency_ms(0.99) or 0) < LIMIT * 1000


@pytest.mark.parametrize(
    ("answer", "then_close", "loss"),
    [
        (said("503 Service Unavailable", body="no healthy upstream"), False, "503 no healthy upstream"),
        (said("200 OK"), False, "200 "),
        ("", True, "connection closed before the answer"),
        ("HTTP/1.1 200 OK\r\n\r\n", True, "unreadable answer: KeyError('content-length')"),
        ("", False, "no answer in time"),
    ],
)
async def test_what_no_pod_answered_is_lost_and_named(answer: str, then_close: bool, loss: str) -> None:
    async with server(answer, then_close=then_close) as address:
        total = await counted(address, LoadSettings(timeout=0.2))
    assert set(total.losses) == {loss}
    assert (total.answers, total.requests) == ({}, total.lost)


async def test_a_refused_connection_is_lost() -> None:
    async with server("") as address:
        pass
    total = await counted(address)
    assert total.lost == total.requests > 10
    assert all("connection failed" in loss for loss in total.losses)


async def test_a_connection_that_ends_after_each_answer_loses_nothing_when_it_said_so() -> None:
    async with server(said("200 OK", POD + "connection: close\r\n"), then_close=True) as address:
        total = await counted(address)
    assert total.losses == {}
    assert total.requests > 10


async def test_a_request_due_while_too_many_wait_is_skipped_and_not_lost() -> None:
    async with server("") as address:
        total = await counted(address, LoadSettings(max_in_flight=3, timeout=0.5), seconds=0.2)
    assert total.losses == {"no answer in time": 3}
    assert total.skipped > 10


async def test_arrivals_keep_their_rate_whatever_the_latency() -> None:
    settings = LoadSettings(rate=100, timeout=0.5)
    async with server("") as address, asyncio.timeout(LIMIT), Load(address, "checkout", settings) as load:
        await asyncio.sleep(1.0)
        await load.mark()
        await asyncio.sleep(1.0)
        window = await load.mark()
    assert window.requests == pytest.approx(100 * window.seconds, rel=0.5)  # two a second, were answers waited for


async def test_windows_and_samples_add_up_to_the_total() -> None:
    settings = LoadSettings(interval=0.05)
    async with (
        server(said("200 OK", POD)) as address,
        asyncio.timeout(LIMIT),
        Load(address, "checkout", settings) as load,
    ):
        samples = load.samples()
        seen = [await anext(samples) for _ in range(4)]
        first = await load.mark()
        await anext(samples)
        second = await load.mark()
        total = await load.finish()
    assert 0 < sum(sample.requests for sample in seen) <= first.requests
    assert first.requests + second.requests <= total.requests == load.total.requests
    assert load.window == LoadSample()


async def test_once_it_is_entered_its_process_counts() -> None:
    async with server(said("200 OK", POD)) as address:
        total = await counted(address, seconds=0.2)
    assert total.seconds >= 0.2


async def test_a_load_whose_process_dies_says_so() -> None:
    async with server(said("200 OK", POD)) as address, asyncio.timeout(LIMIT), Load(address, "checkout") as load:
        samples = load.samples()
        await anext(samples)
        os.kill(load.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="the load of the sandbox: the process that makes the load has ended"):
            await load.mark()
        with pytest.raises(Unavailable):
            [sample async for sample in samples]


async def test_a_grpc_answer_counts_by_its_status_and_a_servers_fault_has_failed() -> None:
    grpc = "content-type: application/grpc\r\ngrpc-status: 14\r\n"
    async with server(said("200 OK", POD + grpc)) as address:
        total = await counted(address, LoadSettings(grpc=True))
    answers = total.answers[SOURCE]
    assert (set(answers.codes), set(answers.grpc), total.losses) == ({200}, {14}, {})
    assert total.failed == total.requests > 10


@pytest.mark.parametrize(("status", "failed"), [(0, 0), (5, 0), (7, 0), (2, 1), (12, 1), (14, 1)])
def test_of_grpcs_statuses_only_those_of_a_servers_fault_have_failed(status: int, failed: int) -> None:
    assert Answers(codes={200: 1}, grpc={status: 1}).failed == failed


def test_counts_add_up_and_are_asked_by_workload_and_revision() -> None:
    one = Answers(codes={200: 3, 503: 1}, latencies_ms={1.0: 3, 9.0: 1}, grpc={0: 2, 14: 1})
    other = Answers(codes={500: 1}, latencies_ms={5.0: 1})
    first = LoadSample(seconds=1.0, answers={SOURCE: one}, losses={"504 ": 1})
    both = first.plus(LoadSample(seconds=0.5, answers={SOURCE: other, Source("b", "1", ""): one}, skipped=2))
    assert (both.seconds, both.requests, both.failed, both.lost, both.skipped) == (1.5, 10, 5, 1, 2)
    assert both.answers[SOURCE] == Answers(
        codes={200: 3, 503: 1, 500: 1}, latencies_ms={1.0: 3, 9.0: 1, 5.0: 1}, grpc={0: 2, 14: 1}
    )
    assert both.answers_of(workload="b") == one
    assert both.answers_of(revision="1").requests == 9
    assert both.answers_of(workload="b", revision="2") == Answers()


@pytest.mark.parametrize(("quantile", "latency"), [(0.0, 1.0), (0.5, 1.0), (0.75, 1.0), (0.76, 9.0), (1.0, 9.0)])
def test_a_quantile_is_the_smallest_latency_that_enough_answers_do_not_exceed(quantile: float, latency: float) -> None:
    assert Answers(codes={200: 4}, latencies_ms={9.0: 1, 1.0: 3}).latency_ms(quantile) == latency
    assert Answers().latency_ms(quantile) is None
