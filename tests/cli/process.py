"""Runs `python -m canary` as a user does: a process of its own, with nothing in its environment that it did not get."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended, and all that it wrote."""

    status: int
    out: str
    error: str


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "COLUMNS": "400", **(more or {})}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "canary", *map(str, words)]


def run(home: Path, *words: object, more: Mapping[str, str] | None = None) -> Ended:
    """Run `canary WORDS` to its end in the folder `home`, which is also its home."""
    done = subprocess.run(
        command(*words),
        env=environment(home, more),
        cwd=home,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
    )
    return Ended(status=done.returncode, out=done.stdout, error=done.stderr)


def sentence(error: str) -> str:
    """Return what a person is told at the end: the last line, or what is in the frame of wrong usage."""
    framed = re.findall(r"^│ (.*?) +│$", error, re.M)
    return " ".join(framed) if framed else error.rstrip("\n").rpartition("\n")[2]


def kubeconfig(folder: Path, url: str) -> Path:
    """Write a kubeconfig for an API server that asks for nothing."""
    parts = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "a-token"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(parts), encoding="utf-8")
    return path
