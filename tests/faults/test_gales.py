"""On a real control plane, with foul weather between `canary run` and all that it talks to, each scenario ends as it
must. They are played side by side under one controller. Minutes for each seed, so only `make test-faults` does it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from canary.ports import DEPLOYMENT, Watched
from canary.rollout.phases import Phase
from tests.api.control_plane import ControlPlane
from tests.api.endings import gave_back
from tests.api.harness import Harness, fresh_name, hold_as_before, playing
from tests.api.world import World, namespace_made, world
from tests.faults.gales import Gales, blowing
from tests.faults.table import ON_A_CONTROL_PLANE, TALE, tale

pytestmark = pytest.mark.xdist_group("api-faults")

PATIENCE_S = 250.0
FOUL_S = 75.0
"""How long the weather is foul at most."""

Scenario = Callable[[Harness, random.Random], Awaitable[None]]


async def promotion(it: Harness, _: random.Random) -> None:
    await it.there()
    await it.push("2.0")
    await it.until(lambda: _serves(it, "2.0", Phase.SUCCEEDED))
    assert set(it.weights) == {0, 50}


async def rollback(it: Harness, dice: random.Random) -> None:
    await it.there(max_failures="1")
    it.metrics.set("checkout", bad=dice.choice((0.04, 0.3, 1.0)))
    await it.push("2.0", max_failures="1")
    await it.until(lambda: _serves(it, "1.0", Phase.FAILED))
    assert set(it.weights) == {0, 50}
    hold_as_before(it)


async def push_in_mid_rollout(it: Harness, dice: random.Random) -> None:
    await it.there(steps="20,50")
    await it.push("2.0", steps="20,50")
    await asyncio.sleep(dice.uniform(0, 30))
    await it.push("3.0", steps="20,50")
    await it.until(lambda: _serves(it, "3.0", Phase.SUCCEEDED))
    assert set(it.weights) == {0, 20, 50}


async def leaving(it: Harness, dice: random.Random) -> None:
    await it.there()
    if dice.random() < 0.5:
        await it.push("2.0")
        await it.until(lambda: _serves(it, "2.0", Phase.SUCCEEDED))
    tag = it.serving()[0]
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await gave_back(it, tag)


SCENARIOS: dict[Scenario, frozenset[str]] = {
    promotion: frozenset({"1.0", "2.0"}),
    rollback: frozenset({"1.0"}),
    push_in_mid_rollout: frozenset({"1.0", "2.0", "3.0"}),
    leaving: frozenset({"1.0", "2.0"}),
}
"""Each scenario with the versions that the primary may be given in it."""


def _serves(it: Harness, tag: str, phase: Phase) -> bool:
    return it.status.phase is phase and it.serving() == (tag, 3) and it.size() == 0 and it.weight == 0


async def play(of: World, scenario: Scenario, gales: Gales) -> None:
    """Play one scenario in a namespace of its own; hold it to what must hold throughout."""
    name = scenario.__name__.replace("_", "-")
    namespace, folder = f"{name}-{fresh_name().removeprefix('t-')}", of.folder / name
    folder.mkdir()
    await namespace_made(of.http, of.people, namespace)
    given: set[str] = set()

    def note(event: Watched) -> None:
        if event.ref == it.ref(DEPLOYMENT, "checkout-primary"):
            image = event.manifest["spec"]["template"]["spec"]["containers"][0]["image"]
            given.add(image.rpartition(":")[2])

    with playing(of, namespace, folder) as it:
        it.patience_s, it.logs = PATIENCE_S, gales.controllers
        of.view.subscribe(note)
        await scenario(it, random.Random(f"{gales.seed} {name}"))
        it.apex.assert_served(it.report())
        assert given <= SCENARIOS[scenario], it.report()
    await of.clear(namespace)


async def test_in_a_gale_each_scenario_ends_as_it_must(
    plane: ControlPlane, tmp_path: Path, gale: int, record_property: Callable[[str, object], None]
) -> None:
    async with world(plane, tmp_path, ()) as of, blowing(of, gale) as gales:
        calm = asyncio.get_running_loop().call_later(FOUL_S, gales.calm)
        try:
            await asyncio.gather(*(play(of, scenario, gales) for scenario in SCENARIOS))
        finally:
            calm.cancel()
            faults = {**gales.counted, "ended": len(gales.controllers) - 1}
            record_property(TALE, tale("scenarios in a gale", faults, ON_A_CONTROL_PLANE))
        for each in gales.controllers:
            assert "Traceback" not in each.said, each.said[-6000:]
    assert gales.counted, f"nothing happened with seed {gale}"
