"""Who is woken by what: those that a change concerns, before or after it, and nobody beside them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from canary.app import mesh_named
from canary.controller.due import Key
from canary.controller.echoes import Echoes
from canary.controller.haste import Haste
from canary.controller.watch import Watch
from canary.ports import CANARY, DEPLOYMENT, HPA, NAMESPACE, SERVICE
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import HTTP_ROUTE, VIRTUAL_SERVICE
from meshes.contract import Claiming, ObjectRef
from tests.builders import autoscaler, canary, deployment, http_route, ref, service, settings, virtual_service

pytestmark = pytest.mark.looptime

NAMES = ("checkout", "cart", "search")


class Woken:
    """A cluster with three canaries, and who was woken since last asked."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.cluster = cluster
        self._woken: dict[str, Haste] = {}
        istio = mesh_named("istio")
        assert isinstance(istio, Claiming)
        self.watch = Watch(
            cluster,
            echoes=Echoes(wake=self._wake),
            shim=lambda key: None,
            concerned=lambda event: (),
            routing={VIRTUAL_SERVICE: istio.services},
        )

    async def begun(self) -> None:
        assert await self.since() == {*NAMES, "other/checkout"}

    def _wake(self, key: Key, haste: Haste) -> None:
        name = "/".join(key).removeprefix("shop/")
        self._woken[name] = min(haste, self._woken.get(name, haste))

    async def hasty(self) -> dict[str, Haste]:
        """Who was woken since last asked, and in how much of a hurry."""
        await asyncio.sleep(5)  # what the simulated controllers do meanwhile is about the same canaries
        woken, self._woken = self._woken, {}
        return woken

    async def since(self) -> set[str]:
        return set(await self.hasty())


@pytest.fixture
async def woken(cluster: InMemoryCluster) -> Woken:
    cluster.namespace("other")
    for name in NAMES:
        cluster.apply(deployment(name))
        cluster.apply(service(name))
        cluster.apply(canary(name))
    cluster.apply(canary("checkout", namespace="other"))
    woken = Woken(cluster)
    woken.watch.start()
    return woken


