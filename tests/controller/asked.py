"""Questions about growth, of every mesh, and what becomes of them: for the tests of grouping."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from canary.controller import grouping
from canary.controller.grouping import Counted, Grouper, Growth
from canary.controller.measure import pods_of
from canary.errors import CanaryError
from canary.ports import Series
from meshes.contract import AppProtocol, Mesh, RouteError, Workload
from meshes.gateway_api import GatewayApi
from meshes.istio import Istio
from meshes.kuma import Kuma
from meshes.linkerd import Linkerd
from tests.controller.mesh_series import Pod, istio
from tests.controller.promql_metrics import PromQL, scrape
from tests.meshes.gamma_objects import HTTP, ISTIO, LINKERD, answered

END = 12
HASHES = ("6bbf8c7d9", "5d4f7c9b8")
OURS = GatewayApi().render(HTTP, 10, None)
MESHES: dict[str, tuple[Mesh, Any]] = {
    "istio": (Istio(), None),
    "linkerd": (Linkerd(), None),
    "kuma": (Kuma(), None),
    **{
        f"gateway-api with {controller}": (GatewayApi(), answered(OURS, controller))
        for controller in (ISTIO, LINKERD, "gateways.kuma.io/controller")
    },
}


def workload(name: str, namespace: str = "shop", *, pin: str = "", **more: Any) -> Workload:
    pods = pods_of(name, pin)
    told = {"port": 8080, "port_name": "http", "pod_port": 8080, "protocol": AppProtocol.HTTP, **more}
    return Workload(namespace=namespace, deployment=name, service=name, pods=pods, **told)


def growth(
    of: Workload,
    counted: Counted = Counted.TOTAL,
    *,
    scrapes: int = 4,
    end: int = END,
    mesh: str | Mesh = "istio",
) -> Growth:
    adapter, route = MESHES[mesh] if isinstance(mesh, str) else (mesh, None)
    asked = replace(of, route=route)
    return Growth(mesh=adapter, workload=asked, counted=counted, start=scrape(end - scrapes), end=scrape(end))


def samples(metrics: PromQL, name: str, namespace: str = "shop", *, step: int = 1, scrapes: int = END + 1) -> None:
    """Requests to one pod of a workload of Istio's, the same number before each scrape."""
    istio(metrics, pod(name, namespace, good=(step,) * scrapes))


def pod(name: str, namespace: str = "shop", *, suffix: str = "x2x4z", **told: Any) -> Pod:
    """A pod that answered `good` requests, one number for each scrape from the first on, and whatever is told."""
    nothing = (0,) * len(told["good"])
    plainest: dict[str, Any] = {
        "protocol": AppProtocol.HTTP,
        "listener": "localhost_8080",
        "first": 0,
        "faults": nothing,
        "errors": nothing,
        "slow": nothing,
    }
    return Pod(namespace=namespace, workload=name, name=f"{name}-{HASHES[0]}-{suffix}", **plainest | told)


async def ask(
    metrics: Any, asked: Sequence[Growth], *, most: int = grouping.MOST
) -> list[Sequence[Series] | Exception]:
    grouper = Grouper(metrics, most=most)

    async def one(question: Growth) -> Sequence[Series] | Exception:
        try:
            return await grouper.growth(question)
        except (CanaryError, RouteError) as error:
            return error

    return list(await asyncio.gather(*(one(question) for question in asked)))


def plainly(answers: Sequence[Sequence[Series] | Exception]) -> list[Any]:
    """Answers as values that compare: samples by their labels, NaN equal to itself, sums in whatever order."""
    return [
        str(answer)
        if isinstance(answer, Exception)
        else {
            tuple(sorted(one.labels.items())): "nan" if math.isnan(one.value) else float(f"{one.value:.9g}")
            for one in answer
        }
        for answer in answers
    ]
