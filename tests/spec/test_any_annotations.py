"""Whatever stands in annotations, and in a Canary's spec, is read or reported; nothing of it raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canary.rollout.model import Plan, Timing
from canary.spec.annotations import canary_from_annotations
from canary.spec.faults import MOST_FAULTS, SpecError, SpecFault
from canary.spec.plan import plan_from
from canary.spec.reading import spec_faults
from canary.spec.table import KEYS
from tests.spec.deployments import PREFIX, TARGET, deployment

ANY_TEXT = st.text(st.characters(), max_size=30)
"""With lone surrogates, which YAML and JSON can spell and UTF-8 cannot."""

EXAMPLES = st.sampled_from([key.example for key in KEYS])
ODD = st.sampled_from(
    ["", " ", "0", "-1", "1e999", "nan", "9" * 400, "5,,", "pause", "1" * 6000, "{{ pods }}", "\x00", "\ud800", "true"]
)
VALUES = st.one_of(ANY_TEXT, EXAMPLES, ODD, st.integers(), st.none(), st.lists(ANY_TEXT, max_size=2))
NAMES = st.one_of(
    st.sampled_from([key.name for key in KEYS]),
    ANY_TEXT,
    ANY_TEXT.map(lambda text: f"check.{text}"),
    st.sampled_from(["Steps", "latency", "check.", "check.success-rate", "check.a"]),
)
ANNOTATIONS = st.dictionaries(NAMES, VALUES, max_size=8)


def plan(canary: dict[str, Any]) -> Plan:
    return plan_from(canary, timing=Timing(), default_mesh="istio")


@given(ANNOTATIONS)
@example({"success-rate": "1e999"})
@example({"steps": "\ud800"})
@example({"check.\ud800": "sum(a) <= 1"})
@example({"slack-channel": "\ud800"})
@example({"check.a": "a <= 1e308"})
@example({"check.a": 'a{b="\ud800"} <= 1'})
def test_any_annotations_give_a_plan_or_faults(annotations: dict[str, Any]) -> None:
    canary, faults = canary_from_annotations(deployment({**annotations, "enabled": "true"}))
    assert canary is not None
    if faults:
        assert canary["spec"] == {"targetRef": TARGET, "suspend": True}
        assert len(faults) <= MOST_FAULTS + 1
        assert all(_readable(fault) for fault in faults)
    assert plan(canary).target == "checkout"


def _readable(fault: SpecFault) -> bool:
    """Return whether a fault can be printed as one line that is not endless, wherever it is printed."""
    return fault.text.encode().decode().isprintable() and len(fault.text) < 2000


@given(ANNOTATIONS)
def test_a_fault_never_hides_another(annotations: dict[str, Any]) -> None:
    _, before = canary_from_annotations(deployment({**annotations, "enabled": "true"}))
    _, after = canary_from_annotations(deployment({**annotations, "enabled": "true", "zzzz": "an unknown key"}))
    assert {fault.key for fault in before} | {f"{PREFIX}zzzz"} == {fault.key for fault in after}


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ANY_TEXT, EXAMPLES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "interval",
        "steps",
        "stepWeight",
        "maxWeight",
        "maxFailures",
        "checks",
        "noData",
        "weight",
        "name",
        "query",
        "max",
    ]
)
PARTS = st.dictionaries(
    st.one_of(FIELDS, ANY_TEXT), st.one_of(JSON_VALUES, st.lists(JSON_VALUES, max_size=3)), max_size=4
)
CHECKS = st.lists(st.dictionaries(st.sampled_from(["name", "builtin", "query", "min", "max"]), JSON_VALUES), max_size=3)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "targetRef": st.one_of(st.just(TARGET), JSON_VALUES),
        "analysis": st.one_of(PARTS, JSON_VALUES, st.fixed_dictionaries({"checks": CHECKS})),
        "service": PARTS,
        "notify": PARTS,
        "replicas": JSON_VALUES,
        "mesh": JSON_VALUES,
    },
)


@given(st.one_of(SPECS, JSON_VALUES))
@example({"targetRef": TARGET, "notify": {"slackChannel": "\ud800"}})
@example({"targetRef": TARGET, "analysis": {"checks": [{"name": "a", "query": "up", "max": 10**400}]}})
@example({"targetRef": TARGET, "analysis": {"checks": [{"name": "a", "query": "up", "max": float("nan")}]}})
def test_any_spec_of_a_canary_gives_a_plan_or_faults(spec: Any) -> None:
    manifest = {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": spec}
    faults = spec_faults(manifest)
    assert all(_readable(fault) for fault in faults)
    if faults:
        with pytest.raises(SpecError) as caught:
            plan(manifest)
        assert caught.value.faults == faults
    else:
        assert plan(manifest).name == "checkout"
