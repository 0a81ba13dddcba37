"""The VirtualService of ours: what others may add to it, what is put back, and which versions are written."""

from __future__ import annotations

from typing import Any

import pytest

from meshes.contract import Manifest, RouteError
from meshes.istio import Istio
from tests.meshes.istio_objects import route, to, virtual_service

OURS = Istio().render(route(), 10, None)
SPLIT = OURS["spec"]["http"][0]


def mended(**spec: Any) -> Any:
    return Istio().render(route(), 10, {**OURS, "spec": {**OURS["spec"], **spec}})["spec"]


def test_what_does_not_touch_the_split_stays() -> None:
    entry = {**SPLIT, "timeout": "3s", "futureField": 1}
    early = {"name": "testers", "match": [{"port": 1}], "route": [to("checkout-canary")]}
    spec = {"http": [early, entry], "tls": [], "futureField": {}}
    assert mended(**spec) == {**OURS["spec"], **spec}


def test_headers_of_the_two_destinations_stay() -> None:
    sticky = [{**item, "headers": {"response": {"add": {"set-cookie": "a"}}}} for item in SPLIT["route"]]
    assert mended(http=[{**SPLIT, "route": list(reversed(sticky))}])["http"] == [{**SPLIT, "route": sticky}]


@pytest.mark.parametrize(
    "spec",
    [
        {"hosts": ["reviews"]},
        {"hosts": None},
        {"gateways": ["istio-system/ingress"]},
        {"exportTo": ["."]},
        {"http": None},
        {"http": "none"},
        {"http": [{**SPLIT, "match": [{"port": 1}], "redirect": {}, "delegate": {}, "directResponse": {}}]},
        {"http": [{**SPLIT, "route": [*SPLIT["route"], to("reviews", 5)]}]},
        {"http": [{**SPLIT, "route": [to("checkout", "90", subset=1), to("checkout-canary", "10")]}]},
        {"http": [SPLIT, SPLIT]},
    ],
)
def test_what_would_bend_the_split_is_put_back(spec: dict[str, Any]) -> None:
    found = mended(**spec)
    found["http"][0]["route"] = [
        {key: item[key] for key in ("destination", "weight")} for item in found["http"][0]["route"]
    ]
    assert found == OURS["spec"]


def test_an_entry_that_would_hide_ours_comes_after_it() -> None:
    narrow = {"match": [{"port": 1}]}
    wide = {"route": [to("checkout")]}
    assert mended(http=[narrow, wide, SPLIT])["http"] == [narrow, SPLIT, wide]
    assert mended(http=[narrow, wide])["http"] == [narrow, SPLIT, wide]
    assert mended(http=[narrow, SPLIT, narrow])["http"] == [narrow, SPLIT, narrow]


def test_a_foreign_object_of_our_name_is_not_taken_over() -> None:
    with pytest.raises(RouteError, match="is there already and is not ours") as caught:
        Istio().render(route(), 0, virtual_service({}, name="checkout"))
    assert caught.value.reason == "RouteConflict"


@pytest.mark.parametrize(
    ("served", "version"),
    [
        (("v1", "v1beta1", "v1alpha3"), "v1"),
        (("v1alpha3", "v1beta1"), "v1beta1"),
        (("v1alpha3",), "v1alpha3"),
        (("v2", "v1alpha3", "v1"), "v1"),
    ],
)
def test_the_best_served_version_that_is_known_is_written(served: tuple[str, ...], version: str) -> None:
    made: Manifest = Istio().render(route(served=served), 0, None)
    assert made["apiVersion"] == f"networking.istio.io/{version}"


def test_a_live_object_keeps_its_version() -> None:
    live = {**OURS, "apiVersion": "networking.istio.io/v1beta1"}
    assert Istio().render(route(), 10, live) == live


@pytest.mark.parametrize(
    ("served", "found"), [((), "the cluster does not know it"), (("v2",), "the cluster serves only v2 of it")]
)
def test_a_cluster_without_a_known_version_is_told(served: tuple[str, ...], found: str) -> None:
    with pytest.raises(RouteError, match=found) as caught:
        Istio().render(route(served=served), 0, None)
    assert caught.value.reason == "MeshNotInstalled"


@pytest.mark.parametrize("version", ["networking.istio.io/v2", "example.com/v1", None, 7])
def test_a_live_object_of_an_unknown_version_is_refused(version: object) -> None:
    with pytest.raises(RouteError) as caught:
        Istio().render(route(), 0, {**OURS, "apiVersion": version})
    assert caught.value.reason == "UnknownVersion"


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_out_of_range_is_a_mistake_of_the_caller(weight: int) -> None:
    with pytest.raises(ValueError, match=f"not {weight}"):
        Istio().render(route(), weight, None)
