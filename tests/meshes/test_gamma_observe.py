"""What is read back from a route of the Gateway API: the split, and whether a mesh took it."""

from __future__ import annotations

from typing import Any

import pytest

from meshes.contract import Manifest, Mesh, RouteError, Seen
from meshes.gateway_api import GatewayApi
from meshes.linkerd import Linkerd
from tests.meshes.gamma_objects import (
    EDGE,
    EVERY_PATH,
    GRPC,
    HTTP,
    ISTIO,
    LINKERD,
    PARENT,
    answered,
    grpc_route,
    http_route,
    to,
)

OURS = GatewayApi().render(HTTP, 10, None)
NAME = "HTTPRoute.gateway.networking.k8s.io shop/checkout"
MESHES = pytest.mark.parametrize(
    ("adapter", "controller"), [(Linkerd(), LINKERD), (GatewayApi(), ISTIO)], ids=["linkerd", "gateway-api"]
)


def ours(*rules: Any, **spec: Any) -> dict[str, Any]:
    return answered({**OURS, "spec": {**OURS["spec"], "rules": list(rules), **spec}})


def split(apex: object, canary: object) -> dict[str, Any]:
    return {"matches": EVERY_PATH, "backendRefs": [to("checkout", apex), to("checkout-canary", canary)]}


def seen(live: Manifest | None) -> Seen:
    return Linkerd().observe(HTTP, live)


@pytest.mark.parametrize(
    ("rule", "weight"),
    [
        (split(90, 10), 10),
        (split(9, 1), 10),
        (split(None, None), 50),
        (split(3, None), 25),
        (split(100, 0), 0),
        (split(0, 5), 100),
        ({"backendRefs": [to("checkout", 3)]}, 0),
        ({"backendRefs": [to("checkout", 0)]}, 0),
        ({"backendRefs": [to("checkout-canary", 0)]}, 100),
        (
            {"backendRefs": [to("checkout", 3, group="core", kind="Service", namespace="shop"), to("checkout-canary")]},
            25,
        ),
    ],
)
def test_weights_are_read_as_a_proxy_would_send_them(rule: dict[str, Any], weight: int) -> None:
    assert seen(ours(rule)) == Seen(weight=weight, accepted=True)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (split(2, 1), "the canary's 1 of 3 is no whole percentage"),
        (split(0, 0), "all its weights are 0"),
        (split("9", 1), "the weight '9' of checkout is no whole number >= 0"),
        ({"backendRefs": []}, "it has no backend"),
        ({"backendRefs": [to("checkout"), to("reviews")]}, "it also sends to reviews"),
        (
            {"backendRefs": [to("checkout"), to("checkout-canary", namespace="eu")]},
            "it also sends to eu/checkout-canary",
        ),
        ({"backendRefs": [to("checkout", kind="Bucket")]}, "it also sends to Bucket checkout"),
        ({**split(90, 10), "matches": [{"method": "GET"}]}, "it has no rule for every request"),
    ],
)
def test_a_split_that_cannot_be_read_has_no_weight_and_says_why(rule: dict[str, Any], why: str) -> None:
    assert seen(ours(rule)) == Seen(
        weight=None, accepted=True, because=f"{NAME} holds no split that can be read: {why}."
    )


def test_hostnames_keep_some_requests_from_our_own_route() -> None:
    assert "its hostnames limit it" in seen(ours(split(90, 10), hostnames=["checkout.example.com"])).because


@MESHES
@pytest.mark.parametrize("beside", [{}, {"backendRefs": [to("checkout", 90), to("checkout-canary", 10)]}])
def test_a_redirect_in_our_own_rule_is_no_split_and_is_taken_out_of_it(
    adapter: Mesh, controller: str, beside: dict[str, Any]
) -> None:
    kept = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-debug"]}}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "elsewhere"}}
    diverted = {"matches": EVERY_PATH, "filters": [redirect, kept], "timeouts": {"request": "3s"}, **beside}
    live = answered({**OURS, "spec": {**OURS["spec"], "rules": [diverted]}}, controller)
    found = adapter.observe(HTTP, live)
    assert (found.weight, "its rule for every request redirects" in found.because) == (None, True)
    [rule] = adapter.render(HTTP, 10, live)["spec"]["rules"]
    assert rule == {**OURS["spec"]["rules"][0], "filters": [kept], "timeouts": {"request": "3s"}}
    assert adapter.observe(HTTP, adapter.render(HTTP, 0, live)).weight == 0


