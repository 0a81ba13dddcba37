"""Random Canary resources: a plan or faults; a status that is read, or an error that says that it cannot be."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from canary.errors import CanaryError, ConfigError
from canary.rollout.model import Plan, Timing
from canary.spec.faults import SpecError
from canary.spec.plan import plan_from
from canary.spec.reading import spec_faults
from canary.spec.status import status_from_json, status_to_json
from tests.fuzz.counts import fuzzed, outcome
from tests.fuzz.values import ODD, spoilt
from tests.spec.test_status_bounds import STATUS

GOOD: dict[str, Any] = {
    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
    "mesh": "istio",
    "service": {"name": "checkout", "port": 8080, "protocol": "http"},
    "route": {"name": "checkout"},
    "analysis": {
        "interval": "1m",
        "steps": [{"weight": 5}, {"weight": 10, "duration": "5m"}, {"pause": True}, {"weight": 50}],
        "maxFailures": 3,
        "minRequests": 10,
        "noDataTimeout": "10m",
        "noData": "hold",
        "checks": [
            {"name": "success-rate", "builtin": "success-rate", "min": 99},
            {"name": "latency", "builtin": "latency-p99", "max": "500ms"},
            {"name": "lag", "query": 'sum(lag{pod=~"{{ pods }}"})', "max": 100},
        ],
    },
    "progressDeadline": "10m",
    "replicas": 3,
    "trackConfig": "configmaps",
    "skipAnalysis": False,
    "suspend": False,
    "notify": {"slackChannel": "#a", "slackMention": "@here"},
}
STORED = status_to_json(STATUS)


@fuzzed
@given(st.one_of(spoilt(GOOD), ODD))
def test_any_canary_is_a_plan_or_faults(spec: Any) -> None:
    manifest = {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": spec}
    faults = spec_faults(manifest)
    plan = outcome(lambda: plan_from(manifest, timing=Timing(), default_mesh="istio"))
    if isinstance(plan, SpecError):
        assert plan.faults == faults != ()
        assert str(plan).encode().decode().isprintable()
        assert len(str(plan)) < 100_000
        return
    assert isinstance(plan, Plan)
    assert faults == ()
    assert all(1 <= step.weight <= 100 for step in plan.steps)
    assert 0 < plan.interval.total_seconds() <= 366 * 86400


@fuzzed
@given(st.one_of(spoilt(STORED), ODD))
def test_any_status_is_read_or_cannot_be(stored: Any) -> None:
    status = outcome(lambda: status_from_json(stored))
    if isinstance(status, CanaryError):
        assert isinstance(status, ConfigError)
        assert len(str(status).encode()) < 1000
        return
    again = status_from_json(status_to_json(status))  # its words are cut to what may be stored, once
    assert status_from_json(status_to_json(again)) == again
    json.dumps(status_to_json(status), allow_nan=False).encode()
