"""`canary migrate flagger`: manifests on standard output, what is left over on standard error or in JSON."""

from __future__ import annotations

import json

import pytest
import yaml

from canary.lint.bundle import Settings
from canary.lint.reading import read
from canary.lint.rules import findings
from canary.rollout.model import Timing
from tests.cli.shell import run
from tests.migrate.test_flagger import ALERTS, LAG, SPEC, WHOLE, put, thing

FILES = yaml.safe_dump_all(
    [thing("Canary", "checkout", WHOLE), thing("MetricTemplate", "lag", LAG), thing("AlertProvider", "slack", ALERTS)]
)


def test_annotations_come_on_standard_output_and_the_rest_on_standard_error() -> None:
    ended = run("migrate", "flagger", "-", given=FILES)
    written = yaml.safe_load(ended.out)
    assert (ended.status, written["kind"], written["metadata"]["name"]) == (0, "Deployment", "checkout")
    assert written["metadata"]["annotations"] == {
        "canary.delivery/enabled": "true",
        "canary.delivery/mesh": "istio",
        "canary.delivery/service": "front",
        "canary.delivery/port": "80",
        "canary.delivery/steps": "5,20,60",
        "canary.delivery/interval": "1m",
        "canary.delivery/max-failures": "5",
        "canary.delivery/success-rate": "99",
        "canary.delivery/latency-p99": "500ms",
        "canary.delivery/check.my-lag-min": f"{LAG['query']} >= 1",
        "canary.delivery/check.my-lag-max": f"{LAG['query']} <= 100",
        "canary.delivery/check.errors": 'sum(errors{app="checkout"}) <= 3',
        "canary.delivery/progress-deadline": "60s",
        "canary.delivery/skip-analysis": "false",
        "canary.delivery/suspend": "true",
        "canary.delivery/slack-channel": "#releases",
    }
    faults = [one.text for one in findings(read(ended.out, "f").documents, Settings(mesh="istio", timing=Timing()))]
    assert [text for text in faults if "found" in text and "spec:" in text] == []


def test_a_canary_is_what_is_to_be_applied() -> None:
    ended = run("migrate", "flagger", "-", "--as", "canary", given=FILES)
    written = yaml.safe_load(ended.out)
    assert (written["apiVersion"], written["metadata"]) == (
        "canary.delivery/v1alpha1",
        {"name": "checkout", "namespace": "shop"},
    )
    assert written["spec"] == SPEC


def test_json_has_both() -> None:
    webhooks = put(WHOLE, "analysis.webhooks", [{"name": "load", "url": "http://load"}])
    ended = run("migrate", "flagger", "-", "-o", "json", given=yaml.safe_dump(thing("Canary", "checkout", webhooks)))
    printed = json.loads(ended.out)
    assert [one["kind"] for one in printed["manifests"]] == ["Deployment"]
    [remark] = [one for one in printed["remarks"] if one["field"] == "spec.analysis.webhooks"]
    assert remark["object"] == "Canary shop/checkout"
    assert remark["text"].startswith("no equivalent: canary calls nobody; hold at a `pause`")


@pytest.mark.parametrize("form", ["annotations", "canary"])
def test_what_canary_would_not_take_is_left_out_and_told_and_the_others_are_written(form: str) -> None:
    steep = put(put(WHOLE, "analysis.stepWeights", []), "analysis.stepWeight", 80)
    wrong = thing("Canary", "checkout", put(steep, "analysis.maxWeight", 50))
    given = yaml.safe_dump_all([wrong, thing("Canary", "cart", put(WHOLE, "targetRef.name", "cart"))])
    ended = run("migrate", "flagger", "-", "--as", form, given=given)
    assert (ended.status, yaml.safe_load(ended.out)["metadata"]["name"]) == (1, "cart")
    [told] = [line for line in ended.error.splitlines() if "left out" in line]
    assert told.startswith("Canary shop/checkout: spec: left out, since canary would not take it; change it first: ")
    assert 'found "80", allowed is at most' in told


@pytest.mark.parametrize("given", ["a: b\n", "a: ["])
def test_files_without_anything_of_flaggers_are_told(given: str) -> None:
    ended = run("migrate", "flagger", "-", given=given)
    assert (ended.status, ended.error != "") == (1, True)


def test_wrong_usage_is_exit_status_2() -> None:
    assert run("migrate", "flagger").status == 2
    assert run("migrate", "argo", "-").status == 2
    assert run("migrate", "flagger", "-", "--as", "helm", given=FILES).status == 2
