"""What holds for the command line as a whole: the same flags everywhere, completion, and the plugin of kubectl."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer.main

from canary.cli.main import app

OF_A_CLUSTER = {
    "abort", "doctor", "history", "pause", "promote", "release", "resume", "retry", "status", "wait", "watch",
}  # fmt: skip
OF_FILES = {"crd", "demo", "lint", "migrate", "plan"}
SERVES = {"run"}


def flags() -> dict[str, set[str]]:
    """The flags of each command."""
    group = typer.main.get_command(app)
    commands: dict[str, object] = getattr(group, "commands")  # noqa: B009 - typer brings its own click
    return {
        name: {flag for parameter in command.params for flag in parameter.opts}  # type: ignore[attr-defined]
        for name, command in commands.items()
    }


def test_every_command_is_one_of_a_cluster_or_one_of_files() -> None:
    assert set(flags()) == OF_A_CLUSTER | OF_FILES | SERVES


@pytest.mark.parametrize("name", sorted({*OF_A_CLUSTER, "plan"}))
def test_what_talks_to_a_cluster_takes_the_flags_that_say_which_and_how_it_is_printed(name: str) -> None:
    assert {"--kubeconfig", "--context", "--namespace", "-n", "--output", "-o"} - flags()[name] == set()


def completed(*words: str, shell: str = "bash") -> list[str]:
    """What completion offers after these words, asked as the shell's own script does."""
    code = "import sys; sys.argv = ['canary']; from canary.cli.main import main; main()"
    asked = {"_CANARY_COMPLETE": f"complete_{shell}", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked, "_TYPER_COMPLETE_ARGS": " ".join(words)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    return done.stdout.split()


def test_commands_and_flags_are_completed() -> None:
    assert completed("canary", "st") == ["status"]
    assert set(completed("canary", "wa")) == {"wait", "watch"}
    assert completed("canary", "lint", "--stri") == ["--strict"]
    assert any("watch" in line for line in completed("canary", "wat", shell="zsh"))


def test_kubectl_finds_the_same_command() -> None:
    found = {point.name: point.value for point in entry_points(group="console_scripts") if "canary" in point.value}
    if "kubectl-canary" not in found:
        pytest.skip("installed before there was a plugin of kubectl: install it anew")
    assert found["kubectl-canary"] == found["canary"] == "canary.cli.main:main"
