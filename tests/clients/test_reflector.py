"""The task that fills a cache, where what it asks for is not there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from canary.clients.discovery import Resource
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_http import Call, KubeHttp
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
