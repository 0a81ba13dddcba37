"""Kuma keeps the laws of every adapter in each of its forms, with routes that people wrote and with generated ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshes.conformance import AdapterLaws
from meshes.contract import AppProtocol, Manifest, Mesh, Route
from meshes.kuma import Kuma
from meshes.kuma.names import Form
from tests.meshes.kuma_objects import CATCH_ALL, FORMS, HOMES, backend, mesh_http_route, route, rule, to

ADAPTER = Kuma()
TESTER = {"headers": [{"name": "x-tester", "type": "Exact", "value": "yes"}]}


def users(form: Form) -> Iterable[Manifest]:
    home = HOMES[form]
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}]
    yield mesh_http_route(to(form, rule(backend(form))), namespace=home)
    yield mesh_http_route(to(form, rule(backend(form, weight=1))), namespace=home)
    yield mesh_http_route(to(form, rule(backend(form, weight=100))), namespace=home, labels={"a": "b"})
    yield mesh_http_route(to(form, rule(backend(form, "checkout-canary", 0), backend(form, weight=7))), namespace=home)
    yield mesh_http_route(
        to(form, rule(backend(form, "reviews"), backend(form))),
        to(form, rule(backend(form)), name="reviews"),
        to(
            form,
            rule(backend(form, "checkout-canary", 1), matches=[TESTER]),
            rule(filters=filters, matches=[{"path": {"type": "PathPrefix", "value": "/old"}}]),
            rule(backend(form, weight=1, later={"kept": None}), filters=filters),
            later=1,
        ),
        {"targetRef": {"kind": "MeshExternalService", "name": "bank"}, "rules": []},
        namespace=home,
        later={"kept": [None]},
    )


class KumaLaws(AdapterLaws):
    form: Form

    def adapter(self) -> Mesh:
        return ADAPTER

    def own_routes(self) -> Iterable[Route]:
        yield route(self.form)
        yield route(self.form, home="kuma-system", served=("v2", "v1alpha1"))
        grpc = replace(route(self.form), protocol=AppProtocol.GRPC, port_name="", apex="cart", target="cart-app")
        yield replace(grpc, canary="cart-app-canary", options={**grpc.options, "kuma-mesh": "payments"})

    def user_routes(self) -> Iterable[tuple[Route, Manifest]]:
        for live in users(self.form):
            yield route(self.form, user_route="edge"), live

    def written(self, route: Route, manifest: Manifest) -> tuple[int, int]:
        found = [
            {_name(item): item["weight"] for item in one["default"]["backendRefs"]}
            for entry in manifest["spec"]["to"]
            for one in entry["rules"]
            if len(one["default"].get("backendRefs", ())) == 2 and _name(one["default"]["backendRefs"][0]) != "reviews"
        ]
        assert len(found) == 1
        assert set(found[0]) == {route.apex, route.canary}
        return found[0][route.apex], found[0][route.canary]


def _name(item: dict[str, Any]) -> str:
    labels = item.get("labels", {})
    return str(item.get("name", labels.get("kuma.io/display-name"))).split("_", maxsplit=1)[0]


class TestLegacyLaws(KumaLaws):
    form = Form.LEGACY


class TestMeshServiceLaws(KumaLaws):
    form = Form.MESHSERVICE


class TestLabelsLaws(KumaLaws):
    form = Form.LABELS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
REFS = st.sampled_from([ref for form in FORMS for ref in (backend(form), backend(form, "checkout-canary"))])
BACKENDS = st.builds(lambda ref, more: {**ref, **more}, REFS, st.fixed_dictionaries({}, optional={"weight": JSON}))
RULES = st.fixed_dictionaries(
    {},
    optional={
        "matches": st.just([CATCH_ALL]) | JSON,
        "default": st.fixed_dictionaries({}, optional={"backendRefs": st.lists(BACKENDS | JSON, max_size=3) | JSON}),
    },
)
ENTRIES = st.fixed_dictionaries({}, optional={"targetRef": REFS | JSON, "rules": st.lists(RULES | JSON, max_size=3)})
SPECS = JSON | st.fixed_dictionaries({}, optional={"to": st.lists(ENTRIES | JSON, max_size=3), "targetRef": JSON})


@pytest.mark.parametrize("form", FORMS)
@given(spec=SPECS, weight=st.integers(0, 100))
def test_our_own_route_is_mended_whatever_was_made_of_it(form: Form, spec: Any, weight: int) -> None:
    ours = ADAPTER.render(route(form), 5, None)
    mended = ADAPTER.render(route(form), weight, {**ours, "spec": spec})
    assert ADAPTER.observe(route(form), mended).weight == weight
    assert ADAPTER.render(route(form), weight, mended) == mended


@given(live=st.dictionaries(st.sampled_from(["metadata", "status", "kind"]), JSON), spec=SPECS)
def test_reading_any_json_says_why_or_a_weight(live: dict[str, Any], spec: Any) -> None:
    for form in FORMS:
        for wanted in (route(form), route(form, user_route="edge")):
            seen = ADAPTER.observe(wanted, {**live, "spec": spec})
            assert (seen.weight is None) == bool(seen.because)
            ADAPTER.conflict(wanted, [{**live, "spec": spec}])


@pytest.mark.parametrize("before", FORMS)
@pytest.mark.parametrize("after", FORMS)
def test_a_route_changes_its_form_in_one_write(before: Form, after: Form) -> None:
    """As when Kuma is upgraded under it: it stays where it was made."""
    old = ADAPTER.render(route(before, home="kuma-system"), 10, None)
    now = route(after, home="kuma-system")
    assert ADAPTER.observe(now, old).weight == 10
    assert ADAPTER.render(now, 25, old) == ADAPTER.render(now, 25, None)
