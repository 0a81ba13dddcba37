"""`canary doctor`: what it prints and its exit status; Prometheus, Slack and the API server, each broken."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from canary.cli import doctor_cluster
from canary.cli.diagnosis import Diagnosis, State
from canary.cli.doctor_rights import OF_ROUTES, Right, documents, needed
from canary.cli.doctor_slack import slack
from canary.clients.kube_http import connect
from meshes import registry
from tests.cli.api_server import kubeconfig
from tests.cli.empty_cluster import empty_cluster
from tests.cli.prometheus import Samples, prometheus
from tests.cli.shell import Ended, run

ROOT = Path(__file__).resolve().parents[2]


def told(ended: Ended) -> dict[str, tuple[str, str, str]]:
    """State, text and remedy by name."""
    return {one["name"]: (one["state"], one["text"], one["remedy"]) for one in json.loads(ended.out)}


def of(found: list[Diagnosis]) -> dict[str, tuple[State, str]]:
    """State and remedy by name."""
    return {one.name: (one.state, one.remedy) for one in found}


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A kubeconfig that leads to no server."""
    return kubeconfig(tmp_path, "http://127.0.0.1:1", "shop")


def istio(interval: float = 15, names: str = "istio_requests_total istio_request_duration") -> Callable[[str], Samples]:
    def answer(promql: str) -> Samples:
        if not any(name in promql for name in names.split()):
            return []
        return [({}, 300 / interval if "count_over_time" in promql else 12)]

    return answer


def test_a_cluster_that_does_not_answer_fails_and_the_rest_is_looked_at(nowhere: Path) -> None:
    with prometheus(istio()) as url:
        ended = run("doctor", "--prometheus-url", url, "-o", "json", "--kubeconfig", nowhere)
    found = told(ended)
    assert (ended.status, list(found)) == (1, ["api", "prometheus", "metrics", "scrape-interval", "slack"])
    assert [state for state, _, _ in found.values()] == ["failed", "passed", "passed", "passed", "skipped"]
    assert found["api"][2] == "check the kubeconfig, the network and the credentials"


def test_the_text_has_a_line_for_each_thing_and_the_remedy_under_it(nowhere: Path) -> None:
    ended = run("doctor", "--kubeconfig", nowhere)
    lines = ended.out.splitlines()
    assert lines[0].startswith(
        "failed   api         GET the version: the API server at http://127.0.0.1:1 did not answer"
    )
    assert lines[1] == "                     -> check the kubeconfig, the network and the credentials"
    assert lines[2] == "skipped  prometheus  no address is given"
    assert lines[3] == "                     -> name it with --prometheus-url"


def test_a_kubeconfig_that_is_none_is_a_finding(tmp_path: Path) -> None:
    found = told(run("doctor", "-o", "json", "--kubeconfig", tmp_path / "none"))
    assert found["api"][0] == "failed"
    assert "there is no kubeconfig at" in found["api"][1]


@pytest.mark.parametrize(
    ("answer", "name", "text", "remedy"),
    [
        (
            istio(names="istio_request_duration"),
            "metrics",
            "Prometheus has no series of istio_requests_total",
            "have it scrape the proxies of istio",
        ),
        (
            istio(interval=60),
            "scrape-interval",
            "istio_requests_total is scraped about every 1m, the controller is told 15s",
            "start the controller with --scrape-interval 1m",
        ),
    ],
)
def test_what_prometheus_lacks_is_told(
    nowhere: Path, answer: Callable[[str], Samples], name: str, text: str, remedy: str
) -> None:
    with prometheus(answer) as url:
        found = told(run("doctor", "--prometheus-url", url, "-o", "json", "--kubeconfig", nowhere))
    assert (found[name][0], found[name][1]) == ("failed", text)
    assert found[name][2].startswith(remedy)


@pytest.mark.parametrize(
    ("mesh", "requests", "durations"),
    [
        ("linkerd", "response_total", "response_latency_ms_bucket"),
        ("kuma", "envoy_http_downstream_rq_xx", "envoy_http_downstream_rq_time_bucket"),
    ],
)
def test_the_metrics_of_each_mesh_are_asked_for_by_their_own_names(
    nowhere: Path, mesh: str, requests: str, durations: str
) -> None:
    with prometheus(istio(names=requests)) as url:
        flags = ["--mesh", mesh, "--prometheus-url", url, "-o", "json", "--kubeconfig", nowhere]
        found = told(run("doctor", *flags))
    assert found["metrics"] == (
        "failed",
        f"Prometheus has no series of {durations}",
        f"have it scrape the proxies of {mesh}; with no request since the start there are none either",
    )
    assert found["scrape-interval"][:2] == (
        "passed",
        f"{requests} is scraped about every 15s, the controller is told 15s",
    )


def test_a_prometheus_that_fails_is_told(nowhere: Path) -> None:
    with prometheus(istio(), status=400) as url:
        found = told(run("doctor", "--prometheus-url", url, "-o", "json", "--kubeconfig", nowhere))
    assert found["prometheus"][0] == "failed"
    assert "metrics" not in found


