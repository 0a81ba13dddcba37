"""`canary doctor` as a person runs it, against a real control plane with each thing broken in turn.

Each row breaks one thing; the command must end with 1, the one line that fails must name it, and tell what to do.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from canary.cli.diagnosis import State
from canary.cli.doctor_rights import SECRETS, Right, documents, rights
from canary.clients.kube_http import MERGE_PATCH, Call, KubeHttp, connect
from canary.errors import AlreadyExists
from canary.spec.crd import crd
from meshes import registry
from tests.api.audit import Request
from tests.api.control_plane import ControlPlane, assets_folder, control_plane
from tests.api.installing import CRDS, define
from tests.api.proxy import Between, kubeconfig_through, proxy
from tests.cli.prometheus import prometheus
from tests.cli.shell import run
from tests.cli.test_doctor import GOOD, SCOPES, answering, istio

pytestmark = pytest.mark.xdist_group("api")

ACCOUNT = "system:serviceaccount:canary-system:canary-controller"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/canary-system/leases"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ROLES = "/apis/rbac.authorization.k8s.io/v1"
CHANNELS = {"ok": True, "channels": [{"id": "C1", "name": "releases", "is_member": True}]}
JSON = dict[str, Any]
Told = dict[str, tuple[str, str, str]]
Break = Callable[[KubeHttp], AbstractAsyncContextManager[None]]


@dataclass(slots=True)
class Around:
    """All that the command needs, as it should be. `flags` come last, so that they win."""

    kubeconfig: Path
    prometheus: str
    slack: str
    flags: list[str] = field(default_factory=list)
    token: str = "xoxb-1"

    def asked(self) -> tuple[int, Told]:
        """Run the command; return its exit status, and state, text and remedy of each line by its name."""
        words = ["doctor", "-o", "json", "--kubeconfig", str(self.kubeconfig), "--as", "controller"]
        words += ["--prometheus-url", self.prometheus, "--slack-channel", "#releases", *self.flags]
        environment = {"SLACK_BOT_TOKEN": self.token, "SLACK_API_URL": self.slack}
        with pytest.MonkeyPatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            ended = run(*words)
        return ended.status, {one["name"]: (one["state"], one["text"], one["remedy"]) for one in json.loads(ended.out)}

    async def diagnosed(self) -> tuple[int, Told]:
        return await asyncio.to_thread(self.asked)


def states(told: Told, *, of: str) -> list[str]:
    return [name for name, (state, _, _) in told.items() if state == of]


@pytest.fixture(scope="module")
def services() -> Iterator[tuple[str, str]]:
    """A Prometheus and a Slack in which all is well."""
    with ExitStack() as running:
        url = running.enter_context(prometheus(istio()))
        answers: Mapping[str, JSON] = {"auth.test": GOOD, "conversations.list": CHANNELS}
        yield url, running.enter_context(answering(answers, SCOPES))


@pytest.fixture
async def around(plane: ControlPlane, services: tuple[str, str]) -> AsyncIterator[Around]:
    """The control plane as it is installed, with somebody who leads."""
    http = await connect(plane.kubeconfig)
    try:
        await lead(http)
        yield Around(plane.kubeconfig, *services)
        await http.send(Call(method="DELETE", path=f"{LEASES}/canary-controller", what="the Lease"))
    finally:
        await http.close()


async def lead(http: KubeHttp) -> None:
    """Renew the Lease as the one who leads does."""
    spec = {
        "holderIdentity": "canary-1",
        "leaseDurationSeconds": 3600,
        "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "canary-controller", "namespace": "canary-system"},
        "spec": spec,
    }
    try:
        await http.send(Call(method="POST", path=LEASES, what="the Lease", body=lease))
    except AlreadyExists:
        path = f"{LEASES}/canary-controller"
        await http.send(Call(method="PATCH", path=path, what="the Lease", body=lease, content_type=MERGE_PATCH))


async def test_nothing_fails_where_nothing_is_broken(around: Around) -> None:
    status, told = await around.diagnosed()
    assert (status, states(told, of="failed"), states(told, of="skipped")) == (0, [], []), told
    assert list(told) == [
        *("api", "crd", "rights", "leader", "mesh", "prometheus", "metrics", "scrape-interval"),
        *("slack-token", "slack-scopes", "slack-channel"),
    ]


# --- what is around the cluster ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is broken, which line fails, and parts of what it says and of its remedy."""

    change: Callable[[Around], None]
    name: str
    text: str
    remedy: str


