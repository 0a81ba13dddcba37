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
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from canary.sandbox.acceptance import Acceptance
from tests.api.control_plane import ControlPlane
from tests.api.harness import SHORT_TIMES, Harness, fresh_name, playing
from tests.api.process import Process
from tests.api.world import World, namespace_made, world

AT_ONCE = 10
"""How many scenarios are played at a time: their processes and pods share two processors."""

Scene = Callable[[Harness], Awaitable[None]]
_SCENES: dict[tuple[str, str], Scene] = {}


def scene(play: Scene) -> Callable[..., Awaitable[None]]:
    """Return a test that passes when the scenario does."""
    name, module = play.__name__, play.__module__

    async def test(ensemble: Ensemble, request: pytest.FixtureRequest) -> None:
        request.node.user_properties.append(("seconds", await ensemble.played(f"{module}.{name}")))

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
class Ensemble:
    """Scenarios at play. `installed` is the controller that all of them share, None when there is none;
    it has the rights of manifests/install and looks after all namespaces."""

    world: World
    installed: Process | None
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _tasks: dict[str, asyncio.Task[float]] = field(default_factory=dict)

    def begin(self, scenes: Mapping[str, Scene]) -> None:
        """Play scenes from now on, as many at a time as there are places for."""
        for name, play in scenes.items():
            self._tasks[name] = asyncio.create_task(self._play(name, play), name=name)

    async def played(self, name: str) -> float:
        """Wait for a scenario and raise what it raised; return how many seconds it took."""
        return await self._tasks[name]

    async def all_played(self) -> None:
        """Wait for all scenarios, however they end."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _play(self, name: str, play: Scene) -> float:
        async with self._places:
            began = time.monotonic()
            namespace = fresh_name()
            folder = self.world.folder / name
            folder.mkdir()
            await namespace_made(self.world.http, self.world.people, namespace)
            with playing(self.world, namespace, folder) as it:
                if self.installed is not None:
                    it.logs.append(self.installed)
                await play(it)
                it.apex.assert_served(it.report())
            await self.world.clear(namespace)
            return time.monotonic() - began


@asynccontextmanager
async def ensemble(plane: ControlPlane, folder: Path, *, installed: bool) -> AsyncIterator[Ensemble]:
    """Open a world of all namespaces, with a controller for all of it if `installed`.

    Routes of the Gateway API are accepted as Linkerd accepts them; the other meshes say nothing in their routes.
    """
    async with world(plane, folder, ()) as of, Acceptance(of.view, "linkerd", of.http.clock):
        process = _installed(of) if installed else None
        it = Ensemble(of, process)
        try:
            yield it
        finally:
            await it.close()
            if process is not None:
                process.close()


def _installed(of: World) -> Process:
    flags = ["--kubeconfig", str(of.plane.folder / "controller.kubeconfig"), "--prometheus-url", of.prometheus_url]
    return Process("installed", of.folder / "installed.log", [*flags, *SHORT_TIMES])
