"""The rights of manifests/install are those that the controller uses: none is missing, none is more.

Every verb that is granted is used by the lives here, and the API server refused nothing; so whichever verb is taken
away, a request is refused, and whichever is added, nobody uses it.
"""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.scalers import SCALED_OBJECT
from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, HPA, NAMESPACE, SECRET
from canary.rollout.phases import Phase
from canary.sandbox.kinds import GRPC_ROUTE, HTTP_ROUTE, MESH_HTTP_ROUTE
from meshes.contract import Kind, ObjectRef
from meshes.kuma.names import INJECTION, MESH
from tests.api.audit import requests
from tests.api.harness import Harness
from tests.api.installing import granted
from tests.api.side_by_side import Ensemble, scene
from tests.builders import PORT, autoscaler, config_map, metadata, secret, service

pytestmark = pytest.mark.xdist_group("api-scenes")


async def lived(it: Harness, scaler: dict[str, Any]) -> None:
    """Be onboarded with an autoscaler, promoted often enough that old revisions are forgotten, and leave."""
    await it.people.apply(scaler)
    await it.there()
    await it.until(lambda: goal(it, scaler) == "checkout-primary")
    for tag, skipped in (("2.0", "false"), ("3.0", "true"), ("4.0", "true")):
        await it.push(tag, skip_analysis=skipped)
        await it.until(lambda tag=tag: it.status.phase is Phase.SUCCEEDED and it.serving() == (tag, 3))  # type: ignore[misc]
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await it.until(lambda: it.live(CANARY) is None)
    await it.until(lambda: it.live(DEPLOYMENT, "checkout-primary") is None)
    assert goal(it, scaler) == "checkout"


def goal(it: Harness, scaler: dict[str, Any]) -> str:
    [live] = [each for kind in (HPA, SCALED_OBJECT) for each in it.view.list(kind, it.namespace)]
    return str(live["spec"]["scaleTargetRef"]["name"])


@scene
async def test_a_whole_life_with_an_autoscaler(it: Harness) -> None:
    scaler = autoscaler(least=3, namespace=it.namespace)
    spec = {key: value for key, value in scaler["spec"].items() if key != "metrics"}
    await lived(it, {**scaler, "apiVersion": "autoscaling/v1", "spec": spec})


@scene
async def test_a_whole_life_with_keda(it: Harness) -> None:
    spec = {"scaleTargetRef": {"name": "checkout"}, "minReplicaCount": 3, "maxReplicaCount": 6, "triggers": []}
    made = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}
    await lived(it, {**made, "metadata": metadata("checkout", it.namespace), "spec": spec})


async def with_routes(it: Harness, kind: Kind, *, protocol: str = "http", **annotations: str) -> None:
    """Be onboarded with another mesh, split, be promoted by hand, and leave; the route came and went with that."""
    port = {"name": "http", "port": PORT, "targetPort": "http", "appProtocol": protocol}
    await it.people.apply(service(namespace=it.namespace, ports=[port]))
    await it.push("1.0", replicas=3, **annotations)
    await it.until_phase(Phase.INITIALIZED)
    assert len(it.view.list(kind, it.namespace)) == 1
    await it.push("2.0", replicas=None, **annotations)
    await it.until(lambda: it.status.observed_weight == 50)
    await it.annotate(it.ref(CANARY), command="promote")
    await it.until(lambda: it.status.phase is Phase.SUCCEEDED and it.serving() == ("2.0", 3))
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await it.until(lambda: it.live(CANARY) is None)
    assert it.view.list(kind, it.namespace) == []


@scene
async def test_a_whole_life_with_linkerd(it: Harness) -> None:
    await with_routes(it, HTTP_ROUTE, mesh="linkerd")


@scene
async def test_a_whole_life_with_the_gateway_api(it: Harness) -> None:
    await with_routes(it, GRPC_ROUTE, protocol="grpc", mesh="gateway-api")


@scene
async def test_a_whole_life_with_kuma(it: Harness) -> None:
    namespace = ObjectRef(NAMESPACE, "", it.namespace)
    await it.people.patch(namespace, {"metadata": {"labels": {INJECTION: "enabled"}}})
    services = {"meshServices": {"mode": "Exclusive"}}
    mesh = {"apiVersion": "kuma.io/v1alpha1", "kind": MESH.kind, "metadata": {"name": "default"}, "spec": services}
    await it.people.apply(mesh)
    await with_routes(it, MESH_HTTP_ROUTE, mesh="kuma")


@scene
async def test_a_whole_life_with_configuration(it: Harness) -> None:
    """Three versions, so that copies of what nobody reads any more are taken away."""
    await it.people.know(CONFIG_MAP, SECRET)
    noted = {"skip_analysis": "true", "track_config": "all"}
    for tag in ("1.0", "2.0", "3.0", "4.0"):
        await it.people.apply(config_map(namespace=it.namespace, text=tag))
        await it.people.apply(secret(namespace=it.namespace, text=tag))
        if tag == "1.0":
            await it.people.apply(service(namespace=it.namespace))
        manifest = it.pushed(tag, replicas=3 if tag == "1.0" else None, **noted)
        read = [{"configMapRef": {"name": "app-config"}}, {"secretRef": {"name": "app-secret"}}]
        manifest["spec"]["template"]["spec"]["containers"][0]["envFrom"] = read
        await it.people.apply(manifest)
        await it.until(lambda tag=tag: it.serving() == (tag, 3))  # type: ignore[misc]
        await it.until(lambda: it.status.phase in (Phase.INITIALIZED, Phase.SUCCEEDED))


@pytest.mark.asyncio(loop_scope="package")
async def test_every_right_is_used_and_none_is_missing(ensemble: Ensemble) -> None:
    await ensemble.all_played()
    asked = requests(ensemble.world.plane.folder)[ensemble.before :]
    assert [str(each) for each in asked if each.forbidden] == []
    used = {(each.group, each.resource, each.verb) for each in asked}
    assert {"unused": sorted(granted() - used), "missing": sorted(used - granted())} == {"unused": [], "missing": []}
