"""Every malformed annotation, with the exact sentence that its user reads."""

from __future__ import annotations

from typing import Any

import pytest

from canary.spec.annotations import API_VERSION, canary_from_annotations
from canary.spec.faults import MOST_FAULTS, SpecFault
from canary.spec.schema import CHECKS_MOST
from tests.spec.deployments import PREFIX, TARGET, deployment

DURATION = "a duration such as 90s, 1m30s or 500ms, from 1ms to 8760h"
INTERVAL = "a duration such as 90s, 1m30s or 500ms, from 5s to 8760h"
LABEL = "a name of at most 63 lower-case letters, digits and -"
LIMITED = "PromQL that ends in <= or >= and a finite number, such as sum(queue_lag) <= 100"
LINE = "a text of at most 100 characters in one line"
NAME = "a name of at most 63 letters, digits, -, _ and ."
PERCENT = "a percentage such as 99 or 99.5, from 1 to 100"
PLACEHOLDERS = "a query with no other placeholders than namespace, target, primary, service, pods, revision, interval"
PORT = "a port: a number from 1 to 65535, or a name of at most 15 lower-case letters, digits and -"
STEPS = 'rising weights from 1 to 100, each with an optional time, and pause, such as "5,10@5m,pause,50"'
TRUTH = '"true" or "false"'
KNOWN = (
    "one of enabled, mesh, service, port, protocol, route, kuma-form, steps, step-weight, max-weight, interval, "
    "max-failures, success-rate, latency-p50, latency-p95, latency-p99, min-requests, no-data-timeout, no-data, "
    "check.NAME, progress-deadline, replicas, track-config, skip-analysis, suspend, slack-channel, slack-mention, "
    "command"
)

