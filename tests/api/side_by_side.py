"""Scenarios that are played side by side, each in a namespace of its own, so that most of their waiting is shared.

    @scene
    async def test_a_good_version_is_promoted(it: Harness) -> None: ...

makes a test of a scenario. The first test of a folder that waits for its scenario lets those of the others go on too.
The fixture `ensemble` is the folder's, since what is started for it ends with the folder's last test.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from canary.sandbox.acceptance import Acceptance
from tests.api.audit import requests
from tests.api.control_plane import ControlPlane
from tests.api.harness import SHORT_TIMES, Harness, fresh_name, playing
from tests.api.process import Process
from tests.api.world import World, namespace_made, world

AT_ONCE = 10
"""How many scenarios are played at a time: their processes and pods share two processors."""

APART_S = 0.5
"""How long after one scenario the next begins: ten at the same moment would have the controller wait for processors."""

AGAIN_S = 0.5
LOST = "was lost; ending, to be started anew"

Scene = Callable[[Harness], Awaitable[None]]
Noted = dict[str, object]
"""What the report says of a scenario: how many seconds it took, and the harness's own notes."""

_SCENES: dict[tuple[str, str], Scene] = {}


def scene(play: Scene) -> Callable[..., Awaitable[None]]:
    """Return a test that passes when the scenario does."""
    name, module = play.__name__, play.__module__

    async def test(ensemble: Ensemble, request: pytest.FixtureRequest) -> None:
        request.node.user_properties.extend((await ensemble.played(f"{module}.{name}")).items())

    test.__name__, test.__doc__, test.__module__, test.__qualname__ = name, play.__doc__, module, name
    _SCENES[module, name] = play
    return pytest.mark.asyncio(loop_scope="package")(test)


def scenes_of(items: Iterable[pytest.Item], package: str) -> dict[str, Scene]:
    """Return the scenarios of a package whose tests are among the items, by module and name."""
    found: dict[str, Scene] = {}
    for item in items:
        module = item.module.__name__ if isinstance(item, pytest.Function) else ""
        if module.rpartition(".")[0] == package and (module, item.name) in _SCENES:
            found[f"{module}.{item.name}"] = _SCENES[module, item.name]
    return found


@dataclass(slots=True)
class Installed:
    """The controller of all namespaces, the newest of `processes`."""

    world: World
    processes: list[Process] = field(default_factory=list)

    def start(self) -> None:
        name, folder = f"installed-{len(self.processes)}", self.world.plane.folder
        flags = ["--kubeconfig", str(folder / "controller.kubeconfig"), "--prometheus-url", self.world.prometheus_url]
        self.processes.append(Process(name, self.world.folder / f"{name}.log", [*flags, *SHORT_TIMES]))

    async def keep(self) -> None:
        """Start it anew whenever it ends, as a kubelet does: a busy machine may make it lose its lease."""
        while True:
            await asyncio.sleep(AGAIN_S)
            if self.processes[-1].exit_code is not None:
                self.start()


@dataclass(slots=True)
class Ensemble:
    """Scenarios at play. `installed` is the controller that all of them share, None when there is none; it has the
    rights of manifests/install and looks after all namespaces.

    `before` is how many requests of its ServiceAccount were logged by then: other tests use that too, and take rights
    away from it.
    """

    world: World
    installed: Installed | None
    before: int = 0
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _begin: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: dict[str, asyncio.Task[Noted]] = field(default_factory=dict)

    def begin(self, scenes: Mapping[str, Scene]) -> None:
        """Play scenes from now on, as many at a time as there are places for."""
        for name, play in scenes.items():
            self._tasks[name] = asyncio.create_task(self._play(name, play), name=name)

    async def played(self, name: str) -> Noted:
        """Wait for a scenario and raise what it raised; return what the report is to say of it."""
        return await self._tasks[name]

    async def all_played(self) -> None:
        """Wait for all scenarios, however they end."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _play(self, name: str, play: Scene) -> Noted:
        async with self._places:
            async with self._begin:
                await asyncio.sleep(APART_S)
            began = time.monotonic()
            namespace = fresh_name()
            folder = self.world.folder / name
            folder.mkdir()
            await namespace_made(self.world.http, self.world.people, namespace)
            with playing(self.world, namespace, folder) as it:
                if self.installed is not None:
                    it.logs = self.installed.processes
                await play(it)
                it.assert_no_request_was_lost()
                noted = it.noted
            await self.world.clear(namespace)
            return {"seconds": time.monotonic() - began, **noted}


@asynccontextmanager
async def ensemble(plane: ControlPlane, folder: Path, *, installed: bool) -> AsyncIterator[Ensemble]:
    """Open a world of all namespaces, with a controller for all of it if `installed`.

    Routes of the Gateway API are accepted as Linkerd accepts them; the other meshes say nothing in their routes.
    """
    async with world(plane, folder, ()) as of, Acceptance(of.view, "linkerd", of.http.clock):
        before = len(requests(plane.folder))
        async with _installed(of) if installed else nullcontext() as controller:
            it = Ensemble(of, controller, before)
            try:
                yield it
            finally:
                await it.close()


@asynccontextmanager
async def _installed(of: World) -> AsyncIterator[Installed]:
    """Keep a controller running until the block ends; fail then if one ended that had not lost its lease."""
    it = Installed(of)
    it.start()
    keeping = asyncio.create_task(it.keep())
    try:
        yield it
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        wrong = [each.said[-6000:] for each in it.processes if each.exit_code is not None and LOST not in each.said]
        for each in it.processes:
            each.close()
        assert wrong == [], "\n".join(wrong)
