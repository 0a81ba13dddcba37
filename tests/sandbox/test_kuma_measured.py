"""Kuma's built-in queries over what the sandbox's pods export: the real Prometheus and the sandbox's own give the same
numbers, and these are what the pods answered. By kumactl's labels and by those of plain pod discovery.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.controller.grouping import Grouper
from canary.controller.measure import Measurement, Subject, answer, pods_of
from canary.rollout.model import Answer, Builtin, Check, Counts, Limit, Question, Side, Timing
from canary.sandbox.clock import LoopClock
from canary.sandbox.exporter import found_by
from canary.sandbox.exporter_kuma import ENVOY_EDGES_MS, KUMA
from canary.sandbox.identity import Identity
from canary.sandbox.ledger import Ledger, Outcome
from canary.sandbox.prometheus import metrics_server
from canary.sandbox.scraper import Target
from canary.spec.plan import plan_from
from meshes.contract import AppProtocol, Workload
from meshes.kuma import Kuma
from tests.builders import canary
from tests.sandbox.dataplane import HOST

REAL = shutil.which("prometheus") is not None
PIN = "6bbf8c7d9"
SUCCESS = Check(name="success-rate", builtin=Builtin.SUCCESS_RATE, limit=99)
P99 = Check(name="latency-p99", builtin=Builtin.LATENCY_P99, side=Limit.MAX, limit=0.25)
CHECKS = (SUCCESS, P99)


def who(name: str, workload: str, namespace: str = "shop") -> Identity:
    return Identity(
        namespace=namespace, name=name, workload=workload, revision=PIN, version="1", app="checkout", port=8080
    )


CANARY = who(f"checkout-{PIN}-x2x4z", "checkout")
PRIMARY = who("checkout-primary-5d4f7c9b8-bcdfg", "checkout-primary")
ELSEWHERE = who(CANARY.name, "checkout", "eu")
BEFORE = who("checkout-7c9d8f6b5-vwxz2", "checkout")


@dataclass(slots=True)
class Bench:
    """Pods that export what they are told to have answered, and a Prometheus that scrapes them."""

    ledgers: dict[Identity, Ledger]
    prometheus: Prometheus
    start: datetime
    protocol: AppProtocol

    def answered(self, pod: Identity, *outcomes: tuple[int, int | None], ms: float = 20) -> None:
        for code, grpc in outcomes:
            self.ledgers[pod].add(Outcome(HOST, code, grpc), ms)

    async def asked(self, check: Check, side: Side = Side.CANARY) -> Answer:
        names = {Side.CANARY: ("checkout", PIN), Side.PRIMARY: ("checkout-primary", "")}
        subjects = {}
        for one, (deployment, pin) in names.items():
            pods = pods_of(deployment, pin)
            service = "checkout-canary" if pin else "checkout"
            workload = Workload(
                namespace="shop",
                deployment=deployment,
                service=service,
                pods=pods,
                port=80,
                protocol=self.protocol,
                port_name="http",
                pod_port=8080,
            )
            subjects[one] = Subject(workload=workload, revision=pin)
        plan = replace(plan_from(canary(), timing=Timing(), default_mesh="kuma"), checks=CHECKS)
        end = datetime.now(UTC)
        question = Question(check=check.name, side=side, start=self.start, end=end)
        measurement = Measurement(
            plan=plan, mesh=Kuma(), metrics=self.prometheus, grouper=Grouper(self.prometheus), subjects=subjects
        )
        return (await answer([question], measurement))[question]

    async def reads(self, check: Check, wanted: Counts, side: Side = Side.CANARY) -> None:
        """Return once the answer is that; it comes with the next scrape."""
        found: Answer | None = None
        try:
            async with asyncio.timeout(30):
                while found != wanted:
                    await asyncio.sleep(0.1)
                    found = await self.asked(check, side)
        except TimeoutError:
            assert found == wanted


@asynccontextmanager
async def bench(real: bool, labelled: Callable[[Identity], object], protocol: AppProtocol) -> AsyncIterator[Bench]:
    ledgers = {pod: Ledger(ENVOY_EDGES_MS) for pod in (CANARY, PRIMARY, ELSEWHERE, BEFORE)}

    async def metrics(request: web.BaseRequest) -> web.Response:
        pod = list(ledgers)[int(request.path.strip("/"))]
        return web.Response(text="".join(f"{line}\n" for line in KUMA.lines(pod, ledgers[pod])))

    server = await asyncio.get_running_loop().create_server(web.Server(metrics, access_log=None), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    labels = KUMA.target if labelled is KUMA.target else found_by
    targets = [Target(url=f"{url}/{place}", labels=labels(pod)) for place, pod in enumerate(ledgers)]
    clock = LoopClock(datetime.now(UTC))
    start = datetime.now(UTC) - timedelta(seconds=5)
    async with (
        metrics_server(lambda: targets, clock, interval=timedelta(milliseconds=200), real=real) as scraped,
        Prometheus(PrometheusAccess(url=scraped.url)) as prometheus,
    ):
        yield Bench(ledgers, prometheus, start, protocol)
    server.close()


NEEDS_REAL = pytest.mark.skipif(not REAL, reason="prometheus is not on the PATH")
OWN, KUMACTL, PODS = "the sandbox's own", "kumactl's labels", "pod discovery's labels"


@pytest.mark.parametrize(
    ("real", "labelled"),
    [
        pytest.param(False, KUMA.target, id=f"{OWN}, {KUMACTL}"),
        pytest.param(False, found_by, id=f"{OWN}, {PODS}"),
        pytest.param(True, KUMA.target, id=f"the real one, {KUMACTL}", marks=NEEDS_REAL),
    ],
)
async def test_http_requests_are_counted_as_they_were_answered(
    real: bool, labelled: Callable[[Identity], object]
) -> None:
    async with bench(real, labelled, AppProtocol.HTTP) as it:
        it.answered(PRIMARY, *[(200, None)] * 50)
        it.answered(ELSEWHERE, *[(500, None)] * 50)
        it.answered(BEFORE, *[(500, None)] * 50)
        await it.reads(SUCCESS, Counts(total=50, bad=0), Side.PRIMARY)
        # No request has come to the canary: no data, which is not 100 % and not 0 %.
        assert await it.asked(SUCCESS) == Counts(total=None, bad=0)
        assert await it.asked(P99) == Counts(total=None, bad=0)
        it.answered(CANARY, (500, None))
        # The very first error of a pod, which is its very first answer: all failing is 0 %.
        await it.reads(SUCCESS, Counts(total=1, bad=1))
        it.answered(CANARY, *[(200, None)] * 30, *[(404, None)] * 4)
        it.answered(CANARY, *[(503, None)] * 5, ms=400)
        await it.reads(SUCCESS, Counts(total=40, bad=6))
        latency = await it.asked(P99)
        assert isinstance(latency, Counts)
        assert (latency.total, latency.bad) == (40, 5)
        assert await it.asked(SUCCESS, Side.PRIMARY) == Counts(total=50, bad=0)


@pytest.mark.parametrize(
    ("real", "labelled"),
    [
        pytest.param(False, KUMA.target, id=f"{OWN}, {KUMACTL}"),
        pytest.param(True, found_by, id=f"the real one, {PODS}", marks=NEEDS_REAL),
    ],
)
async def test_grpc_fails_by_its_status_and_by_that_of_http(real: bool, labelled: Callable[[Identity], object]) -> None:
    async with bench(real, labelled, AppProtocol.GRPC) as it:
        it.answered(PRIMARY, *[(200, 0)] * 20, *[(200, 5)] * 20)
        await it.reads(SUCCESS, Counts(total=40, bad=0), Side.PRIMARY)
        assert await it.asked(SUCCESS) == Counts(total=None, bad=0)
        it.answered(CANARY, (200, 14))
        await it.reads(SUCCESS, Counts(total=1, bad=1))
        # The caller's faults (5 is NOT_FOUND) are no failures; an HTTP error has no gRPC status.
        it.answered(
            CANARY, (200, 0), (200, 5), (200, 2), (200, 4), (200, 12), (200, 13), (200, 14), (200, 15), (503, None)
        )
        await it.reads(SUCCESS, Counts(total=10, bad=8))
