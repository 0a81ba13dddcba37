"""How many requests an API server was asked, by its own metrics."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.api.control_plane import ADMIN_TOKEN, ControlPlane

LEFT_OUT = ("", "leases")
"""Resources that are not counted: discovery and this very question, and the election."""

OF_OTHERS = (("GET", "namespaces"), ("GET", "services"), ("LIST", "jobs"), ("LIST", "cronjobs"))
"""What the API server asks itself about its own Service, and who looks after jobs, every ten seconds. The controller
has none of these rights."""

LOOK_AGAIN_S = 2.0
PATIENCE_S = 60.0

Asked = Counter[tuple[str, str]]


async def asked(plane: ControlPlane) -> Asked:
    """Return the count of requests by verb and resource since the API server began, watches left out and the above."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{plane.url}/metrics", headers=headers, ssl=False) as answer,
    ):
        text = await answer.text()
    found: Asked = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples if family.name == "apiserver_request" else ():
            verb, resource = sample.labels["verb"], sample.labels["resource"]
            is_count = sample.name == "apiserver_request_total" and verb != "WATCH"
            if is_count and resource not in LEFT_OUT and (verb, resource) not in OF_OTHERS:
                found[verb, resource] += int(sample.value)
    return found


async def asked_once_quiet(plane: ControlPlane) -> Asked:
    """Wait until nobody asks for a moment, and return the count then."""
    async with asyncio.timeout(PATIENCE_S):
        before = await asked(plane)
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            if before == (before := await asked(plane)):
                return before
