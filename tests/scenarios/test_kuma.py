"""Kuma, where routes of many namespaces may lie in one: each canary has its own, and takes it away again."""

from __future__ import annotations

from typing import Any

import pytest

from canary.ports import CANARY, NAMESPACE, SERVICE
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import MESH_HTTP_ROUTE
from meshes.contract import Manifest
from meshes.kuma.names import Form
from tests.builders import ref
from tests.meshes.kuma_objects import HOMES, backend, mesh_http_route, rule, to
from tests.scenarios.kuma_stage import KumaStage, kuma_stage

pytestmark = pytest.mark.looptime

FORMS = tuple(Form)
ROUTES = {
    Form.LEGACY: {"shop": "kuma-system/checkout.shop", "eu": "kuma-system/checkout.eu"},
    Form.MESHSERVICE: {"shop": "shop/checkout", "eu": "eu/checkout"},
    Form.LABELS: {"shop": "shop/checkout", "eu": "eu/checkout"},
}


def named_by(stage: KumaStage, route: str) -> set[str]:
    """The namespaces whose Services a route names."""
    spec = str(stage.route(route)["spec"])
    return {space for space in ("shop", "eu") if f"_{space}_svc_" in spec or f"namespace': '{space}'" in spec}


@pytest.mark.parametrize("form", FORMS)
async def test_the_same_application_in_two_namespaces_rolls_out_at_once_and_apart(
    cluster: InMemoryCluster, form: Form
) -> None:
    async with kuma_stage(cluster, form) as stage:
        await stage.onboarded("shop", "eu")
        shop, eu = ROUTES[form]["shop"], ROUTES[form]["eu"]
        assert stage.routes == sorted((shop, eu))
        stage.requests.failing.add(("eu", "checkout"))
        stage.push("shop", "2.0")
        stage.push("eu", "2.0")
        await stage.until(lambda: {stage.status(space).phase for space in ("shop", "eu")} == {Phase.PROGRESSING})
        await stage.until(lambda: stage.status("eu").phase is Phase.FAILED)
        await stage.until(lambda: stage.status("shop").phase is Phase.SUCCEEDED)
        assert stage.weights == {shop: [20, 50, 0], eu: [20, 0]}
        assert (stage.serving("shop"), stage.serving("eu")) == (["2.0"] * 3, ["1.0"] * 3)
        assert (named_by(stage, shop), named_by(stage, eu)) == ({"shop"}, {"eu"})


@pytest.mark.parametrize("form", FORMS)
async def test_one_that_leaves_takes_its_route_and_no_other(cluster: InMemoryCluster, form: Form) -> None:
    async with kuma_stage(cluster, form) as stage:
        await stage.onboarded("shop", "eu")
        cluster.remove(ref(CANARY))
        await stage.until(lambda: stage.is_gone("shop"))
        assert stage.routes == [ROUTES[form]["eu"]]
        assert stage.status("eu").phase is Phase.INITIALIZED
        cluster.remove(ref(CANARY, namespace="eu"))
        await stage.until(lambda: stage.is_gone("eu"))
        assert stage.routes == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_namespace_that_goes_leaves_no_route_behind(cluster: InMemoryCluster, form: Form) -> None:
    async with kuma_stage(cluster, form) as stage:
        await stage.onboarded("shop", "eu")
        cluster.remove(ref(NAMESPACE, "eu", ""))
        await stage.until(lambda: stage.is_gone("eu"))
        assert [one for one in stage.routes if not one.startswith("eu/")] == [ROUTES[form]["shop"]]
        stage.push("shop", "2.0")
        await stage.until(lambda: stage.status("shop").phase is Phase.SUCCEEDED)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("failing", [False, True], ids=["promoted", "rolled back"])
