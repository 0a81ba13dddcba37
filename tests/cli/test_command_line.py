"""What holds for the command line as a whole: the same flags everywhere, completion, and the plugin of kubectl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from typer.testing import CliRunner

from canary.cli.loading import COMMANDS, loaded
from canary.cli.main import app
from tests.cli.api_server import Api

OF_A_CLUSTER = {
    "abort", "doctor", "history", "pause", "promote", "release", "resume", "retry", "status", "wait", "watch",
}  # fmt: skip
OF_FILES = {"crd", "demo", "lint", "migrate", "plan"}
SERVES = {"run"}


def flags() -> dict[str, set[str]]:
    """The flags of each command."""
    return {name: {flag for parameter in loaded(name).params for flag in parameter.opts} for name in COMMANDS}


def test_every_command_is_one_of_a_cluster_or_one_of_files() -> None:
    assert set(flags()) == OF_A_CLUSTER | OF_FILES | SERVES


@pytest.mark.parametrize("name", sorted({*OF_A_CLUSTER, "plan"}))
def test_what_talks_to_a_cluster_takes_the_flags_that_say_which_and_how_it_is_printed(name: str) -> None:
    assert {"--kubeconfig", "--context", "--namespace", "-n", "--output", "-o"} - flags()[name] == set()


def test_the_controller_takes_the_flags_that_say_which_cluster_and_namespace() -> None:
    assert {"--kubeconfig", "--context", "--namespace", "-n"} - flags()["run"] == set()


def completed(*words: str, shell: str = "bash") -> list[str]:
    """What completion offers after these words, asked as the shell's own script does."""
    asked = {"_CANARY_COMPLETE": f"complete_{shell}", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner().invoke(
        app, [], env={**asked, "_TYPER_COMPLETE_ARGS": " ".join(words)}, prog_name="canary", catch_exceptions=False
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_and_flags_are_completed() -> None:
    assert completed("canary", "st") == ["status"]
    assert set(completed("canary", "wa")) == {"wait", "watch"}
    assert completed("canary", "lint", "--stri") == ["--strict"]
    assert any("watch" in line for line in completed("canary", "wat", shell="zsh"))


@pytest.mark.parametrize("command", sorted(OF_A_CLUSTER - {"doctor"}))
def test_the_names_of_canaries_are_completed_from_the_cluster(api: Api, command: str) -> None:
    flags = ("--kubeconfig", str(api.kubeconfig))
    assert completed("canary", command, *flags, "che") == ["checkout"]


def test_the_flags_before_the_name_say_which_cluster_and_namespace(api: Api) -> None:
    flags = ("--kubeconfig", str(api.kubeconfig))
    assert completed("canary", "watch", *flags, "--context", "elsewhere", "c") == ["cart"]
    assert completed("canary", "watch", *flags, "-n", "other", "c") == ["cart"]
    assert completed("canary", "watch", *flags, "x") == []


def test_what_keeps_names_from_being_read_is_no_matter_of_completion(api: Api, tmp_path: Path) -> None:
    api.crd = False
    assert completed("canary", "watch", "--kubeconfig", str(api.kubeconfig), "c") == []
    assert completed("canary", "watch", "--kubeconfig", str(tmp_path / "none"), "c") == []
    (tmp_path / "no.yaml").write_text("a: [", encoding="utf-8")
    assert completed("canary", "watch", "--kubeconfig", str(tmp_path / "no.yaml"), "c") == []


# --- kubectl ----------------------------------------------------------------------------------------------------------

PATIENCE_S = 180.0
SCRIPTS = Path(sysconfig.get_path("scripts"))
KUBECTL = shutil.which("kubectl")


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the commands that are installed."""
    whole = [str(SCRIPTS / name), *words]
    return subprocess.run(whole, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def through_kubectl(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl canary WORDS`; where there is no kubectl, what it would run."""
    if KUBECTL is None:
        return script("kubectl-canary", *words)
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [KUBECTL, "canary", *words],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_kubectl_runs_the_same_command(api: Api) -> None:
    done = through_kubectl("status", "checkout", "-n", "shop", "-o", "json", "--kubeconfig", str(api.kubeconfig))
    assert (done.returncode, json.loads(done.stdout)["name"], done.stderr) == (0, "checkout", "")


def test_the_usage_names_what_a_person_called() -> None:
    assert "Usage: kubectl canary wait" in through_kubectl("wait", "--help").stdout
    assert "Usage: canary wait" in script("canary", "wait", "--help").stdout


def test_what_fails_ends_kubectl_with_the_same_status(api: Api) -> None:
    done = through_kubectl("status", "chekout", "--kubeconfig", str(api.kubeconfig))
    assert (done.returncode, done.stderr.startswith("canary: there is no Canary shop/chekout")) == (1, True), done


def test_kubectl_is_told_what_may_come_next_and_that_it_is_no_file(api: Api) -> None:
    assert script("kubectl_complete-canary", "wa").stdout.splitlines() == ["wait", "watch", ":4"]
    flags = ("--kubeconfig", str(api.kubeconfig))
    assert script("kubectl_complete-canary", "watch", *flags, "").stdout.splitlines() == ["checkout", ":4"]
