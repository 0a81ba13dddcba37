"""The steps as an annotation has them, `5,10@5m,pause,50`, as the list that the Canary's spec has."""

from __future__ import annotations

import re
from typing import Any

from canary.spec.units import parse_duration

ALLOWED = 'rising weights from 1 to 100, each with an optional time, and pause, such as "5,10@5m,pause,50"'
PAUSE = "pause"
_STEP = re.compile(r"(?P<weight>[0-9]{1,3})\s*%?\s*(?:@\s*(?P<duration>\S+))?", re.ASCII)


def parse_steps(text: str) -> list[dict[str, Any]]:
    """Return the steps of a Canary's spec. `pause` marks the step before it; weights rise from 1 to at most 100.

    Raises ValueError, with what is allowed, for anything else.
    """
    steps: list[dict[str, Any]] = []
    for part in text.split(","):
        word = part.strip()
        if word == PAUSE:
            _mark_pause(steps)
        else:
            step = _step(word)
            if steps and step["weight"] <= steps[-1]["weight"]:
                raise ValueError(f"weights that rise: {step['weight']} comes after {steps[-1]['weight']}")
            steps.append(step)
    return steps


def _mark_pause(steps: list[dict[str, Any]]) -> None:
    if not steps:
        raise ValueError("a weight before the first pause: pause holds at the step before it")
    if steps[-1].get("pause"):
        raise ValueError("one pause after a step, not two")
    steps[-1]["pause"] = True


def _step(word: str) -> dict[str, Any]:
    match = _STEP.fullmatch(word)
    if match is None or not 1 <= int(match["weight"]) <= 100:
        raise ValueError(ALLOWED)
    if match["duration"] is None:
        return {"weight": int(match["weight"])}
    try:
        parse_duration(match["duration"])
    except ValueError as error:
        raise ValueError(f"after @ {error}") from error
    return {"weight": int(match["weight"]), "duration": match["duration"]}
