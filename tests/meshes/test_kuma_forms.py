"""Which form is written follows from the installed schema and the mode of the Mesh, and is never a guess."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meshes.contract import AppProtocol, Route, RouteError
from meshes.kuma import Kuma
from tests.meshes.kuma_objects import mesh_http_route
from tests.meshes.kuma_surroundings import (
    DEPLOYMENT,
    KUMA_2_7,
    KUMA_2_14,
    KUMA_3_0,
    MESH,
    Around,
    Json,
    deployment,
    installed,
    mesh,
    namespace,
    route_schema,
)

ADAPTER = Kuma()


def asked(form: str = "auto", user_route: str | None = None) -> Route:
    """A route as the controller makes it, before it is resolved."""
    return Route(
        namespace="shop",
        target="checkout",
        apex="checkout",
        canary="checkout-canary",
        port=8080,
        port_name="http",
        protocol=AppProtocol.HTTP,
        user_route=user_route,
        served=("v1alpha1",),
        options={"kuma-form": form},
    )


def found(around: Around, route: Route | None = None) -> tuple[str, str]:
    """The form, and where the route lies; nothing stands in the way."""
    resolved = ADAPTER.resolve(route or asked(), around)
    assert ADAPTER.conflict(resolved, []) is None
    ref = ADAPTER.route_ref(resolved)
    return resolved.options["kuma-form"], f"{ref.namespace}/{ref.name}"


def trouble(around: Around, route: Route | None = None) -> RouteError:
    error = ADAPTER.conflict(ADAPTER.resolve(route or asked(), around), [])
    assert error is not None
    return error


LEGACY = ("legacy", "kuma-system/checkout.shop")
MESHSERVICE = ("meshservice", "shop/checkout")
LABELS = ("labels", "shop/checkout")


@pytest.mark.parametrize(
    ("schema", "mode", "form"),
    [
        (KUMA_2_7, "", LEGACY),
        (KUMA_2_7, "Everywhere", LEGACY),
        (KUMA_2_14, "", LEGACY),
        (KUMA_2_14, "Disabled", LEGACY),
        (KUMA_2_14, "Everywhere", MESHSERVICE),
        (KUMA_2_14, "ReachableBackends", MESHSERVICE),
        (KUMA_2_14, "Exclusive", MESHSERVICE),
        (KUMA_3_0, "", LABELS),
    ],
    ids=["2.7", "2.7, which reads no mode", "2.14", "off", "everywhere", "reachable", "exclusive", "3.0"],
)
def test_the_form_follows_from_schema_and_mode(schema: Json, mode: str, form: tuple[str, str]) -> None:
    assert found(installed(mode, schema)) == form


@pytest.mark.parametrize(
    ("form", "schema", "result"),
    [
        ("legacy", KUMA_2_14, LEGACY),
        ("meshservice", KUMA_2_14, MESHSERVICE),
        # Before 3.0 a route by labels in the own namespace would be for the clients of that namespace alone.
        ("labels", KUMA_2_14, ("labels", "kuma-system/checkout.shop")),
        ("labels", KUMA_3_0, LABELS),
    ],
)
@pytest.mark.parametrize("mode", ["", "Exclusive"])
def test_a_form_can_be_forced(form: str, schema: Json, result: tuple[str, str], mode: str) -> None:
    assert found(installed(mode, schema), asked(form)) == result


@pytest.mark.parametrize(
    ("form", "schema", "lacks"),
    [
        ("legacy", KUMA_3_0, "spec.to[].targetRef.name"),
        ("meshservice", KUMA_3_0, "spec.to[].targetRef.name"),
        ("meshservice", KUMA_2_7, "spec.to[].targetRef.namespace"),
        ("labels", KUMA_2_7, "spec.to[].targetRef.labels"),
    ],
)
def test_a_form_that_the_schema_would_prune_is_refused_by_name(form: str, schema: Json, lacks: str) -> None:
    error = trouble(installed("", schema), asked(form))
    assert error.reason == "FormUnusable"
    assert str(error) == (
        f"canary.delivery/kuma-form is {form}, but the installed MeshHTTPRoute knows no {lacks}: set it to auto."
    )


@pytest.mark.parametrize("schema", [None, route_schema("tags"), {}], ids=["unreadable", "of no release", "empty"])
def test_a_schema_that_says_nothing_is_not_guessed_at(schema: Json | None) -> None:
    around = installed("Everywhere", schema)
    assert trouble(around).reason == "FormUnknown"
    with pytest.raises(RouteError, match="meshhttproutes"):
        ADAPTER.render(ADAPTER.resolve(asked(), around), 0, None)


def test_a_mesh_that_is_not_there_is_told_and_nothing_is_made() -> None:
    around = installed().without(MESH, "default")
    assert trouble(around).reason == "MeshNotFound"
    with pytest.raises(RouteError, match="mesh default"):
        ADAPTER.render(ADAPTER.resolve(asked(), around), 0, None)


@pytest.mark.parametrize("mode", ["", "Everywhere"])
def test_a_route_that_is_there_can_be_drained_though_nothing_is_known_any_more(mode: str) -> None:
    before = ADAPTER.resolve(asked(), installed(mode))
    live = ADAPTER.render(before, 25, None)
    blind = replace(installed(mode).plus(live), schema=None)
    now = ADAPTER.resolve(asked(), blind)
    assert ADAPTER.route_ref(now) == ADAPTER.route_ref(before)
    seen = ADAPTER.observe(now, live)
    assert (seen.weight, seen.accepted) == (25, False)
    drained = ADAPTER.render(now, 0, live)
    assert drained == ADAPTER.render(before, 0, live)
    assert ADAPTER.observe(now, drained).accepted


@pytest.mark.parametrize(
    ("own", "of_namespace", "name"),
    [
        ({}, {}, "default"),
        ({}, {"kuma.io/mesh": "payments"}, "payments"),
        ({"labels": {"kuma.io/mesh": "payments"}}, {"kuma.io/mesh": "other"}, "payments"),
        ({"annotations": {"kuma.io/mesh": "payments"}}, {}, "payments"),
    ],
    ids=["default", "of the namespace", "of the pods", "by the older annotation"],
)
def test_the_mesh_is_that_of_the_pods(own: Json, of_namespace: dict[str, str], name: str) -> None:
    shop = namespace("shop", {"kuma.io/sidecar-injection": "enabled", **of_namespace})
    around = installed().without(MESH, "default").plus(mesh("Everywhere", name), deployment(**own), shop)
    assert found(around) == MESHSERVICE
    written = ADAPTER.render(ADAPTER.resolve(asked(), around), 5, None)
    assert written["metadata"]["labels"]["kuma.io/mesh"] == name


def test_kuma_may_be_installed_in_any_namespace() -> None:
    around = installed().plus(
        namespace("kuma-system", {}), namespace("kong-mesh-system", {"kuma.io/system-namespace": "true"})
    )
    assert found(around) == ("legacy", "kong-mesh-system/checkout.shop")


def test_the_deployment_that_is_gone_is_known_by_what_serves_for_it() -> None:
    around = installed().without(MESH, "default").plus(mesh("", "payments"))
    around = around.without(DEPLOYMENT, "checkout")
    around = around.plus(deployment("checkout-primary", labels={"kuma.io/mesh": "payments"}))
    assert found(around) == LEGACY


def test_a_route_stays_where_it_was_made_when_kuma_is_upgraded_under_it() -> None:
    old = ADAPTER.render(ADAPTER.resolve(asked(), installed()), 10, None)
    upgraded = installed("Everywhere").plus(old)
    assert found(upgraded) == ("meshservice", "kuma-system/checkout.shop")
    now = ADAPTER.resolve(asked(), upgraded)
    assert ADAPTER.observe(now, old).weight == 10
    assert ADAPTER.render(now, 10, old)["spec"]["to"][0]["targetRef"] == {
        "kind": "MeshService",
        "name": "checkout",
        "namespace": "shop",
        "sectionName": "http",
    }


def test_the_way_back_is_told_by_the_name_of_what_is_left() -> None:
    real = ADAPTER.render(ADAPTER.resolve(asked(), installed("Everywhere")), 0, None)
    back = ADAPTER.resolve(asked(), installed("Disabled").plus(real))
    assert ADAPTER.route_ref(back).namespace == "kuma-system"
    assert str(ADAPTER.conflict(back, [real])) == (
        "MeshHTTPRoute shop/checkout was made for checkout in another form and is no longer used: delete it."
    )


@pytest.mark.parametrize(
    ("homes", "home"),
    [(("shop",), "shop"), (("kuma-system",), "kuma-system"), (("shop", "kuma-system"), "shop"), ((), "kuma-system")],
    ids=["in its namespace", "in the system namespace", "in both", "in none"],
)
def test_a_users_route_is_looked_for_in_both_namespaces(homes: tuple[str, ...], home: str) -> None:
    around = installed().plus(*(mesh_http_route(namespace=one) for one in homes))
    assert found(around, asked(user_route="edge")) == ("legacy", f"{home}/edge")


def test_a_namespace_that_is_not_looked_at_is_told_with_the_remedy() -> None:
    error = trouble(replace(installed(), hidden=("kuma-system",)))
    assert error.reason == "NamespaceNotWatched"
    assert "--route-namespace kuma-system" in str(error)
    assert found(replace(installed("Everywhere"), hidden=("kuma-system",))) == MESHSERVICE


def test_two_services_never_share_a_route_whatever_their_names() -> None:
    """With a dash in the place of the dot these two would be one object, of two canaries."""
    one = replace(asked(), apex="checkout", namespace="eu-shop")
    other = replace(asked(), apex="checkout-eu", namespace="shop")
    refs = {ADAPTER.route_ref(ADAPTER.resolve(each, installed())) for each in (one, other)}
    assert {ref.name for ref in refs} == {"checkout.eu-shop", "checkout-eu.shop"}