# fmt: off
ROWS: tuple[tuple[str, Any, str], ...] = (
    ("enabled", "yes", f'found "yes", allowed is {TRUTH}'),
    ("enabled", "", f"found nothing, allowed is {TRUTH}"),
    ("enabled", "True", f'found "True", allowed is {TRUTH}'),
    ("mesh", "Istio!", f'found "Istio!", allowed is {LABEL}'),
    ("mesh", "", f"found nothing, allowed is {LABEL}"),
    ("service", "Front", f'found "Front", allowed is {LABEL}'),
    ("service", "1st", f'found "1st", allowed is {LABEL}'),
    ("port", "0", f'found "0", allowed is {PORT}'),
    ("port", "65536", f'found "65536", allowed is {PORT}'),
    ("port", "no port", f'found "no port", allowed is {PORT}'),
    ("port", "a-name-that-is-long", f'found "a-name-that-is-long", allowed is {PORT}'),
    ("protocol", "tcp", 'found "tcp", allowed is http or grpc'),
    ("route", "/x", 'found "/x", allowed is a name of at most 253 lower-case letters, digits, - and .'),
    ("kuma-form", "new", 'found "new", allowed is auto, legacy, meshservice or labels'),
    ("steps", "", f"found nothing, allowed is {STEPS}"),
    ("steps", "5,,10", f'found "5,,10", allowed is {STEPS}'),
    ("steps", "0,10", f'found "0,10", allowed is {STEPS}'),
    ("steps", "101", f'found "101", allowed is {STEPS}'),
    ("steps", "10,5", 'found "10,5", allowed is weights that rise: 5 comes after 10'),
    ("steps", "10,10", 'found "10,10", allowed is weights that rise: 10 comes after 10'),
    ("steps", "pause,10",
     'found "pause,10", allowed is a weight before the first pause: pause holds at the step before it'),
    ("steps", "5,pause,pause", 'found "5,pause,pause", allowed is one pause after a step, not two'),
    ("steps", "5@soon,10", f'found "5@soon,10", allowed is after @ {DURATION}'),
    ("steps", "5@0s", f'found "5@0s", allowed is after @ {DURATION}'),
    ("steps", "5 10", f'found "5 10", allowed is {STEPS}'),
    ("steps", "5.5", f'found "5.5", allowed is {STEPS}'),
    ("steps", "Pause", f'found "Pause", allowed is {STEPS}'),
    ("step-weight", "0", 'found "0", allowed is a whole number from 1 to 100'),
    ("step-weight", "ten", 'found "ten", allowed is a whole number from 1 to 100'),
    ("step-weight", "60", 'found "60", allowed is at most max-weight, which is 50'),
    ("max-weight", "60", 'found "60", allowed is max-weight together with step-weight'),
    ("interval", "4s", f'found "4s", allowed is {INTERVAL}'),
    ("interval", "60", f'found "60", allowed is {INTERVAL}'),
    ("interval", "1 m", f'found "1 m", allowed is {INTERVAL}'),
    ("interval", "1m 30s", f'found "1m 30s", allowed is {INTERVAL}'),
    ("interval", "-1m", f'found "-1m", allowed is {INTERVAL}'),
    ("interval", "366d", f'found "366d", allowed is {INTERVAL}'),
    ("max-failures", "0", 'found "0", allowed is a whole number from 1 to 1000'),
    ("max-failures", "1001", 'found "1001", allowed is a whole number from 1 to 1000'),
    ("max-failures", "3.5", 'found "3.5", allowed is a whole number from 1 to 1000'),
    ("max-failures", "\uff19", 'found "\\uff19", allowed is a whole number from 1 to 1000'),
    ("success-rate", "0.99", f'found "0.99", allowed is {PERCENT}'),
    ("success-rate", "101", f'found "101", allowed is {PERCENT}'),
    ("success-rate", "nan", f'found "nan", allowed is {PERCENT}'),
    ("success-rate", "1e1", f'found "1e1", allowed is {PERCENT}'),
    ("success-rate", "1_0", f'found "1_0", allowed is {PERCENT}'),
    ("success-rate", "high", f'found "high", allowed is {PERCENT}'),
    ("success-rate", "none", f'found "none", allowed is {PERCENT}'),
    ("latency-p99", "500", f'found "500", allowed is {DURATION}'),
    ("latency-p99", "0.5s", f'found "0.5s", allowed is {DURATION}'),
    ("latency-p50", "fast", f'found "fast", allowed is {DURATION}'),
    ("latency-p95", "0ms", f'found "0ms", allowed is {DURATION}'),
    ("min-requests", "0", 'found "0", allowed is a whole number from 1 to 1000000'),
    ("min-requests", "many", 'found "many", allowed is a whole number from 1 to 1000000'),
    ("no-data-timeout", "0s", f'found "0s", allowed is {DURATION}'),
    ("no-data", "ignore", 'found "ignore", allowed is rollback, promote or hold'),
    ("check.lag", "sum(lag)", f'found "sum(lag)", allowed is {LIMITED}'),
    ("check.lag", "sum(lag) < 5", f'found "sum(lag) < 5", allowed is {LIMITED}'),
    ("check.lag", "sum(lag) <= bool 5", f'found "sum(lag) <= bool 5", allowed is {LIMITED}'),
    ("check.lag", "5 >= sum(lag)", f'found "5 >= sum(lag)", allowed is {LIMITED}'),
    ("check.lag", "sum(lag <= 5", 'found "sum(lag <= 5", allowed is PromQL (unclosed left parenthesis)'),
    ("check.lag", "sum(x{pod='{{ pod }}'}) <= 5", 'found "sum(x{pod=\'{{ pod }}\'}) <= 5", allowed is ' + PLACEHOLDERS),
    ("check.lag", "", "found nothing, allowed is PromQL (no expression found in input)"),
    ("check.", "sum(lag) <= 5", f"found nothing, allowed is {NAME}"),
    ("check.success-rate", "sum(lag) <= 5", 'found "success-rate", allowed is a name that no other check has'),
    ("check.-x", "sum(lag) <= 5", f'found "-x", allowed is {NAME}'),
    ("check.a b", "sum(lag) <= 5", f'found "a b", allowed is {NAME}'),
    ("progress-deadline", "never", f'found "never", allowed is {DURATION}'),
    ("replicas", "-1", 'found "-1", allowed is a whole number from 0 to 100000'),
    ("replicas", "100001", 'found "100001", allowed is a whole number from 0 to 100000'),
    ("track-config", "secrets", 'found "secrets", allowed is configmaps, all or none'),
    ("skip-analysis", "1", f'found "1", allowed is {TRUTH}'),
    ("suspend", "no", f'found "no", allowed is {TRUTH}'),
    ("slack-channel", "a\nb", f'found "a\\nb", allowed is {LINE}'),
    ("slack-mention", "\x00", f'found "\\x00", allowed is {LINE}'),
    ("step", "5,10", 'found "5,10", allowed is a known key; did you mean canary.delivery/steps?'),
    ("latency-99", "5s", 'found "5s", allowed is a known key; did you mean canary.delivery/latency-p99?'),
    ("zzzz", "1", f'found "1", allowed is {KNOWN}'),
    ("", "1", f'found "1", allowed is {KNOWN}'),
    ("Steps", "5", 'found "5", allowed is a known key; did you mean canary.delivery/steps?'),
    ("interval", 5, 'found "5", allowed is a text, which YAML needs in quotes'),
    ("latency-p90", "5s", 'found "5s", allowed is a known key; did you mean canary.delivery/latency-p99?'),
)
# fmt: on


