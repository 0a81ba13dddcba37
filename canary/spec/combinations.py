"""Faults of a Canary's spec that concern several fields at once.

It looks at the JSON as it was written, so that these are found beside faults of single fields. What is of a wrong type
is passed over here: reading.py reports it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from canary.rollout.model import Builtin
from canary.spec.faults import SpecFault
from canary.spec.units import parse_duration, parse_percent

DEFAULT_MAX_WEIGHT = 50
LEAST_SUCCESS_RATE = 1.0
"""Less is a fraction (0.99) that was meant as a percentage; `off` is the word for no check."""


def combination_faults(spec: Mapping[str, Any]) -> Iterator[SpecFault]:
    """Yield the faults between fields of a spec. Keys are paths, such as `spec.analysis.stepWeight`."""
    analysis = spec.get("analysis")
    if isinstance(analysis, Mapping):
        yield from _rising(analysis)
        yield from _linear(analysis)
        yield from _checks(analysis.get("checks"))


def _rising(analysis: Mapping[str, Any]) -> Iterator[SpecFault]:
    steps = analysis.get("steps")
    if steps == []:
        yield SpecFault(key="spec.analysis.steps", found="", allowed="at least one step")
    written = [step.get("weight") for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []
    weights = [weight for weight in written if isinstance(weight, int)]
    for before, after in pairwise(weights):
        if after <= before:
            found = ",".join(map(str, weights))
            allowed = f"weights that rise: {after} comes after {before}"
            yield SpecFault(key="spec.analysis.steps", found=found, allowed=allowed)
            return


def _linear(analysis: Mapping[str, Any]) -> Iterator[SpecFault]:
    step, most = analysis.get("stepWeight"), analysis.get("maxWeight")
    if analysis.get("steps") is not None:
        for field, value in (("stepWeight", step), ("maxWeight", most)):
            if value is not None:
                allowed = "either steps or stepWeight with maxWeight"
                yield SpecFault(key=f"spec.analysis.{field}", found=str(value), allowed=allowed)
        return
    if most is not None and step is None:
        yield SpecFault(key="spec.analysis.maxWeight", found=str(most), allowed="maxWeight together with stepWeight")
    top = DEFAULT_MAX_WEIGHT if most is None else most
    if isinstance(step, int) and isinstance(top, int) and step > top:
        yield SpecFault(key="spec.analysis.stepWeight", found=str(step), allowed=f"at most maxWeight, which is {top}")


def _checks(checks: Any) -> Iterator[SpecFault]:
    taken: set[str] = set()
    for at, check in enumerate(checks if isinstance(checks, list) else ()):
        if not isinstance(check, Mapping):
            continue
        path = f"spec.analysis.checks[{at}]"
        name = check.get("name")
        if isinstance(name, str):
            if name in taken:
                yield SpecFault(key=f"{path}.name", found=name, allowed="a name that no other check has")
            taken.add(name)
        yield from _check(path, {field: value for field, value in check.items() if value is not None})


def _check(path: str, check: Mapping[str, Any]) -> Iterator[SpecFault]:
    builtin, query = check.get("builtin"), check.get("query")
    if (builtin is None) == (query is None):
        found = "neither" if builtin is None else "both"
        yield SpecFault(key=path, found=found, allowed="either builtin or query")
        return
    sides = [field for field in ("min", "max") if field in check]
    if builtin is not None:
        wanted = "min" if builtin == Builtin.SUCCESS_RATE else "max"
        if sides != [wanted] and builtin in list(Builtin):
            yield SpecFault(key=path, found=" and ".join(sides), allowed=f"{wanted} for {builtin}, and nothing else")
            return
    elif len(sides) != 1:
        yield SpecFault(key=path, found=" and ".join(sides), allowed="either min or max")
        return
    for side in sides:
        allowed = _limit_allowed(builtin, check[side])
        if allowed:
            yield SpecFault(key=f"{path}.{side}", found=str(check[side]), allowed=allowed)


def _limit_allowed(builtin: Any, limit: Any) -> str:
    """Return what is allowed as the limit when this one is not, "" when it is."""
    if isinstance(limit, bool) or not isinstance(limit, int | float | str):
        return ""
    try:
        if builtin == Builtin.SUCCESS_RATE:
            parse_percent(str(limit), least=LEAST_SUCCESS_RATE)
        elif builtin is not None:
            parse_duration(str(limit))
        elif not math.isfinite(float(limit)):
            return "a finite number"
    except OverflowError:
        return "a finite number"
    except ValueError as error:
        return str(error) if builtin is not None else "a number"
    return ""
