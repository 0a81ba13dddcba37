"""What a person installs before the controller: CRDs, its ServiceAccount and rights; and a node to bind pods to."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from canary.clients.kube_http import Call, KubeHttp, connect
from canary.errors import AlreadyExists, NotFound
from canary.ports import NAMESPACE
from canary.spec.crd import crd
from meshes.contract import Kind
from tests.api.control_plane import ControlPlane
from tests.api.people import People, closed
from tests.yaml_files import document, documents

CRDS = "CANARY_TEST_CRDS"
NODE = "the-node"
INSTALL = Path(__file__).parents[2] / "manifests" / "install"
RBAC = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
SERVED_WITHIN_S = 120.0


Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""


def granted() -> set[Right]:
    """Return what the roles of the controller in manifests/install allow."""
    rules = [rule for each in documents(INSTALL / "rights.yaml") for rule in each.get("rules") or ()]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def install(plane: ControlPlane, *files: Path) -> Path:
    """Create the node, the CRD of canary and those in the files, and what manifests/install gives the controller.

    Return the kubeconfig of the controller's ServiceAccount, once all is served.
    """
    meshes = [_without_texts(document(file)) for file in files]
    crds = [crd(), *(_anything(*each) for each in OTHERS), *meshes]
    return asyncio.run(_install(plane, crds))


async def _install(plane: ControlPlane, crds: list[dict[str, Any]]) -> Path:
    http = await connect(plane.kubeconfig)
    try:
        people = await _people(http)
        await people.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        # All at once: the server writes its OpenAPI anew for each that it finds, and for those that came together once.
        await asyncio.gather(*(define(http, each) for each in crds))
        for each in [*documents(INSTALL / "namespace.yaml"), *documents(INSTALL / "rights.yaml")]:
            await people.apply(each)
        return plane.kubeconfig_for("controller", await _token(http))
    finally:
        await closed(http)


async def permit(http: KubeHttp, namespace: str) -> None:
    """Let the controller hold its Lease in a namespace: the Role of manifests/install, moved there."""
    people = await _people(http)
    for each in documents(INSTALL / "rights.yaml"):
        if each["kind"] in ("Role", "RoleBinding"):
            await people.apply({**each, "metadata": {**each["metadata"], "namespace": namespace}})


async def _people(http: KubeHttp) -> People:
    people = People(http)
    rbac = (Kind("rbac.authorization.k8s.io", kind) for kind in RBAC)
    await people.know(NAMESPACE, Kind("", "Node"), Kind("", "ServiceAccount"), *rbac)
    return people


async def _token(http: KubeHttp) -> str:
    path = "/api/v1/namespaces/canary-system/serviceaccounts/canary-controller/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    made = await http.send(Call(method="POST", path=path, what="a token", body=body))
    return str(made["status"]["token"])


async def define(http: KubeHttp, crd: dict[str, Any]) -> None:
    """Install a CRD and return once it is served."""
    definition = _without_rules(crd)
    path, name = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition["metadata"]["name"]
    await http.send(Call(method="POST", path=path, what=name, body=definition, deadline_s=60))
    async with asyncio.timeout(SERVED_WITHIN_S):
        while not await _is_served(http, definition):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.1)


async def ensure(http: KubeHttp, crd: dict[str, Any]) -> None:
    """Install a CRD unless it is there; one that is on its way out is waited for.

    It is looked up first, since that costs the server less than to refuse it.
    """
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    async with asyncio.timeout(SERVED_WITHIN_S):
        while True:
            try:
                live = await http.send(Call(method="GET", path=path, what=path))
            except NotFound:
                with suppress(AlreadyExists):
                    return await define(http, crd)
            else:
                if "deletionTimestamp" not in live["metadata"]:
                    return None
            await asyncio.sleep(0.2)


async def ensure_kuma(plane: ControlPlane) -> None:
    """See that Kuma's kinds are there: its own tests bring other releases of them and take them away."""
    http = await connect(plane.kubeconfig)
    try:
        for file in sorted((Path(os.environ[CRDS]) / "kuma").glob("*.yaml")):
            await ensure(http, document(file))
    finally:
        await closed(http)


async def redefine(http: KubeHttp, crd: dict[str, Any]) -> None:
    """Put another release's CRD in the place of the installed one. Its schema is in force a moment later."""
    definition = _without_rules(crd)
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
    live = await http.send(Call(method="GET", path=path, what=path))
    metadata = {**definition["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
    await http.send(Call(method="PUT", path=path, what=path, body={**definition, "metadata": metadata}, deadline_s=60))


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


OTHERS = (
    ("keda.sh", "v1alpha1", "ScaledObject"),
    ("linkerd.io", "v1alpha2", "ServiceProfile"),
    ("split.smi-spec.io", "v1alpha2", "TrafficSplit"),
)
"""Kinds that the controller watches, and whose content is nothing to the API server here."""


def _anything(group: str, version: str, kind: str) -> dict[str, Any]:
    """Return the CRD of a kind that takes everything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    plural = f"{kind.lower()}s"
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }


def _without_rules(value: Any) -> Any:
    """Return a CRD without its CEL rules, which API servers before 1.25 refuse."""
    if isinstance(value, dict):
        return {key: _without_rules(each) for key, each in value.items() if key != "x-kubernetes-validations"}
    return [_without_rules(each) for each in value] if isinstance(value, list) else value


def _without_texts(value: Any) -> Any:
    """Return a CRD without its descriptions; a property that has that name stays.

    They are two thirds of a mesh's, and an API server works through all of them whenever a CRD comes or goes.
    """
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key != "description" or not isinstance(each, str)}
        return {key: _without_texts(each) for key, each in kept.items()}
    return [_without_texts(each) for each in value] if isinstance(value, list) else value