def test_an_address_is_shown_without_its_password(nowhere: Path) -> None:
    with prometheus(istio()) as url:
        secret = url.replace("http://", "http://me:secret@")
        ended = run("doctor", "--prometheus-url", secret, "-o", "json", "--kubeconfig", nowhere)
    assert told(ended)["prometheus"][:2] == ("passed", url)
    assert "secret" not in ended.out


@pytest.mark.parametrize("mesh", sorted(registry.names()))
async def test_a_mesh_is_not_there_because_the_cluster_has_services(tmp_path: Path, mesh: str) -> None:
    with empty_cluster() as url:
        http = await connect(kubeconfig(tmp_path, url, "shop"))
        try:
            found = await doctor_cluster.mesh(http, mesh)
        finally:
            await http.close()
    assert (found.state, found.text.endswith(f", in which {mesh} has the split")) == (State.FAILED, True), found


def test_the_rights_that_are_asked_for_are_those_of_the_manifests() -> None:
    rules = [rule for one in documents() for rule in one.get("rules", ())]
    count = sum(
        len(rule["apiGroups"]) * len(rule["resources"]) * len(rule["verbs"]) * len(rule.get("resourceNames", [""]))
        for rule in rules
    )
    wanted = needed(["shop"], "canary-system")
    assert len(wanted) == count
    assert Right(verb="patch", group="apps", resource="deployments", namespace="shop") in wanted
    assert Right(verb="watch", group="", resource="namespaces", namespace="") in wanted
    lease = Right(
        verb="patch",
        group="coordination.k8s.io",
        resource="leases",
        namespace="canary-system",
        name="canary-controller",
    )
    assert lease in wanted
    assert str(lease) == "patch leases.coordination.k8s.io canary-controller in canary-system"


def test_the_rights_of_a_controller_of_some_namespaces_are_asked_for_in_each_and_where_its_routes_are() -> None:
    one, both = (needed(names, "canary-system", ["kuma-system"]) for names in (["shop"], ["shop", "front"]))
    assert {right.namespace for right in both} == {"", "shop", "front", "canary-system", "kuma-system"}
    assert {replace(right, namespace="shop") for right in both if right.namespace == "front"} == {
        right for right in one if right.namespace == "shop"
    }
    [document] = [each for each in documents(OF_ROUTES) if each["kind"] == "Role"]
    assert {(right.resource, right.verb) for right in both if right.namespace == "kuma-system"} == {
        (resource, verb) for rule in document["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }


# --- Slack ------------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"ok": True, "user": "canary", "team": "Shop"}
CHANNELS: dict[str, Any] = {"ok": True, "channels": [{"id": "C1", "name": "releases", "is_member": False}]}
SCOPES = "chat:write,chat:write.public,channels:read"


@contextlib.contextmanager
def answering(answers: Mapping[str, Mapping[str, Any]], scopes: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps(answers[self.path.partition("?")[0].rpartition("/")[2]]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-OAuth-Scopes", scopes)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def asked(auth: Mapping[str, Any], scopes: str = SCOPES, channel: str = "#releases") -> list[Diagnosis]:
    with answering({"auth.test": auth, "conversations.list": CHANNELS}, scopes) as url:
        return await slack({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_API_URL": url}, channel)


async def test_a_token_with_its_scopes_and_channel_passes() -> None:
    found = await asked(GOOD)
    assert [(one.name, one.state.value, one.text) for one in found] == [
        ("slack-token", "passed", "canary of Shop"),
        ("slack-scopes", "passed", "channels:read, chat:write, chat:write.public"),
        ("slack-channel", "passed", "#releases"),
    ]


async def test_a_token_that_is_refused_fails_with_the_remedy() -> None:
    [found] = await asked({"ok": False, "error": "invalid_auth"})
    assert (found.name, found.state) == ("slack-token", State.FAILED)
    assert "invalid_auth" in found.text
    assert "SLACK_BOT_TOKEN" in found.remedy
    assert "xoxb-1" not in found.text


async def test_scopes_that_are_missing_fail_with_the_remedy() -> None:
    found = of(await asked(GOOD, "channels:read"))
    assert found["slack-scopes"] == (
        State.FAILED,
        "give the app its scopes (docs/slack.md) and install it anew",
    )


async def test_a_channel_that_is_not_there_or_that_the_app_is_not_in_fails() -> None:
    missing = of(await asked(GOOD, channel="#release"))["slack-channel"]
    assert missing == (State.FAILED, "check its name; a private one is seen only once the app is invited to it")
    outside = of(await asked(GOOD, "chat:write,channels:read"))["slack-channel"]
    assert outside == (State.FAILED, "`/invite` it there, or give it chat:write.public")


async def test_what_cannot_be_asked_of_slack_is_skipped_with_the_reason() -> None:
    assert of(await asked(GOOD, "chat:write"))["slack-channel"][0] is State.SKIPPED
    assert of(await asked(GOOD, channel=""))["slack-channel"] == (State.SKIPPED, "name it with --slack-channel")
    [webhook] = await slack({"SLACK_WEBHOOK_URL": "https://hooks.slack.example/x"}, "")
    assert (webhook.state, webhook.text) == (State.SKIPPED, "a webhook cannot be asked without posting")
