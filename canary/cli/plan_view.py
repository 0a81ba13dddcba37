"""How a forecast looks: lines for people, JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from canary.cli.values import shown
from canary.forecast.reading import Reading, Readings
from canary.forecast.timeline import Timeline
from canary.rollout.model import Plan
from canary.rollout.windows import LEAST_SCRAPES
from canary.spec.units import format_duration

HEADS = ("STEP", "WEIGHT", "PODS", "BEGINS", "COUNTS FROM", "MAY ABORT", "MAY FAIL", "ENDS")
READING_HEADS = ("CHECK", "NOW", "LIMIT", "", "WOULD SUIT")


def lines(plan: Plan, line: Timeline, readings: Readings | None, notes: Sequence[str]) -> Iterator[str]:
    """Yield what there is to say of one canary; times count from the push."""
    start = format_duration(line.assumed.ready_after)
    where = f"{plan.namespace}/{plan.name}" if plan.namespace else plan.name
    yield f"{where}: mesh {plan.mesh}, {line.assumed.primary} pods serve, pods are ready after {start}"
    yield from (f"note: {note}" for note in notes)
    if line.steps:
        rows = [
            (
                str(step.number),
                f"{step.weight} %",
                str(step.pods),
                *map(_moment, (step.begins, step.effective, step.may_abort, step.may_fail, step.ends)),
            )
            for step in line.steps
        ]
        yield from _table(HEADS, rows)
    else:
        yield "no analysis: promoted as soon as its pods are ready"
    for step in line.steps:
        if step.held:
            yield f"step {step.number} then holds until `canary resume {plan.name}`, which no time here counts"
    took = f"the primary takes over from {_moment(line.promoting)}, serves all from {_moment(line.serving)}"
    yield f"{took}; least duration {format_duration(line.over)}"
    yield _caught(line)
    if readings is not None:
        yield from _readings(plan, line, readings)


def _caught(line: Timeline) -> str:
    if line.caught is None or line.caught_after is None:
        return "a version that answers badly is not noticed: no check looks at it"
    after = format_duration(line.caught_after)
    return f"a version that fails from its first request is back at weight 0 {after} after it"


def _moment(value: timedelta | None) -> str:
    return "-" if value is None else f"+{format_duration(value)}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    for row in (heads, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _readings(plan: Plan, line: Timeline, found: Readings) -> Iterator[str]:
    yield ""
    if found.per_second is None:
        yield f"{found.deployment} has no requests that Prometheus knows of: limits cannot be proposed"
        return
    yield f"{found.deployment} answers {found.per_second:.3g} requests a second"
    yield from _table(READING_HEADS, [_row(one) for one in found.checks])
    yield _evidence(plan, found.per_second)


def _row(one: Reading) -> tuple[str, str, str, str, str]:
    told = one.because or ("" if one.passes is None else "passes" if one.passes else "would fail")
    value, limit, proposed = (shown(one.builtin, number) for number in (one.value, one.limit, one.proposed))
    return one.name, value, limit, told, proposed


def _evidence(plan: Plan, per_second: float) -> str:
    got = expected(plan, per_second)
    weight = plan.steps[0].weight if plan.steps else 100
    text = f"at {weight} % the candidate gets about {got:.3g} requests in a window, {plan.min_requests} are needed"
    return text if got >= plan.min_requests else f"{text}: begin higher, or lengthen the interval"


def expected(plan: Plan, per_second: float) -> float:
    """Return how many requests the candidate gets at its first step in one window."""
    weight = plan.steps[0].weight if plan.steps else 100
    window = max(plan.interval, LEAST_SCRAPES * plan.timing.scrape)
    return per_second * weight / 100 * window.total_seconds()


def readings_json(plan: Plan, found: Readings) -> dict[str, Any]:
    """Return readings as JSON; success rates in percent, latencies in seconds."""
    return {
        "deployment": found.deployment,
        "requestsPerSecond": found.per_second,
        "requestsInFirstWindow": None if found.per_second is None else expected(plan, found.per_second),
        "checks": [
            {
                "name": one.name,
                "value": one.value,
                "limit": one.limit,
                "passes": one.passes,
                "proposed": one.proposed,
                "configured": one.configured,
                "because": one.because,
            }
            for one in found.checks
        ],
    }