def test_a_redirect_of_one_backend_is_no_split_either() -> None:
    diverted = split(90, 10)
    diverted["backendRefs"][1]["filters"] = [{"type": "RequestRedirect", "requestRedirect": {}}]
    assert "its rule for every request redirects" in seen(ours(diverted)).because
    assert Linkerd().render(HTTP, 10, ours(diverted))["spec"] == OURS["spec"]


@pytest.mark.parametrize(
    ("parent", "why"),
    [
        ({"name": "checkout", "port": 8080}, "its parentRef checkout is a Gateway, as it is without group and kind"),
        ({"name": "checkout", "group": ""}, "its parentRef checkout is a Gateway"),
        ({**PARENT, "port": 9090}, "its parentRefs name Service checkout port 9090; to split what is sent to checkout"),
        ({**PARENT, "name": "cart"}, 'add {group: "", kind: Service, name: checkout, port: 8080}'),
        ({**PARENT, "namespace": "eu"}, "its parentRefs name Service eu/checkout port 8080"),
    ],
)
@MESHES
def test_a_route_of_another_parent_splits_nothing_and_is_told(
    adapter: Mesh, controller: str, parent: dict[str, Any], why: str
) -> None:
    live = http_route({"backendRefs": [to("checkout")]}, parents=(parent,))
    found = adapter.observe(EDGE, live)
    assert (found.weight, found.accepted) == (None, False)
    assert why in found.because
    refused = adapter.conflict(EDGE, [live])
    assert refused is not None
    assert (refused.reason, why in str(refused)) == ("RouteUnusable", True)


@MESHES
@pytest.mark.parametrize("parent", [PARENT, {**PARENT, "namespace": "shop"}, {**PARENT, "group": "core"}])
@pytest.mark.parametrize(("observed", "generation"), [(None, 7), (0, 7), (7, 7)])
def test_a_route_is_accepted_when_the_mesh_says_so_of_its_newest_version(
    adapter: Mesh, controller: str, parent: dict[str, Any], observed: int | None, generation: int
) -> None:
    live = answered(OURS, controller, parent=parent, observed=observed, generation=generation)
    assert adapter.observe(HTTP, live) == Seen(weight=10, accepted=True)


@MESHES
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"observed": 6, "generation": 7}, "has seen version 6 of it, the newest is 7"),
        ({"Accepted": ("False", "NoMatchingParent")}, "says Accepted is False, NoMatchingParent: about Accepted"),
        ({"Accepted": ("Unknown", "Pending")}, "says Accepted is Unknown, Pending: about Accepted"),
        ({"ResolvedRefs": ("False", "BackendNotFound")}, "says ResolvedRefs is False, BackendNotFound"),
    ],
)
def test_what_the_mesh_has_against_a_route_is_told(
    adapter: Mesh, controller: str, answer: dict[str, Any], why: str
) -> None:
    found = adapter.observe(HTTP, answered(OURS, controller, **answer))
    assert (found.weight, found.accepted) == (10, False)
    assert f"{NAME} is not in force: {controller} {why}" in found.because


@MESHES
def test_a_backend_that_is_missing_bars_the_way_up_and_not_the_way_back(adapter: Mesh, controller: str) -> None:
    for weight, accepted in ((0, True), (1, False), (100, False)):
        live = answered(adapter.render(HTTP, weight, None), controller, ResolvedRefs=("False", "BackendNotFound"))
        assert adapter.observe(HTTP, live).accepted is accepted
    refused = answered(adapter.render(HTTP, 0, None), controller, Accepted=("False", "NoMatchingParent"))
    assert not adapter.observe(HTTP, refused).accepted


