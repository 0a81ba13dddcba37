"""`canary plan` with a cluster at hand: the size that serves now, who sets it, and the Service that clients call."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.api_server import kubeconfig
from tests.cli.prometheus import Samples, prometheus
from tests.cli.shell import run
from tests.lint.cases import ENABLED, SOUND

JSON = dict[str, Any]
OPEN = SOUND.replace("  namespace: shop\n", "")
ALONE = OPEN.partition("---\n")[0]


def at(group: str, plural: str, name: str = "", namespace: str = "shop") -> str:
    prefix = f"/apis/{group}" if "/" in group else f"/api/{group}"
    return "/".join(part for part in (prefix, "namespaces", namespace, plural, name) if part)


def deployment(replicas: int) -> JSON:
    return {"metadata": {"name": "x"}, "spec": {"replicas": replicas}}


def scalers(goal: str, **bounds: int) -> JSON:
    return {"items": [{"metadata": {"name": "by-load"}, "spec": {"scaleTargetRef": {"name": goal}, **bounds}}]}


PRIMARY, TARGET = at("apps/v1", "deployments", "checkout-primary"), at("apps/v1", "deployments", "checkout")
HPAS, SCALED = at("autoscaling/v1", "horizontalpodautoscalers"), at("keda.sh/v1alpha1", "scaledobjects")


@contextlib.contextmanager
def cluster(folder: Path, held: Mapping[str, JSON]) -> Iterator[list[str]]:
    """A cluster that holds these objects by their paths; yield the flags that lead there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = held.get(self.path.partition("?")[0])
            body = json.dumps(found or {"reason": "NotFound", "message": "not found", "code": 404}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield ["--kubeconfig", str(kubeconfig(folder, f"http://127.0.0.1:{server.server_address[1]}", "shop"))]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


BOUNDED = scalers("checkout-primary", minReplicas=3, maxReplicas=12)
BY_HPA = "checkout-primary has 7 pods in the cluster, which HorizontalPodAutoscaler by-load (3 to 12) sets"
BY_KEDA = "checkout-primary has 7 pods in the cluster, which ScaledObject by-load (2 to 100) sets"


@pytest.mark.parametrize(
    ("held", "size", "note"),
    [
        ({PRIMARY: deployment(7), TARGET: deployment(0)}, 7, "checkout-primary has 7 pods in the cluster"),
        ({PRIMARY: deployment(7), HPAS: BOUNDED}, 7, BY_HPA),
        (
            {PRIMARY: deployment(7), HPAS: BOUNDED, SCALED: scalers("checkout-primary", minReplicaCount=2)},
            7,
            BY_KEDA,
        ),
        (
            {PRIMARY: deployment(7), HPAS: scalers("cart", minReplicas=3)},
            7,
            "checkout-primary has 7 pods in the cluster",
        ),
        ({TARGET: deployment(5)}, 5, "checkout has 5 pods in the cluster"),
        ({}, 1, "how many pods serve is not in the files: 1 is assumed; --replicas names another"),
    ],
)
def test_the_cluster_says_how_many_pods_serve(tmp_path: Path, held: Mapping[str, JSON], size: int, note: str) -> None:
    with cluster(tmp_path, held) as flags:
        ended = run("plan", "-", *flags, given=OPEN)
    lines = ended.out.splitlines()
    assert (ended.status, lines[0].partition(" pods serve")[0], lines[1]) == (
        0,
        f"shop/checkout: mesh istio, {size}",
        f"note: {note}",
    )


def test_the_namespace_is_that_of_the_flag_else_of_the_context(tmp_path: Path) -> None:
    elsewhere = at("apps/v1", "deployments", "checkout-primary", "other")
    with cluster(tmp_path, {elsewhere: deployment(9)}) as flags:
        named = run("plan", "-", *flags, "-n", "other", given=OPEN)
        by_context = run("plan", "-", *flags, "--context", "elsewhere", given=OPEN)
    assert [one.out.partition(" pods serve")[0] for one in (named, by_context)] == ["other/checkout: mesh istio, 9"] * 2


def test_what_a_person_names_comes_first_then_an_annotation_that_no_autoscaler_overrules(tmp_path: Path) -> None:
    annotated = OPEN.replace(ENABLED, f'{ENABLED}    canary.delivery/replicas: "4"\n')
    sizes = []
    for held in ({PRIMARY: deployment(7)}, {PRIMARY: deployment(7), HPAS: BOUNDED}):
        with cluster(tmp_path, held) as flags:
            sizes += [run("plan", "-", *flags, *more, given=annotated).out for more in ((), ("--replicas", "2"))]
    assert [size.partition(" pods serve")[0].rpartition(" ")[2] for size in sizes] == ["4", "2", "7", "2"]


def test_without_a_service_among_the_files_that_of_the_cluster_says_what_is_measured(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(promql: str) -> Samples:
        asked.append(promql)
        return [({}, 3600.0)]

    service = {"metadata": {"name": "checkout"}, "spec": {"ports": [{"port": 81, "name": "grpc", "targetPort": 8080}]}}
    with cluster(tmp_path, {at("v1", "services", "checkout"): service}) as flags, prometheus(answer) as url:
        ended = run("plan", "-", *flags, "--prometheus-url", url, given=ALONE)
    assert ended.status == 0, ended
    assert any("grpc_response_status" in promql for promql in asked), asked


def test_a_cluster_that_does_not_answer_is_told_in_a_sentence(tmp_path: Path) -> None:
    ended = run("plan", "-", "--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:1", "shop"), given=OPEN)
    assert (ended.status, "http://127.0.0.1:1 did not answer" in ended.error) == (1, True)
