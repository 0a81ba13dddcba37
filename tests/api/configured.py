"""A Deployment that reads a ConfigMap and a Secret, on a real control plane, and what the controller makes of those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.ports import CONFIG_MAP, DEPLOYMENT, SECRET
from meshes.contract import Kind, Manifest
from tests.api.harness import QUICK, Harness
from tests.builders import PORT, config_map, deployment, secret, service, settings

OURS = {"canary.delivery/target": "checkout"}
READS: dict[str, Any] = {
    "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "app-secret", "key": "text"}}}],
    "envFrom": [{"configMapRef": {"name": "app-config"}}],
}


def reading(it: Harness, **annotations: str) -> Manifest:
    """The Deployment of version 1.0, which reads a ConfigMap and a Secret."""
    port = {"name": "http", "containerPort": PORT}
    app = {"name": "app", "image": "registry.example/checkout:1.0", "ports": [port], **READS}
    template = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [app]}}
    noted = {**QUICK, **settings(**annotations)}
    return deployment(annotations=noted, namespace=it.namespace, template=template)


async def onboarded(it: Harness, **annotations: str) -> None:
    await it.people.know(CONFIG_MAP, SECRET)
    await it.people.apply(config_map(namespace=it.namespace, text="old"))
    await it.people.apply(secret(namespace=it.namespace, text="hush"))
    await it.people.apply(service(namespace=it.namespace))
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
