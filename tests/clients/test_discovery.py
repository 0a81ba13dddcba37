"""What discovery does when the API server has no time for one of its questions."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from canary.clients.discovery import Discovery
from canary.clients.kube_http import Call, KubeHttp
from canary.errors import Unavailable
from canary.ports import CANARY, DEPLOYMENT, POD

pytestmark = pytest.mark.looptime

NAMES = {"/api/v1": "Pod", "/apis/apps/v1": "Deployment", "/apis/canary.delivery/v1": "Canary"}


class Busy(KubeHttp):
    """An API server that is too busy for each question so many times; `open` are the questions under way."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.asked, self.open = refusals, Counter[str](), 0

    async def send(self, call: Call) -> Any:
        self.open += 1
        try:
            await asyncio.sleep(len(call.path) / 100)
            self.asked[call.path] += 1
            if self.asked[call.path] <= self.refusals:
                raise Unavailable("429: too many requests", retry_after=1)
        finally:
            self.open -= 1
        name = NAMES.get(call.path)
        if name is None:
            return {"versions": [{"version": "v1"}]}
        return {"resources": [{"name": f"{name.lower()}s", "kind": name, "namespaced": True}]}


async def test_a_question_that_is_refused_is_asked_again() -> None:
    server = Busy(refusals=2)
    discovery = Discovery(server)
    await discovery.refresh({POD, DEPLOYMENT, CANARY})
    assert [discovery.served(kind) for kind in (POD, DEPLOYMENT, CANARY)] == [("v1",), ("v1",), ("v1",)]
    assert set(server.asked.values()) == {3}


async def test_no_question_is_under_way_after_discovery_gave_up() -> None:
    server = Busy(refusals=99)
    with pytest.raises(Unavailable, match="429: too many requests"):
        await Discovery(server).refresh({POD, DEPLOYMENT, CANARY})
    assert server.open == 0
    assert max(server.asked.values()) == 3
