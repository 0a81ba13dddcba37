"""Flagger's metrics as checks: its two built-in ones, queries of its own, and those of MetricTemplates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary.rollout.model import Builtin
from canary.spec.queries import check_query, takes_both_sides

SUCCESS, DURATION = "request-success-rate", "request-duration"
_PLACEHOLDER = re.compile(r"\{\{-?\s*([a-zA-Z.]+)\s*-?\}\}")
_OURS = ("namespace", "target", "service", "interval")
_NAME = re.compile(r"[^-A-Za-z0-9_.]+")


class NotConverted(Exception):
    """A metric cannot be a check; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a metric stands: the Canary's name and its MetricTemplates by (namespace, name)."""

    name: str
    namespace: str
    templates: Mapping[tuple[str, str], Mapping[str, Any]]


def checks_of(metric: Mapping[str, Any], source: Source) -> list[dict[str, Any]]:
    """Return the checks that a metric becomes: one, or two where it has both a least and a greatest value.

    Raises NotConverted when it cannot be one.
    """
    name = str(metric.get("name") or "")
    if _is_builtin(metric):
        return [_builtin(name, metric)]
    query = _query(metric, source)
    try:
        check_query(query)
    except ValueError as error:
        raise NotConverted(f"its query is not one that canary takes: allowed is {error}") from error
    shown = _NAME.sub("-", name).strip("-_.") or "metric"
    limits = list(_limits(metric))
    if not limits:
        raise NotConverted("it has no threshold: write a check with a limit")
    if len(limits) == 1:
        return [{"name": shown, "query": query, limits[0][0]: limits[0][1]}]
    return [{"name": f"{shown}-{side}", "query": query, side: limit} for side, limit in limits]


def _is_builtin(metric: Mapping[str, Any]) -> bool:
    return metric.get("name") in (SUCCESS, DURATION) and "templateRef" not in metric and not metric.get("query")


def unused(metric: Mapping[str, Any], source: Source) -> Iterator[tuple[str, str]]:
    """Yield field and reason of each part of a metric that a check does not need, as Flagger does not either."""
    if metric.get("interval") is not None:
        yield "interval", "no equivalent: a check looks at its whole step, and at its last interval"
    if metric.get("threshold") is not None and isinstance(metric.get("thresholdRange"), Mapping):
        yield "threshold", "not needed beside thresholdRange"
    yield from _other_side(metric)
    query = str((_template(metric, source) or metric).get("query") or "")
    if matcher := takes_both_sides(query):
        yield "query", f'{matcher} takes the primary along, so that a bad version hides: write pod=~"{{{{ pods }}}}"'
    if metric.get("query") is not None and isinstance(metric.get("templateRef"), Mapping):
        yield "query", "not needed beside templateRef, whose query was taken"
    variables = metric.get("templateVariables")
    if isinstance(variables, Mapping):
        left = [str(name) for name in variables if f"variables.{name}" not in query]
        if left:
            yield "templateVariables", f"the query has no {', '.join(left)}"


def _other_side(metric: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the bound that a built-in check cannot have."""
    bounds = metric.get("thresholdRange")
    if _is_builtin(metric) and isinstance(bounds, Mapping):
        kept, other = ("min", "max") if metric["name"] == SUCCESS else ("max", "min")
        if bounds.get(other) is not None:
            yield f"thresholdRange.{other}", f"no equivalent: the built-in check has a {kept} alone"


def _template(metric: Mapping[str, Any], source: Source) -> Mapping[str, Any] | None:
    reference = metric.get("templateRef")
    if not isinstance(reference, Mapping):
        return None
    return source.templates.get((str(reference.get("namespace") or source.namespace), str(reference.get("name") or "")))


def _builtin(name: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    """Return a built-in check. Flagger judges the 99th percentile, in milliseconds."""
    bounds = metric.get("thresholdRange") if isinstance(metric.get("thresholdRange"), Mapping) else {}
    assert isinstance(bounds, Mapping)
    wanted = "min" if name == SUCCESS else "max"
    limit = bounds.get(wanted, metric.get("threshold"))
    if not isinstance(limit, int | float) or isinstance(limit, bool):
        raise NotConverted(f"it has no thresholdRange.{wanted}: write the limit yourself")
    if name == SUCCESS:
        return {"name": Builtin.SUCCESS_RATE.value, "builtin": Builtin.SUCCESS_RATE.value, "min": limit}
    latency = Builtin.LATENCY_P99.value
    return {"name": latency, "builtin": latency, "max": f"{max(1, round(limit))}ms"}


def _limits(metric: Mapping[str, Any]) -> Iterator[tuple[str, int | float]]:
    bounds = metric.get("thresholdRange")
    if isinstance(bounds, Mapping):
        for side in ("min", "max"):
            if isinstance(bounds.get(side), int | float):
                yield side, bounds[side]
    elif isinstance(metric.get("threshold"), int | float):
        yield "max", metric["threshold"]


def _query(metric: Mapping[str, Any], source: Source) -> str:
    """Return the metric's PromQL with canary's placeholders."""
    query = metric.get("query")
    reference = metric.get("templateRef")
    if isinstance(reference, Mapping):
        template = _template(metric, source)
        if template is None:
            where = f"{reference.get('namespace') or source.namespace}/{reference.get('name')}"
            raise NotConverted(f"MetricTemplate {where} is not among the files: give its file too")
        provider = template.get("provider")
        asked = provider.get("type") if isinstance(provider, Mapping) else None
        if asked != "prometheus":
            raise NotConverted(f"its MetricTemplate asks {asked}: canary asks Prometheus only")
        query = template.get("query")
    if not isinstance(query, str) or not query.strip():
        raise NotConverted("it has no query, and is none of Flagger's built-in metrics")
    variables = metric.get("templateVariables")
    return _filled(query, source, variables if isinstance(variables, Mapping) else {})


def _filled(query: str, source: Source, variables: Mapping[str, Any]) -> str:
    def put(match: re.Match[str]) -> str:
        name = match[1].lstrip(".")
        if name in _OURS:
            return f"{{{{ {name} }}}}"
        if name == "name":
            return source.name
        if name.startswith("variables.") and name.partition(".")[2] in variables:
            return str(variables[name.partition(".")[2]])
        raise NotConverted(f"its query has {match[0]}, which canary does not fill in: write that into the query")

    return _PLACEHOLDER.sub(put, query).strip()
