"""The faults of a user's own Canary: each names the field's path, what was found, what is allowed, all at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.rollout.model import Step, Timing
from canary.spec.faults import SpecError
from canary.spec.plan import linear_steps, plan_from

DURATION = "a duration such as 90s, 1m30s or 500ms, from 1ms to 8760h"
ROOT = "targetRef, mesh, service, route, kumaForm, analysis, progressDeadline, replicas, trackConfig, skipAnalysis, "
FIELDS = f"one of the fields {ROOT}suspend, notify"
ANALYSIS = (
    "one of the fields interval, steps, stepWeight, maxWeight, maxFailures, minRequests, noDataTimeout, noData, checks"
)
STEP = "one of the fields weight, duration, pause"
TARGET = {"name": "checkout"}


def faults_of(spec: Any) -> list[str]:
    manifest = {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": spec}
    with pytest.raises(SpecError) as caught:
        plan_from(manifest, timing=Timing(), default_mesh="istio")
    assert str(caught.value) == "; ".join(fault.text for fault in caught.value.faults)
    return [fault.text for fault in caught.value.faults]


def check(**fields: Any) -> dict[str, Any]:
    return {"checks": [{"name": "own", **fields}]}


# fmt: off
OF_ANALYSIS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"intervall": "1m"}, f'.intervall: found "1m", allowed is {ANALYSIS}; did you mean interval?'),
    ({"xyz": 1}, f'.xyz: found "1", allowed is {ANALYSIS}'),
    ({"interval": "4s"}, f'.interval: found "4s", allowed is {DURATION.replace("1ms", "5s")}'),
    ({"interval": 60}, f'.interval: found "60", allowed is {DURATION.replace("1ms", "5s")}'),
    ({"maxFailures": 0}, '.maxFailures: found "0", allowed is a whole number from 1 to 1000'),
    ({"maxFailures": "3"}, '.maxFailures: found "3", allowed is a whole number from 1 to 1000'),
    ({"maxFailures": True}, '.maxFailures: found "true", allowed is a whole number from 1 to 1000'),
    ({"minRequests": 1.5}, '.minRequests: found "1.5", allowed is a whole number from 1 to 1000000'),
    ({"noDataTimeout": "0s"}, f'.noDataTimeout: found "0s", allowed is {DURATION}'),
    ({"noData": "ignore"}, '.noData: found "ignore", allowed is rollback, promote or hold'),
    ({"steps": []}, ".steps: found nothing, allowed is at least one step"),
    ({"steps": [{"weight": 101}]}, '.steps[0].weight: found "101", allowed is a whole number from 1 to 100'),
    ({"steps": [{"weight": 5}, {"weight": 5}]},
     '.steps: found "5,5", allowed is weights that rise: 5 comes after 5'),
    ({"steps": [{"weight": 5, "time": "5m"}]}, f'.steps[0].time: found "5m", allowed is {STEP}'),
    ({"steps": [{"pause": True}]}, ".steps[0].weight: found nothing, allowed is a value"),
    ({"steps": [{"weight": 5, "pause": "yes"}]}, '.steps[0].pause: found "yes", allowed is true or false'),
    ({"steps": "5,10"}, '.steps: found "5,10", allowed is a list'),
    ({"maxWeight": 20}, '.maxWeight: found "20", allowed is maxWeight together with stepWeight'),
    ({"stepWeight": 60}, '.stepWeight: found "60", allowed is at most maxWeight, which is 50'),
    ({"steps": [{"weight": 5}], "stepWeight": 5},
     '.stepWeight: found "5", allowed is either steps or stepWeight with maxWeight'),
    (check(), '.checks[0]: found "neither", allowed is either builtin or query'),
    (check(builtin="success-rate", query="up", min=1),
     '.checks[0]: found "both", allowed is either builtin or query'),
    (check(builtin="success-rate", max=99),
     '.checks[0]: found "max", allowed is min for success-rate, and nothing else'),
    (check(builtin="latency-p99", min="1s"),
     '.checks[0]: found "min", allowed is max for latency-p99, and nothing else'),
    (check(builtin="latency-p99", max=500), f'.checks[0].max: found "500", allowed is {DURATION}'),
    (check(builtin="success-rate", min=0.99),
     '.checks[0].min: found "0.99", allowed is a percentage such as 99 or 99.5, from 1 to 100'),
    (check(query="up"), ".checks[0]: found nothing, allowed is either min or max"),
    (check(query="up", min=1, max=2), '.checks[0]: found "min and max", allowed is either min or max'),
    (check(query="up", min="high"), '.checks[0].min: found "high", allowed is a number'),
    (check(query="up", max="inf"), '.checks[0].max: found "inf", allowed is a finite number'),
    (check(query="up(", max=1), '.checks[0].query: found "up(", allowed is PromQL (unclosed left parenthesis)'),
    ({"checks": [{"name": "a", "query": "up", "min": 1}, {"name": "a", "query": "up", "min": 1}]},
     '.checks[1].name: found "a", allowed is a name that no other check has'),
)
OF_THE_REST: tuple[tuple[Any, str], ...] = (
    (None, "spec: found nothing, allowed is a map of fields, targetRef among them"),
    (["x"], 'spec: found "[\\"x\\"]", allowed is a map of fields, targetRef among them'),
    ({}, "spec.targetRef: found nothing, allowed is a value"),
    ({"targetRef": {"name": "1st"}},
     'spec.targetRef.name: found "1st", allowed is a Deployment whose name is good for Services too: '
     "lower-case letters, digits and -, a letter first"),
    ({"targetRef": {"name": "a", "kind": "StatefulSet"}},
     'spec.targetRef.kind: found "StatefulSet", allowed is Deployment'),
    ({"targetRef": TARGET, "anaylsis": {}},
     f'spec.anaylsis: found "{{}}", allowed is {FIELDS}; did you mean analysis?'),
    ({"targetRef": TARGET, "analysis": "1m"}, 'spec.analysis: found "1m", allowed is a map of fields'),
    ({"targetRef": TARGET, "suspend": "true"}, 'spec.suspend: found "true", allowed is true or false'),
    ({"targetRef": TARGET, "service": {"port": True}},
     'spec.service.port: found "true", allowed is a port: a number from 1 to 65535, or a name of at most 15 '
     "lower-case letters, digits and -"),
    ({"targetRef": TARGET, "service": {"nmae": "x"}},
     'spec.service.nmae: found "x", allowed is one of the fields name, port, protocol; did you mean name?'),
    ({"targetRef": TARGET, "replicas": -1},
     'spec.replicas: found "-1", allowed is a whole number from 0 to 100000'),
)
# fmt: on


@pytest.mark.parametrize(("analysis", "told"), OF_ANALYSIS, ids=[told for _, told in OF_ANALYSIS])
def test_a_fault_of_the_analysis_is_told_in_one_sentence(analysis: dict[str, Any], told: str) -> None:
    assert faults_of({"targetRef": TARGET, "analysis": analysis}) == [f"spec.analysis{told}"]


@pytest.mark.parametrize(("spec", "told"), OF_THE_REST, ids=[told for _, told in OF_THE_REST])
def test_a_fault_of_a_spec_is_told_in_one_sentence(spec: Any, told: str) -> None:
    assert faults_of(spec) == [told]


def test_faults_of_single_fields_and_between_fields_are_told_together() -> None:
    analysis = {"interval": "x", "maxWeight": 20, "steps": [{"weight": 9}, {"weight": 8}], "noData": 5}
    told = faults_of({"targetRef": {}, "mesh": "Istio", "analysis": analysis})
    assert sorted(text.partition(":")[0] for text in told) == [
        "spec.analysis.interval",
        "spec.analysis.maxWeight",
        "spec.analysis.noData",
        "spec.analysis.steps",
        "spec.mesh",
        "spec.targetRef.name",
    ]


def test_a_null_is_a_field_that_is_left_out() -> None:
    def plan(**more: Any) -> Any:
        manifest = {"metadata": {"name": "c", "namespace": "shop"}, "spec": {"targetRef": TARGET, **more}}
        return plan_from(manifest, timing=Timing(), default_mesh="istio")

    nulls = {"mesh": None, "analysis": {"steps": None, "interval": None, "checks": None}, "service": None}
    assert plan(**nulls) == plan()


@given(st.integers(1, 100), st.integers(1, 100))
def test_linear_steps_rise_evenly_and_end_at_the_most(step: int, most: int) -> None:
    weights = [one.weight for one in linear_steps(min(step, most), most)]
    assert weights == sorted(set(weights))
    assert (weights[0], weights[-1]) == (min(step, most), most)
    rises = [after - before for before, after in pairwise(weights)]
    assert rises[:-1] == [step] * (len(rises) - 1)
    assert all(1 <= rise <= step for rise in rises)


def test_without_a_step_weight_the_steps_are_the_default_ones() -> None:
    assert linear_steps(None, None) == (Step(weight=5), Step(weight=10), Step(weight=25), Step(weight=50))
