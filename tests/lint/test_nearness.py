"""Where files hold an object more than once, each canary is judged with the one that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping

from canary.lint.bundle import Settings
from canary.lint.reading import read
from canary.lint.rules import findings
from canary.rollout.model import Timing
from tests.lint.cases import ENABLED, SOUND, thing

DEPLOYMENT, SERVICE = SOUND.split("---\n")
HEADLESS = f"{SERVICE}  clusterIP: None\n"
SCALER = thing(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    "  scaleTargetRef: {kind: Deployment, name: checkout-primary}\n  maxReplicas: 4\n",
)
PATCH = "apiVersion: v1\nkind: Service\nmetadata:\n  name: checkout\n  labels: {tier: prod}\n"


def linted(files: Mapping[str, str]) -> list[tuple[str, str]]:
    """File and rule of each finding."""
    documents = [document for name, text in files.items() for document in read(text, name).documents]
    found = findings(documents, Settings(mesh="istio", timing=Timing()))
    return [(one.place.file, one.rule) for one in found]


def test_the_same_file_comes_before_the_same_folder() -> None:
    assert linted({"a/first.yaml": SOUND, "a/second.yaml": HEADLESS}) == []
    assert linted({"a/first.yaml": f"{DEPLOYMENT}---\n{HEADLESS}", "a/second.yaml": SERVICE}) == [
        ("a/first.yaml", "service-unusable")
    ]


def test_the_same_folder_comes_before_others() -> None:
    assert linted({"a/app.yaml": DEPLOYMENT, "a/service.yaml": SERVICE, "b/service.yaml": HEADLESS}) == []
    assert linted({"a/app.yaml": DEPLOYMENT, "a/service.yaml": HEADLESS, "b/service.yaml": SERVICE}) == [
        ("a/service.yaml", "service-unusable")
    ]


def test_a_patch_of_an_overlay_does_not_stand_for_the_whole() -> None:
    files = {"base/app.yaml": DEPLOYMENT, "base/service.yaml": SERVICE, "prod/service.yaml": PATCH}
    assert linted(files) == []
    annotated = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: checkout\n  annotations:\n" + ENABLED
    plain = DEPLOYMENT.replace(ENABLED, "    note: none\n")
    assert linted({**files, "base/app.yaml": plain, "prod/app.yaml": annotated}) == []
    assert linted({**files, "base/app.yaml": plain, "base/service.yaml": HEADLESS, "prod/app.yaml": annotated}) == [
        ("base/service.yaml", "service-unusable")
    ]


def test_the_autoscaler_of_a_base_and_its_patch_are_one() -> None:
    patched = SCALER.replace("maxReplicas: 4", "maxReplicas: 40")
    assert linted({"base/all.yaml": f"{SOUND}---\n{SCALER}", "prod/scaler.yaml": patched}) == []


def test_a_folder_that_has_the_canary_again_is_another_answer() -> None:
    scraped = thing("v1", "Service", "  selector: {app: checkout}\n  ports: [{name: metrics, port: 9090}]\n", "metrics")
    east = {"east/app.yaml": SOUND}
    assert linted({**east, "extra/metrics.yaml": scraped}) == [("extra/metrics.yaml", "scrape-service")]
    west = {"west/app.yaml": SOUND.replace("app: checkout", "app: other"), "west/metrics.yaml": scraped}
    assert linted({**east, **west}) == []


def test_two_objects_of_one_name_in_two_namespaces_are_two() -> None:
    other = HEADLESS.replace("namespace: shop", "namespace: other")
    assert linted({"all.yaml": f"{other}---\n{SOUND}"}) == []
