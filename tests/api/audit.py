"""What ServiceAccounts asked of the API server, from its own audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONTROLLER = "canary-controller"
"""The ServiceAccount of manifests/install."""

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts:canary-system"]},
        {"level": "None"},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `resource` has its subresource after a slash; `namespace` and `name` are "" for all."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    forbidden: bool
    """For lack of a right; a namespace that is being deleted answers 403 too."""

    @property
    def writes(self) -> bool:
        return self.verb not in ("get", "list", "watch")

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}: {self.code}"


def audit_flags(folder: Path) -> list[str]:
    """Return the flags that make an API server write its audit log into a folder."""
    policy = folder / "audit.yaml"
    policy.write_text(yaml.safe_dump(_POLICY), encoding="utf-8")
    # Written before the answer is sent: whoever saw an effect finds the request.
    return [f"--audit-policy-file={policy}", f"--audit-log-path={_log(folder)}", "--audit-log-mode=blocking"]


def requests(folder: Path, account: str = CONTROLLER) -> list[Request]:
    """Return what an account in canary-system asked for until now, in order; the code is 0 before it was answered.

    A watch may be answered late: 1.20 sends its headers with the first event.
    """
    found: dict[str, Request] = {}
    for event in _events(_log(folder), f"system:serviceaccount:canary-system:{account}"):
        found[event["auditID"]] = _request(event)
    return list(found.values())


def _log(folder: Path) -> Path:
    return folder / "audit.log"


def _events(log: Path, user: str) -> Iterator[dict[str, Any]]:
    """Yield what was logged of each stage of a user's requests for objects; discovery is left out."""
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        event: dict[str, Any] = json.loads(line)
        if event["user"]["username"] == user and "objectRef" in event:
            yield event


def _request(event: dict[str, Any]) -> Request:
    target = event["objectRef"]
    subresource = target.get("subresource", "")
    return Request(
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=f"{target['resource']}/{subresource}" if subresource else target["resource"],
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=int(event.get("responseStatus", {}).get("code", 0)),
        forbidden=event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
    )
