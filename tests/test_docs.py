"""What the documents say is so: the diagram, the links, the commands, the manifests that they show."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from canary.cli.main import app
from canary.rollout.diagram import render_diagram
from canary.rollout.reasons import Reason
from canary.sandbox.slack_workspace import ALL_SCOPES
from tests.slack_transcript import rewritten

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
KUBECTL = shutil.which("kubectl")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def blocks_indented(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, within lists too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [textwrap.dedent(text) for _, text in found]


def test_the_phase_diagram_is_the_table_of_transitions() -> None:
    assert blocks(DOCS / "how-it-works.md", "text") == [render_diagram() + "\n"]


def test_what_slack_looks_like_is_what_the_controller_sends_to_it() -> None:
    page = (DOCS / "slack.md").read_text(encoding="utf-8")
    assert page == rewritten(page), "make docs"


def test_the_manifest_of_the_slack_app_asks_for_the_scopes_that_the_stand_in_wants() -> None:
    [manifest] = blocks_indented(DOCS / "slack.md", "yaml")[:1]
    scopes = set(yaml.safe_load(manifest)["oauth_config"]["scopes"]["bot"])
    assert {scope for scope in scopes if not scope.startswith("groups:")} == ALL_SCOPES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert dead == []


def test_every_command_is_documented() -> None:
    documented = set(re.findall(r"^\| `canary ([a-z]+)", (DOCS / "commands.md").read_text(encoding="utf-8"), re.M))
    known = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert known - documented == set()


def test_every_path_that_the_install_page_names_is_there() -> None:
    named = re.findall(r"manifests/[\w./-]+\w", (DOCS / "install.md").read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")
def test_the_kustomization_of_the_install_page_changes_what_it_says(tmp_path: Path) -> None:
    assert KUBECTL is not None
    [overlay] = blocks(DOCS / "install.md", "yaml")
    shutil.copytree(ROOT / "manifests", tmp_path / "canary" / "manifests")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(overlay, encoding="utf-8")

    done = subprocess.run([KUBECTL, "kustomize", str(tmp_path / "mine")], check=True, capture_output=True, text=True)

    [deployment] = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    told = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert container["image"] == "registry.example/canary:0.1.0"
    assert told == {
        "CANARY_PROMETHEUS_URL": "http://prometheus.istio-system:9090",
        "CANARY_SCRAPE_INTERVAL": "15s",
        "CANARY_SLACK_CHANNEL": "#releases",
        "CANARY_MESH": "istio",
        "CANARY_LEASE_NAMESPACE": None,
    }


TESTS = sorted(
    set(re.findall(r"\[([^\]]+)\]\(\.\./(tests/[^)]+\.py)\)", (DOCS / "reliability.md").read_text(encoding="utf-8")))
)


@pytest.mark.parametrize(("title", "file"), TESTS)
def test_what_is_promised_has_the_test_that_it_names(title: str, file: str) -> None:
    assert re.search(rf"def test_{title.replace(' ', '_')}\(", (ROOT / file).read_text(encoding="utf-8"))


def reasons_of_the_code() -> set[str]:
    """Every reason that an event or a condition can have: the rules', and the words that are given by name."""
    sources = [
        path.read_text(encoding="utf-8") for folder in ("canary", "meshes") for path in rules_and_adapters(folder)
    ]
    named = r'(?:reason=|RouteError\(\s*|Trouble\(\s*(?:reason=)?|reason = )"([A-Z][a-z][A-Za-z]+)"'
    return {str(reason) for reason in Reason} | {found for source in sources for found in re.findall(named, source)}


def rules_and_adapters(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*.py") if not {"sandbox", "cli"} & {*path.relative_to(ROOT).parts}]


def test_every_reason_is_in_the_page_on_trouble_and_no_other() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", page, re.M))
    assert told == reasons_of_the_code() | {"Ready", "Initializing"}


OTHERS_FLAGS = {
    *("--all", "--cascade", "--for", "--from-literal", "--full", "--help", "--tag", "--watch"),
    *("--hypothesis-profile", "--junitxml"),
}
"""Flags of kubectl, docker, Argo Rollouts and pytest that the pages show; `--help` is of all commands."""


def flags(command: Any) -> Iterator[str]:
    """Every long flag of a command and of those below it."""
    for each in command.params:
        yield from (flag for flag in (*each.opts, *each.secondary_opts) if flag.startswith("--"))
    for below in getattr(command, "commands", {}).values():
        yield from flags(below)


def test_every_flag_is_documented_and_every_documented_flag_is_there() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    known = set(flags(typer.main.get_command(app)))
    assert (sorted(known - told), sorted(told - known - OTHERS_FLAGS)) == ([], [])
