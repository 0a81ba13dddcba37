"""`canary lint`: files, folders and standard input in; lines, JSON or annotations out; what its exit status means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canary.lint.report import github, lines
from tests.cli.shell import Ended, run
from tests.lint.cases import SOUND

ROOT = Path(__file__).resolve().parents[2]
FAULTY = SOUND.replace('enabled: "true"', 'enabled: "true"\n    canary.delivery/stpes: "5"')
WARNED = SOUND.replace("checkout:1.0.0", "checkout:latest")
FAULT = (
    'fault: Deployment shop/checkout: canary.delivery/stpes: found "5", allowed is a known key; '
    "did you mean canary.delivery/steps? [spec]"
)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "checkout.yaml"
    path.write_text(FAULTY, encoding="utf-8")
    return path


def test_the_examples_are_clean() -> None:
    folder = ROOT / "manifests" / "examples"
    for mesh in sorted(folder.iterdir()):
        ended = run("lint", "--strict", "--mesh", mesh.name, mesh)
        assert (ended.status, ended.out.rpartition(": ")[2]) == (0, "0 faults, 0 warnings, 0 notes\n"), ended.out


def test_all_that_this_project_would_have_applied_is_clean() -> None:
    """Alerts among it, whose templates are none of Helm's."""
    ended = run("lint", "--strict", ROOT / "manifests")
    assert (ended.status, ended.out) == (0, "21 canaries: 0 faults, 0 warnings, 0 notes\n")


def test_the_examples_of_all_meshes_are_clean_together() -> None:
    ended = run("lint", "--strict", ROOT / "manifests" / "examples")
    assert (ended.status, ended.out) == (0, "21 canaries: 0 faults, 0 warnings, 0 notes\n")


def test_a_fault_is_a_line_and_exit_status_1(faulty: Path) -> None:
    assert run("lint", faulty) == Ended(
        status=1, out=f"{faulty}:8: {FAULT}\n1 canary: 1 faults, 0 warnings, 0 notes\n", error=""
    )


def test_a_warning_fails_only_when_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "checkout.yml"
    path.write_text(WARNED, encoding="utf-8")
    assert (run("lint", path).status, run("lint", "--strict", path).status) == (0, 1)


def test_the_files_of_a_folder_are_one_whole_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    deployment, service = SOUND.split("---\n")
    (tmp_path / "base").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "base" / "deployment.yaml").write_text(deployment, encoding="utf-8")
    (tmp_path / "base" / "service.json").write_text(service.replace("clusterIP", ""), encoding="utf-8")
    (tmp_path / "base" / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [deployment.yaml]\n",
        encoding="utf-8",
    )
    (tmp_path / ".git" / "broken.yaml").write_text("a: [", encoding="utf-8")
    (tmp_path / "README.md").write_text("a: [", encoding="utf-8")
    assert run("lint", tmp_path) == Ended(status=0, out="1 canary: 0 faults, 0 warnings, 0 notes\n")


def test_standard_input_is_read() -> None:
    ended = run("lint", "-", given=FAULTY)
    assert (ended.status, ended.out.splitlines()[0]) == (1, f"<stdin>:8: {FAULT}")


def test_json_has_every_part_of_a_finding(faulty: Path) -> None:
    ended = run("lint", faulty, "-o", "json")
    assert (ended.status, json.loads(ended.out)) == (
        1,
        {
            "canaries": 1,
            "findings": [
                {
                    "level": "fault",
                    "rule": "spec",
                    "file": str(faulty),
                    "line": 8,
                    "object": "Deployment shop/checkout",
                    "key": "canary.delivery/stpes",
                    "found": "5",
                    "allowed": "a known key",
                    "remedy": "did you mean canary.delivery/steps?",
                }
            ],
        },
    )


def test_annotations_of_github_name_file_and_line(faulty: Path) -> None:
    ended = run("lint", faulty, "-o", "github")
    assert ended.out == (
        f"::error file={faulty},line=8,title=canary lint%3A spec::Deployment shop/checkout: canary.delivery/stpes: "
        'found "5", allowed is a known key; did you mean canary.delivery/steps?\n'
    )


def test_files_without_a_canary_say_so(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("replicas: 3\n", encoding="utf-8")
    ended = run("lint", tmp_path)
    assert (ended.status, ended.out) == (
        0,
        'no canary: no Deployment here has the annotation canary.delivery/enabled: "true"\n',
    )


@pytest.mark.parametrize("words", [(), ("nowhere.yaml",), ("-o", "yaml", "."), ("--scrape-interval", "3", ".")])
def test_wrong_usage_is_exit_status_2(words: tuple[str, ...]) -> None:
    assert run("lint", *words).status == 2


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: \xff")
    ended = run("lint", tmp_path)
    assert (ended.status, 'found "the byte 0xff at 3, which is no UTF-8"' in ended.out) == (1, True)


def test_nothing_to_tell_is_nothing_but_the_sum() -> None:
    assert (list(lines((), 2)), list(github(()))) == (["2 canaries: 0 faults, 0 warnings, 0 notes"], [])