async def test_a_deployment_wakes_its_own_canary(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.edit(ref(DEPLOYMENT, "cart"), {"spec": {"replicas": 2}})
    assert await woken.since() == {"cart"}


async def test_a_canary_wakes_itself_and_who_has_the_same_target(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.apply({**canary("cart"), "metadata": {"name": "cart-2", "namespace": "shop"}})
    assert await woken.since() == {"cart", "cart-2"}


async def test_a_canary_with_another_target_wakes_those_of_both(woken: Woken) -> None:
    await woken.begun()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "search"}
    woken.cluster.edit(ref(CANARY, "cart"), {"spec": {"targetRef": target}})
    assert await woken.since() == {"cart", "search"}


@pytest.mark.parametrize(
    ("selector", "whom"),
    [
        ({"app": "cart"}, {"cart"}),
        ({"app": "cart", "pod-template-hash": "abc"}, {"cart"}),
        ({"app": "nobody", "canary.delivery/target": "cart"}, {"cart"}),
        ({"team": "payments"}, set(NAMES)),
        ({"team": "other"}, set()),
    ],
)
async def test_a_service_wakes_those_whose_pods_it_may_select(
    woken: Woken, selector: dict[str, str], whom: set[str]
) -> None:
    await woken.begun()
    woken.cluster.apply(service("further", selector=selector))
    assert await woken.since() == whom


async def test_a_service_that_selects_others_from_now_on_wakes_the_former_too(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.apply(service("further", selector={"app": "cart"}))
    await woken.since()
    woken.cluster.edit(ref(SERVICE, "further"), {"spec": {"selector": {"app": "search"}}})
    assert await woken.since() == {"cart", "search"}
    woken.cluster.edit(ref(SERVICE, "further"), {"spec": {"selector": {"app": "nobody"}}})
    assert await woken.since() == {"search"}
    woken.cluster.remove(ref(SERVICE, "further"))
    assert await woken.since() == set()


async def test_a_service_wakes_whose_apex_it_is_though_it_selects_nothing(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.edit(ref(SERVICE, "cart"), {"spec": {"selector": {"app": "nobody"}}})
    assert await woken.since() == {"cart"}
    woken.cluster.remove(ref(SERVICE, "cart"))
    assert await woken.since() == {"cart"}


@pytest.mark.parametrize(
    ("hosts", "whom"),
    [
        (["cart"], {"cart"}),
        (["cart.shop.svc.cluster.local", "www.example.com"], {"cart"}),
        (["checkout.shop"], {"checkout", "other/checkout"}),
        (["*.shop.svc.cluster.local"], {*NAMES, "other/checkout"}),
        (["www.example.com"], set()),
    ],
)
async def test_a_route_wakes_those_whose_apex_it_may_route(woken: Woken, hosts: list[str], whom: set[str]) -> None:
    await woken.begun()
    woken.cluster.apply(virtual_service("mine", hosts=hosts))
    assert await woken.since() == whom
    woken.cluster.edit(ref(VIRTUAL_SERVICE, "mine"), {"spec": {"hosts": ["search"]}})
    assert await woken.since() == {*whom, "search"}


async def test_a_users_route_wakes_who_named_it_whatever_its_hosts(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.apply(canary("cart", route={"name": "mine"}))
    await woken.since()
    woken.cluster.apply(virtual_service("mine", hosts=["www.example.com"]))
    assert await woken.since() == {"cart"}


async def test_a_route_of_which_it_is_not_known_wakes_its_namespace(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.apply(http_route("mine"))
    assert HTTP_ROUTE not in woken.watch._routing
    assert await woken.since() == set(NAMES)


async def test_a_users_route_wakes_who_named_it_from_the_namespace_where_its_mesh_has_it(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.apply(canary("cart", route={"name": "mine"}))
    await woken.since()
    woken.cluster.apply({**http_route("mine"), "metadata": {"name": "mine", "namespace": "other"}})
    assert await woken.since() == {"cart", "other/checkout"}


async def test_an_autoscaler_wakes_those_it_scales_before_and_after(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.apply(autoscaler("mine", target="cart-primary"))
    assert await woken.since() == {"cart"}
    goal: dict[str, Any] = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "search"}}
    woken.cluster.edit(ref(HPA, "mine"), {"spec": goal})
    assert await woken.since() == {"cart", "search"}


async def test_an_object_with_our_label_wakes_its_canary_wherever_it_lies(woken: Woken) -> None:
    await woken.begun()
    labelled = virtual_service("ours", hosts=["www.example.com"], namespace="other")
    labelled["metadata"]["labels"] = {"canary.delivery/target": "cart"}
    woken.cluster.apply(labelled)
    assert await woken.since() == {"cart"}


async def test_a_namespace_wakes_its_own_canaries(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.edit(ObjectRef(NAMESPACE, "", "other"), {"metadata": {"labels": {"a": "b"}}})
    assert await woken.since() == {"other/checkout"}


async def test_whoever_changes_more_than_a_canary_waits_for_is_in_a_hurry(woken: Woken) -> None:
    await woken.begun()
    woken.cluster.edit(ref(DEPLOYMENT, "cart"), {"spec": {"replicas": 2}})
    assert await woken.hasty() == {"cart": Haste.REST}
    woken.cluster.edit(ref(DEPLOYMENT, "cart"), {"metadata": {"labels": {"team": "shop"}}})
    assert await woken.hasty() == {"cart": Haste.REST}
    woken.cluster.apply(deployment("cart", image="registry.example/app:2.0"))
    assert await woken.hasty() == {"cart": Haste.NEWS}
    woken.cluster.edit(ref(CANARY, "cart"), {"status": {"weight": 20}}, subresource="status")
    await woken.hasty()
    woken.cluster.apply(deployment("cart", image="registry.example/app:1.0"))
    assert await woken.hasty() == {"cart": Haste.FIRST}
    for kind in (CANARY, DEPLOYMENT):
        woken.cluster.edit(ref(kind, "cart"), {"metadata": {"annotations": settings(command="abort")}})
        assert await woken.hasty() == {"cart": Haste.FIRST}
