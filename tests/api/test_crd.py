"""A real API server takes the CRD, writes the same defaults as the annotations do, and loses nothing of a status."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings

from canary.rollout.model import Status
from canary.spec.annotations import canary_from_annotations
from canary.spec.crd import crd
from canary.spec.status import status_from_json, status_to_json
from tests.api.control_plane import ADMIN_TOKEN, ControlPlane, assets_folder, control_plane
from tests.api.installing import CRDS as CRDS_OF_MESHES
from tests.spec.test_status import STATUSES

ASSETS = assets_folder()
pytestmark = [
    pytest.mark.skipif(ASSETS is None, reason="KUBEBUILDER_ASSETS names no folder with etcd and kube-apiserver"),
    pytest.mark.xdist_group("api"),
]

GROUP, VERSION, PLURAL = "canary.delivery", "v1alpha1", "canaries"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CANARIES = f"/apis/{GROUP}/{VERSION}/namespaces/default/{PLURAL}"
PATIENCE_S = 30.0
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An API server; its certificate is one that it made for itself."""

    url: str
    trust: ssl.SSLContext

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the HTTP status and the JSON of the answer."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.trust) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
            return error.code, json.loads(text) if text.startswith("{") else {"message": text}

    def created(self, spec: Any, name: str) -> dict[str, Any]:
        """Create a Canary, take it away again, and return it as it was stored."""
        code, stored = self.call("POST", CANARIES, _canary(spec, name))
        assert code == 201, stored
        self.call("DELETE", f"{CANARIES}/{name}")
        assert isinstance(stored, dict)
        return stored


def _canary(spec: Any, name: str) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Canary", "metadata": {"name": name}, "spec": spec}


def _generated(annotations: dict[str, str]) -> dict[str, Any]:
    wanted, faults = canary_from_annotations(
        {
            "metadata": {
                "name": "checkout",
                "namespace": "default",
                "annotations": {f"{GROUP}/{key}": value for key, value in {"enabled": "true", **annotations}.items()},
            }
        }
    )
    assert faults == ()
    assert wanted is not None
    return dict(wanted)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The control plane that other tests use too, or one with nothing but our CRD where those of the meshes are not."""
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    if os.environ.get(CRDS_OF_MESHES):
        plane: ControlPlane = request.getfixturevalue("plane")
        yield Server(url=plane.url, trust=trust)
        return
    assert ASSETS is not None
    with control_plane(ASSETS) as own:
        server = Server(url=own.url, trust=trust)
        code, answer = server.call("POST", CRDS, crd())
        assert code == 201, answer
        _until(lambda: server.call("GET", CANARIES)[0] == 200)
        _until(lambda: server.call("GET", "/api/v1/namespaces/default")[0] == 200)
        yield server


def _until(done: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, f"not so within {PATIENCE_S} s"
        time.sleep(0.1)


def test_the_crd_is_established_and_structural(server: Server) -> None:
    _, stored = server.call("GET", f"{CRDS}/{PLURAL}.{GROUP}")
    conditions = {one["type"]: one["status"] for one in stored["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_the_api_server_keeps_every_field_of_the_crd(server: Server) -> None:
    _, stored = server.call("GET", f"{CRDS}/{PLURAL}.{GROUP}")
    assert stored["spec"]["versions"] == crd()["spec"]["versions"]


def test_its_defaults_are_those_that_annotations_write(server: Server) -> None:
    assert server.created({"targetRef": {"name": "checkout"}}, "plain")["spec"] == _generated({})["spec"]


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {"steps": "5,10@5m,pause,50"},
        {"step-weight": "20", "max-weight": "60"},
        {"success-rate": "off"},
        {"success-rate": "99.5", "latency-p99": "500ms", "check.queue": 'sum(lag{pod=~"{{ pods }}"}) <= 100'},
        {"port": "8080", "protocol": "grpc", "service": "front", "route": "shop.front", "replicas": "0"},
        {"port": "http", "mesh": "istio", "slack-channel": "#shop", "slack-mention": "@oncall", "suspend": "true"},
    ],
)
def test_a_live_generated_canary_compares_equal_to_the_wanted_one(server: Server, annotations: dict[str, str]) -> None:
    wanted = _generated(annotations)
    assert server.created(wanted["spec"], "generated")["spec"] == wanted["spec"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.targetRef"),
        ({"targetRef": {}}, "spec.targetRef.name"),
        ({"targetRef": {**TARGET, "kind": "StatefulSet"}}, "spec.targetRef.kind"),
        ({"targetRef": TARGET, "suspend": "yes"}, "spec.suspend"),
        ({"targetRef": TARGET, "replicas": -1}, "spec.replicas"),
        ({"targetRef": TARGET, "service": {"port": {}}}, "spec.service.port"),
        ({"targetRef": TARGET, "service": {"name": "-x"}}, "spec.service.name"),
        ({"targetRef": TARGET, "service": {"protocol": "tcp"}}, "spec.service.protocol"),
        ({"targetRef": TARGET, "analysis": {"interval": "soon"}}, "spec.analysis.interval"),
        ({"targetRef": TARGET, "analysis": {"maxFailures": 0}}, "spec.analysis.maxFailures"),
        ({"targetRef": TARGET, "analysis": {"noData": "guess"}}, "spec.analysis.noData"),
        ({"targetRef": TARGET, "analysis": {"steps": [{"weight": 101}]}}, "spec.analysis.steps"),
        ({"targetRef": TARGET, "analysis": {"steps": [{"weight": 1}] * 101}}, "spec.analysis.steps"),
        ({"targetRef": TARGET, "analysis": {"checks": [{"builtin": "luck"}]}}, "spec.analysis.checks"),
    ],
)
def test_what_is_out_of_range_is_refused_by_the_api_server(server: Server, spec: Any, field: str) -> None:
    code, answer = server.call("POST", CANARIES, _canary(spec, "refused"))
    assert code == 422
    assert field in answer["message"]


@given(STATUSES)
@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_nothing_of_a_status_is_pruned(server: Server, status: Status) -> None:
    assume(len({one.type for one in status.conditions}) == len(status.conditions))
    name = "remembering"
    server.call("POST", CANARIES, _canary({"targetRef": TARGET}, name))
    _, stored = server.call("GET", f"{CANARIES}/{name}")
    wanted = json.loads(json.dumps(status_to_json(status)))
    code, answer = server.call("PUT", f"{CANARIES}/{name}/status", {**stored, "status": wanted})
    assert code == 200, answer
    assert status_from_json(answer["status"]) == status
    assert _measured(answer["status"]) == _measured(wanted)


def _measured(stored: Any) -> Any:
    """Return JSON with every number as a float: a large one may come back in another spelling."""
    return json.loads(json.dumps(stored), parse_int=float)
