"""The health checks for Argo CD and Flux on the page say of a Canary in each state what the page says."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import pytest

from canary.ports import CANARY, Change, Watched
from canary.rollout.phases import Phase
from tests.builders import ref
from tests.docs.health import argo, flux
from tests.scenarios.conftest import pytest_pyfunc_call, stage
from tests.scenarios.stage import Stage

__all__ = ["pytest_pyfunc_call", "stage"]

READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": "The spec is valid"}
ONBOARDING = {"type": "Ready", "status": "False", "reason": "Initializing", "message": "no pod is ready yet"}
INVALID = {"type": "Ready", "status": "False", "reason": "InvalidSpec", "message": "weight 200 is over 100"}
LATE = {"type": "Ready", "status": "False", "reason": "PrimaryNotReady", "message": "late"}


def canary_in(phase: Phase | None, *conditions: Mapping[str, str], observed: int = 2) -> dict[str, Any]:
    """Return a Canary of generation 2 in a phase."""
    status = {"observedGeneration": observed, "message": "because", "conditions": [*conditions]}
    if phase is not None:
        status["phase"] = phase.value
    return {"metadata": {"name": "checkout", "generation": 2}, "spec": {}, "status": status}


HEALTH: Mapping[Phase | None, tuple[str, str]] = {
    None: ("Progressing", "InProgress"),
    Phase.INITIALIZING: ("Progressing", "InProgress"),
    Phase.INITIALIZED: ("Healthy", "Current"),
    Phase.PROGRESSING: ("Progressing", "InProgress"),
    Phase.PAUSED: ("Suspended", "InProgress"),
    Phase.PROMOTING: ("Progressing", "InProgress"),
    Phase.FINALIZING: ("Progressing", "InProgress"),
    Phase.SUCCEEDED: ("Healthy", "Current"),
    Phase.ROLLING_BACK: ("Progressing", "InProgress"),
    Phase.FAILED: ("Degraded", "Failed"),
}
"""What Argo CD and Flux are to say in each phase."""


@pytest.mark.parametrize("phase", [None, *Phase])
def test_each_phase_has_the_health_that_the_page_tells(phase: Phase | None) -> None:
    there = canary_in(phase, ONBOARDING if phase in (None, Phase.INITIALIZING) else READY)
    health, message = argo(there)
    assert (health, flux(there)) == HEALTH[phase]
    assert message == "because"


@pytest.mark.parametrize("phase", [Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED])
def test_what_is_said_of_an_older_generation_counts_for_nothing(phase: Phase) -> None:
    before = canary_in(phase, READY, observed=1)
    assert (argo(before), flux(before)) == (("Progressing", "not looked at yet"), "InProgress")


@pytest.mark.parametrize("phase", [None, *Phase])
def test_an_invalid_spec_is_degraded_and_failed_in_every_phase(phase: Phase | None) -> None:
    invalid = canary_in(phase, INVALID)
    assert (argo(invalid), flux(invalid)) == (("Degraded", "weight 200 is over 100"), "Failed")


def test_a_canary_that_is_late_to_come_up_is_degraded_and_flux_waits_for_it() -> None:
    late = canary_in(Phase.INITIALIZING, LATE)
    assert (argo(late), flux(late)) == (("Degraded", "late"), "InProgress")


def test_a_canary_without_a_status_is_neither_healthy_nor_failed() -> None:
    bare = {"metadata": {"name": "checkout", "generation": 1}, "spec": {}}
    assert (argo(bare), flux(bare)) == (("Progressing", "not looked at yet"), "Unknown")
    empty = {**bare, "status": {}}
    assert (argo(empty), flux(empty)) == (("Progressing", "not looked at yet"), "InProgress")


class Seen:
    """What both tools say of each status that a controller really writes, without repeats in a row."""

    def __init__(self, stage: Stage) -> None:
        self._said: list[tuple[str, str]] = []
        stage.cluster.store.listen(self._note)

    def _note(self, event: Watched) -> None:
        if event.ref == ref(CANARY) and event.change is not Change.DELETED:
            self._said.append((argo(event.manifest)[0], flux(event.manifest)))

    def said(self) -> list[tuple[str, str]]:
        found, self._said = [each for each, _ in groupby(self._said)], self._said[-1:]
        return found


@pytest.fixture
async def seen(stage: Stage) -> Seen:
    return Seen(stage)


@pytest.mark.looptime
async def test_a_life_of_a_canary_is_shown_by_both_as_it_was(stage: Stage, seen: Seen) -> None:
    await stage.onboarded()
    healthy, under_way = ("Healthy", "Current"), ("Progressing", "InProgress")
    assert seen.said() == [("Progressing", "Unknown"), under_way, healthy]
    stage.push("2.0")
    await stage.until_weight(20)
    stage.command("pause")
    await stage.until_phase(Phase.PAUSED)
    stage.command("resume")
    await stage.until_serving("2.0")
    assert seen.said() == [healthy, under_way, ("Suspended", "InProgress"), under_way, healthy]
    stage.canary_traffic(bad=1.0)
    stage.push("3.0")
    await stage.until_phase(Phase.FAILED)
    assert seen.said() == [healthy, under_way, ("Degraded", "Failed")]


@pytest.mark.looptime
async def test_a_spec_that_turns_invalid_is_shown_as_such_and_healthy_again_once_it_is_mended(
    stage: Stage, seen: Seen
) -> None:
    await stage.onboarded()
    seen.said()
    stage.edit_spec(analysis={"steps": [{"weight": 200}]})
    await stage.rest(5)
    stage.edit_spec(analysis={"steps": [{"weight": 20}]})
    await stage.rest(5)
    healthy, looked_at = ("Healthy", "Current"), ("Progressing", "InProgress")
    assert seen.said() == [healthy, looked_at, ("Degraded", "Failed"), looked_at, healthy]
