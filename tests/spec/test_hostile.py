"""What would be slow, long or unlike what the API server takes is refused while it is still cheap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from canary.rollout.model import Check, Limit, Timing
from canary.spec.annotations import canary_from_annotations
from canary.spec.plan import plan_from
from canary.spec.queries import LONGEST, MOST_OPERATORS, check_query, split_limit
from canary.spec.reading import spec_faults
from tests.meshes.structural import faults as refused_by
from tests.spec.deployments import PREFIX, deployment
from tests.spec.test_any_annotations import ANNOTATIONS

CRD = Path(__file__).resolve().parents[2] / "manifests" / "crd.yaml"
TOO_MANY = f"PromQL of at most {MOST_OPERATORS} operators and brackets"


def checks_of(annotations: dict[str, Any]) -> tuple[Check, ...]:
    canary, faults = canary_from_annotations(deployment(annotations))
    assert (faults, canary is None) == ((), False)
    return plan_from(canary or {}, timing=Timing(), default_mesh="istio").checks


@pytest.mark.parametrize(
    "query",
    [
        "x" + " + x" * (MOST_OPERATORS + 1),
        "-" * (MOST_OPERATORS + 1) + "x",
        "(" * (LONGEST - 1),
        "x" + " unless x" * (MOST_OPERATORS + 1),
        "x" + " AND x" * (MOST_OPERATORS + 1),
        "x" + " == x" * (MOST_OPERATORS + 1),
        "x" + " < x" * (MOST_OPERATORS + 1),
        "x # '\n" + " + x" * (MOST_OPERATORS + 1) + " # '",
    ],
    ids=["plus", "minus", "brackets", "words", "capitals", "equal", "less", "comments"],
)
def test_a_query_that_takes_long_to_parse_is_not_parsed(query: str) -> None:
    with pytest.raises(ValueError, match=f"^{TOO_MANY}$"):
        check_query(query)


def test_operators_are_counted_outside_of_strings_and_comments() -> None:
    check_query("x" + " + x" * MOST_OPERATORS)
    check_query('x{pod=~"' + "(a|b)+" * 200 + '"} # ' + "+" * 200)


def test_a_limit_that_is_repeated_in_a_comment_is_not_taken_for_the_one_that_counts() -> None:
    with pytest.raises(ValueError, match=r"^PromQL that ends in <= or >= and a finite number"):
        split_limit("sum(a) <= 5 # <= 5")


@pytest.mark.parametrize("text", [" 1m", "1m ", "1m\n"])
def test_a_duration_has_no_blanks_where_the_api_server_takes_none(text: str) -> None:
    manifest = {"spec": {"targetRef": {"name": "checkout"}, "analysis": {"interval": text}}}
    assert [fault.key for fault in spec_faults(manifest)] == ["spec.analysis.interval"]


def test_a_limit_keeps_every_digit_that_a_number_has() -> None:
    annotations = {
        "success-rate": "99.12345678901235",
        "check.a": "a <= 1e300",
        "check.b": "b >= -0.12345678901234568",
        "check.c": "c <= 123456789012345",
    }
    assert [(one.side, one.limit) for one in checks_of(annotations)] == [
        (Limit.MIN, 99.12345678901235),
        (Limit.MAX, 1e300),
        (Limit.MIN, -0.12345678901234568),
        (Limit.MAX, 123456789012345.0),
    ]


def test_faults_come_in_the_order_of_the_table_then_checks_then_unknown_keys() -> None:
    annotations = {"zzzz": "1", "check.b": "b", "check.a": "a", "suspend": "x", "success-rate": "x", "mesh": "X"}
    _, faults = canary_from_annotations(deployment(annotations))
    keys = ["mesh", "success-rate", "suspend", "check.a", "check.b", "zzzz"]
    assert [fault.key for fault in faults] == [PREFIX + key for key in keys]


def test_a_deployment_without_a_name_is_told() -> None:
    manifest = deployment({})
    del manifest["metadata"]["name"]
    _, faults = canary_from_annotations(manifest)
    assert [(fault.key, fault.found) for fault in faults] == [("metadata.name", "")]


@given(ANNOTATIONS)
def test_the_api_server_refuses_no_canary_that_is_generated(annotations: dict[str, Any]) -> None:
    canary, _ = canary_from_annotations(deployment({**annotations, "enabled": "true"}))
    assert canary is not None
    assert refused_by(CRD, canary) == []
