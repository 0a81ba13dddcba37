"""`canary plan`: a timeline of what files ask for, and what Prometheus says of what serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.prometheus import Samples, prometheus
from tests.cli.shell import Ended, run
from tests.lint.cases import ENABLED, SOUND

STEPS = SOUND.replace(ENABLED, f'{ENABLED}    canary.delivery/steps: "10,pause,50"\n')
TABLE = """\
shop/checkout: mesh istio, 4 pods serve, pods are ready after 10s
STEP  WEIGHT  PODS  BEGINS  COUNTS FROM  MAY ABORT  MAY FAIL  ENDS
1     10 %    1     +20s    +30s         +1m        +1m30s    +1m40s
2     50 %    2     +1m40s  +1m50s       +2m20s     +2m50s    +2m50s
step 1 then holds until `canary resume checkout`, which no time here counts
the primary takes over from +2m50s, serves all from +3m30s; least duration 3m45s
a version that fails from its first request is back at weight 0 40s after it
"""


def test_the_timeline_is_a_table_of_the_steps() -> None:
    ended = run("plan", "-", "--replicas", 4, "--pod-start", "10s", given=STEPS)
    assert ended == Ended(status=0, out=TABLE)


def test_json_has_the_times_in_seconds_from_the_push() -> None:
    ended = run("plan", "-", "--replicas", 4, "--pod-start", "10s", "-o", "json", given=STEPS)
    [one] = json.loads(ended.out)
    assert one["steps"][0] == {
        "step": 1,
        "weight": 10,
        "pods": 1,
        "begins": 20.0,
        "effective": 30.0,
        "mayAbort": 60.0,
        "mayFail": 90.0,
        "ends": 100.0,
        "pause": True,
    }
    del one["steps"]
    assert one == {
        "namespace": "shop",
        "name": "checkout",
        "mesh": "istio",
        "primaryPods": 4,
        "podReadySeconds": 10.0,
        "promoting": 170.0,
        "serving": 210.0,
        "over": 225.0,
        "badVersionAtZero": 60.0,
        "badVersionAtZeroAfterFirstWeight": 40.0,
        "readings": None,
        "notes": [],
    }


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({}, "shop/checkout: mesh istio, 1 pods serve, pods are ready after 0s"),
        ({"  template:\n": "  replicas: 5\n  template:\n"}, "shop/checkout: mesh istio, 5 pods serve"),
        (
            {ENABLED: f'{ENABLED}    canary.delivery/replicas: "7"\n'},
            "shop/checkout: mesh istio, 7 pods serve",
        ),
        (
            {"{path: /healthz, port: http}\n": "{path: /healthz, port: http}\n            initialDelaySeconds: 20\n"},
            "shop/checkout: mesh istio, 1 pods serve, pods are ready after 20s",
        ),
        ({"  namespace: shop\n": ""}, "default/checkout: mesh istio"),
    ],
)
def test_sizes_and_delays_come_from_the_files(change: dict[str, str], first: str) -> None:
    text = SOUND
    for old, new in change.items():
        text = text.replace(old, new)
    ended = run("plan", "-", given=text)
    assert ended.out.startswith(first), ended


def test_an_unknown_size_is_noted() -> None:
    assert (
        "note: how many pods serve is not in the files: 1 is assumed; --replicas names another"
        in run("plan", "-", given=SOUND).out
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: b\n", "no canary among the files: annotate a Deployment"),
        (
            SOUND.replace(ENABLED, f'{ENABLED}    canary.delivery/steps: "5,3"\n'),
            'Deployment shop/checkout: canary.delivery/steps: found "5,3", allowed is weights that rise',
        ),
        ("a: [", "<stdin>:1: the file: found "),
    ],
)
def test_what_cannot_be_planned_is_told_in_a_sentence(text: str, told: str) -> None:
    ended = run("plan", "-", given=text)
    assert (ended.status, ended.error.startswith(told)) == (1, True), ended.error


def test_wrong_usage_is_exit_status_2(tmp_path: Path) -> None:
    assert run("plan", tmp_path / "nowhere").status == 2
    assert run("plan", "-", "--replicas", 0, given=SOUND).status == 2


def serving(promql: str) -> Samples:
    """3600 requests in the window, 36 of them bad; all but 18 within 50 ms."""
    if "-primary" not in promql:
        return []
    if "_bucket{" in promql:
        return [({"le": edge}, count) for edge, count in (("25", 1800), ("50", 3582), ("100", 3600), ("+Inf", 3600))]
    return [({}, 36 if "response_code=~" in promql else 3600)]


def test_with_prometheus_the_checks_are_read_and_limits_are_proposed() -> None:
    text = SOUND.replace(ENABLED, f"{ENABLED}    canary.delivery/latency-p99: 25ms\n")
    with prometheus(serving) as url:
        ended = run("plan", "-", "--prometheus-url", url, given=text)
    assert (ended.status, ended.out.partition("\n\n")[2].splitlines()) == (
        0,
        [
            "checkout-primary answers 1 requests a second",
            "CHECK         NOW   LIMIT              WOULD SUIT",
            "success-rate  99 %  99 %   passes      98 %",
            "latency-p99   50ms  25ms   would fail  50ms",
            "latency-p50   25ms  -                  50ms",
            "latency-p95   48ms  -                  50ms",
            "at 5 % the candidate gets about 3 requests in a window, 10 are needed: begin higher, "
            "or lengthen the interval",
        ],
    )


def test_the_help_says_that_no_cluster_is_asked_unless_one_is_named() -> None:
    told = " ".join(run("plan", "--help").out.replace("│", " ").split())
    assert "~/.kube/config" not in told
    assert told.count("none without.") == 2


def test_a_prometheus_that_fails_is_told_in_a_sentence() -> None:
    with prometheus(serving, status=400) as url:
        ended = run("plan", "-", "--prometheus-url", url, given=SOUND)
    assert (ended.status, url in ended.error) == (1, True), ended
