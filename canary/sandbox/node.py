"""The sandbox's node: runs pods as real HTTP servers and knows which real address stands behind a pod's IP.

Implements the kubelet's `Attentive` runtime. Which pods are to run, and their status, are the kubelet's job.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from canary.errors import CanaryError, ConfigError
from canary.sandbox.application import behaviour
from canary.sandbox.exporters import exporter
from canary.sandbox.identity import identity, tag
from canary.sandbox.processes import Address, Child, Message, end, python_module
from canary.sandbox.runtime import ImageUnpullable, PodCrashed
from meshes.contract import Manifest

MISSING_TAG = "missing"
"""The image tag that cannot be pulled; every other image can."""


class NodeRuntime:
    """Runs pods, all in one child process. Use it with `async with`; leaving ends them at once.

    `mesh` names whose metrics the pods export.
    """

    def __init__(self, mesh: str = "istio") -> None:
        self._exporter = exporter(mesh)
        self._child = Child("the node of the sandbox", [*python_module("canary.sandbox.node_process"), mesh])
        self._resources = AsyncExitStack()
        self._ids = itertools.count()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._addresses: dict[str, Address] = {}
        self._names: dict[str, Address] = {}
        self._labels: dict[str, Mapping[str, str]] = {}
        self._gone: CanaryError | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            await resources.enter_async_context(self._child)
            listening = asyncio.create_task(self._listen(), name="sandbox node")
            resources.push_async_callback(end, listening)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    @property
    def pid(self) -> int:
        """The process in which the pods run."""
        return self._child.pid

    async def start(self, pod: Manifest) -> None:
        """Return when the pod is ready. Raises `PodCrashed`, `ImageUnpullable`, or `Unavailable` without a node."""
        name = pod["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            image = container.get("image", "")
            if tag(image) == MISSING_TAG:
                raise ImageUnpullable(f"{name}: image {image} cannot be pulled; choose another tag")
        try:
            wanted = behaviour(_environment(pod))
        except ConfigError as err:
            raise PodCrashed(f"{name}: {err}") from err
        who = identity(pod)
        answer = await self._ask(
            {
                "do": "start",
                "pod": _key(pod),
                "identity": dataclasses.asdict(who),
                "behaviour": dataclasses.asdict(wanted),
            }
        )
        if "error" in answer:
            raise PodCrashed(answer["error"])
        address = ("127.0.0.1", int(answer["port"]))
        self._names[name] = self._addresses[name] = address
        self._labels[name] = self._exporter.target(who)
        if ip := pod.get("status", {}).get("podIP"):
            self._addresses[ip] = address

    async def stop(self, pod: Manifest) -> None:
        """Return when the pod is gone, after its graceful end; one that does not run is gone already."""
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        await self._ask({"do": "stop", "pod": _key(pod), "grace": grace})
        address = self._names.pop(pod["metadata"]["name"], None)
        self._labels.pop(pod["metadata"]["name"], None)
        self._addresses = {key: real for key, real in self._addresses.items() if real != address}

    async def ended(self, pod: Manifest) -> None:
        """Wait until the container of this ready pod ends, by itself (`CRASH_AFTER_MS`) or stopped."""
        await self._ask({"do": "ended", "pod": _key(pod)})

    def address(self, pod: str) -> Address | None:
        """Return where the pod of that IP or name really listens, None when no such pod runs."""
        return self._addresses.get(pod)

    def targets(self) -> Mapping[str, Address]:
        """Return the address of each pod that runs, by the pod's name; `/metrics` there is what it exports."""
        return dict(self._names)

    def labels(self, pod: str) -> Mapping[str, str]:
        """Return the labels that the mesh's Prometheus adds to what this running pod exports."""
        return self._labels[pod]

    async def _ask(self, question: Message) -> Message:
        if self._gone is not None:
            raise self._gone
        number = next(self._ids)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._child.send({"id": number, **question})
            return await answer
        finally:
            del self._answers[number]

    async def _listen(self) -> None:
        async for message in self._child.messages():
            answer = self._answers.get(message["id"])
            if answer is not None and not answer.done():
                answer.set_result(message)
        self._gone = gone = self._child.failure("the process that runs the pods has ended")
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(gone)


def _environment(pod: Manifest) -> Mapping[str, str]:
    entries: list[Mapping[str, Any]] = [
        entry for container in pod["spec"]["containers"] for entry in container.get("env", ())
    ]
    return {entry["name"]: str(entry.get("value", "")) for entry in entries if "valueFrom" not in entry}


def _key(pod: Manifest) -> str:
    return f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"
