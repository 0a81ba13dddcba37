"""What Kuma makes of MeshHTTPRoutes, by its own rules (MESHES sections 0 and 3), whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from canary.errors import ConfigError
from canary.sandbox.routing import apex_ports, routing, rules_for
from canary.sandbox.rules import Backend, How, Match, Rule, Text
from meshes.contract import Manifest
from meshes.kuma import Kuma
from meshes.kuma.names import Form
from tests.meshes.kuma_objects import FORMS, backend, mesh_http_route, rule, to
from tests.meshes.kuma_objects import route as resolved
from tests.meshes.kuma_surroundings import mesh, namespace

KUMA = routing("kuma")
MODES = {Form.LEGACY: "", Form.MESHSERVICE: "Everywhere", Form.LABELS: "Everywhere"}
SHOP = namespace("shop", {"kuma.io/sidecar-injection": "enabled"})
SYSTEM = namespace("kuma-system", {"kuma.io/system-namespace": "true"})
ALL = Match(path=Text(How.PREFIX, "/"), headers={})


def service(name: str, app_protocol: str = "http", *, port_name: str = "http", **annotations: str) -> dict[str, Any]:
    port = {"name": port_name, "port": 8080, **({"appProtocol": app_protocol} if app_protocol else {})}
    meta = {"name": name, "namespace": "shop", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [port]}}


APEX, CANARY = service("checkout"), service("checkout-canary")


def rules(form: Form, *objects: Mapping[str, Any], services: Sequence[Manifest] = (APEX, CANARY)) -> tuple[Rule, ...]:
    (apex,) = apex_ports(service("checkout"))
    return rules_for(KUMA, apex, [mesh(MODES[form]), SHOP, SYSTEM, *services, *objects], lambda *_: [])


def a_backend(name: str = "checkout", weight: int = 1) -> Backend:
    return Backend(namespace="shop", service=name, port=8080, weight=weight)


def to_all(*backends: Backend) -> Rule:
    return Rule(matches=(ALL,), backends=backends)


ITSELF = Rule(backends=(a_backend(),))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("weights", "left"),
    [
        ((90, 10), [("checkout", 90), ("checkout-canary", 10)]),
        ((100, 0), [("checkout", 100)]),
        ((0, 100), [("checkout-canary", 100)]),
        ((None, None), [("checkout", 1), ("checkout-canary", 1)]),
        ((None, 3), [("checkout", 1), ("checkout-canary", 3)]),
        ((0, 0), []),
    ],
)
def test_an_omitted_weight_is_1_and_0_is_dropped(
    form: Form, weights: tuple[int | None, int | None], left: list[tuple[str, int]]
) -> None:
    split = rule(backend(form, weight=weights[0]), backend(form, "checkout-canary", weights[1]))
    found = rules(form, mesh_http_route(to(form, split)))
    rest = (to_all(*(a_backend(name, weight) for name, weight in left)),) if left else ()
    assert found == (*rest, ITSELF)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "services",
    [(APEX,), (APEX, service("checkout-canary", "")), (APEX, service("checkout-canary", "tcp"))],
    ids=["missing", "nothing declared", "tcp"],
)
def test_a_backend_that_is_missing_or_speaks_no_http_is_dropped_silently(
    form: Form, services: Sequence[Manifest]
) -> None:
    split = rule(backend(form, weight=90), backend(form, "checkout-canary", 10))
    assert rules(form, mesh_http_route(to(form, split)), services=services) == (to_all(a_backend(weight=90)), ITSELF)
    lone = rule(backend(form, "checkout-canary", 10))
    assert rules(form, mesh_http_route(to(form, lone)), services=services) == (ITSELF,)


@pytest.mark.parametrize("form", FORMS)
def test_an_apex_that_does_not_say_http_is_not_split_whatever_its_port_is_called(form: Form) -> None:
    split = mesh_http_route(to(form, rule(backend(form, "checkout-canary", 1))))
    assert rules(form, split, services=(service("checkout", ""), CANARY)) == (ITSELF,)


@pytest.mark.parametrize(
    ("mode", "form", "reaches"),
    [
        ("", Form.LEGACY, True),
        ("Everywhere", Form.LEGACY, True),
        ("Exclusive", Form.LEGACY, False),
        ("", Form.MESHSERVICE, False),
        ("Everywhere", Form.MESHSERVICE, True),
        ("Exclusive", Form.MESHSERVICE, True),
    ],
)
def test_what_a_name_means_depends_on_the_mode_of_the_mesh(mode: str, form: Form, reaches: bool) -> None:
    (apex,) = apex_ports(service("checkout"))
    split = mesh_http_route(to(form, rule(backend(form, "checkout-canary", 1))))
    found = rules_for(KUMA, apex, [mesh(mode), SHOP, SYSTEM, APEX, CANARY, split], lambda *_: [])
    assert found == ((to_all(a_backend("checkout-canary")), ITSELF) if reaches else (ITSELF,))


def test_a_backend_without_a_port_is_a_tag_whatever_its_name_looks_like() -> None:
    form = Form.MESHSERVICE
    nameless = {"kind": "MeshService", "name": "checkout-canary", "namespace": "shop", "weight": 1}
    assert rules(form, mesh_http_route(to(form, rule(nameless, backend(form, weight=1))))) == (
        to_all(a_backend()),
        ITSELF,
    )


@pytest.mark.parametrize(
    "other",
    [
        mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY, "checkout-canary"))), labels={"kuma.io/mesh": "b"}),
        mesh_http_route(
            to(Form.LEGACY, rule(backend(Form.LEGACY, "checkout-canary"))), targetRef={"kind": "MeshSubset"}
        ),
        mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY, "checkout-canary")), name="reviews")),
        mesh_http_route(to(Form.LABELS, rule(backend(Form.LABELS, "checkout-canary"))), namespace="clients"),
    ],
    ids=["another mesh", "some clients", "another Service", "a consumer's"],
)
def test_a_route_for_others_is_not_followed(other: Manifest) -> None:
    assert rules(Form.LEGACY, other) == (ITSELF,)


def test_special_rules_go_before_the_rest_wherever_they_stand() -> None:
    form = Form.LEGACY
    tester = {"headers": [{"name": "x-tester", "type": "Exact", "value": "yes"}]}
    route = mesh_http_route(
        to(
            form,
            rule(backend(form, weight=3), backend(form, "checkout-canary", 1)),
            rule(matches=[{"path": {"type": "PathPrefix", "value": "/old"}}]),
            rule(backend(form, "checkout-canary"), matches=[tester]),
            rule(backend(form), matches=[{"path": {"type": "Exact", "value": "/"}}]),
        )
    )
    header = Match(headers={"x-tester": Text(How.EXACT, "yes")})
    assert rules(form, route) == (
        Rule(matches=(Match(path=Text(How.EXACT, "/old"), headers={}),), backends=(a_backend(),)),
        Rule(matches=(Match(path=Text(How.EXACT, "/"), headers={}),), backends=(a_backend(),)),
        Rule(matches=(Match(path=Text(How.PREFIX, "/old/"), headers={}),), backends=(a_backend(),)),
        Rule(matches=(header,), backends=(a_backend("checkout-canary"),)),
        to_all(a_backend(weight=3), a_backend("checkout-canary")),
        ITSELF,
    )


def test_what_is_not_known_is_an_error_that_names_the_object() -> None:
    form = Form.LEGACY
    with pytest.raises(ConfigError, match=r"MeshHTTPRoute kuma-system/edge default: .* filters"):
        rules(form, mesh_http_route(to(form, rule(backend(form), filters=[{"type": "URLRewrite"}]))))
    with pytest.raises(ConfigError, match="does not know MeshExternalService"):
        rules(form, mesh_http_route({"targetRef": {"kind": "MeshExternalService", "name": "bank"}}))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("home", ["", "kuma-system"])
@pytest.mark.parametrize("weight", [0, 10, 100])
def test_what_the_adapter_writes_is_what_kuma_does(form: Form, home: str, weight: int) -> None:
    written = Kuma().render(resolved(form, home=home), weight, None)
    parts = [a_backend(weight=100 - weight), a_backend("checkout-canary", weight)]
    assert rules(form, written) == (to_all(*(part for part in parts if part.weight)), ITSELF)
