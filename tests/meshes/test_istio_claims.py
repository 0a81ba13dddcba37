"""The law of `Claiming` for Istio: what does not route the apex may be left out of `conflict` and changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshes.contract import ANY, AppProtocol, Manifest, Route
from meshes.istio import Istio
from tests.builders import virtual_service

ROUTE = Route(
    namespace="shop",
    target="checkout",
    apex="checkout",
    canary="checkout-canary",
    port=8080,
    port_name="http",
    protocol=AppProtocol.HTTP,
    user_route=None,
    served=("v1",),
    options={},
)
HOSTS = st.sampled_from(
    (
        "checkout", "checkout.shop", "checkout.shop.svc", "checkout.shop.svc.cluster.local", "checkout.other",
        "checkout.shop.svc.clusterset.local", "cart", "cart.shop", "check", "*", "*.shop", "*.shop.svc.cluster.local",
        "*.local", "*.example.com", "*checkout.shop", "checkout-canary", "", None, 7, ["checkout"],
    )
)  # fmt: skip
SPECS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"hosts": st.lists(HOSTS, max_size=3) | st.sampled_from((None, "checkout", {}))}
)
OBJECTS = st.tuples(st.sampled_from(("checkout", "mine")), st.sampled_from(("shop", "other")), SPECS)


def made(name: str, namespace: str, spec: dict[str, Any]) -> Manifest:
    return {**virtual_service(name, namespace=namespace), "spec": spec}


@given(objects=st.lists(OBJECTS, max_size=5))
def test_only_what_may_route_the_apex_and_what_bears_its_name_matters_for_a_conflict(objects: list[Any]) -> None:
    istio = Istio()
    others = [made(*each) for each in objects]
    ref = istio.route_ref(ROUTE)
    kept = [
        one
        for one in others
        if {ROUTE.apex, ANY} & set(istio.services(one))
        or (one["metadata"]["name"], one["metadata"]["namespace"]) == (ref.name, ref.namespace)
    ]
    assert str(istio.conflict(ROUTE, kept)) == str(istio.conflict(ROUTE, others))
