"""Looks the pinned dependencies up for known vulnerabilities with pip-audit; ends with 1 when one of them has any.

Where no index of vulnerabilities can be reached it says so, and how many were not looked up: an outage of that index
is no fault of ours. Not its job: which versions are pinned (`make lock`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

LOCK = "requirements.lock"
PATIENCE_S = 120


def vulnerable(dependencies: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for each known vulnerability, with the versions that mend it."""
    return [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {_mended(fault)}"
        for one in dependencies
        for fault in one.get("vulns", ())
    ]


def _mended(fault: Mapping[str, Any]) -> str:
    return ", ".join(fault["fix_versions"]) or "no version yet"


def looked_up(dependencies: Sequence[Mapping[str, Any]]) -> int:
    """Return for how many of the dependencies there was an answer."""
    return sum("vulns" in one for one in dependencies)


def main() -> None:
    """Audit the lock file of the folder that this runs in."""
    command = ["pip_audit", "-r", LOCK, "--require-hashes", "--disable-pip", "-f", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        sys.stdout.write("no index of vulnerabilities answered: nothing was looked up\n")
        return
    found = vulnerable(dependencies)
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.stdout.write(
        f"{looked_up(dependencies)} of {len(dependencies)} pinned dependencies were looked up, "
        f"{len(found)} known vulnerabilities\n"
    )
    if found:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
