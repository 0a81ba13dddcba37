"""What the pages say is so: the diagram, Slack's messages, the install page's kustomization, promises, reasons."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
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
    assert set(scopes) == ALL_SCOPES


def environment_after(overlay: str, folder: Path) -> tuple[str, dict[str, str | None]]:
    """The image and the variables of the controller that a kustomization beside the clone gives."""
    assert KUBECTL is not None
    shutil.copytree(ROOT / "manifests", folder / "canary" / "manifests")
    (folder / "mine").mkdir()
    (folder / "mine" / "kustomization.yaml").write_text(overlay, encoding="utf-8")
    command = [KUBECTL, "kustomize", str(folder / "mine")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    [deployment] = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return container["image"], {entry["name"]: entry.get("value") for entry in container["env"]}


@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")
def test_the_kustomization_of_the_install_page_changes_what_it_says(tmp_path: Path) -> None:
    [overlay] = blocks("yaml", DOCS / "install.md")
    image, told = environment_after(overlay.text, tmp_path)
    assert image == "registry.example/canary:0.1.0"
    assert told == {
        "CANARY_PROMETHEUS_URL": "http://prometheus.istio-system:9090",
        "CANARY_SCRAPE_INTERVAL": "15s",
        "CANARY_SLACK_CHANNEL": "#releases",
        "CANARY_MESH": "istio",
        "CANARY_LEASE_NAMESPACE": None,
    }


@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")
def test_the_kustomization_of_the_quick_start_changes_what_it_says(tmp_path: Path) -> None:
    [overlay] = re.findall(
        r"kustomization.yaml <<END\n(.*?)^END$", (DOCS / "quick-start.md").read_text(encoding="utf-8"), re.M | re.S
    )
    image, told = environment_after(
        overlay.replace("$MESH", "kuma").replace("$PROMETHEUS", "http://there:80"), tmp_path
    )
    assert image == "registry.example/canary:0.1.0"
    assert told == {
        "CANARY_MESH": "kuma",
        "CANARY_PROMETHEUS_URL": "http://there:80",
        "CANARY_LEASE_NAMESPACE": None,
    }


def test_the_layers_and_folders_of_the_guide_are_those_that_are_held_to() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    held = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]
    layers = [set(re.findall(r"\w+", layer)) for layer in held["layers"] if layer != "(__main__)"]
    [line] = re.findall(r"^    (cli > .*(?:\n        .*)*)", guide, re.M)
    assert [set(re.findall(r"\w+", layer)) for layer in line.split(">")] == layers
    folders = {path.name for path in (ROOT / "canary").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(re.findall(r"^\| `canary/(\w+)` \|", guide, re.M)) == folders


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
    named = r'(?:reason=|RouteError\(\s*|Trouble\(\s*(?:reason=)?|reason = |_tell\(\w+, )"([A-Z][a-z][A-Za-z]+)"'
    return {str(reason) for reason in Reason} | {found for source in sources for found in re.findall(named, source)}


def rules_and_adapters(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*.py") if not {"sandbox", "cli"} & {*path.relative_to(ROOT).parts}]


def test_every_reason_is_in_the_page_on_trouble_and_no_other() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", page, re.M))
    assert told == reasons_of_the_code() | {"Ready", "Initializing"}


def test_no_reason_that_events_alone_have_is_called_one_of_a_condition() -> None:
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    faults = set(re.findall(r"^\| `(\w+)` \|", page.partition("\n## Faults\n")[2].partition("\n## ")[0], re.M))
    sources = [path.read_text(encoding="utf-8") for path in rules_and_adapters("canary")]
    told = {str(reason) for reason in Reason}.union(
        *(re.findall(r'Notice\(\s*reason="(\w+)"', source) for source in sources)
    )
    assert "InvalidSpec" in faults
    assert "StatusUnreadable" in told
    assert faults & told == set()


def test_the_sizes_are_those_that_were_measured() -> None:
    [table] = re.findall(
        r"## Its size.*?((?:^\|.*\n)+)", (DOCS / "operating.md").read_text(encoding="utf-8"), re.M | re.S
    )
    measured = (DOCS / "performance.md").read_text(encoding="utf-8")
    figures = re.findall(r"\d+ MiB|\d\.\d+(?= cores)", table)
    assert len(figures) == 4
    assert [figure for figure in figures if f"| {figure} " not in measured] == []
