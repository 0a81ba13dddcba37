"""A KubeHttp whose API server is a function: no sockets, and a note of every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from canary.clients.kube_http import Call, KubeHttp


class Answering(KubeHttp):
    """Answers each call with what `says` returns for it, or raises that; `asked` are the calls."""

    def __init__(self, says: Callable[[Call], Any]) -> None:
        self._says = says
        self.asked: list[Call] = []

    async def send(self, call: Call) -> Any:
        self.asked.append(call)
        answer = self._says(call)
        if isinstance(answer, Exception):
            raise answer
        return answer
