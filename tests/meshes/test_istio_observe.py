"""What is read back from a VirtualService: the split as Envoy would send it, and what Istio says about it."""

from __future__ import annotations

from typing import Any

import pytest

from meshes.contract import Manifest, Seen
from meshes.istio import Istio
from tests.meshes.istio_objects import edge, route, to, virtual_service

OURS = Istio().render(route(), 10, None)
NAME = "VirtualService.networking.istio.io shop/checkout"
UNREADABLE = f"{NAME} holds no split that can be read:"


def ours(*entries: Any, **spec: Any) -> dict[str, Any]:
    return {**OURS, "spec": {**OURS["spec"], "http": list(entries), **spec}}


def seen(live: Manifest | None) -> Seen:
    return Istio().observe(route(), live)


def split(apex: object, canary: object) -> dict[str, Any]:
    return {"name": "canary", "route": [to("checkout", apex), to("checkout-canary", canary)]}


@pytest.mark.parametrize(
    ("entry", "weight"),
    [
        (split(90, 10), 10),
        (split(9, 1), 10),
        (split(180, 20), 10),
        (split(None, 1), 100),
        (split(1, None), 0),
        (split(0, 5), 100),
        (split(1, 3), 75),
        ({"name": "canary", "route": [to("checkout", 3)]}, 0),
        ({"name": "canary", "route": [to("checkout", 0)]}, 0),
        ({"name": "canary", "route": [to("checkout-canary", 0)]}, 100),
        ({"name": "canary", "route": [to("checkout-canary")]}, 100),
        (
            {
                "name": "canary",
                "route": [to("checkout", 60), to("checkout.shop", 20), to("checkout-canary.shop.svc", 20)],
            },
            20,
        ),
    ],
)
def test_weights_are_read_as_envoy_would_send_them(entry: dict[str, Any], weight: int) -> None:
    assert seen(ours(entry)) == Seen(weight=weight, accepted=True)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (split(2, 1), "the canary's 1 of 3 is no whole percentage"),
        (split(None, None), "all its weights are 0"),
        (split(0, 0), "all its weights are 0"),
        (split("90", 10), "the weight '90' of checkout is no whole number >= 0"),
        (split(90, 10.0), "the weight 10.0 of checkout-canary is no whole number >= 0"),
        (split(90, True), "the weight True of checkout-canary is no whole number >= 0"),
        (split(110, -10), "the weight -10 of checkout-canary is no whole number >= 0"),
        ({"name": "canary", "route": [to("checkout", 90), to("reviews", 10)]}, "it also sends to reviews"),
        ({"name": "canary", "route": [to("checkout", 90), {"destination": None}]}, "it also sends to None"),
        ({"name": "canary", "route": None}, "it has no destination"),
        ({"name": "canary"}, "it has no destination"),
        ({**split(90, 10), "match": [{"uri": {"prefix": "/a"}}]}, "its entry canary also has match"),
        ({**split(90, 10), "redirect": {"uri": "/"}}, "its entry canary also has redirect"),
        ({"name": "other", "match": [{"port": 1}]}, "it has no http entry canary"),
        ({"route": [to("checkout")]}, "an entry before canary takes every request"),
    ],
)
def test_a_split_that_cannot_be_read_says_why(entry: dict[str, Any], why: str) -> None:
    assert seen(ours(entry)) == Seen(weight=None, accepted=True, because=f"{UNREADABLE} {why}.")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"hosts": ["reviews"]}, "its hosts do not name checkout"),
        ({"hosts": None}, "its hosts do not name checkout"),
        ({"gateways": ["istio-system/ingress"]}, "it is bound to gateways only, not to the mesh"),
    ],
)
def test_an_object_that_sidecars_do_not_use_for_the_apex_holds_no_split(spec: dict[str, Any], why: str) -> None:
    assert seen(ours(split(90, 10), **spec)) == Seen(weight=None, accepted=True, because=f"{UNREADABLE} {why}.")


