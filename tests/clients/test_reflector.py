"""The task that fills a cache, where what it asks for is not there, or not kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from canary.clients.discovery import Resource
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_http import Call, Expired, KubeHttp
from canary.errors import NotFound, Unavailable
from meshes.contract import Kind

pytestmark = pytest.mark.looptime

LATE = Resource(kind=Kind("example.org", "Late"), plural="lates", namespaced=True, versions=("v1",))


class Refusing(KubeHttp):
    """An API server that answers every question with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def send(self, call: Call) -> Any:
        raise self._error


@pytest.mark.parametrize(("error", "filled"), [(NotFound("no such kind"), True), (Unavailable("away"), False)])
async def test_a_kind_that_went_away_since_it_was_found_is_not_waited_for(error: Exception, filled: bool) -> None:
    reflector = Reflector(Refusing(error), Cache(), LATE, "")
    running = asyncio.create_task(reflector.run())
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            await reflector.filled.wait()
    running.cancel()
    assert reflector.filled.is_set() is filled


class Forgetting(KubeHttp):
    """An API server that lists, but keeps no version to watch from; `listed` are the times at which it was asked."""

    def __init__(self) -> None:
        self.listed: list[float] = []

    async def send(self, call: Call) -> Any:
        self.listed.append(asyncio.get_running_loop().time())
        return {"apiVersion": "example.org/v1", "metadata": {"resourceVersion": "5"}, "items": []}

    def stream(self, call: Call, *, silence_s: float) -> Any:
        raise Expired("410")


async def test_a_server_that_keeps_no_version_is_listed_less_and_less_often() -> None:
    http = Forgetting()
    running = asyncio.create_task(Reflector(http, Cache(), LATE, "").run())
    await asyncio.sleep(600)
    running.cancel()
    pauses = [later - sooner for sooner, later in pairwise(http.listed)]
    assert pauses[0] <= 1
    assert max(pauses) <= 10
    assert min(pauses[5:]) >= 5