def given(**changes: object) -> Callable[[Around], None]:
    def change(around: Around) -> None:
        for name, value in changes.items():
            setattr(around, name, value)

    return change


def flagged(*flags: str) -> Callable[[Around], None]:
    return given(flags=list(flags))


ROWS: dict[str, Row] = {
    "nobody leads": Row(
        change=flagged("--as", "", "--lease-namespace", "default"),
        name="leader",
        text="there is no Lease default/canary-controller",
        remedy="install the controller (manifests/install)",
    ),
    "a mesh of another name": Row(
        change=flagged("--mesh", "istoi"),
        name="mesh",
        text="did you mean 'istio'?",
        remedy="name the mesh that is installed with --mesh",
    ),
    "Prometheus is down": Row(
        change=given(prometheus="http://127.0.0.1:1"),
        name="prometheus",
        text="http://127.0.0.1:1",
        remedy="check --prometheus-url, the network and the credentials",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_what_is_not_so_around_the_cluster_fails_by_its_name_with_the_remedy(around: Around, row: Row) -> None:
    row.change(around)
    assert_fails(await around.diagnosed(), row.name, row.text, row.remedy)


def assert_fails(ended: tuple[int, Told], name: str, text: str, remedy: str, *, others: Sequence[str] = ()) -> None:
    status, told = ended
    assert (status, states(told, of="failed")) == (1, [name, *others]), told
    assert (text in told[name][1], remedy in told[name][2]) == (True, True), told[name]


@pytest.mark.parametrize(
    ("answer", "name", "text", "remedy"),
    [
        (istio(names="none"), "metrics", "no series of istio_requests_total", "have it scrape the proxies of istio"),
        (istio(interval=60), "scrape-interval", "about every 1m", "--scrape-interval 1m"),
    ],
)
async def test_what_prometheus_lacks_fails_by_its_name_with_the_remedy(
    around: Around, answer: Any, name: str, text: str, remedy: str
) -> None:
    with prometheus(answer) as around.prometheus:
        assert_fails(await around.diagnosed(), name, text, remedy)


REFUSED = {"ok": False, "error": "invalid_auth"}
ELSEWHERE = {"ok": True, "channels": [{"id": "C2", "name": "general", "is_member": True}]}
NOT_IN_IT = {"ok": True, "channels": [{"id": "C1", "name": "releases", "is_member": False}]}


@pytest.mark.parametrize(
    ("auth", "channels", "scopes", "name", "text", "remedy"),
    [
        (REFUSED, CHANNELS, SCOPES, "slack-token", "invalid_auth", "check SLACK_BOT_TOKEN"),
        (GOOD, CHANNELS, "channels:read", "slack-scopes", "not chat:write", "give the app its scopes"),
        (GOOD, ELSEWHERE, SCOPES, "slack-channel", "there is no channel #releases", "check its name"),
        (GOOD, NOT_IN_IT, "chat:write,channels:read", "slack-channel", "not in #releases", "`/invite` it there"),
    ],
)
async def test_what_slack_refuses_fails_by_its_name_with_the_remedy(
    around: Around, auth: JSON, channels: JSON, scopes: str, name: str, text: str, remedy: str
) -> None:
    with answering({"auth.test": auth, "conversations.list": channels}, scopes) as around.slack:
        assert_fails(await around.diagnosed(), name, text, remedy)


# --- the API server ---------------------------------------------------------------------------------------------------


async def test_an_api_server_that_does_not_answer_fails_and_all_else_is_looked_at(
    plane: ControlPlane, around: Around, tmp_path: Path
) -> None:
    around.kubeconfig = kubeconfig_through("https://127.0.0.1:1", plane.kubeconfig, tmp_path / "nowhere")
    status, told = await around.diagnosed()
    assert_fails((status, told), "api", "https://127.0.0.1:1 did not answer", "check the kubeconfig, the network")
    assert "prometheus" in states(told, of="passed")


class Older(Between):
    """An API server that is of another version than it was."""

    def __init__(self, minor: str) -> None:
        self._minor = minor

    async def instead(self, asked: Request) -> web.Response | None:
        if asked.resource != "/version":
            return None
        return web.json_response({"major": "1", "minor": self._minor, "gitVersion": f"v1.{self._minor}.0"})


@pytest.mark.parametrize(("minor", "passes"), [("19", False), ("19+", False), ("20", True), ("31+", True)])
async def test_an_api_server_that_is_too_old_fails_with_its_version(
    plane: ControlPlane, around: Around, tmp_path: Path, minor: str, passes: bool
) -> None:
    async with proxy(plane.url, Older(minor)) as url:
        around.kubeconfig = kubeconfig_through(url, plane.kubeconfig, tmp_path / "older")
        status, told = await around.diagnosed()
    if passes:
        assert (status, told["api"][0]) == (0, "passed"), told
    else:
        assert_fails((status, told), "api", f"Kubernetes v1.{minor}.0", "canary needs Kubernetes 1.20 or newer")


# --- rights -----------------------------------------------------------------------------------------------------------

RULES = [
    (f"{one['kind'].lower()}s", one["metadata"]["name"], at)
    for one in documents()
    if one["kind"] in ("ClusterRole", "Role")
    for at in range(len(one["rules"]))
]


@asynccontextmanager
async def without_rule(http: KubeHttp, plural: str, name: str, at: int) -> AsyncIterator[JSON]:
    """Take one rule out of a role until the block ends; yield the rule."""
    where = "/namespaces/canary-system" if plural == "roles" else ""
    path = f"{ROLES}{where}/{plural}/{name}"
    before = (await http.send(Call(method="GET", path=path, what="the role")))["rules"]
    await put_rules(http, path, [rule for number, rule in enumerate(before) if number != at])
    await until_it_is(http, before[at], where, State.FAILED)
    try:
        yield before[at]
    finally:
        await put_rules(http, path, before)
        await until_it_is(http, before[at], where, State.PASSED)


async def until_it_is(http: KubeHttp, rule: JSON, where: str, state: State) -> None:
    """Wait until the API server judges by the role as it is now: it learns of a change by a watch."""
    one = Right(
        verb=rule["verbs"][0],
        group=rule["apiGroups"][0],
        resource=rule["resources"][0],
        namespace=where.rpartition("/")[2],
        name=rule.get("resourceNames", [""])[0],
    )
    async with asyncio.timeout(60):
        while not await is_so(http, one, state):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.05)


async def is_so(http: KubeHttp, right: Right, state: State) -> bool:
    found = [one.state for one in await rights(http, (right,), ACCOUNT)]
    return (found == [State.PASSED]) is (state is State.PASSED)


async def put_rules(http: KubeHttp, path: str, rules: list[JSON]) -> None:
    body = {"rules": rules}
    await http.send(Call(method="PATCH", path=path, what="the role", body=body, content_type=MERGE_PATCH))


@pytest.mark.parametrize(("plural", "name", "at"), RULES)
async def test_each_right_that_is_taken_away_is_named(
    plane: ControlPlane, around: Around, plural: str, name: str, at: int
) -> None:
    http = await connect(plane.kubeconfig)
    try:
        async with without_rule(http, plural, name, at) as rule:
            status, told = await around.diagnosed()
    finally:
        await http.close()
    if rule["resources"] == [SECRETS]:
        assert (status, states(told, of="failed"), states(told, of="skipped")) == (0, [], [SECRETS]), told
        assert "track-config: all" in told[SECRETS][1]
        return
    assert_fails((status, told), "rights", "rights are missing: ", "apply manifests/install/rights.yaml")
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            kind = f"{resource}.{group}" if group else resource
            assert [verb for verb in rule["verbs"] if f"{verb} {kind}" not in told["rights"][1]] == []


# --- what is not installed --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A control plane of its own with nothing installed: what it lacks is lacking to no other test."""
    assets = assets_folder()
    if assets is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver and kube-controller-manager")
    if not os.environ.get(CRDS):
        pytest.skip(f"{CRDS} names no folder with the CRDs of the meshes")
    with control_plane(assets) as running:
        yield running


@pytest.fixture
async def nothing(bare: ControlPlane, services: tuple[str, str]) -> AsyncIterator[tuple[Around, KubeHttp]]:
    http = await connect(bare.kubeconfig)
    yield Around(bare.kubeconfig, *services, flags=["--as", ""]), http
    await http.close()


async def test_a_cluster_without_our_crd_is_told_so(nothing: tuple[Around, KubeHttp]) -> None:
    around, _ = nothing
    told = await around.diagnosed()
    assert_fails(
        told, "crd", "CRD canaries.canary.delivery is not installed", "canary crd | kubectl apply", others=REST
    )


REST = ("leader", "mesh")
"""What fails too where nothing is installed."""


async def test_a_crd_that_does_not_serve_our_version_is_told_with_what_it_serves(
    nothing: tuple[Around, KubeHttp],
) -> None:
    around, http = nothing
    other = crd()
    version = other["spec"]["versions"][0]
    newer = {**version, "name": "v1beta1", "storage": True}
    other["spec"]["versions"] = [{**version, "served": False, "storage": False}, newer]
    await http.send(Call(method="POST", path=CRD_PATH, what="the CRD", body=other, deadline_s=60))
    path = f"{CRD_PATH}/{other['metadata']['name']}"
    try:
        ended = await around.diagnosed()
        assert_fails(ended, "crd", "serves v1beta1, not v1alpha1", "apply manifests/install/crd.yaml", others=REST)
    finally:
        await http.send(Call(method="DELETE", path=path, what="the CRD"))


@pytest.mark.parametrize("mesh", sorted(registry.names()))
async def test_a_mesh_whose_routes_are_not_served_is_told(nothing: tuple[Around, KubeHttp], mesh: str) -> None:
    around, _ = nothing
    around.flags += ["--mesh", mesh]
    status, told = await around.diagnosed()
    kind = {"istio": "VirtualService.networking.istio.io", "kuma": "MeshHTTPRoute.kuma.io"}.get(
        mesh, "HTTPRoute.gateway.networking.k8s.io"
    )
    assert (status, told["mesh"]) == (
        1,
        (
            "failed",
            f"the cluster does not serve {kind}, in which {mesh} has the split",
            f"install {mesh} and its CRDs, or name the mesh that is installed with --mesh",
        ),
    )


def definition_of(name: str) -> JSON:
    """The CRD of that name, as the Gateway API has it."""
    path = Path(os.environ[CRDS]) / "gateway-api" / f"{name}.yaml"
    found: JSON = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


async def test_a_mesh_without_routes_for_grpc_passes_with_a_note(nothing: tuple[Around, KubeHttp]) -> None:
    around, http = nothing
    around.flags += ["--mesh", "linkerd"]
    definition = definition_of("httproutes.gateway.networking.k8s.io")
    await define(http, definition)
    try:
        _, told = await around.diagnosed()
    finally:
        path = f"{CRD_PATH}/{definition['metadata']['name']}"
        await http.send(Call(method="DELETE", path=path, what="the CRD"))
    assert told["mesh"][0] == "passed"
    assert told["mesh"][1].endswith("gRPC cannot be split: GRPCRoute.gateway.networking.k8s.io is not served")
