"""The short form of steps that annotations use: `5,10@5m,pause,50`."""

from __future__ import annotations

from typing import Any

from canary.spec.schema import STEPS_MOST
from canary.spec.units import parse_duration, parse_whole

ALLOWED = 'rising weights from 1 to 100, each with an optional time, and pause, such as "5,10@5m,pause,50"'
LONGEST = 2000


def parse_steps(text: str) -> list[dict[str, Any]]:
    """Return the steps as the Canary's spec has them; `pause` marks the step before it.

    Raises ValueError, with what is allowed, for anything else, also for a pause at the start or twice in a row.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{ALLOWED}, of at most {STEPS_MOST} steps")
    steps: list[dict[str, Any]] = []
    for word in (part.strip() for part in text.split(",")):
        if word == "pause":
            if not steps or steps[-1].get("pause"):
                raise ValueError(f"{ALLOWED}; a pause stands once, after the step that it holds")
            steps[-1]["pause"] = True
            continue
        steps.append(_step(word))
        if len(steps) > 1 and steps[-1]["weight"] <= steps[-2]["weight"]:
            raise ValueError(f"{ALLOWED}; {steps[-1]['weight']} does not rise over {steps[-2]['weight']}")
    if len(steps) > STEPS_MOST:
        raise ValueError(f"{ALLOWED}, of at most {STEPS_MOST} steps")
    return steps


def _step(word: str) -> dict[str, Any]:
    weight, at, duration = word.partition("@")
    try:
        step: dict[str, Any] = {"weight": parse_whole(weight, least=1, most=100), "pause": False}
        if at:
            parse_duration(duration)
            step["duration"] = duration.strip()
    except ValueError as error:
        raise ValueError(ALLOWED) from error
    return step
