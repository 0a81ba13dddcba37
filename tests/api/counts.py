"""How many requests an API server was asked, by its own metrics."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.api.control_plane import ADMIN_TOKEN, ControlPlane
from tests.api.installing import granted

VERBS = {"GET": "get", "LIST": "list", "POST": "create", "PATCH": "patch", "DELETE": "delete"}

LOOK_AGAIN_S = 4.0
PATIENCE_S = 60.0
NOTICED_S = 40.0
"""Within this time of its CRD the garbage collector of Kubernetes, which looks every 30 s, has listed a kind."""
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

Asked = Counter[tuple[str, str]]


async def asked(plane: ControlPlane) -> Asked:
    """Return the count of requests by verb and resource since the API server began: of those that the controller has
    the right to make. Watches are left out, and the election."""
    text = await _got(plane, "/metrics")
    found: Asked = Counter()
    ours = {(resource.partition("/")[0], verb) for _, resource, verb in granted() if resource != "leases"}
    for family in text_string_to_metric_families(text):
        for sample in family.samples if family.name == "apiserver_request" else ():
            verb, resource = sample.labels.get("verb", ""), sample.labels.get("resource", "")
            if sample.name == "apiserver_request_total" and (resource, VERBS.get(verb)) in ours:
                found[verb, resource] += int(sample.value)
    return found


async def asked_once_quiet(plane: ControlPlane) -> Asked:
    """Wait until nobody asks for a moment, and return the count then."""
    async with asyncio.timeout(PATIENCE_S + NOTICED_S):
        await asyncio.sleep(NOTICED_S - await _age_of_newest_kind(plane))
        before = await asked(plane)
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            if before == (before := await asked(plane)):
                return before


async def _age_of_newest_kind(plane: ControlPlane) -> float:
    """Return for how many seconds the newest CRD has been there. They share this machine's clock."""
    made = [each["metadata"]["creationTimestamp"] for each in json.loads(await _got(plane, CRDS))["items"]]
    return (datetime.now(UTC) - max(map(datetime.fromisoformat, made))).total_seconds()


async def _got(plane: ControlPlane, path: str) -> str:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{plane.url}{path}", headers=headers, ssl=False) as answer,
    ):
        return await answer.text()
