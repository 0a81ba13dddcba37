"""What is written for Istio, object by object, and that Istio's CRD takes it.

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
from meshes.istio import Istio
from tests.meshes.istio_objects import edge, route, to
from tests.meshes.structural import crd_folder, faults

GOLDEN = Path(__file__).parent.parent / "golden" / "istio"
CRD = "istio/virtualservices.networking.istio.io.yaml"

USERS = edge(
    {
        "match": [{"headers": {"x-tester": {"exact": "yes"}}}],
        "route": [to("checkout-canary")],
    },
    {
        "match": [{"uri": {"prefix": "/api"}}],
        "route": [
            {
                "destination": {"host": "checkout.shop.svc.cluster.local", "subset": "v1", "port": {"number": 8080}},
                "headers": {"response": {"set": {"x-served-by": "shop"}}},
                "weight": 100,
            }
        ],
        "retries": {"attempts": 3, "retryOn": "connect-failure"},
        "timeout": "2s",
        "mirror": {"host": "audit"},
    },
    gateways=["mesh", "istio-system/ingress"],
    tcp=[{"match": [{"port": 9000}], "route": [to("checkout")]}],
)
RUNNING = Istio().render(route("edge"), 10, USERS)
MADE = {
    "own-0": Istio().render(route(), 0, None),
    "own-10": Istio().render(route(), 10, None),
    "own-100": Istio().render(route(), 100, None),
    "own-10-v1alpha3": Istio().render(route(served=("v1alpha3",)), 10, None),
    "user-10": RUNNING,
    "user-100": Istio().render(route("edge"), 100, RUNNING),
    "user-at-rest": Istio().render(route("edge"), 0, RUNNING),
}


@pytest.mark.parametrize("name", MADE)
def test_an_object_is_written_as_its_golden_file_says(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("CANARY_TEST_GOLDEN") == "write":
        path.write_text(yaml.safe_dump(_plain(MADE[name]), sort_keys=False))
    assert MADE[name] == yaml.safe_load(path.read_text())


def test_every_golden_file_has_its_test() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted(MADE)


@pytest.mark.parametrize("name", MADE)
def test_istios_crd_takes_what_is_written(name: str) -> None:
    assert faults(crd_folder() / CRD, MADE[name]) == []


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"hosts": ["checkout"], "htpp": []}, "$.spec: unknown field htpp"),
        ({"http": [{"route": [to("a", True)]}]}, "$.spec.http[0].route[0].weight: True is no integer"),
        ({"http": [{"route": [to("a", "9")]}]}, "$.spec.http[0].route[0].weight: '9' is no integer"),
        ({"http": [{"route": [{"weight": 1}]}]}, "$.spec.http[0].route[0]: destination is missing"),
    ],
)
def test_the_crd_refuses_what_is_wrong(spec: Mapping[str, Any], fault: str) -> None:
    assert faults(crd_folder() / CRD, {**MADE["own-10"], "spec": spec}) == [fault]


@pytest.mark.parametrize("shape", ["istio-virtualservice.yaml", "istio-virtualservice-ab-mirror.yaml"])
def test_shapes_that_an_api_server_took_pass_the_check_too(shape: str) -> None:
    manifest: Manifest = yaml.safe_load((crd_folder() / "shapes" / shape).read_text())
    assert faults(crd_folder() / CRD, manifest) == []


def test_a_route_that_users_of_flagger_write_takes_the_split_and_gives_it_back() -> None:
    example = crd_folder() / "istio" / "examples" / "virtualservice-flagger-user-written.yaml"
    live: Manifest = yaml.safe_load(example.read_text())
    podinfo = replace(route("podinfo"), namespace="test", target="podinfo", apex="podinfo", canary="podinfo-canary")
    split = Istio().render(podinfo, 10, live)
    assert faults(crd_folder() / CRD, split) == []
    assert split["spec"]["http"][0]["route"] == [to("podinfo", 90), to("podinfo-canary", 10)]
    assert Istio().render(podinfo, 0, split) == live


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
