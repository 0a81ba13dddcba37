"""Filters for which Linkerd leaves a route as it was before are not sent, and taken out of the controller's own."""

from __future__ import annotations

from typing import Any

import pytest

from meshes.contract import RouteError, Seen
from meshes.gateway_api import GatewayApi
from meshes.linkerd import Linkerd
from tests.meshes.gamma_objects import EDGE, GRPC_EDGE, HTTP, ISTIO, answered, grpc_route, http_route, to
from tests.meshes.test_gamma_conflicts import SOME, conflict

REFUSED = [
    {"type": "RequestMirror", "requestMirror": {"backendRef": to("audit")}},
    {"type": "URLRewrite", "urlRewrite": {"hostname": "a"}},
    {"type": "CORS", "cors": {}},
    {"type": "ExtensionRef", "extensionRef": {"group": "a", "kind": "B", "name": "c"}},
]


@pytest.mark.parametrize("where", ["of rule 2", "of rule 2, backend checkout"])
@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: str(bad["type"]))
def test_a_filter_that_linkerd_ignores_the_route_for_is_refused_and_never_bars_the_way_back(
    bad: dict[str, Any], where: str
) -> None:
    rule = {"filters": [bad], "backendRefs": [to("checkout")]}
    if "backend" in where:
        rule = {"backendRefs": [to("checkout", filters=[bad])]}
    live = http_route(SOME | {"backendRefs": [to("admin")]}, rule)
    why = f"the filter {bad['type']} {where}"
    with pytest.raises(RouteError, match="Linkerd keeps using the version before it") as caught:
        Linkerd().render(EDGE, 10, live)
    assert (caught.value.reason, why in str(caught.value)) == ("RouteUnusable", True)
    assert "Linkerd does not support" in str(conflict(Linkerd(), EDGE, live))
    running = answered(GatewayApi().render(EDGE, 10, live))
    found = Linkerd().observe(EDGE, running)
    assert (found.weight, found.accepted, why in found.because) == (10, False, True)
    assert Linkerd().render(EDGE, 0, running)["spec"] == live["spec"]


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: str(bad["type"]))
def test_where_linkerd_took_a_route_the_generic_adapter_minds_its_filters_too(bad: dict[str, Any]) -> None:
    live = GatewayApi().render(EDGE, 10, http_route({"filters": [bad], "backendRefs": [to("checkout")]}))
    here, elsewhere = answered(live), answered(live, ISTIO)
    assert GatewayApi().observe(EDGE, elsewhere) == Seen(weight=10, accepted=True)
    assert GatewayApi().render(EDGE, 50, elsewhere)["spec"]["rules"][0]["filters"] == [bad]
    found = GatewayApi().observe(EDGE, here)
    assert (found.accepted, "Linkerd keeps using the version before it" in found.because) == (False, True)
    with pytest.raises(RouteError, match="Linkerd does not support"):
        GatewayApi().render(EDGE, 50, here)
    assert not GatewayApi().observe(EDGE, GatewayApi().render(EDGE, 0, here)).accepted
    ours = answered(GatewayApi().render(HTTP, 10, None))
    edited = {**ours, "spec": {**ours["spec"], "rules": [{**ours["spec"]["rules"][0], "filters": [bad]}]}}
    assert GatewayApi().render(HTTP, 10, edited)["spec"] == ours["spec"]


@pytest.mark.parametrize("at_backend", [False, True])
@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: str(bad["type"]))
def test_a_filter_for_which_linkerd_ignores_our_own_route_is_taken_out_of_it(
    bad: dict[str, Any], at_backend: bool
) -> None:
    ours = Linkerd().render(HTTP, 25, None)
    [rule] = ours["spec"]["rules"]
    kept = {**rule, "filters": [{"type": "RequestHeaderModifier"}]}
    edited = {**kept, "filters": [bad, *kept["filters"]]}
    if at_backend:
        edited = {**kept, "backendRefs": [kept["backendRefs"][0], {**kept["backendRefs"][1], "filters": [bad]}]}
    takes_some = SOME | {"backendRefs": [to("admin")]}
    rewritten = SOME | {"backendRefs": [to("admin", filters=[bad])], "filters": [bad]}
    live = answered({**ours, "spec": {**ours["spec"], "rules": [rewritten, edited, takes_some]}})
    assert (Linkerd().observe(HTTP, live).weight, Linkerd().observe(HTTP, live).accepted) == (25, False)
    assert conflict(Linkerd(), HTTP, live) is None
    for weight in (0, 25, 50):
        mended = Linkerd().render(HTTP, weight, live)
        assert mended["spec"]["rules"][1:] == [takes_some]
        assert mended["spec"]["rules"][0]["filters"] == kept["filters"]
        assert Linkerd().observe(HTTP, mended) == Seen(weight=weight, accepted=True)


def test_filters_that_linkerd_knows_are_fine() -> None:
    rule = {
        "filters": [{"type": "RequestHeaderModifier"}, {"type": "RequestRedirect"}],
        "backendRefs": [to("checkout", filters=[{"type": "ResponseHeaderModifier"}])],
    }
    assert Linkerd().observe(EDGE, answered(Linkerd().render(EDGE, 10, http_route(rule)))).accepted
    grpc = grpc_route({"filters": [{"type": "RequestRedirect"}], "backendRefs": [to("checkout")]})
    with pytest.raises(RouteError, match="the filter RequestRedirect of rule 1"):
        Linkerd().render(GRPC_EDGE, 10, grpc)
