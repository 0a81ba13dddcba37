"""A server that holds the Canary `checkout` at rest, as the pages speak of it, and carries out what it is commanded."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from canary.controller.revisions import digest
from canary.rollout.model import Outcome, Past, Revision, Status
from canary.rollout.phases import Phase
from canary.spec.status import status_to_json
from tests.builders import JSON, canary, deployment, settings
from tests.cli import watched_api
from tests.cli.api_server import COMMAND, kubeconfig

AT = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = "registry.example/shop/checkout:2.0.0"
PAST = Past(
    revision="7f8a6c", image=IMAGE, outcome=Outcome.PROMOTED, message="all 4 steps passed", started_at=AT, ended_at=AT,
    highest_weight=50,
)  # fmt: skip


def objects() -> tuple[JSON, JSON]:
    """The Deployment and its Canary, after a promotion."""
    target = deployment(image=IMAGE, annotations=settings(enabled="true"))
    target["metadata"]["generation"] = 3
    revision = Revision(digest=digest(target["spec"]["template"]), pin="7f8a6c", image=IMAGE)
    status = Status(
        phase=Phase.SUCCEEDED, stable=revision, revision=revision, target_generation=3, started_at=AT, history=(PAST,),
        message="Promoted 7f8a6c: all 4 steps passed",
    )  # fmt: skip
    return target, {**canary(), "status": status_to_json(replace(status, highest_weight=50))}


class Handler(watched_api.Handler):
    """Answers for all namespaces too, and for the controller to a command."""

    def do_GET(self) -> None:
        api: watched_api.WatchedApi = self.server.api  # type: ignore[attr-defined]
        path = urlsplit(self.path).path
        if path.endswith("/v1alpha1/canaries"):
            self._answer(200, api.listed("canaries", "shop", ""))
        elif "/namespaces/" in path:
            super().do_GET()
        else:
            self._answer(404, {"reason": "NotFound", "message": f"nothing is at {path}"})

    def do_PATCH(self) -> None:
        api: watched_api.WatchedApi = self.server.api  # type: ignore[attr-defined]
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        namespace, plural, name = urlsplit(self.path).path.partition("/namespaces/")[2].split("/")
        found = api.objects[plural, namespace, name]
        command = asked["metadata"]["annotations"][COMMAND]
        last = {"name": command, "revision": "7f8a6c", "at": datetime.now(UTC).isoformat(), "by": "canary-cli"}
        api.hold({**found, "status": {**found["status"], "lastCommand": last}})
        self._answer(200, found)


@contextlib.contextmanager
def standing_cluster(folder: Path) -> Iterator[Path]:
    """Serve until the block ends; yield the kubeconfig that leads there."""
    api = watched_api.WatchedApi(folder)
    api.hold(*objects())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.api = api  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kubeconfig(folder, f"http://127.0.0.1:{server.server_address[1]}", "shop")
    finally:
        api.closed = True
        server.shutdown()
        thread.join()
        server.server_close()