async def test_a_users_route_has_the_split_for_a_rollout_and_is_as_it_was_afterwards(
    cluster: InMemoryCluster, form: Form, failing: bool
) -> None:
    async with kuma_stage(cluster, form) as stage:
        filters = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}]
        old = rule(filters=filters, matches=[{"path": {"type": "PathPrefix", "value": "/old"}}])
        own = mesh_http_route(to(form, rule(backend(form), filters=filters), old), namespace=HOMES[form])
        before = asked_for(cluster.apply(own))
        await stage.onboarded("shop", route={"name": "edge"})
        assert asked_for(stage.route(f"{HOMES[form]}/edge")) == before
        if failing:
            stage.requests.failing.add(("shop", "checkout"))
        stage.push("shop", "2.0")
        await stage.until(lambda: stage.status("shop").weight == 20)
        await stage.until(lambda: shares(stage.route(f"{HOMES[form]}/edge")) == [80, 20])
        split = stage.route(f"{HOMES[form]}/edge")["spec"]["to"][0]["rules"]
        assert (split[0]["default"]["filters"], split[1]) == (filters, before["spec"]["to"][0]["rules"][1])
        await stage.until(lambda: stage.status("shop").phase is (Phase.FAILED if failing else Phase.SUCCEEDED))
        assert stage.routes == [f"{HOMES[form]}/edge"]
        assert asked_for(stage.route(f"{HOMES[form]}/edge")) == before


def asked_for(route: Manifest) -> dict[str, Any]:
    """What the user asked for, without what the API server keeps about the object."""
    metadata = {key: route["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")}
    return {**route, "metadata": metadata}


def shares(route: Manifest) -> list[int]:
    return [one["weight"] for one in route["spec"]["to"][0]["rules"][0]["default"]["backendRefs"]]


async def test_meshservices_are_switched_on_in_mid_rollout(cluster: InMemoryCluster) -> None:
    """The route keeps its place and its weight, in the new form, written once."""
    async with kuma_stage(cluster, Form.LEGACY) as stage:
        await stage.onboarded("shop")
        stage.push("shop", "2.0")
        await stage.until(lambda: stage.status("shop").weight == 20)
        stage.mode("Everywhere")
        name = "kuma-system/checkout.shop"
        await stage.until(lambda: "sectionName" in stage.route(name)["spec"]["to"][0]["targetRef"])
        await stage.until(lambda: stage.status("shop").phase is Phase.SUCCEEDED)
        assert stage.weights == {name: [20, 50, 0]}
        cluster.remove(ref(CANARY))
        await stage.until(lambda: stage.is_gone("shop"))
        assert stage.routes == []


@pytest.mark.parametrize("how", ["the Mesh's mode", "the annotation"])
async def test_at_rest_the_route_is_rewritten_in_the_new_form_too(cluster: InMemoryCluster, how: str) -> None:
    async with kuma_stage(cluster, Form.LEGACY) as stage:
        await stage.onboarded("shop")
        name = "kuma-system/checkout.shop"
        if how == "the annotation":
            cluster.edit(ref(CANARY), {"spec": {"kumaForm": "meshservice"}})
        else:
            stage.mode("Everywhere")
        await stage.until(lambda: "sectionName" in stage.route(name)["spec"]["to"][0]["targetRef"], within=60)
        assert stage.routes == [name]
        assert shares(stage.route(name)) == [100, 0]


async def test_a_service_that_says_nothing_of_its_protocol_is_told_and_nothing_begins(cluster: InMemoryCluster) -> None:
    async with kuma_stage(cluster, Form.LEGACY) as stage:
        await stage.onboarded("shop")
        service = cluster.now(ref(SERVICE))
        [port] = service["spec"]["ports"]
        silent = {key: value for key, value in port.items() if key != "appProtocol"}
        cluster.edit(ref(SERVICE), {"spec": {"ports": [silent]}})
        stage.push("shop", "2.0")
        await stage.until(lambda: "appProtocol: http" in stage.status("shop").message)
        assert stage.weights == {}
        cluster.edit(ref(SERVICE), {"spec": {"ports": [port]}})
        await stage.until(lambda: stage.status("shop").phase is Phase.SUCCEEDED)


async def test_a_route_in_the_way_in_kumas_own_namespace_is_told_and_its_end_is_seen(cluster: InMemoryCluster) -> None:
    async with kuma_stage(cluster, Form.LEGACY) as stage:
        await stage.onboarded("shop")
        theirs = mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY))), name="theirs")
        cluster.apply(theirs)
        stage.push("shop", "2.0")
        await stage.until(lambda: "kuma-system/theirs" in stage.status("shop").message)
        assert stage.weights == {"kuma-system/theirs": []}
        cluster.remove(ref(MESH_HTTP_ROUTE, "theirs", "kuma-system"))
        await stage.until(lambda: stage.status("shop").phase is Phase.SUCCEEDED)
