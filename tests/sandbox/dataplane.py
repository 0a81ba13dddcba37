"""Objects for tests of the sandbox's data plane, as a user, the endpoints controller and an adapter write them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.envoy import Envoy, EnvoySettings
from canary.sandbox.load import Load, LoadSettings
from canary.sandbox.node import NodeRuntime

# Said once, it keeps the virtual-time plugin from making a loop for a test that needs none and leaving it unclosed.
asyncio.set_event_loop(None)

HOST = "checkout.shop.svc.cluster.local"


def service(name: str, port_name: str = "http", namespace: str = "shop") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": "checkout"}, "ports": [{"name": port_name, "port": 8080}]},
    }


def endpoints(service_name: str, ips: Sequence[str], not_ready: Sequence[str] = ()) -> dict[str, Any]:
    ready = dict.fromkeys(ips, True) | dict.fromkeys(not_ready, False)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service_name}-1",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": is_ready}} for ip, is_ready in ready.items()],
    }


def destination(host: str, weight: int | None = None, port: int | None = 8080) -> dict[str, Any]:
    where: dict[str, Any] = {"host": host} | ({} if port is None else {"port": {"number": port}})
    return {"destination": where} | ({} if weight is None else {"weight": weight})


def virtual_service(*http: Mapping[str, Any], name: str = "checkout", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hosts": ["checkout"], "http": list(http), **spec},
    }


def split(weight: int) -> dict[str, Any]:
    """The route that gives the canary `weight` percent."""
    return virtual_service({"route": [destination("checkout", 100 - weight), destination("checkout-canary", weight)]})


def pod(workload: str, revision: str, ip: str, *, image: str = "shop/checkout:v1", **env: str) -> dict[str, Any]:
    """A pod of a Deployment; one pod for each IP."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{workload}-{revision}-{ip.rpartition('.')[2]}",
            "namespace": "shop",
            "labels": {"app": "checkout", "pod-template-hash": revision},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{workload}-{revision}",
                    "uid": "1",
                    "controller": True,
                }
            ],
        },
        "spec": {
            "containers": [
                {"name": "app", "image": image, "env": [{"name": name, "value": value} for name, value in env.items()]}
            ]
        },
        "status": {"podIP": ip},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A cluster with the Services `checkout` and `checkout-canary`, a node, and an Envoy that follows the cluster."""

    cluster: InMemoryCluster
    node: NodeRuntime
    envoy: Envoy

    async def load(self, settings: LoadSettings | None = None) -> Load:
        return Load(await self.envoy.address("shop", "checkout", 8080), HOST, settings)

    async def change(self, *objects: Mapping[str, Any]) -> None:
        """Apply the objects and wait until Envoy works by them."""
        for each in objects:
            self.cluster.apply(each)
        await self.envoy.settled()


@asynccontextmanager
async def bench(settings: EnvoySettings | None = None) -> AsyncIterator[Bench]:
    cluster = InMemoryCluster()
    cluster.apply(service("checkout"))
    cluster.apply(service("checkout-canary"))
    try:
        async with NodeRuntime() as node, Envoy(cluster.client("istiod"), node.address, settings) as envoy:
            yield Bench(cluster=cluster, node=node, envoy=envoy)
    finally:
        cluster.close()
