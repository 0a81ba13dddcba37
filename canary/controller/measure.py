"""Asks Prometheus what the rules want to know: questions become PromQL, series become answers.

Whatever is not one usable number is a NoAnswer with the words; what follows from it is decided by the rules.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from canary.controller.grouping import Counted, Grouper, Growth
from canary.errors import CanaryError
from canary.ports import Metrics, Series
from canary.rollout.model import Answer, Builtin, Check, Counts, NoAnswer, Plan, Question, Side, Value
from canary.rollout.wording import fitted
from canary.spec.queries import fill
from canary.spec.units import format_duration
from meshes.contract import Mesh, RouteError, Workload

AT_ONCE = 16
"""How many queries of one canary's own are under way at once."""

LONGEST_BECAUSE = 700

HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Of pod-template-hash and of the ends of pods' names: k8s.io/apimachinery/pkg/util/rand."""
LONGEST_HASH = 10
LONGEST_BASE = 58


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose requests are asked about: the workload, and its revision as shown."""

    workload: Workload
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What is needed to ask about one canary. `subjects` has both sides; `grouper` asks the built-in checks."""

    plan: Plan
    mesh: Mesh
    metrics: Metrics
    grouper: Grouper
    subjects: Mapping[Side, Subject]


async def answer(asked: Sequence[Question], measurement: Measurement) -> Mapping[Question, Answer]:
    """Return the answer to each question. Never raises for what Prometheus says or does not say."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(question: Question) -> Answer:
        check = next(check for check in measurement.plan.checks if check.name == question.check)
        try:
            if check.builtin is not None:
                return await _builtin(check, question, measurement)
            async with room:
                return await _custom(check, question, measurement)
        except (CanaryError, RouteError) as error:
            return NoAnswer(because=str(error))

    answers = await asyncio.gather(*(one(question) for question in asked))
    return dict(zip(asked, map(_bounded, answers), strict=True))


def _bounded(answer: Answer) -> Answer:
    """Cut what Prometheus made us say: its labels are as long as somebody made them."""
    return NoAnswer(because=fitted(answer.because, LONGEST_BECAUSE)) if isinstance(answer, NoAnswer) else answer


async def _builtin(check: Check, question: Question, of: Measurement) -> Answer:
    if check.builtin is Builtin.SUCCESS_RATE:
        return await _requests(question, of)
    return await _latency(check, question, of)


async def _growth(counted: Counted, question: Question, of: Measurement) -> Sequence[Series]:
    workload = of.subjects[question.side].workload
    return await of.grouper.growth(
        Growth(mesh=of.mesh, workload=workload, counted=counted, start=question.start, end=question.end)
    )


async def _requests(question: Question, of: Measurement) -> Answer:
    total, bad = await asyncio.gather(*(_growth(counted, question, of) for counted in (Counted.TOTAL, Counted.BAD)))
    for series in (total, bad):
        if len(series) > 1 or any(not math.isfinite(one.value) for one in series):
            return NoAnswer(because=f"Prometheus answered {_shown(series)} where one number was asked for")
    return Counts(total=total[0].value if total else None, bad=bad[0].value if bad else 0.0)


async def _latency(check: Check, question: Question, of: Measurement) -> Answer:
    series = await _growth(Counted.BUCKETS, question, of)
    if not series:
        return Counts(total=None, bad=0.0)
    try:
        buckets = sorted((float(one.labels["le"]), one.value) for one in series)
    except (KeyError, ValueError):
        return NoAnswer(because=f"a histogram without readable buckets: {_shown(series)}")
    odd = any(math.isnan(edge) or not math.isfinite(count) for edge, count in buckets)
    if odd or buckets[-1][0] != math.inf:
        return NoAnswer(because=f"a histogram that is not whole: {_shown(series)}")
    unit_ms = of.mesh.latency(of.subjects[question.side].workload).unit_ms
    return _judged(check, buckets, unit_ms)


def _judged(check: Check, buckets: Sequence[tuple[float, float]], unit_ms: int) -> Answer:
    """Count the requests over the limit: those not in the bucket at the limit, or else the next edge above it."""
    limit = check.limit * 1000 / unit_ms
    usable = [(edge, count) for edge, count in buckets if edge >= limit * (1 - 1e-9) and edge != math.inf]
    total = buckets[-1][1]
    if not usable:
        edges = ", ".join(f"{edge * unit_ms:g}" for edge, _ in buckets[:-1]) or "none"
        return NoAnswer(because=f"no bucket at or above {check.limit * 1000:g} ms; the edges are {edges} ms")
    quantile = check.builtin.quantile if check.builtin else None
    value = None if quantile is None else quantile_of(buckets, quantile)
    shown = None if value is None else value * unit_ms / 1000
    return Counts(total=total, bad=max(0.0, total - usable[0][1]), quantile=shown)


def quantile_of(buckets: Sequence[tuple[float, float]], quantile: float) -> float | None:
    """Return a quantile of cumulative buckets (edge, count), rising, the last one +Inf; None without observations.

    Linear within a bucket, as PromQL's histogram_quantile does; the highest finite edge when it lies above that.
    """
    total = buckets[-1][1]
    if total <= 0:
        return None
    rank = quantile * total
    below_edge, below_count = 0.0, 0.0
    for edge, count in buckets:
        if count >= rank:
            if edge == math.inf:
                return below_edge
            inside = count - below_count
            share = (rank - below_count) / inside if inside > 0 else 1.0
            return below_edge + (edge - below_edge) * share
        below_edge, below_count = edge, count
    return below_edge


async def _custom(check: Check, question: Question, of: Measurement) -> Answer:
    query = fill(check.query, _placeholders(of.plan, question, of.subjects[question.side]))
    series = await of.metrics.query(query, question.end)
    if not series:
        return Value(value=None)
    if len(series) > 1:
        return NoAnswer(
            because=f"{check.name}: its query gave {len(series)} samples, one is needed; aggregate with sum"
        )
    if not math.isfinite(series[0].value):
        return NoAnswer(because=f"{check.name}: its query gave {series[0].value}")
    return Value(value=series[0].value)


def _placeholders(plan: Plan, question: Question, subject: Subject) -> Mapping[str, str]:
    window: timedelta = question.end - question.start
    return {
        "namespace": plan.namespace,
        "target": subject.workload.deployment,
        "primary": f"{plan.target}-primary",
        "service": plan.service.name,
        "pods": subject.workload.pods,
        "revision": subject.revision,
        "interval": format_duration(timedelta(seconds=max(1, round(window.total_seconds())))),
    }


def pods_of(deployment: str, template_hash: str) -> str:
    """Return an RE2 expression for exactly the pods of one Deployment, of one revision unless the hash is "".

    Pods are named DEPLOYMENT-HASH-SUFFIX; the hash has up to ten characters, the suffix five. What stands before the
    suffix is cut to 58 characters (k8s.io/apiserver/pkg/storage/names), so long names lose their end.
    """
    suffix = f"[{HASH_ALPHABET}]{{5}}"
    room = LONGEST_BASE - len(deployment) - 1
    if template_hash:
        return f"{deployment}-{template_hash}-"[:LONGEST_BASE] + suffix
    if room <= 0:
        return f"{deployment}-"[:LONGEST_BASE] + suffix
    if room > LONGEST_HASH:
        return f"{deployment}-[{HASH_ALPHABET}]{{1,{LONGEST_HASH}}}-{suffix}"
    return f"{deployment}-[{HASH_ALPHABET}]{{1,{room}}}-?{suffix}"


def _shown(series: Sequence[Series]) -> str:
    return ", ".join(f"{dict(one.labels)} {one.value:g}" for one in series[:5])
