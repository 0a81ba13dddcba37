"""`canary doctor` as a person runs it, against a real control plane with each thing broken in turn.

Each row breaks one thing; the command must end with 1, the one line that fails must name it, and tell what to do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canary.clients.kube_http import MERGE_PATCH, Call, KubeHttp, connect
from canary.errors import AlreadyExists
from tests.api.audit import Request
from tests.api.control_plane import ControlPlane
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
    """All that the command needs, as it should be. `flags` come last, so that they win; so does `environment`."""

    kubeconfig: Path
    prometheus: str
    slack: str
    flags: list[str] = field(default_factory=list)
    token: str = "xoxb-1"
    environment: dict[str, str] = field(default_factory=dict)

    def asked(self) -> tuple[int, Told]:
        """Run the command; return its exit status, and state, text and remedy of each line by its name."""
        words = ["doctor", "-o", "json", "--kubeconfig", str(self.kubeconfig), "--as", "controller"]
        words += ["--prometheus-url", self.prometheus, "--slack-channel", "#releases", *self.flags]
        environment = {"SLACK_BOT_TOKEN": self.token, "SLACK_API_URL": self.slack, **self.environment}
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


async def test_who_takes_part_in_no_election_is_not_looked_for(around: Around) -> None:
    around.flags = ["--as", "", "--lease-namespace", "default"]
    around.environment = {"CANARY_LEADER_ELECT": "false"}
    status, told = await around.diagnosed()
    assert (status, states(told, of="skipped"), "--no-leader-elect" in told["leader"][1]) == (0, ["leader"], True), told


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
