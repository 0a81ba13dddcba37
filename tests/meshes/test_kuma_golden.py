"""What is written for Kuma, object by object, and that the CRD of each release takes it.

Write the files anew with `CANARY_TEST_GOLDEN=write`, and read the difference before you keep it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshes.contract import Manifest
from meshes.kuma import Kuma
from meshes.kuma.names import Form
from tests.meshes.kuma_objects import CATCH_ALL, FORMS, HOMES, backend, mesh_http_route, route, rule, to
from tests.meshes.structural import crd_folder, faults

GOLDEN = Path(__file__).parent.parent / "golden" / "kuma"
NEWEST = "kuma/meshhttproutes.kuma.io.yaml"
OLDER = "older/kuma-2.7.5/meshhttproutes.kuma.io.yaml"
ADAPTER = Kuma()


def users(form: Form) -> dict[str, Any]:
    header = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-by", "value": "shop"}]}}
    tester = {"headers": [{"name": "x-tester", "type": "Exact", "value": "yes"}], "path": CATCH_ALL["path"]}
    return mesh_http_route(
        to(form, rule(backend(form, "reviews", 1)), name="reviews"),
        to(
            form,
            rule(backend(form, "checkout-canary", 1), matches=[tester]),
            rule(filters=[header], matches=[{"path": {"type": "PathPrefix", "value": "/old"}}]),
            rule(backend(form, weight=1), filters=[header]),
        ),
        namespace=HOMES[form],
    )


def _made() -> dict[str, Manifest]:
    made: dict[str, Manifest] = {}
    for form in FORMS:
        for weight in (0, 10, 100):
            made[f"{form}-own-{weight}"] = ADAPTER.render(route(form), weight, None)
        named = route(form, user_route="edge")
        made[f"{form}-user-10"] = ADAPTER.render(named, 10, users(form))
        made[f"{form}-user-at-rest"] = ADAPTER.render(named, 0, made[f"{form}-user-10"])
    made["meshservice-own-10-in-kuma-system"] = ADAPTER.render(route(Form.MESHSERVICE, home="kuma-system"), 10, None)
    made["labels-own-10-in-kuma-system"] = ADAPTER.render(route(Form.LABELS, home="kuma-system"), 10, None)
    return made


MADE = _made()


@pytest.mark.parametrize("name", MADE)
def test_an_object_is_written_as_its_golden_file_says(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("CANARY_TEST_GOLDEN") == "write":
        path.write_text(yaml.safe_dump(_plain(MADE[name]), sort_keys=False))
    assert MADE[name] == yaml.safe_load(path.read_text())


def test_every_golden_file_has_its_test() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted(MADE)


@pytest.mark.parametrize("form", FORMS)
def test_at_rest_a_users_route_is_as_the_user_wrote_it(form: Form) -> None:
    assert MADE[f"{form}-user-at-rest"] == users(form)


@pytest.mark.parametrize("name", MADE)
def test_kumas_crd_takes_what_is_written(name: str) -> None:
    assert faults(crd_folder() / NEWEST, MADE[name]) == []


@pytest.mark.parametrize("name", [name for name in MADE if name.startswith("legacy")])
def test_an_older_crd_takes_the_form_that_is_written_for_it(name: str) -> None:
    assert faults(crd_folder() / OLDER, MADE[name]) == []


@pytest.mark.parametrize("name", [name for name in MADE if not name.startswith("legacy") and "-own-" in name])
def test_an_older_crd_does_not_know_the_newer_forms(name: str) -> None:
    assert "unknown field" in str(faults(crd_folder() / OLDER, MADE[name]))


@pytest.mark.parametrize("shape", ["kuma-2.6-legacy.yaml", "kuma-2.9-meshservice.yaml", "kuma-3.0-labels.yaml"])
def test_shapes_that_an_api_server_took_pass_the_check_too(shape: str) -> None:
    manifest: Manifest = yaml.safe_load((crd_folder() / "shapes" / shape).read_text())
    assert faults(crd_folder() / NEWEST, manifest) == []


def test_the_route_of_the_example_takes_the_split_and_gives_it_back() -> None:
    example = Path(__file__).parents[2] / "manifests" / "examples" / "kuma" / "cart-with-own-route.yaml"
    deployment, service, live = yaml.safe_load_all(example.read_text(encoding="utf-8"))
    [port] = service["spec"]["ports"]
    named = route(Form.MESHSERVICE, user_route=deployment["metadata"]["annotations"]["canary.delivery/route"])
    cart = replace(named, target="cart", apex="cart", canary="cart-canary", port=port["port"], port_name=port["name"])
    split = ADAPTER.render(cart, 20, live)
    names = [(one["name"], one["weight"]) for one in split["spec"]["to"][0]["rules"][1]["default"]["backendRefs"]]
    assert names == [("cart", 80), ("cart-canary", 20)]
    assert faults(crd_folder() / NEWEST, split) == []
    assert ADAPTER.render(cart, 0, split) == live


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
