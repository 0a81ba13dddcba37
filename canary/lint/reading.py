"""From the text of a file to its documents, with the line of every key, or to why it cannot be read.

YAML with several documents and anchors, JSON, and Lists. A Helm template is no manifest yet and is told as such.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from canary.lint.model import Document, Finding, Path, Place
from canary.spec.queries import PLACEHOLDERS

MOST_KEYS = 200_000
"""Of one file, what anchors repeat counted each time: a small file may stand for a huge one."""
DEEPEST = 100
LARGEST = sys.float_info.max
"""What a number of JSON may be, as the API server reads it."""
_SHAPE = {"apiVersion": str, "kind": str, "metadata": Mapping}
_DIRECTIVE = re.compile(r"\{\{-?\s*(?P<inside>[^{}]*?)\s*-?\}\}")
_HELM_ONLY = re.compile(r"\.(Values|Release|Chart|Capabilities|Files|Template)\b|^(include|toYaml|tpl)\b")
_HELM = re.compile(r"^([-.$]|/\*|(if|else|end|range|with|define|template|include|toYaml|block|tpl|printf|required)\b)")


@dataclass(slots=True)
class Read:
    """What a file holds: its documents, and what kept others from being read."""

    documents: list[Document] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class _TooMuch(Exception):
    """More than `MOST_KEYS` keys, or deeper than `DEEPEST`."""


def read(text: str, file: str) -> Read:
    """Return the Kubernetes objects of a text. What is none (values files, other tools' settings) is left out.

    Templates of others (an alert's `{{ $labels.pod }}`, a secret to be filled in) are strings like any other: what only
    may be Helm's counts as that where the text is no YAML.
    """
    helm = _helm_line(text, _HELM_ONLY)
    if helm is None:
        found = _read(text, file)
        if not any(one.rule == "unreadable" for one in found.findings):
            return found
        helm = _helm_line(text, _HELM)
    return found if helm is None else Read(findings=[_helm(file, *helm)])


def _read(text: str, file: str) -> Read:
    found = Read()
    loader = yaml.SafeLoader(_for_yaml(text))
    try:
        while loader.check_node():
            node = loader.get_node()
            found.findings += _doubled(node, file)
            value = loader.construct_document(node)
            lines: dict[Path, int] = {}
            _note_lines(node, (), lines)
            for document in _objects(value, lines, file):
                if endless := _endless(document):
                    found.findings.append(endless)
                else:
                    found.documents.append(document)
    except yaml.YAMLError as error:
        found.findings.append(_no_yaml(error, file))
    except (_TooMuch, RecursionError):
        allowed = f"at most {MOST_KEYS} keys, {DEEPEST} deep"
        remedy = "take out the anchors that repeat each other"
        place = Place(file=file, line=1)
        found.findings.append(Finding(place=place, rule="too-large", found="more", allowed=allowed, remedy=remedy))
    except ValueError as error:  # a date such as 2026-13-45, an integer too long to be read
        place = Place(file=file, line=1)
        found.findings.append(_unreadable(place, str(error)))
    finally:
        loader.dispose()
    return found


def _for_yaml(text: str) -> str:
    """JSON may be indented with tabs, which YAML does not take; within its strings there can be none."""
    return text.replace("\t", " ") if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") else text


def _helm_line(text: str, helm: re.Pattern[str]) -> tuple[int, str] | None:
    for match in _DIRECTIVE.finditer(text):
        inside = match["inside"]
        if inside not in PLACEHOLDERS and helm.search(inside):
            return text.count("\n", 0, match.start()) + 1, match[0]
    return None


def _helm(file: str, line: int, directive: str) -> Finding:
    return Finding(
        place=Place(file=file, line=line),
        rule="helm-template",
        found=directive,
        allowed="a manifest as it is applied, not a Helm template",
        remedy="render it first: `helm template CHART | canary lint -`",
    )


def _no_yaml(error: yaml.YAMLError, file: str) -> Finding:
    mark = getattr(error, "problem_mark", None)
    place = Place(file=file, line=mark.line + 1 if mark else 1)
    return _unreadable(place, str(getattr(error, "problem", None) or error))


def _unreadable(place: Place, problem: str) -> Finding:
    remedy = "mend the syntax at that line; nothing from there on was looked at"
    return Finding(place=place, rule="unreadable", found=problem, allowed="YAML or JSON", remedy=remedy)


def _doubled(node: yaml.Node | None, file: str) -> Iterator[Finding]:
    """Yield the keys that a map has twice: the last one silently wins, or the API server refuses it."""
    seen: set[int] = set()
    left = [node] if node is not None else []
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.SequenceNode):
            left += one.value
        elif isinstance(one, yaml.MappingNode):
            left += [value for _, value in one.value]
            yield from _doubled_keys(one, file)


def _doubled_keys(node: yaml.MappingNode, file: str) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        if key.value in first:
            yield Finding(
                place=Place(file=file, line=key.start_mark.line + 1, key=key.value),
                rule="key-twice",
                found=f"{key.value} for the second time",
                allowed=f"each key once; it stands in line {first[key.value]} already",
                remedy="remove one of the two",
            )
        first.setdefault(key.value, key.start_mark.line + 1)


def _note_lines(node: yaml.Node | None, path: Path, lines: dict[Path, int]) -> None:
    if node is None:
        return
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > DEEPEST or len(lines) > MOST_KEYS:
        raise _TooMuch
    if isinstance(node, yaml.SequenceNode):
        for at, item in enumerate(node.value):
            _note_lines(item, (*path, at), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            lines[inner] = key.start_mark.line + 1
            _note_lines(value, inner, lines)


def _objects(value: Any, lines: Mapping[Path, int], file: str) -> Iterator[Document]:
    """Yield the object of a document; of a List each of its items."""
    if not isinstance(value, Mapping):
        return
    if str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        for at, item in enumerate(value["items"]):
            start: Path = ("items", at)
            within = {path[2:]: line for path, line in lines.items() if path[:2] == start}
            yield from _objects(item, within, file)
    elif all(isinstance(value.get(key), kind) for key, kind in _SHAPE.items()):
        yield Document(file=file, manifest=value, lines=lines)


def _endless(document: Document) -> Finding | None:
    """Return what is wrong with the first number that JSON has no word for; no rule could say what it means."""
    for path, number in _endless_at(document.manifest, ()):
        return Finding(
            place=document.at(*path),
            rule="number",
            found=str(number) if isinstance(number, float) else f"a whole number of {number.bit_length()} bits",
            allowed="numbers that JSON can write, at most 1.8e308",
            remedy="write another; the API server would refuse the object, and it was not looked at",
        )
    return None


def _endless_at(value: Any, path: Path) -> Iterator[tuple[Path, int | float]]:
    if isinstance(value, int | float):
        if not -LARGEST <= value <= LARGEST:  # nor is .nan
            yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _endless_at(inner, (*path, str(key)))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _endless_at(inner, (*path, at))
