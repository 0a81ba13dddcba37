"""A server that answers for Canaries and Events as the API server does, and for the controller by a function."""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

JSON = dict[str, Any]
CANARIES = "/apis/canary.delivery/v1alpha1"
COMMAND = "canary.delivery/command"


@dataclass(slots=True)
class Api:
    """What the server holds, and each write that it was asked for: path, query, content type, body.

    `obey` is called with the state after each patch of a Canary, as a controller would see it. `crd` is whether the
    Canary resource is installed. `failures` are HTTP statuses that the next requests are answered with.
    """

    canaries: dict[tuple[str, str], JSON] = field(default_factory=dict)
    events: list[JSON] = field(default_factory=list)
    writes: list[tuple[str, dict[str, list[str]], str, JSON]] = field(default_factory=list)
    obey: Callable[[Api, JSON], None] = lambda api, canary: None
    crd: bool = True
    failures: list[int] = field(default_factory=list)
    kubeconfig: Path = Path()

    def hold(self, *canaries: JSON) -> None:
        for canary in canaries:
            metadata = canary["metadata"]
            self.canaries[metadata["namespace"], metadata["name"]] = copy.deepcopy(canary)

    def answer(self, method: str, target: str, content_type: str, body: JSON) -> tuple[int, JSON]:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        if self.failures:
            code = self.failures.pop(0)
            return code, {"kind": "Status", "message": f"failed with {code}", "code": code}
        if parts.path.endswith("/events"):
            return 200, {"items": [event for event in self.events if _selected(event, query)]}
        if not self.crd or not parts.path.startswith(CANARIES):
            return _not_found("the server could not find the requested resource")
        names = parts.path.removeprefix(CANARIES).strip("/").split("/")
        if method == "PATCH":
            self.writes.append((parts.path, query, content_type, body))
        return self._canaries(names, body if method == "PATCH" else None)

    def _canaries(self, names: list[str], patch: JSON | None) -> tuple[int, JSON]:
        match names:
            case ["canaries"]:
                return 200, {"items": list(self.canaries.values())}
            case ["namespaces", namespace, "canaries"]:
                return 200, {"items": [one for (where, _), one in self.canaries.items() if where == namespace]}
            case ["namespaces", namespace, "canaries", name] if (namespace, name) in self.canaries:
                canary = self.canaries[namespace, name]
                if patch is not None:
                    canary["metadata"].setdefault("annotations", {}).update(patch["metadata"]["annotations"])
                    self.obey(self, canary)
                return 200, canary
            case _:
                return _not_found(f'canaries.canary.delivery "{names[-1]}" not found')


def _selected(event: JSON, query: dict[str, list[str]]) -> bool:
    wanted = dict(pair.split("=", 1) for pair in query.get("fieldSelector", [""])[0].split(",") if pair)
    involved = event["involvedObject"]
    has = {
        "involvedObject.kind": involved["kind"],
        "involvedObject.name": involved["name"],
        "reason": event["reason"],
    }
    return all(has[key] == value for key, value in wanted.items())


def _not_found(message: str) -> tuple[int, JSON]:
    return 404, {"kind": "Status", "reason": "NotFound", "message": message, "code": 404}


@contextlib.contextmanager
def served(api: Api, folder: Path, *, namespace: str = "shop") -> Iterator[Api]:
    """Serve until the block ends; `api.kubeconfig` leads there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond("GET")

        def do_PATCH(self) -> None:
            self._respond("PATCH")

        def _respond(self, method: str) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw) if raw else {}
            code, answer = api.answer(method, self.path, self.headers.get("Content-Type", ""), body)
            encoded = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    api.kubeconfig = kubeconfig(folder, f"http://127.0.0.1:{server.server_address[1]}", namespace)
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(folder: Path, url: str, namespace: str) -> Path:
    """Write a kubeconfig with the contexts `here`, which is the current one, and `elsewhere`."""
    contexts = [
        {"name": "here", "context": {"cluster": "here", "user": "me", "namespace": namespace}},
        {"name": "elsewhere", "context": {"cluster": "here", "user": "me", "namespace": "other"}},
    ]
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": {"server": url}}],
                "users": [{"name": "me", "user": {"token": "a-token"}}],
                "contexts": contexts,
            }
        ),
        encoding="utf-8",
    )
    return path
