"""What the controller refuses at onboarding, lint calls a fault before: the same manifests are given to both."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import cast

import pytest
import yaml

from canary.controller.refusals import refusals
from canary.controller.services import look_around
from canary.index import Index
from canary.lint.bundle import Bundle, Settings
from canary.lint.model import Level
from canary.lint.reading import read
from canary.lint.rules import findings
from canary.ports import DEPLOYMENT, Cluster, ref_of
from canary.rollout.model import Timing
from meshes import registry
from meshes.contract import Kind, Manifest, ObjectRef
from tests.lint.cases import FILE, SOUND, Case
from tests.lint.test_faults import CASES

SETTINGS = Settings(mesh="istio", timing=Timing())
REFUSED = (
    "a port of the node",
    "the network of the node",
    "a volume for one pod",
    "a name that is taken",
    "a headless apex",
    "an apex without a selector",
    "an apex of other pods",
    "a port among several",
    "a port that the Service lacks",
    "an autoscaler for each side",
    "a Service of two Deployments",
    "a selector that another Deployment's pods match",
    "a name too long",
)


class Applied:
    """The part of a cluster that refusals read, filled from files; each Deployment has a pod."""

    def __init__(self, text: str) -> None:
        self.objects: dict[ObjectRef, Manifest] = {}
        for manifest in yaml.safe_load_all(text):
            self.objects[ref_of(manifest)] = manifest
            if manifest["kind"] == DEPLOYMENT.kind:
                labels = manifest["spec"]["template"]["metadata"]["labels"]
                metadata = {"name": f"{manifest['metadata']['name']}-1", "namespace": "shop", "labels": labels}
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
                self.objects[ref_of(pod)] = pod

    def get(self, ref: ObjectRef) -> Manifest | None:
        return self.objects.get(ref)

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        return [one for ref, one in self.objects.items() if ref.kind == kind]

    def find(self, index: Index, *keys: Hashable) -> Sequence[Manifest]:
        return [one for one in self.list(index.kind) if set(keys) <= set(index.keys(one))]

    def served(self, kind: Kind) -> tuple[str, ...]:
        return ("v1",)


def refused(text: str) -> set[str]:
    """The reasons for which the controller refuses the canary of a file."""
    subject = Bundle(read(text, FILE).documents, SETTINGS).subjects[0]
    assert subject.plan is not None
    assert subject.deployment is not None
    cluster = cast(Cluster, Applied(text))
    faults = [*look_around(cluster, subject.plan, subject.deployment.manifest, registry.load("istio")).faults]
    faults += refusals(cluster, subject.plan, subject.canary, subject.deployment.manifest)
    return {fault.reason for fault in faults}


def rule_of(reason: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in reason).lstrip("-")


def linted(text: str) -> set[str]:
    found = findings(read(text, FILE).documents, SETTINGS)
    return {one.rule for one in found if one.level is Level.FAULT}


def test_the_controller_takes_what_lint_finds_sound() -> None:
    assert refused(SOUND) == set()


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_controller_refuses_is_a_fault_of_the_same_name(name: str) -> None:
    case: Case = CASES[name]
    reasons = refused(case.text)
    assert case.rule in {rule_of(reason) for reason in reasons}
    assert {rule_of(reason) for reason in reasons} - linted(case.text) == set()
