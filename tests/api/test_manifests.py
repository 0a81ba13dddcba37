"""A real API server takes every manifest and keeps all of it; the rights in them are enough for whole rollouts."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from canary.clients.kube import lost_field
from canary.clients.kube_http import Call, KubeHttp, connect
from canary.ports import CANARY, DEPLOYMENT, NAMESPACE, ref_of
from canary.rollout.phases import Phase
from tests import yaml_files
from tests.api.control_plane import ControlPlane
from tests.api.harness import Harness
from tests.api.installing import ensure_kuma
from tests.api.people import People, closed
from tests.api.process import Process

pytestmark = pytest.mark.xdist_group("api")

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")
ELSEWHERE = ("kustomization.yaml", "servicemonitor.yaml", "rules.yaml")
"""What no API server takes by itself: kubectl's own, and kinds of the Prometheus operator."""
FILES = sorted(file for file in MANIFESTS.rglob("*.yaml") if file.name not in ELSEWHERE)

JSON = dict[str, Any]


NOT_HERE = ("MeshHTTPRoute",)
"""Kuma's CRDs come and go: test_kuma.py writes the example's route to the release that knows it."""


def documents(file: Path) -> list[JSON]:
    return [one for one in yaml_files.documents(file) if one["kind"] not in NOT_HERE]


KINDS = frozenset(ref_of(one).kind for file in FILES for one in documents(file))


@pytest.fixture
async def http(plane: ControlPlane) -> AsyncIterator[KubeHttp]:
    http = await connect(plane.kubeconfig)
    yield http
    await http.close()


@pytest.fixture(scope="module")
def namespaces(plane: ControlPlane) -> ControlPlane:
    """The control plane with Kuma's kinds, and with the namespaces that the manifests speak of."""

    async def make() -> None:
        await ensure_kuma(plane)
        http = await connect(plane.kubeconfig)
        people = People(http)
        await people.know(NAMESPACE)
        for name in ("canary-system", "shop", "kuma-system"):
            await people.apply({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": name}})
        await closed(http)

    asyncio.run(make())
    return plane


@pytest.fixture
async def people(namespaces: ControlPlane, http: KubeHttp) -> People:
    """An administrator who knows the kinds of the manifests."""
    people = People(http)
    await people.know(*KINDS)
    return people


def as_served(people: People, written: JSON) -> JSON:
    """Return a document as the server keeps it: in the version that 1.20 has, which differs for a budget in name alone
    and for an autoscaler in its metrics; what a Secret says in plain words as its data.
    """
    match written["kind"]:
        case "HorizontalPodAutoscaler":
            spec = {key: value for key, value in written["spec"].items() if key != "metrics"}
            return {**written, "apiVersion": version_of(people, written), "spec": spec}
        case "PodDisruptionBudget":
            return {**written, "apiVersion": version_of(people, written)}
        case "Secret" if "stringData" in written:
            data = {key: b64encode(text.encode()).decode() for key, text in written["stringData"].items()}
            return {**{key: value for key, value in written.items() if key != "stringData"}, "data": data}
        case _:
            return written


def version_of(people: People, written: JSON) -> str:
    _, _, group, version, *_ = people.path(ref_of(written)).split("/")
    return f"{group}/{version}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(MANIFESTS)))
async def test_every_document_is_accepted_and_all_of_it_is_kept(people: People, http: KubeHttp, file: Path) -> None:
    for written in documents(file):
        sent = as_served(people, written)
        await people.apply(sent)
        kept = await http.send(Call(method="GET", path=people.path(ref_of(sent)), what=str(ref_of(sent))))
        assert lost_field(sent, kept, "") == "", ref_of(sent)
    if "examples" in file.parts:  # other examples have objects of the same names
        for sent in documents(file):
            if sent["kind"] != "Namespace":
                await people.delete(ref_of(sent))


@needs_kubectl
@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("folder", ["install", "install-namespaced"])
def test_kubectl_applies_it_and_finds_nothing_to_change_the_second_time(plane: ControlPlane, folder: str) -> None:
    def apply() -> list[str]:
        assert KUBECTL is not None
        words = [KUBECTL, "--kubeconfig", str(plane.kubeconfig), "apply", "-k", str(MANIFESTS / folder)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()

    first = apply()
    assert len(first) == 12
    assert [line for line in apply() if not line.endswith(" unchanged")] == []


async def credentials(plane: ControlPlane, http: KubeHttp, account: str = "canary-controller") -> Path:
    """Return the kubeconfig of a ServiceAccount as its pods have it."""
    path = f"/api/v1/namespaces/canary-system/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    issued = await http.send(Call(method="POST", path=path, what="a token", body=body))
    return plane.kubeconfig_for(account, issued["status"]["token"])


def for_account(account: str, namespace: str) -> list[JSON]:
    """What `install-namespaced` gives the controller in a namespace, given to another ServiceAccount instead."""
    binding = documents(MANIFESTS / "install-namespaced" / "binding.yaml")
    rights = documents(MANIFESTS / "install" / "rights.yaml")
    given = [one for one in rights if named(one) != ("ClusterRoleBinding", "canary-controller") and "rules" not in one]
    for one in binding:
        one["metadata"]["namespace"] = namespace
    for one in (*given, *binding):
        one["metadata"]["name"] = account if one["kind"] == "ServiceAccount" else f"{account}-{one['roleRef']['name']}"
        for subject in one.get("subjects", ()):
            subject["name"] = account
    return [*given, *binding]


def named(one: JSON) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


def run(at_work: Harness, kubeconfig: Path, *more: str) -> Process:
    """Start `canary run` with that identity, the lease where the Deployment has it."""
    flags = ["--kubeconfig", str(kubeconfig), "--prometheus-url", at_work.prometheus_url, "--scrape-interval", "1s"]
    quick = ["--settle", "1s", "--drain", "1s", "--metrics-port", "0"]
    process = Process("installed", at_work.folder / "installed.log", [*flags, *quick, *more])
    at_work.processes.append(process)
    return process


async def test_the_rights_in_one_namespace_are_enough_for_rollouts_and_for_leaving(
    at_work: Harness, people: People, http: KubeHttp
) -> None:
    for one in [*documents(MANIFESTS / "install" / "rights.yaml"), *for_account("one-namespace", at_work.namespace)]:
        await people.apply(one)
    kubeconfig = await credentials(at_work.plane, http, "one-namespace")

    process = run(at_work, kubeconfig, "--namespace", at_work.namespace)
    await at_work.until(lambda: process.leads)
    await at_work.there()
    await at_work.push("2.0")
    await at_work.until_phase(Phase.SUCCEEDED)
    assert at_work.serving()[0] == "2.0"
    await at_work.people.patch(
        at_work.ref(DEPLOYMENT), {"metadata": {"annotations": {"canary.delivery/enabled": None}}}
    )
    await at_work.until(lambda: at_work.live(CANARY) is None)
    await at_work.until(lambda: at_work.live(DEPLOYMENT, "checkout-primary") is None)
    process.terminate()
    await process.ended()
    assert [line for line in process.said.splitlines() if "forbidden" in line] == []


async def test_the_rights_in_all_namespaces_are_enough_to_watch_them(
    at_work: Harness, people: People, http: KubeHttp
) -> None:
    for one in documents(MANIFESTS / "install" / "rights.yaml"):
        await people.apply(one)
    process = run(at_work, await credentials(at_work.plane, http))
    await at_work.until(lambda: process.leads)
    process.terminate()
    await process.ended()
    assert [line for line in process.said.splitlines() if "forbidden" in line] == []
