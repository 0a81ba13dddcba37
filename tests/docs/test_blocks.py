"""Every shell block of every page is run, in order, in a copy of the tree; what cannot be says here why not.

Programs that want a cluster or the network have a stand-in (standing_in.py); `canary` is the program itself, before a
server that holds one Canary at rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from meshes import registry
from tests.cli.api_server import kubeconfig
from tests.cli.prometheus import Samples, prometheus
from tests.docs.cluster import standing_cluster
from tests.docs.lines import commands
from tests.docs.pages import DOCS, PAGES, ROOT, Block, blocks

pytestmark = pytest.mark.xdist_group("the blocks of the pages")
GATE = "a gate of its own runs it, for minutes"
NETWORK = "it fetches from the network, and .ci/run does the same"
EXCEPTIONS = {
    "README.md: make demo": GATE,
    "README.md: make test": GATE,
    "docs/commands.md: canary doctor --as controller": "it looks at a whole control plane: tests/api/test_doctor.py",
    "docs/install.md: docker build": "it builds and pushes an image",
    "docs/quick-start.md: python3 -m venv .venv": NETWORK,
    "docs/quick-start.md: docker build": "it builds and pushes an image",
}
"""Blocks that are not run, by how their page and first line begin. Their command lines are held to the programs too."""

PAGES_WITH_BLOCKS = sorted({block.page for block in blocks("sh")})
COPIED = ("manifests", "docs", "canary", "meshes", "pyproject.toml", "README.md", "LICENSE")
PATIENCE_S = 290.0
QUICK_START = DOCS / "quick-start.md"
MESHES = registry.names()


def why_not(block: Block) -> str:
    return next((why for title, why in EXCEPTIONS.items() if block.title.startswith(title)), "")


def test_every_exception_is_a_block() -> None:
    titles = [block.title for block in blocks("sh")]
    assert [one for one in EXCEPTIONS if not any(title.startswith(one) for title in titles)] == []


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the tree in `canary`, and beside it `mine` with the kustomization of the install page."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "mine").mkdir()
    (folder / "mine" / "kustomization.yaml").write_text(blocks("yaml", DOCS / "install.md")[0].text, "utf-8")
    for name in COPIED:
        here, there = ROOT / name, folder / "canary" / name
        there.parent.mkdir(exist_ok=True)
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there)
    return folder


@pytest.fixture(scope="module")
def environment(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the shells see: the stand-ins on the PATH, and kubeconfigs that lead to a stand-in and to nobody."""
    beside = tmp_path_factory.mktemp("beside")
    dead = beside / "dead"
    dead.mkdir()
    with standing_cluster(beside) as here:
        yield {
            "PATH": f"{programs(beside)}:{os.environ['PATH']}",
            "HOME": str(beside),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "PYTHONPATH": str(ROOT),
            "KUBECONFIG": str(here),
            "DEAD_KUBECONFIG": str(kubeconfig(dead, "http://127.0.0.1:1", "shop")),
            "REAL_KUBECTL": shutil.which("kubectl") or "",
            "SCRATCH": str(tree / "canary"),
        }


def programs(folder: Path) -> Path:
    """Write the stand-ins; return their folder."""
    there = folder / "bin"
    there.mkdir()
    for name in ("kubectl", "canary", "helm"):
        file = there / name
        file.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/docs/standing_in.py {name} "$@"\n', "utf-8")
        file.chmod(0o755)
    return there


def answers(promql: str) -> Samples:
    """Three pods of the primary that serve a thousand requests a second, a few of them slowly."""
    return [({"le": "0.1"}, 900.0), ({"le": "+Inf"}, 1000.0)] if "_bucket" in promql else [({}, 1000.0)]


def told(done: subprocess.CompletedProcess[str], block: Block) -> str:
    return f"{block.text}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"


def of_mesh(block: Block, mesh: str) -> bool:
    """Whether a block is to be run for a mesh: its own, and those that differ by it; the first runs all the others."""
    if block.text.startswith("export MESH="):
        return block.text.startswith(f"export MESH={mesh} ")
    return mesh in ("", MESHES[0]) or "$MESH" in block.text


def runs() -> list[tuple[Block, str]]:
    """Each block with the mesh that it is run for, in the order of the pages."""
    pages = [(page, mesh) for page in PAGES_WITH_BLOCKS for mesh in (MESHES if page == QUICK_START else ("",))]
    all_of_them = [(block, mesh) for page, mesh in pages for block in blocks("sh", page) if of_mesh(block, mesh)]
    return [(block, mesh) for block, mesh in all_of_them if not why_not(block)]


@pytest.mark.parametrize(("block", "mesh"), runs(), ids=str)
def test_the_blocks_of_a_page_run_one_after_the_other(
    block: Block, mesh: str, tree: Path, environment: Mapping[str, str]
) -> None:
    before = [one for one, of in runs() if one.page == block.page and of == mesh and one.number < block.number]
    exported = [line for one in before for line in one.text.splitlines() if line.startswith("export ")]
    with prometheus(answers) as address:
        lines = ["set -euo pipefail", *exported, block.text.replace("http://localhost:9090", address)]
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            cwd=tree / "canary", env=dict(environment), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, told(done, block)


def test_the_quick_start_has_a_section_for_every_mesh() -> None:
    starts = [block.text.split()[1] for block in blocks("sh", QUICK_START) if block.text.startswith("export MESH=")]
    assert sorted(starts) == sorted(f"MESH={name}" for name in registry.names())


def test_what_has_no_stand_in_is_of_every_system() -> None:
    known = {
        "canary",
        "kubectl",
        "helm",
        "cd",
        "export",
        "mkdir",
        "cat",
        "sed",
        "git",
        "python3",
        "make",
        "docker",
        ".",
    }
    run = {words[0] for block in blocks("sh") if not why_not(block) for words in commands(block.text)}
    assert run - known == set()


def test_no_shell_block_has_another_name() -> None:
    assert {page for page in PAGES for language in ("bash", "shell", "console") if blocks(language, page)} == set()
