"""An API server with nothing in it: it knows the kinds that the controller needs, lists none, and holds each watch."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from canary.app import KINDS
from meshes.contract import Kind

PLURALS = {"Canary": "canaries"}
VERSIONS = {"canary.delivery": "v1alpha1", "autoscaling": "v2"}
JSON = dict[str, Any]


def version_of(group: str) -> str:
    return VERSIONS.get(group, "v1")


def resource(kind: Kind) -> JSON:
    name = PLURALS.get(kind.kind, f"{kind.kind.lower()}s")
    return {"name": name, "kind": kind.kind, "namespaced": kind.kind != "Namespace", "verbs": ["get"]}


def answer(path: str) -> JSON | None:
    """Return what is at a path below /api or /apis, None for what this cluster does not know."""
    match path.strip("/").split("/"):
        case ["api", _]:
            return {"resources": [resource(kind) for kind in KINDS if kind.group == ""]}
        case ["apis", group, *_] if group not in {kind.group for kind in KINDS}:
            return None
        case ["apis", group]:
            return {"versions": [{"version": version_of(group)}]}
        case ["apis", group, _]:
            return {"resources": [resource(kind) for kind in KINDS if kind.group == group]}
        case _:
            return {"apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}


@contextlib.contextmanager
def empty_cluster() -> Iterator[str]:
    """Serve until the block ends; yield the URL."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            found = answer(parts.path)
            body = json.dumps(found if found is not None else {"message": "not found"}).encode()
            held = "watch" in parse_qs(parts.query)
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Type", "application/json")
            if not held:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if held:
                self.wfile.flush()
                ended.wait()
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
