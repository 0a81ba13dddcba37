"""From the spec of a Canary to the Plan that the rules work on, or to all of its faults at once."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from canary.rollout.model import Builtin, Check, Limit, Plan, ServicePlan, Step, Timing
from canary.spec.combinations import DEFAULT_MAX_WEIGHT
from canary.spec.reading import read_spec
from canary.spec.schema import AnalysisSpec, CheckSpec
from canary.spec.units import parse_duration, parse_percent
from meshes.contract import Manifest

DEFAULT_STEPS = (5, 10, 25, 50)


def plan_from(manifest: Manifest, *, timing: Timing, default_mesh: str) -> Plan:
    """Return what a Canary's spec asks for, units resolved and defaults filled in.

    Raises SpecError with every fault of the spec; a fault's key is the field's path, such as `spec.analysis.interval`.
    """
    spec = read_spec(manifest)
    analysis = spec.analysis
    target = spec.target_ref.name
    return Plan(
        namespace=manifest["metadata"]["namespace"],
        name=manifest["metadata"]["name"],
        target=target,
        mesh=spec.mesh or default_mesh,
        service=ServicePlan(name=spec.service.name or target, port=spec.service.port, protocol=spec.service.protocol),
        steps=_steps(analysis),
        interval=parse_duration(analysis.interval),
        max_failures=analysis.max_failures,
        min_requests=analysis.min_requests,
        no_data_timeout=parse_duration(analysis.no_data_timeout),
        no_data=analysis.no_data,
        checks=tuple(_check(check) for check in analysis.checks),
        progress_deadline=_optional(spec.progress_deadline),
        replicas=spec.replicas,
        track_config=spec.track_config,
        route=spec.route.name if spec.route else None,
        kuma_form=spec.kuma_form,
        skip_analysis=spec.skip_analysis,
        suspend=spec.suspend,
        slack_channel=spec.notify.slack_channel,
        slack_mention=spec.notify.slack_mention,
        timing=timing,
    )


def linear_steps(step: int | None, most: int | None) -> tuple[Step, ...]:
    """Return rising steps of `step` percent up to `most`, which is always the last; the default steps for None."""
    if step is None:
        return tuple(Step(weight=weight) for weight in DEFAULT_STEPS)
    top = DEFAULT_MAX_WEIGHT if most is None else most
    weights = [*range(step, top, step), top]
    return tuple(Step(weight=weight) for weight in weights)


def _steps(analysis: AnalysisSpec) -> tuple[Step, ...]:
    if analysis.steps is None:
        return linear_steps(analysis.step_weight, analysis.max_weight)
    return tuple(
        Step(weight=step.weight, duration=_optional(step.duration), pause=step.pause) for step in analysis.steps
    )


def _optional(text: str | None) -> timedelta | None:
    return None if text is None else parse_duration(text)


def _check(check: CheckSpec) -> Check:
    """Turn a check that has no fault into the rules' own."""
    limit = str(check.max if check.min is None else check.min)
    side = Limit.MAX if check.min is None else Limit.MIN
    match check.builtin:
        case None:
            return Check(name=check.name, query=check.query or "", side=side, limit=float(limit))
        case Builtin.SUCCESS_RATE:
            return Check(name=check.name, builtin=check.builtin, side=side, limit=parse_percent(limit))
        case Builtin.LATENCY_P50 | Builtin.LATENCY_P95 | Builtin.LATENCY_P99:
            seconds = parse_duration(limit).total_seconds()
            return Check(name=check.name, builtin=check.builtin, side=side, limit=seconds)
        case _:
            assert_never(check.builtin)
