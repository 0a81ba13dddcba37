"""What the pages say is so: the diagram, Slack's messages, the install page's kustomization, promises, reasons."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from canary.lint import reference as lint_reference
from canary.rollout.diagram import render_diagram
from canary.rollout.reasons import Reason
from canary.sandbox.slack_workspace import ALL_SCOPES
from canary.spec import resource_reference
from tests.docs.pages import DOCS, ROOT, blocks
from tests.slack_transcript import rewritten

KUBECTL = shutil.which("kubectl")


def test_the_phase_diagram_is_the_table_of_transitions() -> None:
    assert [one.text for one in blocks("text", DOCS / "how-it-works.md")] == [render_diagram() + "\n"]


@pytest.mark.parametrize(
    ("page", "made"), [("canary-resource.md", resource_reference.reference), ("lint.md", lint_reference.reference)]
)
def test_what_is_made_from_the_code_is_up_to_date(page: str, made: Callable[[], str]) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == made(), "make docs"


def test_what_slack_looks_like_is_what_the_controller_sends_to_it() -> None:
    page = (DOCS / "slack.md").read_text(encoding="utf-8")
    assert page == rewritten(page), "make docs"


def test_the_manifest_of_the_slack_app_asks_for_the_scopes_that_the_stand_in_wants() -> None:
    manifest = blocks("yaml", DOCS / "slack.md")[0]
    scopes = set(yaml.safe_load(manifest.text)["oauth_config"]["scopes"]["bot"])
    assert {scope for scope in scopes if not scope.startswith("groups:")} == ALL_SCOPES


@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")
def test_the_kustomization_of_the_install_page_changes_what_it_says(tmp_path: Path) -> None:
    assert KUBECTL is not None
    [overlay] = blocks("yaml", DOCS / "install.md")
    shutil.copytree(ROOT / "manifests", tmp_path / "canary" / "manifests")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(overlay.text, encoding="utf-8")

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


def test_the_sizes_are_those_that_were_measured() -> None:
    [table] = re.findall(
        r"## Its size.*?((?:^\|.*\n)+)", (DOCS / "operating.md").read_text(encoding="utf-8"), re.M | re.S
    )
    measured = (DOCS / "performance.md").read_text(encoding="utf-8")
    figures = re.findall(r"\d+ MiB|\d\.\d+(?= cores)", table)
    assert len(figures) == 4
    assert [figure for figure in figures if f"| {figure} " not in measured] == []
