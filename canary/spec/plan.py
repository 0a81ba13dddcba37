"""From the spec of a Canary to the Plan that the rules work on, or to all of its faults at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any, assert_never

from pydantic import ValidationError

from canary.rollout.model import Builtin, Check, Limit, Plan, ServicePlan, Step, Timing
from canary.spec.faults import SpecError, SpecFault, nearest
from canary.spec.queries import check_query
from canary.spec.schema import AnalysisSpec, CanarySpec, CheckSpec, Part
from canary.spec.units import parse_duration, parse_percent
from meshes.contract import Manifest

DEFAULT_STEPS = (5, 10, 25, 50)
DEFAULT_MAX_WEIGHT = 50
SHORTEST_INTERVAL = timedelta(seconds=5)


def plan_from(manifest: Manifest, *, timing: Timing, default_mesh: str) -> Plan:
    """Return what a Canary's spec asks for, units resolved and defaults filled in.

    Raises SpecError with every fault of the spec; a fault's key is the field's path, such as `spec.analysis.interval`.
    """
    spec = read_spec(manifest)
    durations = _Durations()
    analysis = spec.analysis
    target = spec.target_ref.name
    faults = [*_step_faults(analysis), *_check_faults(analysis.checks)]
    interval = durations.read("analysis.interval", analysis.interval, least=SHORTEST_INTERVAL)
    steps = tuple(
        Step(
            weight=step.weight,
            duration=durations.optional(f"analysis.steps[{at}].duration", step.duration),
            pause=step.pause,
        )
        for at, step in enumerate(analysis.steps or ())
    )
    patience = durations.read("analysis.noDataTimeout", analysis.no_data_timeout)
    deadline = durations.optional("progressDeadline", spec.progress_deadline)
    if faults or durations.faults:
        raise SpecError([*durations.faults, *faults])
    return Plan(
        namespace=manifest["metadata"]["namespace"],
        name=manifest["metadata"]["name"],
        target=target,
        mesh=spec.mesh or default_mesh,
        service=ServicePlan(name=spec.service.name or target, port=spec.service.port, protocol=spec.service.protocol),
        steps=steps or linear_steps(analysis.step_weight, analysis.max_weight),
        interval=interval,
        max_failures=analysis.max_failures,
        min_requests=analysis.min_requests,
        no_data_timeout=patience,
        no_data=analysis.no_data,
        checks=tuple(_check(check) for check in analysis.checks),
        progress_deadline=deadline,
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


def read_spec(manifest: Manifest) -> CanarySpec:
    """Return the spec of a Canary. Raises SpecError for fields that are missing, unknown or out of range."""
    try:
        return CanarySpec.model_validate(manifest.get("spec") or {})
    except ValidationError as error:
        raise SpecError(_pydantic_fault(entry) for entry in error.errors()) from error


def linear_steps(step: int | None, most: int | None) -> tuple[Step, ...]:
    """Return rising steps of `step` percent up to `most`, which is always the last; the default steps for None."""
    if step is None:
        return tuple(Step(weight=weight) for weight in DEFAULT_STEPS)
    top = DEFAULT_MAX_WEIGHT if most is None else most
    weights = [*range(step, top, step), top]
    return tuple(Step(weight=weight) for weight in weights)


class _Durations:
    """Reads durations and collects the faults of those that do not parse."""

    def __init__(self) -> None:
        self.faults: list[SpecFault] = []

    def read(self, path: str, text: str, *, least: timedelta = timedelta(milliseconds=1)) -> timedelta:
        try:
            return parse_duration(text, least=least)
        except ValueError as error:
            self.faults.append(SpecFault(key=f"spec.{path}", found=text, allowed=str(error)))
            return timedelta(0)

    def optional(self, path: str, text: str | None) -> timedelta | None:
        return None if text is None else self.read(path, text)


def _step_faults(analysis: AnalysisSpec) -> Iterator[SpecFault]:
    weights = [step.weight for step in analysis.steps or ()]
    found = ",".join(map(str, weights))
    if analysis.steps is not None and not weights:
        yield SpecFault(key="spec.analysis.steps", found="", allowed="at least one step")
    if any(one >= other for one, other in pairwise(weights)):
        yield SpecFault(key="spec.analysis.steps", found=found, allowed="rising weights")
    linear = analysis.step_weight is not None or analysis.max_weight is not None
    if weights and linear:
        yield SpecFault(
            key="spec.analysis.stepWeight", found="steps too", allowed="either steps or stepWeight with maxWeight"
        )
    if analysis.max_weight is not None and analysis.step_weight is None:
        yield SpecFault(key="spec.analysis.maxWeight", found="no stepWeight", allowed="maxWeight with stepWeight")
    top = DEFAULT_MAX_WEIGHT if analysis.max_weight is None else analysis.max_weight
    if analysis.step_weight is not None and analysis.step_weight > top:
        yield SpecFault(
            key="spec.analysis.stepWeight", found=str(analysis.step_weight), allowed=f"at most maxWeight, {top}"
        )


def _check_faults(checks: list[CheckSpec]) -> Iterator[SpecFault]:
    for name, count in Counter(check.name for check in checks).items():
        if count > 1:
            yield SpecFault(key="spec.analysis.checks", found=f"{name} twice", allowed="names that differ")
    for check in checks:
        try:
            _check(check)
        except ValueError as error:
            found = check.query or str(check.min if check.min is not None else check.max)
            yield SpecFault(key=f"spec.analysis.checks[{check.name}]", found=found, allowed=str(error))


def _check(check: CheckSpec) -> Check:
    if (check.builtin is None) == (check.query is None):
        raise ValueError("a check with builtin or with query")
    if (check.min is None) == (check.max is None):
        raise ValueError("a check with min or with max")
    match check.builtin:
        case None:
            assert check.query is not None
            check_query(check.query)
            side = Limit.MIN if check.max is None else Limit.MAX
            return Check(name=check.name, query=check.query, side=side, limit=_number(check))
        case Builtin.SUCCESS_RATE:
            if check.min is None:
                raise ValueError("min for success-rate")
            return Check(name=check.name, builtin=check.builtin, side=Limit.MIN, limit=parse_percent(str(check.min)))
        case Builtin.LATENCY_P50 | Builtin.LATENCY_P95 | Builtin.LATENCY_P99:
            if check.max is None:
                raise ValueError("max for a latency")
            limit = parse_duration(str(check.max)).total_seconds()
            return Check(name=check.name, builtin=check.builtin, side=Limit.MAX, limit=limit)
        case _:
            assert_never(check.builtin)


def _number(check: CheckSpec) -> float:
    limit = check.max if check.min is None else check.min
    try:
        value = float(limit if limit is not None else "nan")
    except ValueError as error:
        raise ValueError("a number as limit") from error
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a finite number as limit")
    return value


def _pydantic_fault(entry: Any) -> SpecFault:
    path = "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in entry["loc"])
    known = _fields(entry["loc"][:-1]) if entry["type"] == "extra_forbidden" else ()
    if known:
        allowed = f"one of {', '.join(known)}"
        return SpecFault(key=path, found=str(entry["input"]), allowed=allowed, nearest=nearest(entry["loc"][-1], known))
    found = "" if entry["type"] == "missing" else str(entry["input"])
    return SpecFault(key=path, found=found, allowed=_allowed(entry))


def _allowed(entry: Any) -> str:
    words = str(entry["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return "a value" if entry["type"] == "missing" else words[:1].lower() + words[1:]


def _fields(path: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the names that are known where a path of field names leads, from the root of the spec."""
    model: type[Part] = CanarySpec
    for part in path:
        if isinstance(part, int):
            continue
        found = {field.alias: _model_in(field.annotation) for field in model.model_fields.values()}.get(part)
        if found is None:
            return ()
        model = found
    return tuple(str(field.alias) for field in model.model_fields.values())


def _model_in(annotation: Any) -> type[Part] | None:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    found = (_model_in(inner) for inner in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)
