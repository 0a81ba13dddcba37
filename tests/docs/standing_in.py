"""Stands in for the programs of a page's blocks that need a cluster or the network; run as `PROGRAM ARGUMENTS...`.

`kubectl` is the real one before a server that answers nobody: what it says of its flags and files counts, that it
reached nobody does not. `canary watch`, which has no end, is interrupted after its first line. `helm` prints a
manifest.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

UNREACHED = re.compile(r"connection refused|was refused|connect: |no such host|i/o timeout", re.I)
WITHOUT_A_SERVER = {"kustomize", "version", "canary"}


def kubectl(words: list[str]) -> int:
    """Run the real one where there is one; else look only at the files that are named."""
    real = os.environ["REAL_KUBECTL"]
    given = None if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    missing = [path for path in _files(words) if path != "-" and not Path(path).exists()]
    if missing:
        sys.stderr.write(f"there is no {missing}\n")
        return 1
    if not real:
        return 0
    for folder in _after(words, "-k"):
        subprocess.run([real, "kustomize", folder], check=True, stdout=subprocess.DEVNULL)
    if words[0] in WITHOUT_A_SERVER:
        return subprocess.run([real, *words], input=given, text=True, check=False).returncode
    environment = {**os.environ, "KUBECONFIG": os.environ["DEAD_KUBECONFIG"]}
    done = subprocess.run([real, *words], input=given, text=True, capture_output=True, check=False, env=environment)
    if done.returncode and not UNREACHED.search(done.stderr):
        sys.stderr.write(done.stderr)
        return done.returncode
    return 0


def _files(words: list[str]) -> list[str]:
    return [*_after(words, "-f"), *_after(words, "-k")]


def _after(words: list[str], flag: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words[:-1]) if word == flag]


def canary(words: list[str]) -> int:
    """Run ours; a watch without an end is interrupted once it has shown something."""
    command = [sys.executable, "-m", "canary", *words]
    if words[0] != "watch" or "--until-done" in words:
        return subprocess.run(command, check=False).returncode
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        sys.stdout.write(first)
        running.send_signal(signal.SIGINT)
        running.stdout.read()
    return 0 if first else 1


def helm(words: list[str]) -> int:
    """Print a manifest, as `helm template` does."""
    assert words[0] == "template"
    manifest = Path(os.environ["SCRATCH"]) / "manifests" / "examples" / "istio" / "checkout.yaml"
    sys.stdout.write(manifest.read_text("utf-8"))
    return 0


PROGRAMS = {"kubectl": kubectl, "canary": canary, "helm": helm}

if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]](sys.argv[2:]))
