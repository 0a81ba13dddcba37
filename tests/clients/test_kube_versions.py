"""Kinds whose versions differ between releases of Kubernetes: each is read and written in one that is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from canary.clients.discovery import Discovery
from canary.clients.kube import KubeCluster
from canary.clients.kube_http import Call, KubeHttp
from canary.errors import NotFound
from canary.ports import ENDPOINT_SLICE, HPA
from meshes.contract import Kind, ObjectRef

SLICES, SCALERS = "endpointslices", "horizontalpodautoscalers"
PLURALS: Mapping[str, tuple[Kind, str]] = {
    "discovery.k8s.io": (ENDPOINT_SLICE, SLICES),
    "autoscaling": (HPA, SCALERS),
}
RELEASES = {
    "1.20": (["v1beta1"], ["v1", "v2beta1", "v2beta2"], "v1beta1", "v1"),
    "1.21": (["v1", "v1beta1"], ["v1", "v2beta1", "v2beta2"], "v1", "v1"),
    "1.23": (["v1", "v1beta1"], ["v2", "v1", "v2beta1", "v2beta2"], "v1", "v2"),
    "1.26": (["v1"], ["v2", "v1"], "v1", "v2"),
    "with beta versions alone": (["v1beta1"], ["v2beta1", "v2beta2"], "v1beta1", "v2beta2"),
}
"""What releases serve of EndpointSlices and of HorizontalPodAutoscalers, and in which version each is used.

Version v1 of the autoscaler says all that is read of it, and keeps what it cannot say in annotations.
"""


class Release(KubeHttp):
    """An API server that serves these versions of each group; `calls` are those that are no discovery."""

    def __init__(self, served: Mapping[str, Sequence[str]]) -> None:
        self.served = served
        self.calls: list[Call] = []

    async def send(self, call: Call) -> Any:
        _, group, version, *rest = [*call.path.strip("/").split("/"), ""]
        if group not in self.served:
            raise NotFound(call.path)
        if not version:
            return {"versions": [{"version": one} for one in self.served[group]]}
        kind, plural = PLURALS[group]
        if not any(rest):
            names = [plural, f"{plural}/status"]
            return {"resources": [{"name": name, "kind": kind.kind, "namespaced": True} for name in names]}
        self.calls.append(call)
        meta = {"namespace": "shop", "name": "checkout", "uid": "u", "resourceVersion": "9"}
        return {"apiVersion": f"{group}/{version}", "kind": kind.kind, "metadata": meta, "spec": {"minReplicas": 2}}


@pytest.mark.parametrize(("slices", "scalers", "slice_in", "scaler_in"), RELEASES.values(), ids=RELEASES)
async def test_endpoint_slices_and_autoscalers_are_used_in_the_best_version_that_is_served(
    slices: Sequence[str], scalers: Sequence[str], slice_in: str, scaler_in: str
) -> None:
    discovery = Discovery(Release({"discovery.k8s.io": slices, "autoscaling": scalers}))
    await discovery.refresh({ENDPOINT_SLICE, HPA})
    assert {*discovery.served(ENDPOINT_SLICE)} == {*slices}
    assert {*discovery.served(HPA)} == {*scalers}
    assert discovery.resource(ENDPOINT_SLICE).path("shop") == (
        f"/apis/discovery.k8s.io/{slice_in}/namespaces/shop/{SLICES}"
    )
    assert discovery.resource(HPA).path("shop", "checkout") == (
        f"/apis/autoscaling/{scaler_in}/namespaces/shop/{SCALERS}/checkout"
    )


@pytest.mark.parametrize(
    ("served", "used"), [(["v1", "v2"], "v2"), (["v1", "v2beta2"], "v1"), (["v2beta1", "v2beta2"], "v2beta2")]
)
async def test_an_autoscaler_is_read_and_written_in_that_version(served: Sequence[str], used: str) -> None:
    http = Release({"autoscaling": served})
    cluster = KubeCluster(http, [HPA], ())
    await cluster._discovery.refresh({HPA})
    ref = ObjectRef(HPA, "shop", "checkout")
    await cluster.read(ref)
    await cluster.patch(ref, {"spec": {"minReplicas": 2}}, resource_version="8")
    at = f"/apis/autoscaling/{used}/namespaces/shop/{SCALERS}/checkout"
    assert [(call.method, call.path) for call in http.calls] == [("GET", at), ("PATCH", at)]


async def test_a_kind_that_comes_and_goes_is_served_and_not_served() -> None:
    http = Release({"autoscaling": ["v2"]})
    discovery = Discovery(http)
    for served, versions in (
        ({"autoscaling": ["v2"]}, ("v2",)),
        ({}, ()),
        ({"autoscaling": ["v2", "v1"]}, ("v2", "v1")),
    ):
        http.served = served
        await discovery.refresh({HPA})
        assert discovery.served(HPA) == versions
