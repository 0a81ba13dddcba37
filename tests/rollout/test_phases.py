"""The table of transitions, the diagram that is drawn from it, and the arithmetic of weights."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from canary.rollout import decide
from canary.rollout.diagram import redrawn, render_diagram
from canary.rollout.phases import TRANSITIONS, Phase, allowed
from canary.rollout.weights import capacity, highest_weight, step_at_or_above
from tests.rollout.builders import steps

WAYS: dict[Phase | None, set[Phase]] = {
    None: {Phase.INITIALIZING},
    Phase.INITIALIZING: {Phase.INITIALIZED},
    Phase.INITIALIZED: {Phase.PROGRESSING, Phase.INITIALIZING},
    Phase.PROGRESSING: {Phase.PAUSED, Phase.ROLLING_BACK, Phase.FINALIZING, Phase.PROMOTING},
    Phase.PAUSED: {Phase.PROGRESSING, Phase.ROLLING_BACK, Phase.FINALIZING, Phase.PROMOTING},
    Phase.PROMOTING: {Phase.FINALIZING, Phase.ROLLING_BACK},
    Phase.FINALIZING: {Phase.SUCCEEDED},
    Phase.SUCCEEDED: {Phase.PROGRESSING, Phase.INITIALIZING},
    Phase.ROLLING_BACK: {Phase.FAILED},
    Phase.FAILED: {Phase.PROGRESSING, Phase.SUCCEEDED, Phase.INITIALIZING},
}


def test_each_phase_leads_where_the_design_says() -> None:
    assert {start: {row.end for row in TRANSITIONS if row.start == start} for start in WAYS} == WAYS
    assert {row.start for row in TRANSITIONS} == set(WAYS)


@pytest.mark.parametrize("phase", Phase)
def test_any_phase_may_stay(phase: Phase) -> None:
    assert allowed(phase, phase)


def test_every_way_has_its_reason() -> None:
    assert all(row.when for row in TRANSITIONS)


def test_the_diagram_names_every_way() -> None:
    lines = render_diagram().splitlines()

    assert len(lines) == len({(row.start, row.end) for row in TRANSITIONS})
    assert lines[0].split() == ["-", "-->", "Initializing", "a", "Canary", "appears"]


def test_the_diagram_over_decide_is_up_to_date() -> None:
    source = Path(decide.__file__).read_text(encoding="utf-8")

    assert redrawn(source) == source


def test_a_source_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the line"):
        redrawn("def decide(): ...\n")


@given(replicas=st.integers(1, 500), ready=st.integers(0, 500))
def test_the_highest_weight_is_what_ready_pods_carry_and_no_more(replicas: int, ready: int) -> None:
    weight = highest_weight(replicas, ready)

    assert weight == 0 or capacity(replicas, weight) <= ready
    assert weight == 100 or capacity(replicas, weight + 1) > ready


@pytest.mark.parametrize(
    ("replicas", "weight", "pods"),
    [(4, 5, 1), (4, 25, 1), (4, 26, 2), (4, 100, 4), (1, 1, 1), (0, 50, 1), (100, 1, 1), (3, 34, 2)],
)
def test_capacity_is_the_share_of_the_primary_rounded_up(replicas: int, weight: int, pods: int) -> None:
    assert capacity(replicas, weight) == pods


@pytest.mark.parametrize(("weight", "index"), [(0, 0), (5, 0), (6, 1), (25, 2), (50, 3), (60, 3)])
def test_edited_steps_go_on_at_the_first_not_below(weight: int, index: int) -> None:
    assert step_at_or_above(steps(5, 10, 25, 50), weight) == index
