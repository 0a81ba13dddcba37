"""Which kinds the in-memory API server serves, in which versions, and how it treats them.

A custom resource definition is no object here: it is a row of this table that tests add and take away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.ports import (
    CANARY,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    HPA,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
)
from meshes.contract import Kind

LEASE = Kind("coordination.k8s.io", "Lease")
VIRTUAL_SERVICE = Kind("networking.istio.io", "VirtualService")
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "HTTPRoute")
GRPC_ROUTE = Kind("gateway.networking.k8s.io", "GRPCRoute")
SERVICE_PROFILE = Kind("linkerd.io", "ServiceProfile")
MESH_HTTP_ROUTE = Kind("kuma.io", "MeshHTTPRoute")
MESH = Kind("kuma.io", "Mesh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How one kind is served.

    `versions` are API versions without the group ("v1", "v1beta1"), newest first; objects are stored in the first.
    `status` is true when status is written through its subresource only. `generation` is true for kinds whose
    metadata.generation counts the changes of what a user wants. `schema` is the structural OpenAPI schema of a custom
    resource: fields that it does not know are pruned; None prunes nothing.
    """

    versions: tuple[str, ...]
    namespaced: bool = True
    status: bool = False
    generation: bool = False
    schema: Mapping[str, Any] | None = None


def custom(
    *versions: str, namespaced: bool = True, status: bool = False, schema: Mapping[str, Any] | None = None
) -> Served:
    """Return how a custom resource of these versions (newest first) is served."""
    return Served(versions=versions, namespaced=namespaced, status=status, generation=True, schema=schema)


BUILT_IN: dict[Kind, Served] = {
    NAMESPACE: Served(versions=("v1",), namespaced=False, status=True),
    POD: Served(versions=("v1",), status=True),
    SERVICE: Served(versions=("v1",), status=True),
    CONFIG_MAP: Served(versions=("v1",)),
    SECRET: Served(versions=("v1",)),
    EVENT: Served(versions=("v1",)),
    Kind("", "ServiceAccount"): Served(versions=("v1",)),
    Kind("", "PersistentVolumeClaim"): Served(versions=("v1",), status=True),
    Kind("", "ResourceQuota"): Served(versions=("v1",), status=True),
    DEPLOYMENT: Served(versions=("v1",), status=True, generation=True),
    REPLICA_SET: Served(versions=("v1",), status=True, generation=True),
    Kind("apps", "StatefulSet"): Served(versions=("v1",), status=True, generation=True),
    Kind("apps", "DaemonSet"): Served(versions=("v1",), status=True, generation=True),
    CONTROLLER_REVISION: Served(versions=("v1",)),
    ENDPOINT_SLICE: Served(versions=("v1",), generation=True),
    HPA: Served(versions=("v2", "v1"), status=True),
    LEASE: Served(versions=("v1",)),
    Kind("policy", "PodDisruptionBudget"): Served(versions=("v1",), status=True, generation=True),
    Kind("networking.k8s.io", "NetworkPolicy"): Served(versions=("v1",), generation=True),
}
"""What a kube-apiserver serves by itself, as far as canary meets it."""

CUSTOM: dict[Kind, Served] = {
    CANARY: custom("v1alpha1", status=True),
    VIRTUAL_SERVICE: custom("v1", "v1beta1", "v1alpha3", status=True),
    Kind("networking.istio.io", "DestinationRule"): custom("v1", "v1beta1", "v1alpha3", status=True),
    HTTP_ROUTE: custom("v1", "v1beta1", status=True),
    GRPC_ROUTE: custom("v1", status=True),
    Kind("gateway.networking.k8s.io", "Gateway"): custom("v1", "v1beta1", status=True),
    Kind("policy.linkerd.io", "HTTPRoute"): custom("v1beta3", "v1beta2", "v1beta1", "v1alpha1", status=True),
    SERVICE_PROFILE: custom("v1alpha2"),
    Kind("split.smi-spec.io", "TrafficSplit"): custom("v1alpha2", "v1alpha1"),
    MESH_HTTP_ROUTE: custom("v1alpha1"),
    Kind("kuma.io", "MeshService"): custom("v1alpha1", status=True),
    MESH: custom("v1alpha1", namespaced=False),
    Kind("kuma.io", "MeshTCPRoute"): custom("v1alpha1"),
    Kind("kuma.io", "TrafficRoute"): custom("v1alpha1", namespaced=False),
    Kind("keda.sh", "ScaledObject"): custom("v1alpha1", status=True),
}
"""The custom resources of canary and of every mesh; a test takes away what its cluster shall not have."""
