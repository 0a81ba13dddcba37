"""`canary doctor` against a real control plane on which nothing is installed: neither our CRD nor a mesh."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from canary.clients.kube_http import Call, KubeHttp, connect
from canary.spec.crd import crd
from meshes import registry
from tests.api.control_plane import ControlPlane, assets_folder, control_plane
from tests.api.installing import CRDS, define
from tests.api.test_doctor_table import (
    CRD_PATH,
    JSON,
    Around,
    around,
    assert_fails,
    services,
)
from tests.yaml_files import document

__all__ = ["around", "services"]

pytestmark = pytest.mark.xdist_group("api")


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A control plane of its own with nothing installed: what it lacks is lacking to no other test."""
    assets = assets_folder()
    if assets is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver and kube-controller-manager")
    if not os.environ.get(CRDS):
        pytest.skip(f"{CRDS} names no folder with the CRDs of the meshes")
    with control_plane(assets) as running:
        yield running


@pytest.fixture
async def nothing(bare: ControlPlane, services: tuple[str, str]) -> AsyncIterator[tuple[Around, KubeHttp]]:
    http = await connect(bare.kubeconfig)
    yield Around(bare.kubeconfig, *services, flags=["--as", ""]), http
    await http.close()


async def test_a_cluster_without_our_crd_is_told_so(nothing: tuple[Around, KubeHttp]) -> None:
    around, _ = nothing
    told = await around.diagnosed()
    assert_fails(
        told, "crd", "CRD canaries.canary.delivery is not installed", "canary crd | kubectl apply", others=REST
    )


REST = ("leader", "mesh")
"""What fails too where nothing is installed."""


async def test_a_crd_that_does_not_serve_our_version_is_told_with_what_it_serves(
    nothing: tuple[Around, KubeHttp],
) -> None:
    around, http = nothing
    other = crd()
    version = other["spec"]["versions"][0]
    newer = {**version, "name": "v1beta1", "storage": True}
    other["spec"]["versions"] = [{**version, "served": False, "storage": False}, newer]
    await http.send(Call(method="POST", path=CRD_PATH, what="the CRD", body=other, deadline_s=60))
    path = f"{CRD_PATH}/{other['metadata']['name']}"
    try:
        ended = await around.diagnosed()
        assert_fails(ended, "crd", "serves v1beta1, not v1alpha1", "apply manifests/install/crd.yaml", others=REST)
    finally:
        await http.send(Call(method="DELETE", path=path, what="the CRD"))


@pytest.mark.parametrize("mesh", sorted(registry.names()))
async def test_a_mesh_whose_routes_are_not_served_is_told(nothing: tuple[Around, KubeHttp], mesh: str) -> None:
    around, _ = nothing
    around.flags += ["--mesh", mesh]
    status, told = await around.diagnosed()
    kind = {"istio": "VirtualService.networking.istio.io", "kuma": "MeshHTTPRoute.kuma.io"}.get(
        mesh, "HTTPRoute.gateway.networking.k8s.io"
    )
    assert (status, told["mesh"]) == (
        1,
        (
            "failed",
            f"the cluster does not serve {kind}, in which {mesh} has the split",
            f"install {mesh} and its CRDs, or name the mesh that is installed with --mesh",
        ),
    )


def definition_of(name: str) -> JSON:
    """The CRD of that name, as the Gateway API has it."""
    path = Path(os.environ[CRDS]) / "gateway-api" / f"{name}.yaml"
    found: JSON = document(path)
    return found


async def test_a_mesh_without_routes_for_grpc_passes_with_a_note(nothing: tuple[Around, KubeHttp]) -> None:
    around, http = nothing
    around.flags += ["--mesh", "linkerd"]
    definition = definition_of("httproutes.gateway.networking.k8s.io")
    await define(http, definition)
    try:
        _, told = await around.diagnosed()
    finally:
        path = f"{CRD_PATH}/{definition['metadata']['name']}"
        await http.send(Call(method="DELETE", path=path, what="the CRD"))
    assert told["mesh"][0] == "passed"
    assert told["mesh"][1].endswith("gRPC cannot be split: GRPCRoute.gateway.networking.k8s.io is not served")
