"""Istio keeps the laws of every adapter, with VirtualServices that people wrote and with generated ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshes.conformance import AdapterLaws
from meshes.contract import AppProtocol, Manifest, Mesh, Route
from meshes.istio import Istio
from tests.meshes.istio_objects import edge, route, to, virtual_service

ADAPTER = Istio()


class TestIstioLaws(AdapterLaws):
    def adapter(self) -> Mesh:
        return ADAPTER

    def own_routes(self) -> Iterable[Route]:
        for served in (("v1", "v1beta1", "v1alpha3"), ("v1beta1", "v1alpha3"), ("v1alpha3",), ("v2", "v1")):
            yield route(served=served)
        yield replace(route(), protocol=AppProtocol.GRPC, apex="cart", target="cart-app", canary="cart-app-canary")

    def user_routes(self) -> Iterable[tuple[Route, Manifest]]:
        for live in USERS:
            yield route("edge"), live

    def written(self, route: Route, manifest: Manifest) -> tuple[int, int]:
        weights = {
            item["destination"]["host"].split(".")[0]: item["weight"]
            for entry in manifest["spec"]["http"]
            for item in entry.get("route", [])
            if len(entry["route"]) > 1
        }
        assert set(weights) == {route.apex, route.canary}
        return weights[route.apex], weights[route.canary]


USERS = (
    edge({"route": [to("checkout")]}),
    edge({"route": [to("checkout", 100)]}),
    edge({"route": [to("checkout", 1)]}),
    edge({"route": [to("checkout", 0)]}),
    edge({"route": [to("checkout.shop.svc.cluster.local", 100), to("checkout-canary.shop.svc.cluster.local", 0)]}),
    edge({"route": [to("checkout-canary"), to("checkout.shop", 7)]}),
    virtual_service({"http": [{"name": "a delegate", "route": [to("checkout.shop.svc")]}]}),
    edge(
        {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
        {"match": [{"headers": {"x-tester": {"exact": "yes"}}}], "route": [to("checkout-canary")]},
        {"name": "canary", "route": [to("checkout", headers={"response": {"set": {"a": "b"}}})], "timeout": "3s"},
        {"route": [to("checkout")], "unknownToday": {"kept": None}},
        tcp=[{"route": [to("checkout", 100)]}],
        gateways=["mesh", "istio-system/ingress"],
    ),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
FOREIGN_HOSTS = st.sampled_from(["reviews", "checkout-primary", "checkout.web", "checkout.shop.example.com"])
DESTINATION = st.fixed_dictionaries({}, optional={"port": st.just({"number": 8080}), "subset": st.just("v1")})
EXTRA = st.dictionaries(st.sampled_from(["headers", "futureField"]), JSON, max_size=2)


@st.composite
def destinations(draw: st.DrawFn, hosts: st.SearchStrategy[str]) -> dict[str, Any]:
    weight = draw(st.sampled_from([{}, {}, {"weight": 100}, {"weight": 0}, {"weight": 37}]))
    return {**draw(EXTRA), "destination": {**draw(DESTINATION), "host": draw(hosts)}, **weight}


APEX = st.sampled_from(["checkout", "checkout.shop", "checkout.shop.svc", "checkout.shop.svc.cluster.local"])
ENTRY_EXTRA = st.dictionaries(
    st.sampled_from(["match", "timeout", "retries", "mirror", "futureField"]), JSON, max_size=3
)


@st.composite
def foreign_entries(draw: st.DrawFn) -> Any:
    if draw(st.booleans()):
        return draw(JSON)
    items = draw(st.lists(destinations(FOREIGN_HOSTS), max_size=3))
    return {**draw(ENTRY_EXTRA), "route": items}


@st.composite
def virtual_services(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a user's VirtualService with exactly one entry that can hold the split."""
    splits = {**draw(ENTRY_EXTRA), "route": [draw(destinations(APEX))]}
    before = draw(st.lists(foreign_entries(), max_size=3))
    after = draw(st.lists(foreign_entries(), max_size=3))
    spec = draw(st.dictionaries(st.sampled_from(["hosts", "gateways", "tls", "futureField"]), JSON, max_size=3))
    labels = draw(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), min_size=1, max_size=2))
    return virtual_service({**spec, "http": [*before, splits, *after]}, labels=labels, annotations=labels)


@given(live=virtual_services(), weights=st.lists(st.integers(min_value=0, max_value=100), max_size=4))
def test_any_users_route_is_as_it_was_after_any_rollout(live: dict[str, Any], weights: list[int]) -> None:
    now: Manifest = live
    for weight in weights:
        now = ADAPTER.render(route("edge"), weight, now)
        assert ADAPTER.observe(route("edge"), now).weight == weight
        assert ADAPTER.render(route("edge"), weight, now) == now
    assert ADAPTER.render(route("edge"), 0, now) == live
    assert ADAPTER.restore(route("edge"), now) == live


@given(live=virtual_services(), weight=st.integers(min_value=1, max_value=100))
def test_only_one_entrys_destinations_and_one_annotation_differ_while_a_rollout_runs(
    live: dict[str, Any], weight: int
) -> None:
    split = ADAPTER.render(route("edge"), weight, live)
    changed = [new for new, old in zip(split["spec"]["http"], live["spec"]["http"], strict=True) if new != old]
    assert len(changed) == 1
    old = next(entry for entry in live["spec"]["http"] if entry not in split["spec"]["http"])
    assert {**changed[0], "route": None} == {**old, "route": None}
    assert {**split["spec"], "http": None} == {**live["spec"], "http": None}
    annotations = {
        key: text for key, text in split["metadata"]["annotations"].items() if key != "canary.delivery/route-was"
    }
    assert {**split["metadata"], "annotations": annotations} == live["metadata"]


@given(spec=JSON | st.fixed_dictionaries({"http": JSON | st.lists(foreign_entries())}), weight=st.integers(0, 100))
def test_our_own_route_is_mended_whatever_was_made_of_it(spec: Any, weight: int) -> None:
    ours = ADAPTER.render(route(), 5, None)
    mended = ADAPTER.render(route(), weight, {**ours, "spec": spec})
    assert ADAPTER.observe(route(), mended).weight == weight
    assert ADAPTER.render(route(), weight, mended) == mended


@given(live=st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind"]), JSON, max_size=4))
def test_reading_any_json_says_why_or_a_weight(live: dict[str, Any]) -> None:
    for wanted in (route(), route("edge")):
        seen = ADAPTER.observe(wanted, live)
        assert (seen.weight is None) == bool(seen.because)
        ADAPTER.conflict(wanted, [live])
