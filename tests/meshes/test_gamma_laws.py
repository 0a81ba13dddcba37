"""Linkerd and the generic Gateway API keep the laws of every adapter, with people's routes and with generated ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshes.conformance import AdapterLaws
from meshes.contract import Manifest, Mesh, Route
from meshes.gateway_api import GatewayApi
from meshes.linkerd import Linkerd
from meshes.parts.ownership import identity_of
from tests.meshes.gamma_objects import EDGE, EVERY_PATH, GRPC, GRPC_EDGE, HTTP, PARENT, grpc_route, http_route, to

HTTP_USERS = (
    http_route({"backendRefs": [to("checkout")]}),
    http_route({"backendRefs": [to("checkout", 1)], "matches": EVERY_PATH}),
    http_route({"backendRefs": [to("checkout", 0)]}),
    http_route({"backendRefs": [to("checkout", 100), to("checkout-canary", 0)]}),
    http_route({"backendRefs": [to("checkout-canary", 0), to("checkout", 7, group="", kind="Service")]}),
    http_route({"backendRefs": [{"name": "checkout", "group": "core", "kind": "Service"}]}),
    http_route(
        {"matches": [{"path": {"type": "Exact", "value": "/admin"}}], "backendRefs": [to("admin")]},
        {
            "matches": [{"headers": [{"name": "x-tester", "value": "yes"}]}],
            "backendRefs": [to("checkout-canary")],
        },
        {
            "name": "canary",
            "backendRefs": [
                to("checkout", filters=[{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": []}}])
            ],
            "timeouts": {"request": "3s"},
        },
        {"matches": [{"method": "PUT"}], "backendRefs": [to("checkout")], "unknownToday": {"kept": None}},
        parents=({"name": "public", "sectionName": "https"}, {**PARENT, "group": "core"}),
        hostnames=["checkout.example.com"],
    ),
)
GRPC_USERS = (
    grpc_route({"backendRefs": [to("checkout")]}),
    grpc_route(
        {"matches": [{"method": {"service": "shop.Admin"}}], "backendRefs": [to("admin")]},
        {"matches": [{"method": {"service": "shop.Checkout"}}], "backendRefs": [to("checkout", 5)]},
    ),
)


class GammaLaws(AdapterLaws):
    """The cases that both adapters are held to."""

    def own_routes(self) -> Iterable[Route]:
        for served in (("v1", "v1beta1"), ("v1beta1",), ("v2", "v1")):
            yield replace(HTTP, served=served)
        for served in (("v1",), ("v1alpha2",)):
            yield replace(GRPC, served=served)
        yield replace(HTTP, apex="cart", target="cart-app", canary="cart-app-canary", port=80)

    def user_routes(self) -> Iterable[tuple[Route, Manifest]]:
        for live in HTTP_USERS:
            yield EDGE, live
        for live in GRPC_USERS:
            yield GRPC_EDGE, live

    def written(self, route: Route, manifest: Manifest) -> tuple[int, int]:
        [weights] = [
            {item["name"]: item["weight"] for item in rule["backendRefs"]}
            for rule in manifest["spec"]["rules"]
            if len(rule["backendRefs"]) > 1
        ]
        assert set(weights) == {route.apex, route.canary}
        return weights[route.apex], weights[route.canary]


class TestLinkerdLaws(GammaLaws):
    def adapter(self) -> Mesh:
        return Linkerd()


class TestGatewayApiLaws(GammaLaws):
    def adapter(self) -> Mesh:
        return GatewayApi()


ADAPTERS = (Linkerd(), GatewayApi())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
FOREIGN = st.sampled_from(["reviews", "checkout-primary"])
EXTRA = st.dictionaries(st.sampled_from(["futureField", "other"]), JSON, max_size=2)


@st.composite
def backends(draw: st.DrawFn, names: st.SearchStrategy[str]) -> dict[str, Any]:
    weight = draw(st.sampled_from([{}, {}, {"weight": 100}, {"weight": 0}, {"weight": 37}]))
    spelt = draw(st.sampled_from([{}, {"group": "", "kind": "Service"}, {"namespace": "shop"}]))
    return {**draw(EXTRA), "name": draw(names), "port": 8080, **spelt, **weight}


@st.composite
def foreign_rules(draw: st.DrawFn) -> Any:
    if draw(st.booleans()):
        return draw(JSON)
    return {**draw(EXTRA), "backendRefs": draw(st.lists(backends(FOREIGN), max_size=3))}


@st.composite
def users_routes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a user's HTTPRoute with exactly one rule that can hold the split."""
    matches: dict[str, Any] = draw(st.sampled_from([{}, {"matches": EVERY_PATH}, {"matches": [{"method": "GET"}]}]))
    splits = {**draw(EXTRA), **matches, "backendRefs": [draw(backends(st.just("checkout")))]}
    before = draw(st.lists(foreign_rules(), max_size=3))
    after = draw(st.lists(foreign_rules(), max_size=3))
    more: dict[str, Any] = draw(st.dictionaries(st.sampled_from(["hostnames", "futureField"]), JSON, max_size=2))
    notes = draw(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), min_size=1, max_size=2))
    made: dict[str, Any] = http_route(*before, splits, *after, metadata={"labels": notes, "annotations": notes}, **more)
    return made


