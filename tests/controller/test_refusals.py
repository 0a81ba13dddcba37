"""What stops onboarding, said by name, before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.refusals import refusals
from canary.ports import CANARY, CLAIM, DEPLOYMENT, POD, SERVICE
from canary.rollout.model import Timing
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.spec.plan import plan_from
from meshes.contract import Manifest
from tests.builders import JSON, canary, deployment, metadata, ref, service
from tests.controller.driver import OLD, Driver, applied, onboarded
from tests.embedded import eventually, ready_images

pytestmark = pytest.mark.looptime


async def faults(cluster: InMemoryCluster, *manifests: Manifest, name: str = "checkout") -> dict[str, str]:
    """Apply the manifests and return what is refused, by reason."""
    for manifest in manifests:
        cluster.apply(manifest)
    await eventually(cluster, lambda: cluster.get(ref(CANARY, name)) and cluster.get(ref(DEPLOYMENT, name)))
    live, target = cluster.now(ref(CANARY, name)), cluster.now(ref(DEPLOYMENT, name))
    plan = plan_from(live, timing=Timing(), default_mesh="istio")
    return {fault.reason: fault.message for fault in refusals(cluster, plan, live, target)}


async def seen(cluster: InMemoryCluster, *manifests: Manifest) -> dict[str, str]:
    """Apply the manifests and return the faults of an observation, by reason."""
    for manifest in manifests:
        cluster.apply(manifest)
    await eventually(cluster, lambda: cluster.get(ref(CANARY)) and cluster.get(ref(DEPLOYMENT)))
    return {fault.reason: fault.message for fault in Driver(cluster).observe().world.faults}


def pods(**spec: Any) -> JSON:
    """A Deployment whose pods have more in their spec."""
    made = deployment()
    made["spec"]["template"]["spec"] |= spec
    return made


async def test_an_ordinary_deployment_is_not_refused(cluster: InMemoryCluster) -> None:
    assert await seen(cluster, deployment(), service(), canary()) == {}


def claim(*modes: str) -> JSON:
    spec = {"accessModes": list(modes), "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": CLAIM.kind, "metadata": metadata("data"), "spec": spec}


@pytest.mark.parametrize(
    ("strategy", "claims", "why"),
    [
        ("Recreate", [claim("ReadWriteOnce")], "is ReadWriteOnce, and the strategy is Recreate"),
        ("Recreate", [claim("ReadWriteMany")], ""),
        ("Recreate", [claim("ReadOnlyMany")], ""),
        ("Recreate", [claim("ReadWriteOnce", "ReadWriteMany")], ""),
        ("Recreate", [], "is not there"),
        ("RollingUpdate", [claim("ReadWriteOnce")], ""),
        ("RollingUpdate", [claim("ReadWriteOncePod")], "is ReadWriteOncePod, for a single pod"),
        ("RollingUpdate", [], ""),
    ],
)
async def test_a_volume_that_two_pods_cannot_share(
    cluster: InMemoryCluster, strategy: str, claims: list[JSON], why: str
) -> None:
    made = pods(volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "data"}}])
    made["spec"]["strategy"] = {"type": strategy}
    refused = (await faults(cluster, *claims, made, canary())).get("VolumeNotShared", "")
    assert refused == (
        f"Deployment checkout: PersistentVolumeClaim data of its volume disk {why}, so primary and candidate could not "
        "run side by side; give them a claim with ReadWriteMany"
        if why
        else ""
    )


async def test_a_volume_that_becomes_shared_is_refused_no_more(cluster: InMemoryCluster) -> None:
    made = pods(volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "data"}}])
    made["spec"]["strategy"] = {"type": "Recreate"}
    cluster.apply(claim("ReadWriteOnce"))
    driver = await applied(cluster, made)
    await driver.for_a_while(30)
    assert driver.status.phase is Phase.INITIALIZING
    cluster.edit(ref(CLAIM, "data"), {"spec": {"accessModes": ["ReadWriteMany"]}})
    await driver.until_phase(Phase.INITIALIZED)


async def test_a_port_of_the_node(cluster: InMemoryCluster) -> None:
    container = deployment()["spec"]["template"]["spec"]["containers"][0]
    taken = {**container, "ports": [{"containerPort": 8080, "hostPort": 80}]}
    assert "container app" in (await faults(cluster, pods(containers=[taken]), canary()))["HostPort"]


async def test_names_that_would_become_too_long(cluster: InMemoryCluster) -> None:
    longest, too_long = "a" * 55, "b" * 56
    assert await faults(cluster, deployment(longest), canary(longest), name=longest) == {}
    refused = await faults(cluster, deployment(too_long), canary(too_long), name=too_long)
    assert f"{too_long}-primary would have a name of 64 characters, 63 are allowed" in refused["NameTooLong"]


@pytest.mark.parametrize("taken", [deployment("checkout-primary"), service("checkout-canary")], ids=["kind", "service"])
async def test_a_name_that_somebody_else_took(cluster: InMemoryCluster, taken: JSON) -> None:
    refused = await faults(cluster, taken, deployment(), canary())
    assert f"shop/{taken['metadata']['name']} is there already" in refused["NameTaken"]


async def test_what_somebody_else_took_is_never_touched(cluster: InMemoryCluster) -> None:
    taken = cluster.apply(service("checkout-canary"))
    driver = await applied(cluster)
    await driver.for_a_while(120)
    assert cluster.now(ref(SERVICE, "checkout-canary")) == taken


async def test_a_selector_that_matches_another_deployments_pods(cluster: InMemoryCluster) -> None:
    other = deployment("other")
    other["spec"]["template"]["metadata"]["labels"] |= {"app": "checkout"}
    other["spec"]["selector"] = {"matchLabels": {"team": "payments"}}
    refused = await faults(cluster, other, deployment(), canary())
    assert "the pods of Deployment other too" in refused["SelectorOverlap"]


async def test_expressions_tell_deployments_apart(cluster: InMemoryCluster) -> None:
    other = deployment("other")
    other["spec"]["template"]["metadata"]["labels"] |= {"app": "checkout", "tier": "batch"}
    other["spec"]["selector"] = {"matchLabels": {"tier": "batch"}}
    apart = [{"key": "tier", "operator": "DoesNotExist"}]
    mine = deployment(selector={"matchLabels": {"app": "checkout"}, "matchExpressions": apart})
    assert await faults(cluster, other, mine, canary()) == {}


async def test_two_canaries_of_one_target_the_users_goes_before_a_generated_one(cluster: InMemoryCluster) -> None:
    generated, own = canary(), canary("mine")
    generated["metadata"]["labels"] = {"canary.delivery/generated": "true"}
    own["spec"]["targetRef"]["name"] = "checkout"
    refused = await faults(cluster, generated, own, deployment())
    assert refused == {"TargetConflict": "Canary mine has the target checkout too and goes first; delete one of them"}
    live = cluster.now(ref(CANARY, "mine"))
    plan = plan_from(live, timing=Timing(), default_mesh="istio")
    assert list(refusals(cluster, plan, live, cluster.now(ref(DEPLOYMENT)))) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"clusterIP": "None"}, "is headless"),
        ({"type": "ExternalName", "externalName": "example.com"}, "is of type ExternalName"),
        ({"selector": {}}, "has no selector"),
        ({"selector": {"app": "other"}}, "does not select the pods of Deployment checkout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_apex_that_cannot_be_split(cluster: InMemoryCluster, spec: dict[str, Any], words: str) -> None:
    apex = service(**spec)
    apex["spec"] |= spec
    refused = await seen(cluster, deployment(), apex, canary())
    assert words in refused["ServiceUnusable"]


@pytest.mark.parametrize("name", ["checkout", "everything"], ids=["the apex", "another Service"])
async def test_a_service_that_selects_other_workloads_too(cluster: InMemoryCluster, name: str) -> None:
    other = deployment("other")
    cluster.apply(other)
    await eventually(cluster, lambda: len(cluster.list(POD, "shop")) == 3)
    refused = await seen(cluster, deployment(), service(), service(name, selector={"team": "payments"}), canary())
    assert f"Service {name} also selects pod other-" in refused["ServiceShared"]


async def test_a_mesh_that_is_not_installed(cluster: InMemoryCluster) -> None:
    for kind in [kind for kind in cluster.store.kinds if kind.group == "networking.istio.io"]:
        cluster.unregister(kind)
    refused = await seen(cluster, deployment(), service(), canary())
    assert "serves no VirtualService.networking.istio.io" in refused["MeshNotInstalled"]


async def test_a_deployment_that_comes_back_with_another_selector(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.remove(ref(DEPLOYMENT))
    await driver.for_a_while(30)
    other = deployment(selector={"matchLabels": {"team": "payments"}})
    cluster.apply(other)
    await driver.for_a_while(30)
    assert [fault.reason for fault in driver.observe().world.faults] == ["SelectorChanged"]
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
