"""The process in which the sandbox's pods run, commanded over its standard input by `node.NodeRuntime`.

It is a process of its own so that pods serve on while the controller's process is busy, stopped or killed.
"""

from __future__ import annotations

import asyncio
import sys

from canary.errors import CanaryError, NotFound
from canary.sandbox.application import Application, Behaviour
from canary.sandbox.exporters import exporter
from canary.sandbox.identity import Identity
from canary.sandbox.processes import Message, answer_parent, tell_parent


class Pods:
    """The applications that run here, by pod (namespace/name)."""

    def __init__(self, mesh: str) -> None:
        self._exporter = exporter(mesh)
        self._running: dict[str, Application] = {}

    async def handle(self, message: Message) -> None:
        """Do what one message asks and answer it by its id: `{"port"}` once a pod serves, `{}` once it has ended."""
        try:
            answer = await self._done(message)
        except CanaryError as err:
            answer = {"error": str(err)}
        tell_parent({"id": message["id"], **answer})

    async def _done(self, message: Message) -> Message:
        match message["do"]:
            case "start":
                return await self._start(message)
            case "stop":
                return await self._stop(message)
            case "ended":
                await self._found(message).ended()
                return {}
            case unknown:
                raise ValueError(f"unknown order {unknown!r}")

    async def _start(self, message: Message) -> Message:
        pod = message["pod"]
        application = Application(Identity(**message["identity"]), Behaviour(**message["behaviour"]), self._exporter)
        self._running[pod] = application
        try:
            return {"port": await application.start()}
        except CanaryError:
            if self._running.get(pod) is application:
                del self._running[pod]
            raise

    async def _stop(self, message: Message) -> Message:
        application = self._found(message)
        del self._running[message["pod"]]
        await application.stop(message["grace"])
        return {}

    def _found(self, message: Message) -> Application:
        application = self._running.get(message["pod"])
        if application is None:
            raise NotFound(f"pod {message['pod']} does not run")
        return application


def main() -> None:
    """Run pods until the parent ends."""
    asyncio.run(answer_parent(Pods(sys.argv[1]).handle))


if __name__ == "__main__":
    main()
