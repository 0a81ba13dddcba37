"""Bad input as a user meets it: real processes, one clear sentence that names the thing and the remedy."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.empty_cluster import empty_cluster
from tests.cli.process import Ended, command, environment, kubeconfig, run, sentence

NOWHERE = "http://127.0.0.1:1"
"""Nothing may listen on port 1 of this machine."""

DURATION = "a duration such as 90s, 1m30s or 500ms, from 1ms to 8760h"
PORT_WORDS = "it must be a port from 0 (any free one) to 65535, found"


def invalid(flag: str, words: str) -> str:
    return f"Invalid value for {flag}: {words}"


USAGE: tuple[tuple[list[str], str], ...] = (
    (["run", "--nosuch"], "No such option: --nosuch"),
    (["run", "--mehs", "istio"], "No such option: --mehs (Possible options: --mesh)"),
    (["nosuch"], "No such command 'nosuch'."),
    (["demo", "--rate", "5"], "Invalid value for '--rate': Input should be greater than or equal to 20"),
    (["run", "--settle", "10x"], invalid("--settle", f"found '10x', allowed is {DURATION}")),
    (["run", "--drain", "-5s"], invalid("--drain", f"found '-5s', allowed is {DURATION}")),
    (["run", "--drain", "1h"], "Invalid value: --drain: it must lie between 0s and 10m"),
    (["run", "--scrape-interval", "15"], invalid("--scrape-interval", f"found '15', allowed is {DURATION}")),
    (["run", "--scrape-interval", "100ms"],
     "Invalid value: --scrape-interval: the scrape interval must lie between 1s and 10m"),
    (["run", "--prometheus-url", "prometheus:9090"],
     "Invalid value: --prometheus-url: it must be an address such as http://prometheus:9090, found 'prometheus:9090'"),
    (["run", "--metrics-port", "70000"], f"Invalid value: --metrics-port: {PORT_WORDS} 70000"),
    (["run", "--metrics-port", "-1"], f"Invalid value: --metrics-port: {PORT_WORDS} -1"),
    (["run", "--metrics-port", "-1", "--drain", "1h"],
     f"Invalid value: --drain: it must lie between 0s and 10m; --metrics-port: {PORT_WORDS} -1"),
)  # fmt: skip


@pytest.mark.parametrize(("words", "told"), USAGE, ids=[" ".join(words) for words, _ in USAGE])
def test_wrong_usage_is_told_in_one_sentence_and_ends_with_2(tmp_path: Path, words: list[str], told: str) -> None:
    ended = run(tmp_path, *words)
    assert (ended.status, ended.out, sentence(ended.error)) == (2, "", told)
    assert "Traceback" not in ended.error


def told_by(ended: Ended) -> str:
    """Return the one sentence of a run that could not begin; everything before it is a log line of JSON."""
    assert (ended.status, ended.out) == (1, "")
    *log, last = ended.error.splitlines()
    assert all(isinstance(json.loads(line), dict) for line in log)
    return last.removeprefix("canary: ")


@pytest.mark.parametrize("name", ["demo", "run"])
def test_a_mesh_without_an_adapter_is_named_with_those_there_are(tmp_path: Path, name: str) -> None:
    told = told_by(run(tmp_path, name, "--mesh", "nosuch"))
    assert told.startswith("no mesh adapter 'nosuch'; installed are ")
    assert "istio" in told


def start(folder: Path, *words: object, more: dict[str, str] | None = None) -> str:
    """Run a controller that is to fail at its start; return its sentence."""
    flags = ("--metrics-port", "0", "--prometheus-url", NOWHERE, "--no-leader-elect")
    return told_by(run(folder, "run", *flags, *words, more=more))


def test_a_url_without_a_host_is_no_url(tmp_path: Path) -> None:
    told = start(tmp_path, "--prometheus-url", "http://")
    assert told == "'http://' is no URL of Prometheus: write --prometheus-url like http://prometheus.monitoring:9090"


def test_a_port_in_use_is_named_with_the_flag_that_chooses_another(tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        told = start(tmp_path, "--metrics-port", port)
    assert told == f"port {port} is in use: choose another with --metrics-port (0 takes any free one)"


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    assert start(tmp_path, "--kubeconfig", path) == (
        f"no cluster to talk to: there is no kubeconfig at {path}; name one with --kubeconfig"
    )


def test_without_any_kubeconfig_the_default_one_is_named(tmp_path: Path) -> None:
    assert start(tmp_path) == (
        "no cluster to talk to: there is no kubeconfig at ~/.kube/config; name one with --kubeconfig"
    )


@pytest.mark.parametrize("content", ["", "clusters: [", "- a\n- list\n"])
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    told = start(tmp_path, "--kubeconfig", path)
    assert told.startswith(f"{path} cannot be read as a kubeconfig: ")
    assert told.endswith("; name another with --kubeconfig")


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = start(tmp_path, "--kubeconfig", kubeconfig(tmp_path, NOWHERE), "--context", "nosuch")
    assert "with name nosuch in" in told


def test_an_api_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    told = start(tmp_path, "--kubeconfig", kubeconfig(tmp_path, NOWHERE))
    assert f"the API server at {NOWHERE} did not answer: " in told
    assert told.endswith("; check that it runs, and the address")


def test_both_secrets_of_slack_at_once_are_refused_and_neither_is_shown(tmp_path: Path) -> None:
    secrets = {"SLACK_BOT_TOKEN": "xoxb-secret", "SLACK_WEBHOOK_URL": "https://hooks.example/secret"}
    told = start(tmp_path, "--kubeconfig", kubeconfig(tmp_path, NOWHERE), more=secrets)
    assert told == "for Slack set one of SLACK_BOT_TOKEN and SLACK_WEBHOOK_URL; both are set"


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    told = start(tmp_path, "--kubeconfig", kubeconfig(tmp_path, NOWHERE), "--prometheus-token-file", path)
    assert told == (
        f"the token file for Prometheus, {path}, cannot be read: No such file or directory; "
        "check --prometheus-token-file"
    )


class Controller:
    """A controller that runs, and the lines of its log as they come."""

    def __init__(self, folder: Path, *words: object) -> None:
        self.process = subprocess.Popen(
            command("run", *words),
            env=environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def logged(self) -> Iterator[dict[str, Any]]:
        assert self.process.stderr
        for line in self.process.stderr:
            yield json.loads(line)


def ready(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as page:
            return str(page.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.read().decode())


def test_without_prometheus_the_controller_goes_on_and_names_its_address_and_the_remedy(tmp_path: Path) -> None:
    with empty_cluster() as url:
        config = kubeconfig(tmp_path, url)
        flags = ("--no-leader-elect", "--metrics-port", 0, "--prometheus-url", NOWHERE)
        controller = Controller(tmp_path, *flags, "--kubeconfig", config)
        try:
            lines = controller.logged()
            port = next(line["port"] for line in lines if line["event"] == "probes_served")
            told = next(line for line in lines if line["event"] == "prometheus_not_reached")
            while ready(port) != "leader\n":
                assert controller.process.poll() is None
        finally:
            controller.process.send_signal(signal.SIGTERM)
            out, rest = controller.process.communicate(timeout=30)
    assert (told["level"], told["error"]) == (
        "warning",
        f"Prometheus at {NOWHERE} cannot be reached (Connection refused): check that it runs, and the address",
    )
    assert (controller.process.returncode, out, "Traceback" in rest) == (0, "", False)
    assert "prometheus_not_reached" not in rest
