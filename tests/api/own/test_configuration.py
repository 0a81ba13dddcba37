"""Configuration and autoscalers on a real control plane: what the primary reads, and what is put back."""

from __future__ import annotations

import json

import pytest

from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, HPA, SECRET
from canary.rollout.phases import Phase
from meshes.contract import Manifest
from tests.api.configured import copied, onboarded, read_by
from tests.api.harness import Harness
from tests.api.side_by_side import scene

pytestmark = pytest.mark.xdist_group("api-scenes")


@scene
async def test_config_alone_is_rolled_out_and_what_serves_reads_copies(it: Harness) -> None:
    await onboarded(it, track_config="all")
    await it.until_phase(Phase.INITIALIZED)
    [old], [hush] = await copied(it, CONFIG_MAP), await copied(it, SECRET)
    assert read_by(it, "checkout-primary") == (old, hush)
    await it.people.patch(it.ref(CONFIG_MAP, "app-config"), {"data": {"text": "new"}})
    await it.until_weight(50)
    assert read_by(it, "checkout-primary") == (old, hush)
    assert read_by(it, "checkout") == ("app-config", "app-secret")
    await it.until_phase(Phase.SUCCEEDED)
    assert it.weights == [0, 50, 0]
    [new, _] = read_by(it, "checkout-primary")
    assert new != old
    await it.until(lambda: it.serving() == ("1.0", 3))
    assert (await copied(it, CONFIG_MAP))[new] == {"text": "new"}
    assert it.status.stable is not None
    assert it.status.stable.config
    gone = {"metadata": {"annotations": {"canary.delivery/enabled": None}}}
    await it.people.patch(it.ref(DEPLOYMENT), gone)
    await it.until(lambda: it.live(CANARY) is None)
    assert (await copied(it, CONFIG_MAP), await copied(it, SECRET)) == ({}, {})


@scene
async def test_an_autoscaler_follows_the_primary_and_is_put_back(it: Harness) -> None:
    await it.people.know(HPA)
    live = it.ref(HPA)
    goal = {"apiVersion": "apps/v1", "kind": DEPLOYMENT.kind, "name": "checkout"}
    bounds = {"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": goal}
    meta = {"name": "checkout", "namespace": it.namespace}
    await it.people.apply({"apiVersion": "autoscaling/v1", "kind": HPA.kind, "metadata": meta, "spec": bounds})
    await it.onboarded()
    await it.until(lambda: _goal(it.view.get(live)) == ("checkout-primary", 2))
    await it.push("2.0")
    await it.until_weight(50)
    assert _goal(it.view.get(live)) == ("checkout-primary", 3)
    await it.until_phase(Phase.SUCCEEDED)
    await it.until(lambda: _goal(it.view.get(live)) == ("checkout-primary", 2))
    gone = {"metadata": {"annotations": {"canary.delivery/enabled": None}}}
    await it.people.patch(it.ref(DEPLOYMENT), gone)
    await it.until(lambda: it.live(CANARY) is None)
    assert _goal(it.view.get(live)) == ("checkout", 2)
    scaler = it.view.get(live)
    assert scaler is not None
    assert "least-was" not in json.dumps(scaler["metadata"].get("annotations", {}))


def _goal(scaler: Manifest | None) -> tuple[str, int]:
    assert scaler is not None
    return scaler["spec"]["scaleTargetRef"]["name"], scaler["spec"]["minReplicas"]
