"""Every field of Flagger's three resources is converted or listed, and what is written is what canary takes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from canary.migrate.fate import UNKNOWN
from canary.migrate.flagger import migrated
from canary.migrate.model import Made
from canary.migrate.writing import as_annotations, as_canary
from canary.spec.annotations import canary_from_annotations
from canary.spec.reading import filled_in, spec_faults
from tests.migrate.flagger_fields import ALERTPROVIDER, CANARY, METRICTEMPLATE, fields

JSON = dict[str, Any]
SAMPLES: dict[str, Any] = {"s": "x", "n": 7, "b": True, "o": {"a": "b"}, "a": ["x"]}
SPECIAL: dict[str, Any] = {
    "provider": "linkerd",
    "service.port": 8080,
    "service.appProtocol": "grpc",
    "analysis.interval": "30s",
    "analysis.stepWeights": [5, 20, 60],
    "analysis.metrics[].interval": "1m",
}
"""Samples that are not just any value of their type."""
OTHER: dict[str, Any] = {
    "targetRef.kind": "DaemonSet",
    "targetRef.apiVersion": "apps/v2",
    "targetRef.name": "cart",
    "analysis.metrics[].name": "request-duration",
    "analysis.alerts[].providerRef.name": "teams",
    "analysis.alerts[].providerRef.namespace": "elsewhere",
    "analysis.maxWeight": 60,
}
"""What stands there instead, of fields that the base has."""


def thing(kind: str, name: str, spec: JSON) -> JSON:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "flagger.app/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}


BASE: JSON = {
    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
    "analysis": {
        "stepWeight": 10,
        "maxWeight": 50,
        "metrics": [{"name": "lag", "templateRef": {"name": "lag"}, "thresholdRange": {"max": 100}}],
        "alerts": [{"providerRef": {"name": "slack"}}],
    },
}
LAG: JSON = {
    "provider": {"type": "prometheus"},
    "query": 'sum(queue_lag{namespace="{{ namespace }}",pod=~"{{ target }}-[0-9a-z]+-[0-9a-z]+"}[{{ interval }}])',
}
LAG["query"] = LAG["query"].replace("sum(queue_lag", "sum(rate(queue_lag").replace("}])", "}]))")
ALERTS: JSON = {"type": "slack", "channel": "releases"}


def made(canary: JSON = BASE, template: JSON = LAG, alerts: JSON = ALERTS) -> Made:
    parts = (("Canary", "checkout", canary), ("MetricTemplate", "lag", template), ("AlertProvider", "slack", alerts))
    return migrated(copy.deepcopy([thing(*part) for part in parts]))


def put(spec: JSON, path: str, value: Any) -> JSON:
    """Return a spec with a value at a path; `[]` is the first item of a list."""
    changed: Any = copy.deepcopy(spec)
    inner = changed
    *parents, last = path.split(".")
    for part in parents:
        name = part.removesuffix("[]")
        following = inner.setdefault(name, [{}] if part.endswith("[]") else {})
        inner = following[0] if isinstance(following, list) else following
    inner[last] = value
    return dict(changed)


def is_listed(found: Made, path: str) -> bool:
    """Whether a remark is about the field, or about a part of the object that it belongs to."""
    bare = f"spec.{path}".replace("[]", "")
    remarks = {one.field.replace("[]", "").replace("[0]", "") for one in found.remarks}
    remarks -= {one.field.replace("[]", "").replace("[0]", "") for one in made().remarks}
    return any(bare == one or bare.startswith(f"{one}.") or one.startswith(f"{bare}.") for one in remarks)


@pytest.mark.parametrize(("path", "kind"), fields(CANARY).items())
def test_every_field_of_a_canary_is_converted_or_listed(path: str, kind: str) -> None:
    value = OTHER.get(path, SPECIAL.get(path, SAMPLES[kind]))
    found = made(canary=put(BASE, path, value))
    assert is_listed(found, path) or found.specs != made().specs, found
    assert [one for one in found.remarks if one.text == UNKNOWN] == []


@pytest.mark.parametrize(("path", "kind"), fields(METRICTEMPLATE).items())
def test_every_field_of_a_metric_template_is_converted_or_listed(path: str, kind: str) -> None:
    found = made(template=put(LAG, path, {"query": "up"}.get(path, SAMPLES[kind])))
    assert is_listed(found, path) or found.specs != made().specs, found


@pytest.mark.parametrize(("path", "kind"), fields(ALERTPROVIDER).items())
def test_every_field_of_an_alert_provider_is_converted_or_listed(path: str, kind: str) -> None:
    found = made(alerts=put(ALERTS, path, SAMPLES[kind]))
    assert is_listed(found, path) or found.specs != made().specs, found


def test_a_field_that_flagger_does_not_have_is_listed_too() -> None:
    found = made(canary=put(BASE, "analysis.colour", "red"))
    assert [(one.field, one.text) for one in found.remarks if one.text == UNKNOWN] == [
        ("spec.analysis.colour", UNKNOWN)
    ]


WHOLE: JSON = {
    **BASE,
    "provider": "istio",
    "progressDeadlineSeconds": 60,
    "service": {"name": "front", "port": 80},
    "skipAnalysis": False,
    "suspend": True,
    "analysis": {
        "interval": "1m",
        "threshold": 5,
        "stepWeights": [5, 20, 60],
        "alerts": [{"providerRef": {"name": "slack"}}],
        "metrics": [
            {"name": "request-success-rate", "thresholdRange": {"min": 99}},
            {"name": "request-duration", "thresholdRange": {"max": 500}},
            {"name": "my lag", "templateRef": {"name": "lag"}, "thresholdRange": {"min": 1, "max": 100}},
            {"name": "errors", "query": 'sum(errors{app="{{ variables.app }}"})', "threshold": 3,
             "templateVariables": {"app": "checkout"}},
        ],
    },
}  # fmt: skip
SPEC: JSON = {
    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
    "mesh": "istio",
    "service": {"name": "front", "port": 80},
    "analysis": {
        "interval": "1m",
        "maxFailures": 5,
        "steps": [{"weight": 5}, {"weight": 20}, {"weight": 60}],
        "checks": [
            {"name": "success-rate", "builtin": "success-rate", "min": 99},
            {"name": "latency-p99", "builtin": "latency-p99", "max": "500ms"},
            {"name": "my-lag-min", "query": LAG["query"], "min": 1},
            {"name": "my-lag-max", "query": LAG["query"], "max": 100},
            {"name": "errors", "query": 'sum(errors{app="checkout"})', "max": 3},
        ],
    },
    "skipAnalysis": False,
    "suspend": True,
    "progressDeadline": "60s",
    "notify": {"slackChannel": "#releases"},
}


def test_a_whole_canary_becomes_ours_and_canary_takes_it() -> None:
    assert made(canary=WHOLE).specs == {("shop", "checkout"): SPEC}
    assert spec_faults(as_canary("shop", "checkout", SPEC)) == ()


def test_annotations_say_the_same_as_the_canary() -> None:
    canary, faults = canary_from_annotations(as_annotations("shop", SPEC))
    assert faults == ()
    assert canary is not None
    wanted = filled_in(SPEC)
    by_name = {check["name"]: check for check in wanted["analysis"].pop("checks")}
    assert {check["name"]: check for check in canary["spec"]["analysis"].pop("checks")} == by_name
    assert canary["spec"] == wanted


@pytest.mark.parametrize(
    ("canary", "field", "text"),
    [
        (put(BASE, "targetRef.kind", "DaemonSet"), "spec.targetRef.kind", "canary ships Deployments"),
        (
            put(BASE, "targetRef.kind", "Service"),
            "spec.targetRef.kind",
            "this is about a Service; it split between Services whose pods another tool made: annotate the Deployment",
        ),
        (put(BASE, "provider", "nginx"), "spec.provider", "no equivalent for nginx"),
        (put(BASE, "analysis.interval", "soon"), "spec.analysis.interval", "allowed is a duration"),
        (put(BASE, "analysis.stepWeights", [5, 3]), "spec.analysis.stepWeights", "rise"),
        (
            put(BASE, "analysis.metrics", [{"name": "x", "templateRef": {"name": "other"}, "threshold": 1}]),
            "spec.analysis.metrics[0]",
            "MetricTemplate shop/other is not among the files",
        ),
        (
            put(BASE, "analysis.metrics", [{"name": "x", "query": "sum(a", "threshold": 1}]),
            "spec.analysis.metrics[0]",
            "its query is not one that canary takes",
        ),
        (
            put(BASE, "analysis.metrics", [{"name": "x", "query": 'a{b="{{ ingress }}"}', "threshold": 1}]),
            "spec.analysis.metrics[0]",
            "its query has {{ ingress }}, which canary does not fill in",
        ),
        (put(BASE, "analysis.metrics", [{"name": "x", "query": "a"}]), "spec.analysis.metrics[0]", "no threshold"),
    ],
)
def test_what_cannot_be_converted_is_listed_with_what_to_do(canary: JSON, field: str, text: str) -> None:
    assert any(one.field == field and text in one.text for one in made(canary=canary).remarks)


METRICS = [
    {"name": "request-success-rate", "thresholdRange": {"min": 99, "max": 100}},
    {"name": "request-duration", "thresholdRange": {"min": 1, "max": 500}},
]


def test_the_bound_that_a_built_in_check_cannot_have_is_listed() -> None:
    remarks = {one.field: one.text for one in made(canary=put(BASE, "analysis.metrics", METRICS)).remarks}
    assert remarks["spec.analysis.metrics[0].thresholdRange.max"].endswith("the built-in check has a min alone")
    assert remarks["spec.analysis.metrics[1].thresholdRange.min"].endswith("the built-in check has a max alone")


def test_a_query_that_takes_the_primary_along_is_told() -> None:
    broad = {**LAG, "query": 'max(queue_lag{pod=~"{{ target }}-.*"})'}
    assert [one.field for one in made(template=broad).remarks if "takes the primary along" in one.text] == [
        "spec.analysis.metrics[0].query"
    ]


@pytest.mark.parametrize(
    ("template", "alerts", "text"),
    [
        ({"provider": {"type": "datadog", "address": "https://x", "secretRef": {"name": "x"}}}, ALERTS, "Prometheus"),
        (LAG, {"type": "msteams", "address": "https://x", "secretRef": {"name": "x"}}, "Slack"),
    ],
)
def test_no_field_of_a_service_that_canary_does_not_know_is_said_to_belong_elsewhere(
    template: JSON, alerts: JSON, text: str
) -> None:
    found = made(template=template, alerts=alerts).remarks
    texts = {one.text for one in found if one.object.split()[0] in ("MetricTemplate", "AlertProvider")}
    assert len(texts) == 1, texts
    assert texts.pop().endswith(f" {text} only")


def test_an_object_that_is_there_twice_is_told_with_which_was_taken() -> None:
    twice = [thing("Canary", "checkout", put(BASE, "analysis.stepWeight", weight)) for weight in (10, 20)]
    found = migrated(twice)
    assert found.specs["shop", "checkout"]["analysis"]["stepWeight"] == 20
    assert [(one.object, one.text) for one in found.remarks if one.field == "metadata.name"] == [
        (
            "Canary shop/checkout",
            "it is there 2 times and the last was taken: give the files of one cluster at a time",
        )
    ]


def test_where_nothing_is_said_what_flagger_takes_is_written_and_told() -> None:
    found = made(canary={"targetRef": BASE["targetRef"], "analysis": {"stepWeight": 10, "interval": "5s"}})
    assert found.specs["shop", "checkout"]["analysis"] == {
        "interval": "10s",
        "maxFailures": 1,
        "stepWeight": 10,
        "maxWeight": 100,
    }
    assert {one.field: one.text.partition(",")[0] for one in found.remarks} == {
        "spec.analysis.interval": "found '5s'",
        "spec.analysis.threshold": "without a number of at least 1 it is 1 to Flagger",
        "spec.analysis.maxWeight": "without a number it is 100 to Flagger",
        "spec.analysis.metrics": "without any Flagger looks at pods alone",
    }


def test_a_canary_that_flagger_would_promote_unproved_is_told_that_it_no_longer_is() -> None:
    found = made(canary={"targetRef": BASE["targetRef"]})
    assert found.specs["shop", "checkout"]["analysis"] == {}
    assert [(one.field, one.text) for one in found.remarks] == [
        ("spec.analysis", "without it Flagger promotes unproved, and canary by its own steps and checks")
    ]


@pytest.mark.parametrize("kind", ["Service", "DaemonSet"])
def test_what_is_about_no_deployment_becomes_nothing(kind: str) -> None:
    assert made(canary=put(BASE, "targetRef.kind", kind)).specs == {}


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        "x",
        {"analysis": [3], "service": "x", "targetRef": None},
        {"analysis": {"metrics": [3], "alerts": [None]}, "targetRef": {"kind": "Deployment", "name": "a"}},
    ],
)
def test_what_has_another_shape_is_answered(spec: Any) -> None:
    assert migrated([thing("Canary", "a", spec), {"apiVersion": "flagger.app/v1beta1"}]).remarks
