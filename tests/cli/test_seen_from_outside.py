"""A running controller seen from elsewhere: who it says it is to Prometheus, its log, and its /metrics."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.empty_cluster import empty_cluster
from tests.cli.process import command, environment, kubeconfig, run
from tests.clients.raw_server import raw_server, saying
from tests.telemetry.scraped import Page
from tests.test_probes import asked

SECRET = "hunter2-never-shown"
PATIENCE_S = 60.0


@pytest.mark.parametrize("by", ["environment", "file"])
async def test_a_password_of_prometheus_reaches_it_and_is_seen_nowhere_else(tmp_path: Path, by: str) -> None:
    more = {"SLACK_BOT_TOKEN": f"xoxb-{SECRET}", "SLACK_API_URL": f"http://slack:{SECRET}@127.0.0.1:1/"}
    flags = ["--no-leader-elect", "--metrics-port", "0", "--prometheus-user", "me"]
    if by == "file":
        (tmp_path / "password").write_text(f"{SECRET}\n")
        flags += ["--prometheus-password-file", "password"]
    else:
        more["CANARY_PROMETHEUS_PASSWORD"] = SECRET
    with empty_cluster() as cluster:
        async with raw_server(saying("", status="401 Unauthorized")) as prometheus:
            flags += ["--prometheus-url", prometheus.url, "--kubeconfig", str(kubeconfig(tmp_path, cluster))]
            ended = await asyncio.to_thread(run, tmp_path, "run", *flags, more=more)
    signed = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert {each.headers["authorization"] for each in prometheus.asked} == {signed}
    assert (ended.status, SECRET in ended.out + ended.error) == (1, False)
    assert "refuses our credentials (HTTP 401)" in ended.error


@asynccontextmanager
async def controller(folder: Path, *words: object) -> AsyncIterator[int]:
    """Run a controller until it says that it leads; yield the port of its pages."""
    process = await asyncio.create_subprocess_exec(
        *command("run", "--metrics-port", 0, *words),
        env=environment(folder),
        cwd=folder,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = json.loads(await process.stderr.readline())
            while not (await asked(first["port"], "GET /readyz HTTP/1.1\r\n\r\n")).endswith("leader\n"):
                assert process.returncode is None
        yield first["port"]
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()


async def test_the_leader_shows_its_metrics_beside_the_probes(tmp_path: Path) -> None:
    with empty_cluster() as cluster:
        async with raw_server(saying("no", status="503 Busy")) as prometheus:
            flags = ["--no-leader-elect", "--prometheus-url", prometheus.url]
            async with controller(tmp_path, *flags, "--kubeconfig", kubeconfig(tmp_path, cluster)) as port:
                head, _, body = (await asked(port, "GET /metrics HTTP/1.1\r\n\r\n")).partition("\r\n\r\n")
    page = Page(body)
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert page.one("canary_leader") == 1
    assert page.by("canary_queue_depth", "queue") == {"passes": 0, "shims": 0, "asks": 0, "tells": 0}
    assert page.one("canary_requests_total", peer="kubernetes", verb="list", resource="canaries", code="2xx") == 1
    assert (page.one("canary_requests_total", peer="prometheus", code="5xx") or 0) >= 1
    assert (page.one("process_resident_memory_bytes") or 1e9) < 256 * 2**20