def test_the_table_is_long() -> None:
    assert len(ROWS) >= 40


@pytest.mark.parametrize(("key", "value", "told"), ROWS, ids=[f"{key}={value!r}" for key, value, _ in ROWS])
def test_what_is_malformed_is_told_in_one_sentence(key: str, value: Any, told: str) -> None:
    canary, faults = canary_from_annotations(deployment({key: value}))
    assert [fault.text for fault in faults] == [f"{PREFIX}{key}: {told}"]
    assert canary is not None
    assert canary["spec"] == {"targetRef": TARGET, "suspend": True}


# fmt: off
TOGETHER: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"steps": "5,10", "step-weight": "5", "max-weight": "20"},
     ['step-weight: found "5", allowed is either steps or step-weight with max-weight',
      'max-weight: found "20", allowed is either steps or step-weight with max-weight']),
    ({"step-weight": "20", "max-weight": "10"},
     ['step-weight: found "20", allowed is at most max-weight, which is 10']),
    ({"interval": "soon", "max-weight": "60", "stepz": "5", "check.lag": "up"},
     ['max-weight: found "60", allowed is max-weight together with step-weight',
      f'interval: found "soon", allowed is {INTERVAL}',
      f'check.lag: found "up", allowed is {LIMITED}',
      'stepz: found "5", allowed is a known key; did you mean canary.delivery/steps?']),
)
# fmt: on


@pytest.mark.parametrize(("annotations", "told"), TOGETHER)
def test_all_faults_are_told_at_once_in_the_order_of_the_page(annotations: dict[str, Any], told: list[str]) -> None:
    _, faults = canary_from_annotations(deployment(annotations))
    assert [fault.text for fault in faults] == [f"{PREFIX}{text}" for text in told]


def test_a_long_value_is_shown_by_its_beginning() -> None:
    _, faults = canary_from_annotations(deployment({"slack-channel": "c" * 101}))
    assert [fault.text for fault in faults] == [
        f'{PREFIX}slack-channel: found "{"c" * 80}...", allowed is {LINE}',
    ]


def test_a_value_that_no_key_can_need_is_not_looked_into() -> None:
    _, faults = canary_from_annotations(deployment({"steps": "5," * 2501}))
    assert [fault.allowed for fault in faults] == ["a text of at most 5000 characters"]


def test_a_name_that_no_service_can_have_is_told() -> None:
    _, faults = canary_from_annotations(deployment({}, name="shop.front"))
    allowed = "a Deployment whose name is good for Services too: lower-case letters, digits and -, a letter first"
    assert faults == (SpecFault(key="metadata.name", found="shop.front", allowed=allowed),)


def test_very_many_faults_are_counted() -> None:
    _, faults = canary_from_annotations(deployment({f"key-{number}": "x" for number in range(200)}))
    assert len(faults) == MOST_FAULTS + 1
    assert faults[-1] == SpecFault(key="and more", found=f"{200 - MOST_FAULTS} other faults", allowed="none")


def test_very_many_checks_are_one_fault() -> None:
    checks = {f"check.c{number}": "sum(lag) <= 1" for number in range(CHECKS_MOST)}
    _, faults = canary_from_annotations(deployment(checks))
    assert [(fault.key, fault.allowed) for fault in faults] == [
        (f"{PREFIX}check.NAME", f"at most 100 steps and {CHECKS_MOST} checks")
    ]


def test_the_canary_has_the_name_and_the_target_of_the_deployment() -> None:
    canary, _ = canary_from_annotations(deployment({"mesh": "kuma"}))
    assert canary is not None
    assert {**canary, "spec": None} == {
        "apiVersion": API_VERSION,
        "kind": "Canary",
        "metadata": {"name": "checkout", "namespace": "shop", "labels": {"canary.delivery/generated": "true"}},
        "spec": None,
    }
    assert (canary["spec"]["targetRef"], canary["spec"]["mesh"]) == (TARGET, "kuma")


@pytest.mark.parametrize(
    "annotations",
    [None, {}, {"canary.delivery/steps": "5"}, {"canary.delivery/enabled": "false", "canary.delivery/steps": "x"}],
)
def test_what_is_not_opted_in_gives_no_canary_and_no_fault(annotations: dict[str, str] | None) -> None:
    bare = {"metadata": {"name": "checkout", "namespace": "shop", "annotations": annotations}}
    assert canary_from_annotations(bare) == (None, ())


def test_annotations_of_others_are_nobody_s_business() -> None:
    plain = canary_from_annotations(deployment({}))
    manifest = deployment({})
    manifest["metadata"]["annotations"] |= {"canary.deliveryx/steps": "x", "steps": "x", "example.org/steps": "x"}
    assert canary_from_annotations(manifest) == plain
