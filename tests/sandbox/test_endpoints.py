"""EndpointSlices of the simulated cluster: which pods a Service lists, and as what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from canary.ports import DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.simulated import NEVER_READY, PodBehaviour, SimulatedRuntime
from tests.builders import deployment, ref, service
from tests.embedded import eventually, is_rolled_out, pods_of

pytestmark = pytest.mark.looptime


def slices(cluster: InMemoryCluster, name: str = "checkout") -> list[dict[str, Any]]:
    return [dict(each) for each in cluster.store.list(ENDPOINT_SLICE, "shop", {"kubernetes.io/service-name": name})]


def endpoints(cluster: InMemoryCluster) -> list[dict[str, bool]]:
    """The conditions of every endpoint of the Service `checkout`."""
    return [endpoint["conditions"] for each in slices(cluster) for endpoint in each["endpoints"]]


READY = {"ready": True, "serving": True, "terminating": False}
NOT_READY = {"ready": False, "serving": False, "terminating": False}


async def test_a_slice_lists_the_pods_that_the_service_selects(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=2))
    cluster.apply(deployment("other"))
    cluster.apply(service())
    await eventually(cluster, lambda: endpoints(cluster) == [READY, READY])

    [made] = slices(cluster)
    pods = pods_of(cluster, "checkout")
    assert {key: made[key] for key in ("addressType", "ports")} == {
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    assert [(each["addresses"], each["targetRef"]["name"]) for each in made["endpoints"]] == [
        ([pod["status"]["podIP"]], pod["metadata"]["name"]) for pod in pods
    ]
    assert made["metadata"]["ownerReferences"][0]["name"] == "checkout"


async def test_a_service_without_pods_has_an_empty_slice(cluster: InMemoryCluster) -> None:
    cluster.apply(service())

    [made] = await eventually(cluster, lambda: slices(cluster))

    assert (made["endpoints"], made["ports"]) == ([], [])


async def test_a_pod_that_is_not_ready_is_listed_as_such(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    runtime.usual = NEVER_READY
    cluster.apply(deployment(replicas=1))
    cluster.apply(service())

    await eventually(cluster, lambda: endpoints(cluster) == [NOT_READY])


async def test_publishing_unready_addresses_makes_them_ready(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.usual = NEVER_READY
    cluster.apply(deployment(replicas=1))
    cluster.apply(service(publishNotReadyAddresses=True))

    await eventually(cluster, lambda: endpoints(cluster) == [{**NOT_READY, "ready": True}])


async def test_a_deleted_pod_terminates_and_then_goes(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    runtime.usual = PodBehaviour(stop_after=20.0)
    cluster.apply(deployment(replicas=1))
    cluster.apply(service())
    await eventually(cluster, lambda: endpoints(cluster) == [READY])

    cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 0}})
    await eventually(cluster, lambda: endpoints(cluster) == [{"ready": False, "serving": True, "terminating": True}])
    await eventually(cluster, lambda: endpoints(cluster) == [])


async def test_a_narrowed_selector_drops_the_pods_that_it_no_longer_matches(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=2))
    cluster.apply(service())
    await eventually(cluster, lambda: len(endpoints(cluster)) == 2)

    narrowed = {"selector": {"app": "checkout", "canary.delivery/role": "primary"}}
    cluster.edit(ref(SERVICE), {"spec": narrowed})

    await eventually(cluster, lambda: endpoints(cluster) == [])


async def test_a_pod_that_loses_the_label_is_dropped(cluster: InMemoryCluster) -> None:
    template = deployment()["spec"]["template"]
    meta = {**template["metadata"], "name": "lone", "namespace": "shop"}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]})
    cluster.apply(service())
    await eventually(cluster, lambda: endpoints(cluster) == [READY])
    await asyncio.sleep(5)

    cluster.edit(ref(POD, "lone"), {"metadata": {"labels": {"app": "quarantined"}}})

    await eventually(cluster, lambda: endpoints(cluster) == [])


async def test_pods_with_other_numbers_for_a_named_port_get_a_slice_of_their_own(cluster: InMemoryCluster) -> None:
    old, new = deployment("old", replicas=1), deployment("new", replicas=1)
    for each in (old, new):
        each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/part-of"] = "checkout"
    new["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 9090
    cluster.apply(old)
    cluster.apply(new)
    cluster.apply(service(selector={"app.kubernetes.io/part-of": "checkout"}))
    await eventually(cluster, lambda: is_rolled_out(cluster, "old") and is_rolled_out(cluster, "new"))
    await eventually(cluster, lambda: endpoints(cluster) == [READY, READY])

    assert sorted((each["ports"][0]["port"], len(each["endpoints"])) for each in slices(cluster)) == [
        (8080, 1),
        (9090, 1),
    ]


async def test_the_slices_go_with_their_service(cluster: InMemoryCluster) -> None:
    cluster.apply(service())
    await eventually(cluster, lambda: slices(cluster))

    cluster.remove(ref(SERVICE))

    await eventually(cluster, lambda: slices(cluster) == [])