@given(
    live=users_routes(),
    weights=st.lists(st.integers(min_value=0, max_value=100), max_size=4),
    adapter=st.sampled_from(ADAPTERS),
)
def test_any_users_route_is_as_it_was_after_any_rollout(
    live: dict[str, Any], weights: list[int], adapter: Mesh
) -> None:
    now: Manifest = live
    for weight in weights:
        now = adapter.render(EDGE, weight, now)
        assert adapter.observe(EDGE, now).weight == weight
        assert adapter.render(EDGE, weight, now) == now
    assert adapter.render(EDGE, 0, now) == live
    assert adapter.restore(EDGE, now) == live


@given(live=users_routes(), weight=st.integers(min_value=1, max_value=100), adapter=st.sampled_from(ADAPTERS))
def test_only_one_rules_backends_and_one_annotation_differ_while_a_rollout_runs(
    live: dict[str, Any], weight: int, adapter: Mesh
) -> None:
    split = adapter.render(EDGE, weight, live)
    changed = [(new, old) for new, old in zip(split["spec"]["rules"], live["spec"]["rules"], strict=True) if new != old]
    assert [{**new, "backendRefs": None} for new, _ in changed] == [{**old, "backendRefs": None} for _, old in changed]
    assert len(changed) == 1
    assert {**split["spec"], "rules": None} == {**live["spec"], "rules": None}
    annotations = {
        key: text for key, text in split["metadata"]["annotations"].items() if key != "canary.delivery/route-was"
    }
    assert {**split["metadata"], "annotations": annotations} == live["metadata"]


@given(
    spec=JSON | st.fixed_dictionaries({"rules": JSON | st.lists(foreign_rules())}),
    weight=st.integers(0, 100),
    route=st.sampled_from((HTTP, GRPC)),
    adapter=st.sampled_from(ADAPTERS),
)
def test_our_own_route_is_mended_whatever_was_made_of_it(spec: Any, weight: int, route: Route, adapter: Mesh) -> None:
    ours = adapter.render(route, 5, None)
    mended = adapter.render(route, weight, {**ours, "spec": spec})
    assert adapter.observe(route, mended).weight == weight
    assert adapter.render(route, weight, mended) == mended


@given(
    live=st.dictionaries(st.sampled_from(["apiVersion", "metadata", "spec", "status", "kind"]), JSON, max_size=5),
    adapter=st.sampled_from(ADAPTERS),
)
def test_reading_any_json_says_why_or_a_weight(live: dict[str, Any], adapter: Mesh) -> None:
    for wanted in (HTTP, EDGE, GRPC):
        seen = adapter.observe(wanted, live)
        assert seen.weight is not None or seen.because
        assert not seen.accepted
        adapter.conflict(wanted, [live])


@given(
    live=st.dictionaries(st.sampled_from(["apiVersion", "metadata", "spec", "status", "kind"]), JSON, max_size=5),
    kind=st.sampled_from(["HTTPRoute", "GRPCRoute", "ServiceProfile", "TrafficSplit", "VirtualService"]),
    adapter=st.sampled_from(ADAPTERS),
)
def test_an_object_that_does_not_claim_the_apex_is_no_conflict(
    live: dict[str, Any], kind: str, adapter: Linkerd | GatewayApi
) -> None:
    found = {**live, "kind": kind}
    claimed = adapter.services(found)
    if HTTP.apex not in claimed and "*" not in claimed and identity_of(found) != ("shop", HTTP.apex):
        assert adapter.conflict(HTTP, [found]) is None


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_that_is_no_percentage_is_a_mistake_of_the_caller(adapter: Mesh, weight: int) -> None:
    with pytest.raises(ValueError, match=f"0..100 percent, not {weight}"):
        adapter.render(HTTP, weight, None)
