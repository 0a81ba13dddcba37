"""A command loads what it uses and no more: most of the time of a short one would go to loading the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from canary.cli.loading import COMMANDS, loaded
from tests.cli.api_server import Api
from tests.cli.process import PATIENCE_S, ROOT, environment

MANIFEST = ROOT / "manifests" / "examples" / "istio" / "checkout.yaml"
LOADING = """
import sys
from canary.cli.main import app
try:
    app(sys.argv[1:], prog_name="canary")
finally:
    print("loaded", *sys.modules, file=sys.stderr)
"""
CLIENTS = {"aiohttp", "kubernetes", "prometheus_api_client", "prometheus_client", "requests", "slack_sdk"}
OF_FILES = {"canary.lint", "canary.forecast", "canary.migrate"}
WITHOUT: dict[tuple[str, ...], set[str]] = {
    ("lint", str(MANIFEST)): {*CLIENTS, "asyncio.selector_events", "rich", "structlog", "canary.app", "canary.sandbox"},
    ("plan", str(MANIFEST)): {*CLIENTS, "structlog", "canary.app", "canary.sandbox"},
    ("migrate", "--help"): {*CLIENTS, "canary.app", "canary.sandbox", "canary.forecast"},
    ("crd",): {*CLIENTS, *OF_FILES, "rich", "canary.app", "canary.sandbox"},
    ("run", "--help"): {*OF_FILES, "canary.sandbox"},
    ("demo", "--help"): OF_FILES,
}


def modules(home: Path, *words: str) -> set[str]:
    """Run `canary WORDS` in a process of its own; return the modules that were loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING, *words],
        env=environment(home), cwd=home, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("words", WITHOUT, ids=lambda words: words[0])
def test_a_command_loads_nothing_that_only_others_use(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert modules(tmp_path, *words) & WITHOUT[words] == set()


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_what_runs_no_command_loads_none(tmp_path: Path, words: str) -> None:
    ours = {name for name in modules(tmp_path, words) if name.startswith(("canary", "meshes"))}
    of_the_command_line = {f"canary.cli.{name}" for name in ("loading", "main", "printing")}
    assert ours == {"canary", "canary.errors", "canary.cli", *of_the_command_line}


def test_what_looks_at_a_cluster_loads_no_controller_and_no_other_client(api: Api, tmp_path: Path) -> None:
    found = modules(tmp_path, "status", "--kubeconfig", str(api.kubeconfig))
    assert found & {"aiohttp", "kubernetes"} == {"aiohttp", "kubernetes"}
    others = {"canary.app", "canary.sandbox", "canary.controller", "slack_sdk", "prometheus_api_client"}
    assert found & {*others, *OF_FILES} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_listed_of_a_command_is_the_first_line_of_its_own_help(name: str) -> None:
    assert COMMANDS[name][1] == loaded(name).help.partition("\n")[0]


def test_every_command_of_a_module_is_listed() -> None:
    from canary.cli import commands

    assert {name for name, (module, _) in COMMANDS.items() if module == "commands"} == {*commands.MEANING}
    files = {
        file.stem for file in (ROOT / "canary" / "cli").glob("*.py") if "\ndef register(" in file.read_text("utf-8")
    }
    assert {module for module, _ in COMMANDS.values()} == files