@pytest.mark.parametrize(
    ("match", "weight"),
    [
        ([{"uri": {"prefix": "/api"}}], 10),
        ([{"uri": {"prefix": "/"}, "method": {"exact": "GET"}}], 10),
        ([{"uri": {"prefix": "/"}}], None),
        ([{"port": 1}, {"name": "all"}], None),
        ([], None),
    ],
)
def test_an_entry_before_ours_hides_it_only_if_it_takes_every_request(match: list[Any], weight: int | None) -> None:
    assert seen(ours({"match": match, "route": [to("checkout")]}, split(90, 10))).weight == weight


def test_a_missing_object_is_neither_a_weight_nor_accepted() -> None:
    assert seen(None) == Seen(weight=None, accepted=False, because=f"{NAME} is missing.")


def test_a_foreign_object_of_our_name_is_not_read() -> None:
    found = seen({**OURS, "metadata": {"name": "checkout", "namespace": "shop"}})
    assert (found.weight, found.accepted) == (None, False)
    assert found.because.startswith(f"{NAME} is there already and is not ours")


ERROR = {"level": "ERROR", "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"}}
COMPLAINT = f"Istio's analysis finds errors in {NAME}: IST0101 (ReferencedResourceNotFound)."


@pytest.mark.parametrize(
    ("status", "because"),
    [
        ({"validationMessages": [ERROR]}, COMPLAINT),
        ({"validationMessages": [{**ERROR, "level": 3}]}, COMPLAINT),
        ({"validationMessages": [{"level": "WARNING", "type": {}}, ERROR], "observedGeneration": 4}, COMPLAINT),
        ({"validationMessages": [ERROR], "observedGeneration": "4"}, COMPLAINT),
        ({"validationMessages": [ERROR], "observedGeneration": 3}, ""),
        ({"validationMessages": [ERROR], "observedGeneration": "3"}, ""),
        ({"validationMessages": [ERROR], "observedGeneration": "soon"}, COMPLAINT),
        pytest.param({"validationMessages": [ERROR], "observedGeneration": "1" * 5000}, COMPLAINT, id="endless"),
        ({"validationMessages": [{"level": "WARNING"}, {"level": 8}, {"level": True}, {"level": [3]}, "x"]}, ""),
        (
            {"validationMessages": [{"level": "Error", "code": "IST0109"}]},
            f"Istio's analysis finds errors in {NAME}: IST0109.",
        ),
        ({"conditions": [{"type": "Reconciled", "status": "False"}]}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_only_errors_in_the_newest_version_are_not_accepted(status: object, because: str) -> None:
    live = {**OURS, "metadata": {**OURS["metadata"], "generation": 4}, "status": status}
    assert seen(live) == Seen(weight=10, accepted=not because, because=because)


def test_a_users_route_is_read_in_the_entry_that_holds_the_split() -> None:
    live = edge({"route": [to("reviews")]}, {"route": [to("checkout", 1), to("checkout-canary", 3)]})
    assert Istio().observe(route("edge"), live) == Seen(weight=75, accepted=True)


def test_a_users_route_that_cannot_be_read_names_the_entry() -> None:
    live = edge({"route": [to("reviews")]}, {"route": [to("checkout", 2), to("checkout-canary", 1)]})
    assert Istio().observe(route("edge"), live) == Seen(
        weight=None,
        accepted=True,
        because="VirtualService.networking.istio.io shop/edge, entry 2, holds no split that can be read: "
        "the canary's 1 of 3 is no whole percentage.",
    )


@pytest.mark.parametrize("spec", [None, {}, {"http": None}, {"http": "all"}, {"http": [None, "x", {"route": 3}]}])
def test_a_users_route_without_sense_has_no_weight_and_a_reason(spec: object) -> None:
    found = Istio().observe(route("edge"), virtual_service(spec))
    assert found.weight is None
    assert "has no http entry that sends to checkout alone" in found.because
