"""On a real control plane, with foul weather between `canary run` and all that it talks to, each scenario ends as it
must. They are played side by side under one controller. Minutes for each seed, so only `make test-faults` does it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from canary.ports import CANARY, DEPLOYMENT, Watched
from canary.rollout.phases import Phase
from tests.api.control_plane import ControlPlane
from tests.api.endings import gave_back
from tests.api.harness import Harness, fresh_name, hold_as_before, playing
from tests.api.world import World, namespace_made, world
from tests.faults import threads
from tests.faults.gales import DRAIN, OUTAGES, Gales, blowing
from tests.faults.planted import Planted, told_by
from tests.faults.table import ON_A_CONTROL_PLANE, TALE, tale
from tests.faults.tape import Tape

pytestmark = pytest.mark.xdist_group("api-gales")

PATIENCE_S = 250.0
FOUL_S = 75.0
"""How long the weather is foul at most."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A namespace, the dice of its scenario, and what may not be seen."""

    it: Harness
    dice: random.Random
    planted: Planted


Scenario = Callable[[Cast], Awaitable[None]]


async def promotion(of: Cast) -> None:
    await of.it.there()
    await of.it.push("2.0")
    await of.it.until(lambda: _serves(of.it, "2.0", Phase.SUCCEEDED))
    assert set(of.it.weights) == {0, 50}


async def rollback(of: Cast) -> None:
    it = of.it
    await it.there(max_failures="1")
    it.metrics.set("checkout", bad=of.dice.choice((0.04, 0.3, 1.0)))
    await it.push("2.0", max_failures="1")
    await it.until(lambda: _serves(it, "1.0", Phase.FAILED))
    assert set(it.weights) == {0, 50}
    await hold_as_before(it)


async def rollback_with_secrets(of: Cast) -> None:
    it, planted = of.it, of.planted
    await planted.in_namespace(it)
    await it.there(max_failures="1")
    it.metrics.set("checkout", bad=0.3)
    await it.people.apply(planted.pushed(it, "2.0", max_failures="1"))
    await it.until(lambda: _serves(it, "1.0", Phase.FAILED))
    assert set(it.weights) == {0, 50}


async def push_in_mid_rollout(of: Cast) -> None:
    it = of.it
    await it.there(steps="20,50")
    await it.push("2.0", steps="20,50")
    await asyncio.sleep(of.dice.uniform(0, 30))
    await it.push("3.0", steps="20,50")
    await it.until(lambda: _serves(it, "3.0", Phase.SUCCEEDED))
    assert set(it.weights) == {0, 20, 50}


async def leaving(of: Cast) -> None:
    it = of.it
    await it.there()
    if of.dice.random() < 0.5:
        await it.push("2.0")
        await it.until(lambda: _serves(it, "2.0", Phase.SUCCEEDED))
    tag = it.serving()[0]
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await gave_back(it, tag)


SCENARIOS: dict[Scenario, frozenset[str]] = {
    promotion: frozenset({"1.0", "2.0"}),
    rollback: frozenset({"1.0"}),
    rollback_with_secrets: frozenset({"1.0"}),
    push_in_mid_rollout: frozenset({"1.0", "2.0", "3.0"}),
    leaving: frozenset({"1.0", "2.0"}),
}
"""Each scenario with the versions that the primary may be given in it."""


def _serves(it: Harness, tag: str, phase: Phase) -> bool:
    return it.status.phase is phase and it.serving() == (tag, 3) and it.size() == 0 and it.weight == 0


class Notes:
    """What a scenario must have kept to in the end, taken down as the API server tells it."""

    def __init__(self, of: World, it: Harness) -> None:
        self.given: set[str] = set()
        self._it, self._tape = it, Tape(it.namespace, of.http.clock)
        self._uid, self._numbered = "", 0
        of.view.subscribe(self._note)

    def _note(self, event: Watched) -> None:
        self._tape.note(event)
        if event.ref == self._it.ref(DEPLOYMENT, "checkout-primary"):
            image = event.manifest["spec"]["template"]["spec"]["containers"][0]["image"]
            self.given.add(image.rpartition(":")[2])
        if event.ref == self._it.ref(CANARY):
            self._uid = event.manifest["metadata"]["uid"]
            self._numbered = max(self._numbered, self._it.status.telling.last)

    async def compare(self, gales: Gales, allowed: frozenset[str]) -> None:
        """Fail for what may not be: another version, a broken invariant, a gap in Slack, a secret in the open."""
        it = self._it
        it.apex.assert_served(it.report())
        assert self.given, "nothing was told"
        assert self.given <= allowed, it.report()
        if it.live(CANARY) is not None:  # else what was not told yet went with it
            await it.until(lambda: self._numbered and not it.status.telling.letters)
            assert threads.faults(gales.slack.messages, self._uid, self._numbered) == [], it.report()
        assert gales.planted.shown_in(told_by(it)) == []
        assert self._tape.breaches(DRAIN - SLACK) == [], it.report()


SLACK = DRAIN / 3
"""How much later than it happened one may hear that the weight is 0."""


async def play(of: World, scenario: Scenario, gales: Gales) -> None:
    """Play one scenario in a namespace of its own; hold it to what must hold throughout."""
    name = scenario.__name__.replace("_", "-")
    namespace, folder = f"{name}-{fresh_name().removeprefix('t-')}", of.folder / name
    folder.mkdir()
    await namespace_made(of.http, of.people, namespace)
    with playing(of, namespace, folder) as it:
        it.patience_s, it.logs = PATIENCE_S, gales.controllers
        notes = Notes(of, it)
        await scenario(Cast(it, random.Random(f"{gales.seed} {name}"), gales.planted))
        await notes.compare(gales, SCENARIOS[scenario])
    await of.clear(namespace)


def assert_nothing_is_shown(gales: Gales) -> None:
    """Fail when a secret stands in what a controller wrote, answers, or told Slack, or an error was not foreseen."""
    last = gales.controllers[-1]
    places = {each.name: each.said for each in gales.controllers}
    places |= {"Slack": repr(gales.slack.messages), "metrics": last.page("/metrics")}
    assert [where for where, text in places.items() if not text] == []
    assert '"level": "debug"' in last.said
    assert gales.planted.shown_in(places) == []
    for each in gales.controllers:
        assert "Traceback" not in each.said, each.said[-6000:]


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
        assert_nothing_is_shown(gales)
    assert [squall for squall, _ in OUTAGES.values() if not gales.counted[squall]] == []
