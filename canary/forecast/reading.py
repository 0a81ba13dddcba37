"""What the checks of a plan read of what serves now, and which limits would suit that.

Asked with the adapter's own PromQL over a long window. Proposals are arithmetic on what was read, never applied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from canary.controller.grouping import Counted, Grouper, Growth
from canary.controller.measure import Measurement, Subject, answer, pods_of, quantile_of
from canary.errors import CanaryError, ConfigError
from canary.ports import Metrics
from canary.rollout.model import Answer, Builtin, Check, Counts, Limit, NoAnswer, Plan, Question, Side, Value
from meshes.contract import AppProtocol, Mesh, RouteError, Workload

MOST_RATE = 99.9
LEAST_BAD = 0.001
MARGIN = 2.0
"""A limit allows so many times the share that is bad now, so that an ordinary day is no failure."""
LATENCIES = (Builtin.LATENCY_P50, Builtin.LATENCY_P95, Builtin.LATENCY_P99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """The apex's port as far as files tell."""

    number: int
    name: str
    pod_port: int | None
    protocol: AppProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one check reads now. `value` and `limit` are in the check's unit (percent, seconds, its own).

    `passes` is None when nothing can be said; `because` then says why. `proposed` is a limit that suits, None for none.
    `configured`: the plan has this check; else it is one that it could have. `builtin` is None for a query.
    """

    name: str
    value: float | None
    limit: float | None
    passes: bool | None
    proposed: float | None
    configured: bool
    builtin: Builtin | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is read of one Deployment: its requests a second, None without any, and its checks."""

    deployment: str
    per_second: float | None
    checks: tuple[Reading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom to ask about what: the mesh's adapter, Prometheus, the port, the window that ends at `now`."""

    mesh: Mesh
    metrics: Metrics
    port: Port
    now: datetime
    window: timedelta


async def readings(plan: Plan, asked: Asked) -> Readings:
    """Return what is read of the primary, or of the Deployment itself where no primary has requests.

    Raises ConfigError where the mesh's metrics depend on a live route, which files do not have.
    """
    try:
        return await _either(plan, asked)
    except RouteError as error:
        raise ConfigError(f"{error}; name the mesh itself with canary.delivery/mesh to have limits proposed") from error


async def _either(plan: Plan, asked: Asked) -> Readings:
    found = await _of(plan, asked, f"{plan.target}-primary")
    return found if found.per_second else await _of(plan, asked, plan.target)


async def _of(plan: Plan, asked: Asked, deployment: str) -> Readings:
    measurement = _measurement(plan, asked, deployment)
    start = asked.now - asked.window
    questions = [Question(check=check.name, side=Side.PRIMARY, start=start, end=asked.now) for check in plan.checks]
    answers = {question.check: found for question, found in (await answer(questions, measurement)).items()}
    buckets, total = await _buckets(measurement, asked), await _total(measurement, asked)
    read = [_reading(check, answers[check.name], buckets) for check in plan.checks]
    had = {check.builtin for check in plan.checks}
    read += [_offered(builtin, buckets) for builtin in LATENCIES if builtin not in had]
    rate = total / asked.window.total_seconds() if total else None
    return Readings(deployment=deployment, per_second=rate, checks=tuple(read))


def _measurement(plan: Plan, asked: Asked, deployment: str) -> Measurement:
    workload = Workload(
        namespace=plan.namespace,
        deployment=deployment,
        service=plan.service.name,
        pods=pods_of(deployment, ""),
        port=asked.port.number,
        protocol=asked.port.protocol,
        port_name=asked.port.name,
        pod_port=asked.port.pod_port,
    )
    subject = Subject(workload=workload, revision="")
    return Measurement(
        plan=plan,
        mesh=asked.mesh,
        metrics=asked.metrics,
        grouper=Grouper(asked.metrics),
        subjects={Side.PRIMARY: subject, Side.CANARY: subject},
    )


async def _grown(measurement: Measurement, asked: Asked, counted: Counted) -> Sequence[tuple[Mapping[str, str], float]]:
    workload = measurement.subjects[Side.PRIMARY].workload
    growth = Growth(mesh=asked.mesh, workload=workload, counted=counted, start=asked.now - asked.window, end=asked.now)
    return [(one.labels, one.value) for one in await measurement.grouper.growth(growth)]


async def _total(measurement: Measurement, asked: Asked) -> float | None:
    try:
        found = await _grown(measurement, asked, Counted.TOTAL)
    except RouteError:  # by which metrics requests are counted is not known; each check says so
        return None
    return found[0][1] if found and math.isfinite(found[0][1]) else None


async def _buckets(measurement: Measurement, asked: Asked) -> Sequence[tuple[float, float]]:
    """Return the cumulative buckets, edges in seconds, rising; empty where there are none that can be read."""
    try:
        unit = asked.mesh.latency(measurement.subjects[Side.PRIMARY].workload).unit_ms / 1000
        found = [
            (float(labels["le"]) * unit, count) for labels, count in await _grown(measurement, asked, Counted.BUCKETS)
        ]
    except (CanaryError, RouteError, KeyError, ValueError):
        return ()
    return sorted(found) if all(math.isfinite(count) for _, count in found) else ()


def _reading(check: Check, found: Answer, buckets: Sequence[tuple[float, float]]) -> Reading:
    match found:
        case NoAnswer():
            return _nothing(check, found.because)
        case Value(value=float() | int() as value):
            passes = value <= check.limit if check.side is Limit.MAX else value >= check.limit
            return _read(check, value, passes=passes, proposed=None)
        case Counts(total=float() | int() as total) if total > 0:
            share = found.bad / total
            passes = share <= check.allowed_bad_share + 1e-12
            if check.builtin is Builtin.SUCCESS_RATE:
                return _read(check, 100 * (1 - share), passes=passes, proposed=success_limit(share))
            return _read(check, found.quantile, passes=passes, proposed=latency_limit(_quantile(check), buckets))
        case _:
            return _nothing(check, "no data")


def _read(check: Check, value: float | None, *, passes: bool, proposed: float | None) -> Reading:
    return Reading(
        name=check.name,
        value=value,
        limit=check.limit,
        passes=passes,
        proposed=proposed,
        configured=True,
        builtin=check.builtin,
    )


def _nothing(check: Check, because: str) -> Reading:
    return Reading(
        name=check.name,
        value=None,
        limit=check.limit,
        passes=None,
        proposed=None,
        configured=True,
        builtin=check.builtin,
        because=because,
    )


def _offered(builtin: Builtin, buckets: Sequence[tuple[float, float]]) -> Reading:
    """Return what a latency check would read that the plan does not have."""
    quantile = builtin.quantile or 0.0
    value = quantile_of(buckets, quantile) if buckets else None
    return Reading(
        name=builtin.value,
        value=value,
        limit=None,
        passes=None,
        proposed=latency_limit(quantile, buckets),
        configured=False,
        builtin=builtin,
        because="" if buckets else "no data",
    )


def _quantile(check: Check) -> float:
    return (check.builtin.quantile if check.builtin else None) or 0.0


def success_limit(share: float) -> float:
    """Return a success rate in percent that allows `MARGIN` times the bad share (0..1) of now, to a tenth downwards."""
    allowed = max(LEAST_BAD, MARGIN * share)
    return max(0.0, min(MOST_RATE, math.floor(1000 * (1 - allowed) + 1e-9) / 10))


def latency_limit(quantile: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """Return the least edge in seconds over which at most 1/`MARGIN` of the allowed share lies; None when none is."""
    total = buckets[-1][1] if buckets else 0.0
    for edge, count in buckets:
        if total > 0 and math.isfinite(edge) and total - count <= total * (1 - quantile) / MARGIN:
            return edge
    return None
