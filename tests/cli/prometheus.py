"""A stand-in for Prometheus in a thread, for commands that are run in this process: answers come from a function."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Samples = list[tuple[dict[str, str], float]]
Answer = Callable[[str], Samples]


@contextlib.contextmanager
def prometheus(answer: Answer, *, status: int = 200) -> Iterator[str]:
    """Serve until the block ends; yield the address. With another `status` every query fails."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._respond(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

        def _respond(self, query: str) -> None:
            asked = parse_qs(query)
            promql = asked["query"][0]
            samples: Samples = [({}, 1.0)] if promql == "vector(1)" else answer(promql)
            result = [{"metric": labels, "value": [0, str(value)]} for labels, value in samples]
            body = {"status": "success", "data": {"resultType": "vector", "result": result}}
            if status != 200:
                body = {"status": "error", "errorType": "unavailable", "error": "it is not well"}
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
