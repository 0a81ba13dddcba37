"""A Deployment that reads a ConfigMap and a Secret, on a real control plane, and what the controller makes of those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.ports import CONFIG_MAP, DEPLOYMENT, SECRET
from meshes.contract import Kind, Manifest
from tests.api.harness import QUICK, Harness
from tests.builders import PORT, config_map, deployment, secret, service, settings

OURS = {"canary.delivery/target": "checkout"}
TOKEN: list[dict[str, Any]] = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "app-secret", "key": "text"}}}]


def reading(it: Harness, tag: str = "1.0", config: str = "app-config", **annotations: str) -> Manifest:
    """The Deployment of a version, which reads a ConfigMap and the Secret `app-secret`; only 1.0 says how many pods."""
    port = {"name": "http", "containerPort": PORT}
    reads = {"env": TOKEN, "envFrom": [{"configMapRef": {"name": config}}]}
    app = {"name": "app", "image": f"registry.example/checkout:{tag}", "ports": [port], **reads}
    template = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [app]}}
    noted, replicas = {**QUICK, **settings(**annotations)}, 3 if tag == "1.0" else None
    return deployment(annotations=noted, namespace=it.namespace, replicas=replicas, template=template)


async def read(it: Harness) -> None:
    """Apply the Service, and what version 1.0 reads."""
    await it.people.know(CONFIG_MAP, SECRET)
    await it.people.apply(config_map(namespace=it.namespace, text="old"))
    await it.people.apply(secret(namespace=it.namespace, text="hush"))
    await it.people.apply(service(namespace=it.namespace))


async def onboarded(it: Harness, **annotations: str) -> None:
    await read(it)
    it.start()
    await it.people.apply(reading(it, **annotations))


async def copied(it: Harness, kind: Kind) -> dict[str, Mapping[str, str]]:
    """What the copies hold, by name, as the API server has them."""
    live = await it.people.listed(kind, it.namespace)
    mine = [one for one in live if OURS.items() <= (one["metadata"].get("labels") or {}).items()]
    assert all(one["immutable"] is True for one in mine)
    return {one["metadata"]["name"]: one["data"] for one in mine}


def read_by(it: Harness, name: str) -> tuple[str, str]:
    live = it.live(DEPLOYMENT, name)
    assert live is not None
    [container] = live["spec"]["template"]["spec"]["containers"]
    token = container["env"][0]["valueFrom"]["secretKeyRef"]["name"]
    return container["envFrom"][0]["configMapRef"]["name"], token
