"""Every default of a rollout's settings: where it is written, and what it means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary.rollout.model import Builtin, Check, Limit, NoData, Plan, ServicePlan, Step, Timing, TrackConfig
from canary.spec.annotations import canary_from_annotations
from canary.spec.plan import plan_from
from meshes.contract import AppProtocol
from tests.spec.deployments import TARGET, deployment

TIMING = Timing(settle=timedelta(seconds=3), drain=timedelta(seconds=4), scrape=timedelta(seconds=5))
SUCCESS_RATE = Check(name="success-rate", builtin=Builtin.SUCCESS_RATE, side=Limit.MIN, limit=99.0)
PLAIN = Plan(
    namespace="shop",
    name="checkout",
    target="checkout",
    mesh="the-default",
    service=ServicePlan(name="checkout", port=None, protocol=None),
    steps=(Step(weight=5), Step(weight=10), Step(weight=25), Step(weight=50)),
    interval=timedelta(minutes=1),
    max_failures=3,
    min_requests=10,
    no_data_timeout=timedelta(minutes=10),
    no_data=NoData.ROLLBACK,
    checks=(SUCCESS_RATE,),
    progress_deadline=None,
    replicas=None,
    track_config=TrackConfig.CONFIG_MAPS,
    route=None,
    kuma_form="auto",
    skip_analysis=False,
    suspend=False,
    slack_channel="",
    slack_mention="",
    timing=TIMING,
)


def plan_of(annotations: dict[str, Any]) -> Plan:
    canary, faults = canary_from_annotations(deployment(annotations))
    assert (faults, canary is None) == ((), False)
    return plan_from(canary or {}, timing=TIMING, default_mesh="the-default")


def test_a_deployment_that_is_only_opted_in_gets_every_default() -> None:
    assert plan_of({}) == PLAIN


def test_a_canary_with_a_target_alone_gets_the_same() -> None:
    manifest = {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": {"targetRef": {"name": "checkout"}}}
    assert plan_from(manifest, timing=TIMING, default_mesh="the-default") == PLAIN


def test_the_generated_spec_has_every_default_written_out() -> None:
    canary, _ = canary_from_annotations(deployment({}))
    assert canary is not None
    assert canary["spec"] == {
        "targetRef": TARGET,
        "service": {},
        "kumaForm": "auto",
        "analysis": {
            "interval": "1m",
            "maxFailures": 3,
            "minRequests": 10,
            "noDataTimeout": "10m",
            "noData": "rollback",
            "checks": [{"name": "success-rate", "builtin": "success-rate", "min": 99}],
        },
        "trackConfig": "configmaps",
        "skipAnalysis": False,
        "suspend": False,
        "notify": {"slackChannel": "", "slackMention": ""},
    }


def latency(builtin: Builtin, seconds: float) -> Check:
    return Check(name=builtin.value, builtin=builtin, side=Limit.MAX, limit=seconds)


def steps(*weights: int) -> tuple[Step, ...]:
    return tuple(Step(weight=weight) for weight in weights)


SERVICE = ServicePlan(name="checkout")
FIVE_MINUTES = timedelta(minutes=5)
LAG = Check(name="lag", query="sum(lag)", side=Limit.MAX, limit=100.0)
RATE = Check(name="rate", query="sum(rate(x[1m])) > 2", side=Limit.MIN, limit=0.5)

# fmt: off
SET: tuple[tuple[dict[str, str], dict[str, Any]], ...] = (
    ({"mesh": "kuma"}, {"mesh": "kuma"}),
    ({"service": "front"}, {"service": replace(SERVICE, name="front")}),
    ({"port": "8080"}, {"service": replace(SERVICE, port=8080)}),
    ({"port": "http-web"}, {"service": replace(SERVICE, port="http-web")}),
    ({"protocol": "grpc"}, {"service": replace(SERVICE, protocol=AppProtocol.GRPC)}),
    ({"steps": "5, 10@5m ,pause,50"},
     {"steps": (Step(weight=5), Step(weight=10, duration=FIVE_MINUTES, pause=True), Step(weight=50))}),
    ({"steps": "100"}, {"steps": steps(100)}),
    ({"step-weight": "20"}, {"steps": steps(20, 40, 50)}),
    ({"step-weight": "20", "max-weight": "60"}, {"steps": steps(20, 40, 60)}),
    ({"step-weight": "30", "max-weight": "100"}, {"steps": steps(30, 60, 90, 100)}),
    ({"step-weight": "50"}, {"steps": steps(50)}),
    ({"interval": "5s"}, {"interval": timedelta(seconds=5)}),
    ({"interval": "1m30s"}, {"interval": timedelta(seconds=90)}),
    ({"max-failures": "1"}, {"max_failures": 1}),
    ({"success-rate": "off"}, {"checks": ()}),
    ({"success-rate": "99.5"}, {"checks": (replace(SUCCESS_RATE, limit=99.5),)}),
    ({"success-rate": "100 %"}, {"checks": (replace(SUCCESS_RATE, limit=100.0),)}),
    ({"latency-p50": "80ms"}, {"checks": (SUCCESS_RATE, latency(Builtin.LATENCY_P50, 0.08))}),
    ({"latency-p95": "off"}, {}),
    ({"latency-p99": "2s", "success-rate": "off"}, {"checks": (latency(Builtin.LATENCY_P99, 2.0),)}),
    ({"latency-p99": "3s", "latency-p95": "2s", "latency-p50": "1s", "success-rate": "off"},
     {"checks": (latency(Builtin.LATENCY_P50, 1.0), latency(Builtin.LATENCY_P95, 2.0),
                 latency(Builtin.LATENCY_P99, 3.0))}),
    ({"min-requests": "50"}, {"min_requests": 50}),
    ({"no-data-timeout": "1h"}, {"no_data_timeout": timedelta(hours=1)}),
    ({"no-data": "promote"}, {"no_data": NoData.PROMOTE}),
    ({"no-data": "hold"}, {"no_data": NoData.HOLD}),
    ({"check.rate": "sum(rate(x[1m])) > 2 >= 0.5", "check.lag": "sum(lag)<=1e2"},
     {"checks": (SUCCESS_RATE, LAG, RATE)}),
    ({"progress-deadline": "5m"}, {"progress_deadline": FIVE_MINUTES}),
    ({"replicas": "0"}, {"replicas": 0}),
    ({"track-config": "all"}, {"track_config": TrackConfig.ALL}),
    ({"route": "shop.front"}, {"route": "shop.front"}),
    ({"kuma-form": "labels"}, {"kuma_form": "labels"}),
    ({"skip-analysis": "true"}, {"skip_analysis": True}),
    ({"skip-analysis": "false"}, {}),
    ({"suspend": "true"}, {"suspend": True}),
    ({"slack-channel": "#shop"}, {"slack_channel": "#shop"}),
    ({"slack-mention": "<!here>"}, {"slack_mention": "<!here>"}),
    ({"command": "abort"}, {}),
    ({"enabled": " true ", "interval": " 1m\n"}, {}),
)
# fmt: on


@pytest.mark.parametrize(("annotations", "changed"), SET, ids=[str(annotations) for annotations, _ in SET])
def test_an_annotation_changes_its_own_setting_and_nothing_else(
    annotations: dict[str, str], changed: dict[str, Any]
) -> None:
    assert plan_of(annotations) == replace(PLAIN, **changed)


def test_spelling_out_a_default_changes_nothing() -> None:
    spelled = {
        "service": "checkout",
        "kuma-form": "auto",
        "steps": "5,10,25,50",
        "interval": "60s",
        "max-failures": "3",
        "success-rate": "99%",
        "latency-p50": "off",
        "min-requests": "10",
        "no-data-timeout": "600s",
        "no-data": "rollback",
        "track-config": "configmaps",
        "skip-analysis": "false",
        "suspend": "false",
    }
    assert plan_of(spelled) == PLAIN
