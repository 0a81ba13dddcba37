"""What is stored of a status is bounded, is JSON, and is shown as Kubernetes shows such things."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from canary.errors import ConfigError
from canary.rollout.model import (
    CheckResult,
    CommandName,
    Condition,
    LastCommand,
    Memory,
    Outcome,
    Past,
    Result,
    Revision,
    Stage,
    Status,
    Truth,
)
from canary.rollout.phases import Phase
from canary.spec.status import LONGEST_MESSAGE, VERSION, NewerStatus, status_from_json, status_to_json

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHOWN = "2026-01-02T03:04:05Z"
LONG = "x" * (LONGEST_MESSAGE + 1)
CUT = LONG[:-1]
CHECK = CheckResult(
    name="success-rate", value=97.1234567, limit=99.0, requests=120, verdict=Result.FAILED, at=NOW, because="too few"
)
PAST = Past(
    revision="abc",
    image="shop/checkout:v1",
    outcome=Outcome.ROLLED_BACK,
    message="97 %",
    started_at=NOW,
    ended_at=NOW,
    highest_weight=10,
)
CONDITION = Condition(type="Ready", status=Truth.TRUE, reason="InPlace", message="all is in place", since=NOW)
STATUS = Status(
    phase=Phase.PROGRESSING,
    weight=10,
    observed_weight=5,
    step=1,
    revision=Revision(digest="d1", config="c1", pin="p1", image="shop/checkout:v2"),
    stable=Revision(digest="d0", image="shop/checkout:v1"),
    target_generation=7,
    failed_checks=1,
    checks=(CHECK,),
    message="waits for the evaluation",
    started_at=NOW,
    last_transition_at=NOW,
    highest_weight=10,
    observed_generation=3,
    last_command=LastCommand(name=CommandName.RESUME, revision="p1-c1", at=NOW, by="kubectl"),
    history=(PAST,),
    conditions=(CONDITION,),
    memory=Memory(stage=Stage.STEPPING, epoch="e1"),
)


NAMED = {
    "phase": "Progressing",
    "weight": 10,
    "observedWeight": 5,
    "step": 1,
    "revision": "p1-c1",
    "stableRevision": "d0",
    "targetGeneration": 7,
    "failedChecks": 1,
    "checks": [
        {
            "name": "success-rate",
            "value": 97.123457,
            "limit": 99.0,
            "requests": 120,
            "verdict": "failed",
            "message": "too few",
            "at": SHOWN,
        }
    ],
    "message": "waits for the evaluation",
    "startedAt": SHOWN,
    "lastTransitionTime": SHOWN,
    "observedGeneration": 3,
    "lastCommand": {"name": "resume", "revision": "p1-c1", "at": SHOWN, "by": "kubectl"},
    "history": [
        {
            "revision": "abc",
            "image": "shop/checkout:v1",
            "outcome": "rolled_back",
            "message": "97 %",
            "startedAt": SHOWN,
            "endedAt": SHOWN,
            "highestWeight": 10,
        }
    ],
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "InPlace",
            "message": "all is in place",
            "lastTransitionTime": SHOWN,
        }
    ],
    "version": VERSION,
}
"""What people see of STATUS."""


def test_people_see_the_fields_of_the_contract() -> None:
    assert {key: value for key, value in status_to_json(STATUS).items() if key != "memory"} == NAMED


def test_messages_are_cut() -> None:
    status = replace(
        STATUS,
        message=LONG,
        checks=(replace(CHECK, because=LONG),),
        history=(replace(PAST, message=LONG),),
        conditions=(replace(CONDITION, message=LONG),),
        memory=replace(STATUS.memory, why=LONG),
    )
    assert status_from_json(status_to_json(status)) == replace(
        STATUS,
        message=CUT,
        checks=(replace(CHECK, because=CUT),),
        history=(replace(PAST, message=CUT),),
        conditions=(replace(CONDITION, message=CUT),),
        memory=replace(STATUS.memory, why=CUT),
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_has_no_number_for_is_left_out(value: float) -> None:
    stored = status_to_json(replace(STATUS, checks=(replace(CHECK, value=value),)))
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    assert status_from_json(stored) == replace(STATUS, checks=(replace(CHECK, value=None),))


def test_an_edited_shown_field_misleads_nobody() -> None:
    stored = {**status_to_json(STATUS), "phase": "Succeeded", "weight": 100, "step": 9, "revision": "other"}
    assert status_from_json(stored) == STATUS


@pytest.mark.parametrize("broken", [[1], "x", {"phase": "Failed", "version": "new", "memory": {"step": "x"}}])
def test_what_is_no_status_is_not_guessed_at(broken: object) -> None:
    with pytest.raises(
        ConfigError, match=r"the status cannot be read: .*; the split is held until it can be"
    ) as caught:
        status_from_json(broken)  # type: ignore[arg-type]
    assert not isinstance(caught.value, NewerStatus)


def test_a_newer_status_is_known_by_its_version_alone() -> None:
    with pytest.raises(NewerStatus, match="the split is held until a newer one leads"):
        status_from_json({"version": VERSION + 1, "memory": {"of": "another form"}})