def test_a_condition_that_nobody_wrote_is_waited_for() -> None:
    live = answered(OURS)
    live["status"]["parents"][0]["conditions"].pop()
    assert "linkerd.io/policy-controller has not said ResolvedRefs" in seen(live).because


@MESHES
def test_no_answer_is_told_with_its_likely_causes(adapter: Mesh, controller: str) -> None:
    found = adapter.observe(HTTP, OURS)
    assert (found.weight, found.accepted) == (10, False)
    assert (
        f"No mesh has answered {NAME}. Likely: no mesh runs that takes routes of Services in gateway" in found.because
    )
    assert "istio.io/use-waypoint" in found.because


def test_the_causes_name_what_is_odd_about_the_route() -> None:
    core = http_route({"backendRefs": [to("checkout")]}, parents=({**PARENT, "group": "core"},))
    assert 'the group "core", which only Linkerd knows' in GatewayApi().observe(EDGE, core).because
    grpc = GatewayApi().render(GRPC, 10, None)
    assert "the mesh takes no GRPCRoutes" in GatewayApi().observe(GRPC, grpc).because
    other = answered(OURS, parent={**PARENT, "name": "cart"})
    assert "only linkerd.io/policy-controller answered" in GatewayApi().observe(HTTP, other).because


def test_linkerd_is_not_content_with_another_meshs_word() -> None:
    assert not Linkerd().observe(HTTP, answered(OURS, ISTIO)).accepted
    assert Linkerd().observe(HTTP, answered(answered(OURS, ISTIO, Accepted=("False", "No")), LINKERD)).accepted


def test_of_several_meshes_one_that_took_the_route_is_enough() -> None:
    live = answered(answered(OURS, "example.com/gateway", Accepted=("False", "NoMatchingParent")), ISTIO)
    assert GatewayApi().observe(HTTP, live).accepted


@MESHES
def test_a_foreign_object_of_our_name_is_told_and_not_read(adapter: Mesh, controller: str) -> None:
    foreign = answered(http_route(split(50, 50), name="checkout"), controller)
    found = adapter.observe(HTTP, foreign)
    assert (found.weight, found.accepted) == (None, False)
    assert "is there already and is not ours" in found.because


def test_a_grpc_rule_for_every_call_has_no_matches() -> None:
    live = answered(Linkerd().render(GRPC, 10, None))
    assert Linkerd().observe(GRPC, live) == Seen(weight=10, accepted=True)
    limited = grpc_route({"matches": [{"method": {"service": "shop.A"}}], **split(1, 1)}, name="checkout")
    named = {
        **live,
        "spec": {**limited["spec"], "rules": [{**split(90, 10), "matches": [{"method": {"service": "a"}}]}]},
    }
    assert Linkerd().observe(GRPC, named).weight is None


def crowded(*, rules: int, matches: int, to_whom: str = "admin") -> dict[str, Any]:
    """Our object with rules of others alone, each with so many narrow matches."""
    each = [{"path": {"type": "Exact", "value": f"/{number}"}} for number in range(matches)]
    return ours(*({"matches": each, "backendRefs": [to(to_whom)]} for _ in range(rules)))


@pytest.mark.parametrize(
    ("live", "weight", "words"),
    [
        (crowded(rules=15, matches=1), None, ""),
        (crowded(rules=16, matches=1), 0, "16 rules of others"),
        (crowded(rules=2, matches=63), None, ""),
        (crowded(rules=2, matches=64), 0, "128 matches in its rules of others"),
        (crowded(rules=16, matches=1, to_whom="checkout-canary"), None, "16 rules of others"),
    ],
    ids=["room", "as many rules as it may have", "room for a match", "as many matches", "they send to the canary"],
)
def test_an_object_of_ours_without_room_for_our_rule_takes_nothing_to_the_canary_and_no_write(
    live: Manifest, weight: int | None, words: str
) -> None:
    assert seen(live).weight == weight
    if words:
        with pytest.raises(RouteError, match=words):
            Linkerd().render(HTTP, 0, live)
    else:
        assert Linkerd().observe(HTTP, answered(Linkerd().render(HTTP, 10, live))).weight == 10
