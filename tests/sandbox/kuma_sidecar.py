"""A real Envoy set up as Kuma sets up the sidecar of a pod: its inbound listener, and the gRPC filter of such ports."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from canary.sandbox import keeper
from canary.sandbox.envoy import envoy_program
from canary.sandbox.exposition import labels_of, samples
from canary.sandbox.ledger import Outcome
from canary.sandbox.processes import Child

FILTERS = "type.googleapis.com/envoy.extensions.filters"
INBOUND = "localhost_8080"
GRPC = {"content-type": "application/grpc", "te": "trailers"}
FAMILIES = re.compile(
    r"envoy_(http_downstream|cluster_upstream)_rq(_xx|_total|_time_(bucket|sum|count))?|envoy_cluster_grpc_\w+"
)

Series = dict[tuple[tuple[str, str], ...], float]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Where it takes requests in, and where it tells its statistics."""

    inbound: str
    admin: str
    session: aiohttp.ClientSession

    async def ask(self, outcome: Outcome) -> None:
        """Send a request whose answer is that outcome."""
        grpc = outcome.grpc is not None
        path = f"/{outcome.code}/{outcome.grpc if grpc else 'none'}"
        async with self.session.post(self.inbound + path, headers=GRPC if grpc else {}) as answer:
            await answer.read()

    async def metrics(self) -> Series:
        """Return what Prometheus would scrape of its inbound side, once the histograms are merged."""
        async with asyncio.timeout(30):
            while True:
                async with self.session.get(f"{self.admin}/stats/prometheus?usedonly") as answer:
                    found = told(await answer.text())
                if any(dict(key)["__name__"].endswith("rq_time_count") for key in found):
                    return found
                await asyncio.sleep(0.02)


def told(text: str) -> Series:
    """Return the samples of the families that matter, without those of other listeners and clusters."""
    found = {tuple(sorted(labels_of(head).items())): value for head, value in samples(text)}
    return {
        key: value
        for key, value in found.items()
        if FAMILIES.fullmatch(dict(key)["__name__"]) and INBOUND in dict(key).values()
    }


@asynccontextmanager
async def sidecar() -> AsyncIterator[Sidecar]:
    """Run it before an application that answers `/CODE/STATUS` as asked."""

    async def answer(request: web.BaseRequest) -> web.Response:
        _, code, status = request.path.split("/")
        headers = {} if status == "none" else {"content-type": "application/grpc", "grpc-status": status}
        return web.Response(status=int(code), headers=headers)

    server = await asyncio.get_running_loop().create_server(web.Server(answer, access_log=None), "127.0.0.1", 0)
    with tempfile.TemporaryDirectory(prefix="canary-kuma-") as name:
        folder = Path(name)
        (folder / "envoy.json").write_text(json.dumps(_config(server.sockets[0].getsockname()[1])))
        command = [sys.executable, "-I", "-S", keeper.__file__, name, str(envoy_program())]
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        paths = ["--config-path", str(folder / "envoy.json"), "--admin-address-path", str(folder / "admin")]
        async with Child("Envoy", [*command, *options, *paths]), aiohttp.ClientSession() as session:
            admin = await _admin(folder / "admin")
            yield Sidecar(inbound=await _inbound(session, admin), admin=admin, session=session)
    server.close()


async def _admin(path: Path) -> str:
    async with asyncio.timeout(30):
        while True:
            if address := _content(path):
                return f"http://{address}"
            await asyncio.sleep(0.02)


def _content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def _inbound(session: aiohttp.ClientSession, admin: str) -> str:
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"{admin}/listeners?format=json") as answer:
                    statuses = json.loads(await answer.text()).get("listener_statuses", ())
            except aiohttp.ClientError:
                statuses = ()
            for status in statuses:
                address = status["local_address"]["socket_address"]
                return f"http://{address['address']}:{address['port_value']}"
            await asyncio.sleep(0.02)


def _config(port: int) -> dict[str, Any]:
    listener = {"name": "inbound", "address": _address(0), "filter_chains": [{"filters": [_manager()]}]}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    assignment = {"cluster_name": INBOUND, "endpoints": endpoints}
    cluster = {"name": INBOUND, "type": "STATIC", "load_assignment": assignment}
    return {
        "stats_flush_interval": "0.1s",
        "admin": {"address": _address(0)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _manager() -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": INBOUND}}
    grpc = {"emit_filter_state": True, "stats_for_all_methods": False}
    typed = {
        "stat_prefix": INBOUND,
        "route_config": {"virtual_hosts": [{"name": INBOUND, "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            _filter("envoy.filters.http.grpc_stats", "http.grpc_stats.v3.FilterConfig", grpc),
            _filter("envoy.filters.http.router", "http.router.v3.Router", {}),
        ],
    }
    name = "network.http_connection_manager.v3.HttpConnectionManager"
    return _filter("envoy.filters.network.http_connection_manager", name, typed)


def _filter(name: str, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{FILTERS}.{kind}", **config}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
