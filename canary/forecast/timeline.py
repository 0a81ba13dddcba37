"""The timeline of a rollout that goes well, and how soon one that goes badly ends; read off simulated rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from canary.forecast.simulation import Assumed, Moment, NotPromoted, simulated
from canary.rollout.model import Plan, Step
from canary.rollout.phases import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForecast:
    """One step, each time counted from the push; None for what does not happen in it.

    `begins`: the weight is set; `effective`: it counts; `may_abort`: the fast rule looks first; `may_fail`: the first
    evaluation; `ends`: the next step or the promotion begins. `held`: it then waits for `resume` (0 in these times).
    """

    number: int
    weight: int
    pods: int
    begins: timedelta
    effective: timedelta | None
    may_abort: timedelta | None
    may_fail: timedelta | None
    ends: timedelta
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A rollout at its quickest. Times count from the push.

    `promoting`: the primary takes over; `serving`: all traffic is at the primary with the new version; `over`: the
    candidate is gone. `caught` is when a version that fails every check from its first request is at weight 0 again,
    None where nothing would notice; `caught_after` the same from its first weight.
    """

    assumed: Assumed
    steps: tuple[StepForecast, ...]
    promoting: timedelta
    serving: timedelta
    over: timedelta
    caught: timedelta | None
    caught_after: timedelta | None


def timeline(plan: Plan, assumed: Assumed) -> Timeline:
    """Return the timeline of a plan. Raises NotPromoted when a good version would not be promoted."""
    moments = simulated(plan, replace(assumed, good=True))
    if moments[-1].status.phase is not Phase.SUCCEEDED:
        raise NotPromoted(moments[-1].status.message)
    promoting = _first(moments, Phase.PROMOTING)
    bad = simulated(plan, replace(assumed, good=False))
    first = next((moment.after for moment in bad if moment.status.weight > 0), None)
    caught = next((moment.after for moment in bad if moment.status.phase is Phase.ROLLING_BACK), None)
    return Timeline(
        assumed=assumed,
        steps=_steps(plan, moments, promoting),
        promoting=promoting,
        serving=_first(moments, Phase.FINALIZING),
        over=moments[-1].after,
        caught=caught,
        caught_after=None if caught is None or first is None else caught - first,
    )


def _first(moments: Sequence[Moment], phase: Phase) -> timedelta:
    return next(moment.after for moment in moments if moment.status.phase is phase)


def _steps(plan: Plan, moments: Sequence[Moment], promoting: timedelta) -> tuple[StepForecast, ...]:
    if plan.skip_analysis:
        return ()
    found = []
    begins = [_begin(moments, number) for number in range(len(plan.steps))]
    for number, step in enumerate(plan.steps):
        ends = begins[number + 1] if number + 1 < len(begins) else promoting
        within = [one for one in moments if one.before.step == number and one.before.weight == step.weight]
        found.append(_step(number, step, begins[number], ends, within))
    return tuple(found)


def _begin(moments: Sequence[Moment], number: int) -> timedelta:
    weighty = (moment for moment in moments if moment.status.step == number and moment.status.weight > 0)
    return next(moment.after for moment in weighty if moment.status.weight == moment.status.memory.step_weight)


def _step(number: int, step: Step, begins: timedelta, ends: timedelta, within: Sequence[Moment]) -> StepForecast:
    return StepForecast(
        number=number + 1,
        weight=step.weight,
        pods=max(moment.before.memory.candidate for moment in within),
        begins=begins,
        effective=next((one.after for one in within if one.status.memory.effective_at is not None), None),
        may_abort=next((one.after for one in within if one.fast), None),
        may_fail=next((one.after for one in within if one.whole), None),
        ends=ends,
        held=step.pause,
    )


def as_json(line: Timeline) -> dict[str, Any]:
    """Return a timeline as JSON, times in seconds from the push; docs/commands.md names the fields."""
    return {
        "primaryPods": line.assumed.primary,
        "podReadySeconds": _seconds(line.assumed.ready_after),
        "steps": [
            {
                "step": step.number,
                "weight": step.weight,
                "pods": step.pods,
                "begins": _seconds(step.begins),
                "effective": _seconds(step.effective),
                "mayAbort": _seconds(step.may_abort),
                "mayFail": _seconds(step.may_fail),
                "ends": _seconds(step.ends),
                "pause": step.held,
            }
            for step in line.steps
        ],
        "promoting": _seconds(line.promoting),
        "serving": _seconds(line.serving),
        "over": _seconds(line.over),
        "badVersionAtZero": _seconds(line.caught),
        "badVersionAtZeroAfterFirstWeight": _seconds(line.caught_after),
    }


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()
