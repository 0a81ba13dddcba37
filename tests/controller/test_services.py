"""The Services around a canary: which port the split is about, which Services are narrowed, which are made."""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.services import Ports, look_around
from canary.ports import CANARY, DEPLOYMENT, ENDPOINT_SLICE, SERVICE
from canary.rollout.model import Timing
from canary.sandbox.cluster import InMemoryCluster
from canary.spec.plan import plan_from
from meshes.contract import AppProtocol, Mesh
from meshes.istio import Istio
from meshes.kuma import Kuma
from tests.builders import JSON, canary, deployment, ref, service
from tests.controller.driver import applied, onboarded
from tests.embedded import eventually

pytestmark = pytest.mark.looptime

OURS = {"canary.delivery/role": "primary", "canary.delivery/target": "checkout"}


def port(number: int, name: str = "", speaks: str = "") -> JSON:
    entry: JSON = {"port": number, "targetPort": "http"}
    return {**entry, **({"name": name} if name else {}), **({"appProtocol": speaks} if speaks else {})}


async def ports(cluster: InMemoryCluster, entries: list[JSON], asked: dict[str, Any]) -> Ports | None:
    cluster.apply(service(ports=entries))
    cluster.apply(deployment())
    await eventually(cluster, lambda: cluster.get(ref(SERVICE)))
    plan = plan_from(canary(service=asked), timing=Timing(), default_mesh="istio")
    around = look_around(cluster, plan, cluster.now(ref(DEPLOYMENT)), Istio())
    reasons = [fault.reason for fault in around.faults]
    assert reasons == ([] if around.ports else ["PortUnknown"])
    return around.ports


HTTP, GRPC = AppProtocol.HTTP, AppProtocol.GRPC


@pytest.mark.parametrize(
    ("entries", "asked", "found"),
    [
        ([port(80)], {}, (80, "", HTTP)),
        ([port(80, "grpc-web")], {}, (80, "grpc-web", GRPC)),
        ([port(80, "http", "grpc")], {}, (80, "http", GRPC)),
        ([port(80, "api", "kubernetes.io/h2c")], {}, (80, "api", GRPC)),
        ([port(80, "http"), port(9090, "metrics")], {}, (80, "http", HTTP)),
        ([port(80, "http"), port(90, "grpc")], {}, None),
        ([port(80, "one"), port(90, "two")], {}, None),
        ([port(80, "one"), port(90, "two")], {"port": 90}, (90, "two", HTTP)),
        ([port(80, "one"), port(90, "two")], {"port": "one", "protocol": "grpc"}, (80, "one", GRPC)),
        ([port(80, "one")], {"port": 81}, None),
    ],
    ids=[
        "the only port",
        "its name says grpc",
        "appProtocol goes before the name",
        "h2c",
        "the one that speaks http",
        "two that could be meant",
        "none that could be meant",
        "by number",
        "by name, and the user's protocol",
        "one that is not there",
    ],
)
async def test_the_port_of_the_split(
    cluster: InMemoryCluster, entries: list[JSON], asked: dict[str, Any], found: tuple[int, str, AppProtocol] | None
) -> None:
    wanted = None if found is None else Ports(number=found[0], name=found[1], protocol=found[2], pod_port=8080)
    assert await ports(cluster, entries, {"name": "checkout", **asked}) == wanted


@pytest.mark.parametrize(
    ("target_port", "found"),
    [(9000, 9000), (None, 80), ("http", 8080), ("grpc", None)],
    ids=["a number", "the Service's own", "a name", "a name that no container has"],
)
async def test_the_port_of_the_pods_behind_it(
    cluster: InMemoryCluster, target_port: int | str | None, found: int | None
) -> None:
    entry = {"port": 80, **({} if target_port is None else {"targetPort": target_port})}
    around = await ports(cluster, [entry], {"name": "checkout"})
    assert around is not None
    assert around.pod_port == found


async def test_another_service_of_the_same_pods_is_narrowed_too(cluster: InMemoryCluster) -> None:
    await onboarded(cluster, service("internal", selector={"app": "checkout", "team": "payments"}))
    assert cluster.now(ref(SERVICE, "internal"))["spec"]["selector"] == {
        "app": "checkout",
        "team": "payments",
        **OURS,
    }


async def test_a_service_that_comes_later_is_narrowed_when_it_comes(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.apply(service("later", selector={"app": "checkout"}))
    await eventually(cluster, lambda: cluster.get(ref(SERVICE, "later")))
    assert not driver.observe().world.apex.narrow
    await driver.for_a_while(5)
    assert cluster.now(ref(SERVICE, "later"))["spec"]["selector"] == {"app": "checkout", **OURS}
    cluster.remove(ref(CANARY))
    await driver.until(lambda: cluster.store.get(ref(CANARY)) is None)
    assert cluster.now(ref(SERVICE, "later"))["spec"]["selector"] == {"app": "checkout"}


async def test_a_service_of_other_pods_stays_as_it_is(cluster: InMemoryCluster) -> None:
    await onboarded(cluster, service("other"))
    assert cluster.now(ref(SERVICE, "other"))["spec"]["selector"] == {"app": "other"}


async def test_a_user_without_a_service_is_given_one(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster)
    cluster.remove(ref(SERVICE))
    await driver.until(lambda: driver.status.phase == "Initialized")
    made = cluster.now(ref(SERVICE))
    assert made["spec"]["selector"] == {"app": "checkout", **OURS}
    labels = {"kubernetes.io/service-name": "checkout"}
    slices = cluster.store.list(ENDPOINT_SLICE, "shop", labels)
    assert [end["conditions"]["ready"] for one in slices for end in one["endpoints"]] == [True] * 3


async def test_the_service_that_a_user_was_given_stays_when_the_canary_leaves(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster)
    cluster.remove(ref(SERVICE))
    await driver.until(lambda: driver.status.phase == "Initialized")
    cluster.remove(ref(CANARY))
    await driver.until(lambda: cluster.store.get(ref(CANARY)) is None)
    assert cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}


async def test_it_goes_when_the_deployment_is_gone_for_good(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster)
    cluster.remove(ref(SERVICE))
    await driver.until(lambda: driver.status.phase == "Initialized")
    cluster.remove(ref(DEPLOYMENT))
    await driver.until(lambda: cluster.store.get(ref(SERVICE)) is None)
    assert cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None


@pytest.mark.parametrize(
    ("port_name", "asked", "mesh", "declared"),
    [
        ("http", {}, Kuma(), {"appProtocol": "http"}),
        ("grpc", {}, Kuma(), {"appProtocol": "grpc"}),
        ("http", {"protocol": "grpc"}, Kuma(), {"appProtocol": "grpc"}),
        ("http", {}, Istio(), {}),
    ],
    ids=["http", "by the port's name", "the user's word", "where no mesh asks"],
)
async def test_a_service_that_is_made_says_what_it_speaks_where_the_mesh_asks(
    cluster: InMemoryCluster, port_name: str, asked: dict[str, str], mesh: Mesh, declared: dict[str, str]
) -> None:
    made = deployment()
    [container] = made["spec"]["template"]["spec"]["containers"]
    container["ports"] = [{"name": port_name, "containerPort": 8080}]
    plan = plan_from(canary(service={"name": "checkout", **asked}), timing=Timing(), default_mesh=mesh.name)
    around = look_around(cluster, plan, made, mesh)
    assert around.shape is not None
    [port] = around.shape["spec"]["ports"]
    assert {key: port[key] for key in port if key == "appProtocol"} == declared
