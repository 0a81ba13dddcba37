"""Looks the pinned dependencies up for known vulnerabilities with pip-audit; ends with 1 when one of them has any.

Where no index of vulnerabilities answers it warns of what was not looked up and ends with 0 all the same: an outage of
that index is no fault of ours. Not its job: which versions are pinned (`make lock`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

LOCK = "requirements.lock"
PATIENCE_S = 120
WARNING = "WARNING: make audit:"
NAMED = 5
"""So many of those that were not looked up are named."""


def vulnerable(dependencies: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for each known vulnerability, with the versions that mend it."""
    return [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {_mended(fault)}"
        for one in dependencies
        for fault in one.get("vulns", ())
    ]


def _mended(fault: Mapping[str, Any]) -> str:
    return ", ".join(fault["fix_versions"]) or "no version yet"


def unknown(dependencies: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of those for which there was no answer: they may be vulnerable."""
    return [one["name"] for one in dependencies if "vulns" not in one]


def said(dependencies: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what to print: each vulnerability, how many there are, and a warning of what was not looked up.

    `.ci/run` repeats what begins with `WARNING`. No dependencies at all means that nothing was read.
    """
    found, missing = vulnerable(dependencies), unknown(dependencies)
    looked_up = f"{len(dependencies) - len(missing)} of {len(dependencies)} pinned dependencies were looked up"
    lines = [*found, f"{looked_up}, {len(found)} known vulnerabilities"]
    if missing or not dependencies:
        which = ", ".join(missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
        lines.append(f"{WARNING} whether there are known vulnerabilities is not known of {which or 'any dependency'}")
    return lines


def main() -> None:
    """Audit the lock file of the folder that this runs in."""
    command = ["pip_audit", "-r", LOCK, "--require-hashes", "--disable-pip", "-f", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        dependencies = []
    sys.stdout.writelines(f"{line}\n" for line in said(dependencies))
    if vulnerable(dependencies):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
