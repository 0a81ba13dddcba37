"""What of a text becomes a document, on which lines its keys stand, and what keeps it from being read."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from canary.lint.reading import read

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}


def told(text: str) -> list[tuple[int, str, str]]:
    """Line, rule and found of each finding."""
    return [(one.place.line, one.rule, one.found) for one in read(text, "file").findings]


def test_each_document_of_a_file_has_its_own_lines() -> None:
    text = (
        "kind: A\napiVersion: v1\nmetadata: {name: a}\n---\n# second\napiVersion: v1\nkind: B\nmetadata:\n  name: b\n"
    )
    found = read(text, "file").documents
    assert [(one.title, one.at("kind").line, one.at("metadata", "name").line) for one in found] == [
        ("A a", 1, 3),
        ("B b", 7, 9),
    ]


@pytest.mark.parametrize("indent", [2, "\t", None])
def test_json_is_read_whatever_it_is_indented_with(indent: int | str | None) -> None:
    read_back = read(json.dumps(SERVICE, indent=indent), "file")
    assert (read_back.findings, [one.manifest for one in read_back.documents]) == ([], [SERVICE])
    assert read_back.documents[0].at("spec", "ports", 0, "port").line == (1 if indent is None else 10)


def test_the_items_of_a_list_are_documents_of_their_own() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: a\n"
    [document] = read(text, "file").documents
    assert (document.title, document.at("metadata", "name").line) == ("Service a", 7)


def test_what_an_anchor_brings_is_read_and_has_its_line() -> None:
    text = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  selector: &labels\n    app: a\n"
        "  other:\n    <<: *labels\n    tier: web\n"
    )
    [document] = read(text, "file").documents
    assert document.manifest["spec"]["other"] == {"app": "a", "tier": "web"}
    assert (document.at("spec", "other", "app").line, document.at("spec", "other", "tier").line) == (6, 9)


def test_a_key_that_is_not_there_has_the_line_of_the_nearest_that_is() -> None:
    [document] = read("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: []\n", "f").documents
    assert document.at("spec", "ports", 3, "name").line == 5


@pytest.mark.parametrize("text", ["", "---\n---\n", "- a\n- b\n", "replicas: 3\n", "a", "kind: 3\napiVersion: v1\n"])
def test_what_is_no_object_of_kubernetes_is_left_out(text: str) -> None:
    found = read(text, "file")
    assert (found.documents, found.findings) == ([], [])


@pytest.mark.parametrize(
    ("directive", "line"),
    [
        ("name: {{ .Values.name }}", 3),
        ('name: "{{ .Release.Name }}"', 3),
        ('{{- include "labels" . | nindent 4 }}', 3),
        ("{{ if .Values.on }}", 3),
        ("{{/* a comment */}}", 3),
        ("{{ $name := 1 }}", 3),
    ],
)
def test_a_helm_template_is_told_as_unreadable(directive: str, line: int) -> None:
    text = f"apiVersion: v1\nkind: Service\n{directive}\n"
    [finding] = read(text, "file").findings
    assert (finding.place.line, finding.rule) == (line, "helm-template")
    assert finding.remedy == "render it first: `helm template CHART | canary lint -`"


@pytest.mark.parametrize(
    "note",
    [
        "{{ $labels.namespace }} has {{ $value }}",
        '{{- with secret "db" -}} {{ .Data.password }} {{- end }}',
        "{{ if gt $value 1.0 }}many{{ end }}",
        "{{ range .Alerts }}{{ .Labels.pod }}{{ end }}",
        "{{ .path.basename }}",
    ],
)
def test_templates_of_others_in_strings_are_no_helm(note: str) -> None:
    text = f"apiVersion: v1\nkind: A\nmetadata: {{name: a}}\nnote: >-\n  {note}\n"
    found = read(text, "file")
    assert (found.findings, [one.title for one in found.documents]) == ([], ["A a"])


def test_placeholders_of_checks_are_no_helm() -> None:
    text = "apiVersion: v1\nkind: A\nmetadata: {name: a, note: '{{ pods }} {{target}} {{ pod }}'}\n"
    assert told(text) == []


def test_a_key_that_stands_twice_is_told_with_both_lines() -> None:
    text = "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  name: b\n"
    [finding] = read(text, "file").findings
    assert (finding.place.line, finding.found) == (5, "name for the second time")
    assert finding.allowed == "each key once; it stands in line 4 already"


def test_what_stands_before_a_fault_of_syntax_is_looked_at() -> None:
    text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\nkind: [\n"
    found = read(text, "file")
    assert [one.title for one in found.documents] == ["A a"]
    assert [(one.place.line, one.rule) for one in found.findings] == [(6, "unreadable")]


def test_anchors_that_repeat_each_other_without_bound_are_refused() -> None:
    names = "abcdefghij"
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"{two}: &{two} [{','.join([f'*{one}'] * 10)}]" for one, two in pairwise(names)]
    assert [rule for _, rule, _ in told("\n".join(lines))] == ["too-large"]


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "[" * 3000, "a: 2026-13-45\n", "a: !!python/object:os.system x\n"])
def test_what_cannot_be_read_is_told_and_no_more(text: str) -> None:
    assert [rule for _, rule, _ in told(text)] in (["too-large"], ["unreadable"])


@pytest.mark.parametrize(
    ("number", "found"),
    [(".inf", "inf"), ("-.inf", "-inf"), (".nan", "nan"), ("1.0e+999", "inf"), ("0x1" + "0" * 4999, "19997 bits")],
)
def test_a_number_that_json_has_no_word_for_is_told_with_its_key_and_the_next_object_is_read(
    number: str, found: str
) -> None:
    text = f"apiVersion: v1\nkind: A\nmetadata: {{name: a}}\nspec:\n  ports:\n  - port: {number}\n"
    read_of = read(f"{text}---\napiVersion: v1\nkind: B\nmetadata: {{name: b}}\n", "file")
    assert [one.title for one in read_of.documents] == ["B b"]
    [finding] = read_of.findings
    assert (finding.rule, finding.place.line, finding.place.key) == ("number", 6, "spec.ports[0].port")
    assert finding.found.endswith(found)


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "1.0e+300", "9223372036854775808", "true"])
def test_numbers_that_json_can_write_are_no_fault(number: str) -> None:
    assert told(f"apiVersion: v1\nkind: A\nmetadata: {{name: a}}\nspec: {number}\n") == []


def test_what_is_no_object_may_have_any_number() -> None:
    assert told("limits: [.inf, .nan]\n") == []
