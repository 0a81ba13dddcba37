"""What is written for Linkerd and for other meshes with the Gateway API, object by object, and that the CRDs take it.

Write the files anew with `CANARY_TEST_GOLDEN=write`, and read the difference before you keep it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshes.contract import Manifest
from meshes.gateway_api import GatewayApi
from meshes.linkerd import Linkerd
from tests.meshes.gamma_objects import EDGE, GRPC, GRPC_EDGE, HTTP, PARENT, grpc_route, http_route, to
from tests.meshes.structural import crd_folder, faults

GOLDEN = Path(__file__).parent.parent / "golden"
CRDS = ("gateway-api", "older/gateway-api-v1.2.1")

USERS = http_route(
    {
        "matches": [{"path": {"type": "Exact", "value": "/admin"}}],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-debug"]}}],
        "backendRefs": [to("admin", 1, group="", kind="Service")],
    },
    {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "timeouts": {"request": "2s"},
        "backendRefs": [
            to(
                "checkout",
                1,
                group="",
                kind="Service",
                filters=[
                    {
                        "type": "ResponseHeaderModifier",
                        "responseHeaderModifier": {"set": [{"name": "x-served-by", "value": "shop"}]},
                    }
                ],
            )
        ],
    },
    parents=(PARENT, {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}),
    hostnames=["checkout.example.com"],
)
USERS_GRPC = grpc_route(
    {"matches": [{"method": {"service": "shop.Admin"}}], "backendRefs": [to("admin", 1, group="", kind="Service")]},
    {
        "matches": [{"method": {"service": "shop.Checkout"}}],
        "backendRefs": [to("checkout", 1, group="", kind="Service")],
    },
)


def made(adapter: Linkerd | GatewayApi) -> Mapping[str, Manifest]:
    running = adapter.render(EDGE, 10, USERS)
    grpc = adapter.render(GRPC_EDGE, 10, USERS_GRPC)
    return {
        "http-0": adapter.render(HTTP, 0, None),
        "http-10": adapter.render(HTTP, 10, None),
        "http-100": adapter.render(HTTP, 100, None),
        "http-10-v1beta1": adapter.render(replace(HTTP, served=("v1beta1",)), 10, None),
        "grpc-10": adapter.render(GRPC, 10, None),
        "grpc-10-v1alpha2": adapter.render(replace(GRPC, served=("v1alpha2",)), 10, None),
        "user-10": running,
        "user-100": adapter.render(EDGE, 100, running),
        "user-at-rest": adapter.render(EDGE, 0, running),
        "user-grpc-10": grpc,
        "user-grpc-at-rest": adapter.render(GRPC_EDGE, 0, grpc),
    }


MADE = {(adapter.name, name): one for adapter in (Linkerd(), GatewayApi()) for name, one in made(adapter).items()}
OLD = "v1alpha2"


@pytest.mark.parametrize(("mesh", "name"), MADE)
def test_an_object_is_written_as_its_golden_file_says(mesh: str, name: str) -> None:
    path = GOLDEN / mesh / f"{name}.yaml"
    if os.environ.get("CANARY_TEST_GOLDEN") == "write":
        path.write_text(yaml.safe_dump(_plain(MADE[mesh, name]), sort_keys=False))
    assert MADE[mesh, name] == yaml.safe_load(path.read_text())


@pytest.mark.parametrize("mesh", ["linkerd", "gateway-api"])
def test_every_golden_file_has_its_test(mesh: str) -> None:
    assert sorted(path.stem for path in (GOLDEN / mesh).iterdir()) == sorted(name for of, name in MADE if of == mesh)


@pytest.mark.parametrize("folder", CRDS)
@pytest.mark.parametrize(("mesh", "name"), [key for key in MADE if not key[1].endswith(OLD)])
def test_the_crds_take_what_is_written(mesh: str, name: str, folder: str) -> None:
    manifest = MADE[mesh, name]
    crd = f"{manifest['kind'].lower()}s.gateway.networking.k8s.io.yaml"
    assert faults(crd_folder() / folder / crd, manifest) == []


def test_a_user_route_is_at_rest_as_the_user_wrote_it() -> None:
    for mesh in ("linkerd", "gateway-api"):
        assert MADE[mesh, "user-at-rest"] == USERS
        assert MADE[mesh, "user-grpc-at-rest"] == USERS_GRPC


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
