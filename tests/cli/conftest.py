"""The fixture `api`: a server that holds the Canary `checkout`, in the middle of a rollout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import JSON, canary
from tests.cli.api_server import Api, served

CHECK = {"name": "success-rate", "value": 98.123456, "limit": 99, "requests": 1200, "verdict": "failed"}
STATUS: JSON = {
    "phase": "Progressing",
    "weight": 25,
    "observedWeight": 25,
    "step": 1,
    "revision": "5d9c7b",
    "stableRevision": "7f8a6c",
    "failedChecks": 1,
    "checks": [{**CHECK, "message": "98.12 % succeeded, at least 99 % must", "at": "2026-01-02T03:04:05Z"}],
    "message": "Step 2 of 3 lasts until 03:05",
    "waitsUntil": "2026-01-02T03:05:00Z",
    "startedAt": "2026-01-02T03:00:00Z",
    "lastCommand": {"name": "resume", "revision": "5d9c7b", "at": "2026-01-02T03:01:00Z", "by": "canary-cli"},
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "The spec is valid and every object is in place",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
    "history": [
        {
            "revision": "7f8a6c",
            "image": "registry.example/checkout:1.0",
            "outcome": "promoted",
            "message": "All checks passed",
            "startedAt": "2026-01-01T00:00:00Z",
            "endedAt": "2026-01-01T00:10:00Z",
            "highestWeight": 50,
        }
    ],
    "version": 1,
    "memory": {"stage": "steps"},
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    held = Api()
    held.hold({**canary(), "status": STATUS}, canary("cart", namespace="other"))
    with served(held, tmp_path) as serving:
        yield serving
