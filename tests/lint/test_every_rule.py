"""Every rule of lint has a case, and every case is of a rule that there is; so has each mesh that lint knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.lint.reading import read
from meshes import registry
from tests.lint.test_faults import CASES, linted

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "canary" / "lint").glob("*.py"))
OF_FILES = {
    "helm-template": "a: {{ .Values.a }}\n",
    "unreadable": "a: [\n",
    "key-twice": "a: 1\na: 2\n",
    "number": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: .inf}]}\n",
    "too-large": "a: " + "[" * 200 + "]" * 200 + "\n",
}
"""What is told of a file that cannot be read, with such a file."""
AFTER_A_LOOK = {"MeshNotInstalled", "MetricsUnknown", "RouteNotFound", "UnknownVersion"}
"""Why an adapter refuses that only the live cluster can tell; lint never does."""


def rules_of_source() -> set[str]:
    """Names of rules that stand in the source, each as the text given for `rule`."""
    return {name for path in SOURCES for name in _rules(ast.parse(path.read_text(encoding="utf-8")))}


def _rules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "rule":
            yield from _texts(node.value)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)
        ):
            for name, value in zip(node.targets[0].elts, node.value.elts, strict=True):
                if isinstance(name, ast.Name) and name.id == "rule":
                    yield from _texts(value)


def _texts(value: ast.AST) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def reasons_of_adapters() -> set[str]:
    """Why adapters refuse a route: the first word that each RouteError in their source is given."""
    found: set[str] = set()
    for path in (ROOT / "meshes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RouteError" and node.args:
                found |= set(_texts(node.args[0]))
    return found


def rule_of(reason: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in reason).lstrip("-")


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    rules = rules_of_source() | {rule_of(reason) for reason in reasons_of_adapters() - AFTER_A_LOOK}
    assert {case.rule for case in CASES.values()} | OF_FILES.keys() | {"route-unreadable"} == rules


def test_what_only_a_live_cluster_tells_is_something_that_adapters_tell() -> None:
    assert AFTER_A_LOOK - reasons_of_adapters() == set()


@pytest.mark.parametrize(("rule", "text"), OF_FILES.items(), ids=OF_FILES.keys())
def test_a_file_that_cannot_be_read_is_told_by_its_rule(rule: str, text: str) -> None:
    assert [one.rule for one in read(text, "file").findings] == [rule]


def test_an_adapter_that_cannot_take_the_shape_of_a_route_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def render(*_: object) -> None:
        raise TypeError("an integer where a map was thought to be")

    mistake = CASES["a route without the apex"]
    monkeypatch.setattr(type(registry.load("istio")), "render", render)
    [found] = [one for one in linted(mistake.text) if one.rule == "route-unreadable"]
    assert (found.place.line, found.place.object, found.place.key) == (mistake.line, mistake.object, "spec")
    assert found.allowed == "the spec of a VirtualService.networking.istio.io"


def test_every_mesh_has_cases_of_its_own() -> None:
    assert {case.mesh for case in CASES.values()} == set(registry.names())
