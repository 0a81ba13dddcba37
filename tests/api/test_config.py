"""Configuration and autoscalers on a real control plane: what the primary reads, who may read, and what is put back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, HPA, SECRET
from canary.rollout.phases import Phase
from meshes.contract import Kind, Manifest, ObjectRef
from tests.api.harness import QUICK, Harness
from tests.builders import PORT, config_map, deployment, secret, service, settings

pytestmark = pytest.mark.xdist_group("api")

ROLE = Kind("rbac.authorization.k8s.io", "ClusterRole")
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


async def test_config_alone_is_rolled_out_and_what_serves_reads_copies(at_work: Harness) -> None:
    await onboarded(at_work, track_config="all")
    await at_work.until_phase(Phase.INITIALIZED)
    [old], [hush] = await copied(at_work, CONFIG_MAP), await copied(at_work, SECRET)
    assert read_by(at_work, "checkout-primary") == (old, hush)
    await at_work.people.patch(at_work.ref(CONFIG_MAP, "app-config"), {"data": {"text": "new"}})
    await at_work.until_weight(50)
    assert read_by(at_work, "checkout-primary") == (old, hush)
    assert read_by(at_work, "checkout") == ("app-config", "app-secret")
    await at_work.until_phase(Phase.SUCCEEDED)
    assert at_work.weights == [0, 50, 0]
    [new, _] = read_by(at_work, "checkout-primary")
    assert new != old
    await at_work.until(lambda: at_work.serving() == ("1.0", 3))
    assert (await copied(at_work, CONFIG_MAP))[new] == {"text": "new"}
    assert at_work.status.stable is not None
    assert at_work.status.stable.config
    gone = {"metadata": {"annotations": {"canary.delivery/enabled": None}}}
    await at_work.people.patch(at_work.ref(DEPLOYMENT), gone)
    await at_work.until(lambda: at_work.live(CANARY) is None)
    assert (await copied(at_work, CONFIG_MAP), await copied(at_work, SECRET)) == ({}, {})


async def test_without_the_right_to_secrets_only_their_canary_waits(at_work: Harness) -> None:
    await at_work.people.know(ROLE)
    [role] = [one for one in await at_work.people.listed(ROLE) if one["metadata"]["name"] == "canary-controller"]
    without = [rule for rule in role["rules"] if rule["resources"] != ["secrets"]]
    ref = ObjectRef(ROLE, "", "canary-controller")
    await at_work.people.patch(ref, {"rules": without})
    try:
        await onboarded(at_work, track_config="all")
        await at_work.until(lambda: "Secrets in" in at_work.status.message)
        assert "forbidden" in at_work.status.message
        assert at_work.size() == 3
    finally:
        await at_work.people.patch(ref, {"rules": role["rules"]})
    await at_work.until_phase(Phase.INITIALIZED)


async def test_an_autoscaler_follows_the_primary_and_is_put_back(at_work: Harness) -> None:
    await at_work.people.know(HPA)
    live = at_work.ref(HPA)
    goal = {"apiVersion": "apps/v1", "kind": DEPLOYMENT.kind, "name": "checkout"}
    bounds = {"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": goal}
    meta = {"name": "checkout", "namespace": at_work.namespace}
    await at_work.people.apply({"apiVersion": "autoscaling/v1", "kind": HPA.kind, "metadata": meta, "spec": bounds})
    await at_work.onboarded()
    await at_work.until(lambda: _goal(at_work.view.get(live)) == ("checkout-primary", 2))
    await at_work.push("2.0")
    await at_work.until_weight(50)
    assert _goal(at_work.view.get(live)) == ("checkout-primary", 3)
    await at_work.until_phase(Phase.SUCCEEDED)
    await at_work.until(lambda: _goal(at_work.view.get(live)) == ("checkout-primary", 2))
    gone = {"metadata": {"annotations": {"canary.delivery/enabled": None}}}
    await at_work.people.patch(at_work.ref(DEPLOYMENT), gone)
    await at_work.until(lambda: at_work.live(CANARY) is None)
    assert _goal(at_work.view.get(live)) == ("checkout", 2)
    scaler = at_work.view.get(live)
    assert scaler is not None
    assert "least-was" not in json.dumps(scaler["metadata"].get("annotations", {}))


def _goal(scaler: Manifest | None) -> tuple[str, int]:
    assert scaler is not None
    return scaler["spec"]["scaleTargetRef"]["name"], scaler["spec"]["minReplicas"]
