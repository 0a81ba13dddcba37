"""Each mistake of the table is told once, with object, file, line, key, what was found, what is allowed, what to do."""

from __future__ import annotations

import pytest

from canary.lint.bundle import Settings
from canary.lint.model import Finding, Level
from canary.lint.reading import read
from canary.lint.rules import findings
from canary.rollout.model import Timing
from meshes import registry
from tests.lint import cases_keys, cases_meshes, cases_neighbours, cases_objects
from tests.lint.cases import FILE, SOUND, Case

CASES = {**cases_keys.CASES, **cases_objects.CASES, **cases_neighbours.CASES, **cases_meshes.CASES}


def linted(text: str, mesh: str = "istio") -> tuple[Finding, ...]:
    found = read(text, FILE)
    assert found.findings == []
    return findings(found.documents, Settings(mesh=mesh, timing=Timing()))


def test_sound_manifests_have_no_findings() -> None:
    assert linted(SOUND) == ()


def test_edges_are_not_judged_where_the_files_do_not_say_whose_metrics_are_asked() -> None:
    between = cases_keys.CASES["a limit between the edges"]
    assert [one.rule for one in linted(between.text, "istio")] == [between.rule]
    assert linted(between.text, "gateway-api") == ()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_mistake_is_told_with_its_place_and_its_remedy(case: Case) -> None:
    found = [one for one in linted(case.text, case.mesh) if one.rule == case.rule]
    assert [(one.place.file, one.place.line, one.place.object, one.place.key) for one in found] == [
        (FILE, case.line, case.object, case.key)
    ]
    [one] = found
    assert (one.level, one.found) == (case.level, case.found)
    assert case.allowed in one.allowed
    assert case.remedy in one.remedy
    for part in (case.object, case.key, case.allowed, case.remedy):
        assert part in one.text


def test_a_mistake_brings_no_other_faults_or_warnings_with_it() -> None:
    """But that the adapter of another mesh may not be installed."""
    others = {
        name: [one.text for one in linted(case.text, case.mesh) if is_other(one, case)] for name, case in CASES.items()
    }
    assert {name: found for name, found in others.items() if found} == {}


def is_other(finding: Finding, case: Case) -> bool:
    absent = case.mesh not in registry.names() and finding.rule == "mesh-unknown"
    return finding.rule != case.rule and finding.level is not Level.NOTE and not absent
