"""A server of objects that are read, listed and watched as the API server has them, for commands that follow them."""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cli.api_server import kubeconfig

JSON = dict[str, Any]
PLURALS = {"Canary": "canaries", "Deployment": "deployments", "Pod": "pods", "Event": "events"}


@dataclass(slots=True)
class WatchedApi:
    """What the server holds. `hold` may be called while it serves: watches tell of it."""

    folder: Path
    log: list[tuple[str, JSON]] = field(default_factory=list)
    objects: dict[tuple[str, str, str], JSON] = field(default_factory=dict)
    told: threading.Condition = field(default_factory=threading.Condition)
    closed: bool = False
    followed: threading.Event = field(default_factory=threading.Event)
    kubeconfig: Path = Path()

    def hold(self, *manifests: JSON) -> None:
        """Take objects as they are now."""
        with self.told:
            for manifest in manifests:
                self._put(copy.deepcopy(manifest))
            self.told.notify_all()

    def drop(self, manifest: JSON) -> None:
        """Delete an object."""
        with self.told:
            gone = self.objects.pop(_key(manifest))
            gone["metadata"]["resourceVersion"] = str(len(self.log) + 1)
            self.log.append(("DELETED", gone))
            self.told.notify_all()

    def _put(self, manifest: JSON) -> None:
        metadata = manifest["metadata"]
        metadata["resourceVersion"] = str(len(self.log) + 1)
        metadata.setdefault("uid", f"uid of {metadata['name']}")
        kind = "MODIFIED" if _key(manifest) in self.objects else "ADDED"
        self.objects[_key(manifest)] = manifest
        self.log.append((kind, manifest))

    def listed(self, plural: str, namespace: str, name: str) -> JSON:
        with self.told:
            items = [one for key, one in self.objects.items() if _picks(key, plural, namespace, name)]
            return {"apiVersion": "v1", "metadata": {"resourceVersion": str(len(self.log))}, "items": items}

    def events(self, at: int, plural: str, namespace: str, name: str) -> Iterator[bytes]:
        """Yield what happens from a version on until the server is closed; `followed` is set then."""
        self.followed.set()
        while not self.closed:
            with self.told:
                while len(self.log) <= at and not self.closed:
                    self.told.wait(0.2)
                fresh, at = self.log[at:], len(self.log)
            for kind, manifest in fresh:
                if _picks(_key(manifest), plural, namespace, name):
                    yield json.dumps({"type": kind, "object": manifest}).encode() + b"\n"


def _key(manifest: JSON) -> tuple[str, str, str]:
    return PLURALS[manifest["kind"]], manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _picks(key: tuple[str, str, str], plural: str, namespace: str, name: str) -> bool:
    return key[:2] == (plural, namespace) and name in ("", key[2])


class Handler(BaseHTTPRequestHandler):
    """Answers for the `api` of its server."""

    def do_GET(self) -> None:
        api: WatchedApi = self.server.api  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        namespace, plural, *named = parts.path.partition("/namespaces/")[2].split("/")
        selected, _, name = query.get("fieldSelector", [""])[0].partition("=")
        name = name if selected == "metadata.name" else ""
        if named:
            found = api.objects.get((plural, namespace, named[0]))
            self._answer(200 if found else 404, found or {"reason": "NotFound", "message": "not found"})
        elif query.get("watch"):
            self._stream(api.events(int(query["resourceVersion"][0]), plural, namespace, name))
        else:
            self._answer(200, api.listed(plural, namespace, name))

    def _stream(self, lines: Iterator[bytes]) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for line in lines:
                self.wfile.write(line)
                self.wfile.flush()

    def _answer(self, status: int, body: JSON) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def watched_api(folder: Path) -> Iterator[WatchedApi]:
    """Serve until the block ends; its `kubeconfig` leads there, to the namespace `shop`."""
    api = WatchedApi(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.api = api  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    api.kubeconfig = kubeconfig(folder, f"http://127.0.0.1:{server.server_address[1]}", "shop")
    try:
        yield api
    finally:
        api.closed = True
        server.shutdown()
        thread.join()
        server.server_close()
