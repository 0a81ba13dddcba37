"""What a person installs before the controller: CRDs, and a node that pods can be bound to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import yaml

from canary.clients.kube_http import Call, KubeHttp, connect
from canary.errors import NotFound
from canary.spec.crd import crd
from tests.api.control_plane import ControlPlane

CRDS = "CANARY_TEST_CRDS"
NODE = "the-node"
SERVED_WITHIN_S = 60.0


def install(plane: ControlPlane, *files: Path) -> None:
    """Create the node, the CRD of canary and those in the files, and return once all are served."""
    asyncio.run(_install(plane, [crd(), *(_without_rules(yaml.safe_load(file.read_text())) for file in files)]))


async def _install(plane: ControlPlane, crds: list[dict[str, Any]]) -> None:
    http = await connect(plane.kubeconfig)
    try:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        await http.send(Call(method="POST", path="/api/v1/nodes", what="the node", body=node))
        for each in crds:
            await _define(http, each)
    finally:
        await http.close()


async def _define(http: KubeHttp, definition: dict[str, Any]) -> None:
    path, name = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition["metadata"]["name"]
    await http.send(Call(method="POST", path=path, what=name, body=definition, deadline_s=60))
    async with asyncio.timeout(SERVED_WITHIN_S):
        while not await _is_served(http, definition):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.1)


async def _is_served(http: KubeHttp, definition: dict[str, Any]) -> bool:
    """Return whether every version is served. The group is listed a moment before its versions are."""
    spec = definition["spec"]
    for version in (each["name"] for each in spec["versions"] if each["served"]):
        path = f"/apis/{spec['group']}/{version}"
        try:
            listed = await http.send(Call(method="GET", path=path, what=path))
        except NotFound:
            return False
        if all(each["name"] != spec["names"]["plural"] for each in listed["resources"]):
            return False
    return True


def _without_rules(value: Any) -> Any:
    """Return a CRD without its CEL rules, which API servers before 1.25 refuse."""
    if isinstance(value, dict):
        return {key: _without_rules(each) for key, each in value.items() if key != "x-kubernetes-validations"}
    return [_without_rules(each) for each in value] if isinstance(value, list) else value
