"""What is wrong with what a user asks of canary itself. Single values are judged by canary/spec, not here."""

from __future__ import annotations

import re
from collections.abc import Iterator

from canary.lint.bundle import Bundle, Subject
from canary.lint.model import Document, Finding, Level, Path, map_at, text_at, together
from canary.rollout.model import CommandName
from canary.spec.annotations import API_VERSION, ENABLED
from canary.spec.crd import GROUP, KIND
from canary.spec.faults import SpecFault
from canary.spec.keys import PREFIX

_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def faults(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Yield every fault that the reader of annotations or of the resource finds."""
    for fault in subject.faults:
        path = _path(fault.key) if not subject.annotated else _annotation(fault.key)
        yield Finding(
            place=subject.source.at(*path),
            rule="spec",
            found=fault.found,
            allowed=fault.allowed,
            remedy=_remedy(fault),
        )


def _remedy(fault: SpecFault) -> str:
    return f"did you mean {fault.nearest}?" if fault.nearest else f"write a value of that kind for {fault.key}"


def _annotation(key: str) -> Path:
    return ("metadata", "annotations", key) if key.startswith(PREFIX) else _path(key)


def _path(key: str) -> Path:
    found = (match.groups() for match in _PART.finditer(key))
    return tuple(int(index) if index is not None else name for name, index in found)


def api_version(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A Canary of a version that no controller serves."""
    found = text_at(subject.source.manifest, "apiVersion")
    if not subject.annotated and found != API_VERSION:
        yield Finding(
            place=subject.source.at("apiVersion"),
            rule="api-version",
            found=found,
            allowed=API_VERSION,
            remedy=f"write apiVersion: {API_VERSION}",
        )


def target(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A Canary whose Deployment is not among the files, and one whose Deployment another one has too."""
    if subject.plan is None:
        return
    if subject.deployment is None:
        yield Finding(
            place=subject.source.at("spec", "targetRef", "name"),
            rule="target-not-here",
            found=f"Deployment {subject.plan.target}, which is not among the files",
            allowed="any Deployment of its namespace",
            remedy="give lint the file of the Deployment too, to have it looked at",
            level=Level.NOTE,
        )
    for other in bundle.subjects:
        if other is subject or other.plan is None or other.plan.target != subject.plan.target:
            continue
        if together(other.source, subject.source):
            yield from _rival(subject, other)


def _rival(subject: Subject, other: Subject) -> Iterator[Finding]:
    where = f"{other.source.file}:{other.source.at().line}"
    if subject.annotated and not other.annotated:
        yield Finding(
            place=subject.at("enabled"),
            rule="annotations-ignored",
            found=f"annotations beside {other.source.title} in {where}",
            allowed="either annotations or a Canary; the Canary wins",
            remedy="take the annotations away, or the Canary",
            level=Level.WARNING,
        )
    elif not subject.annotated and not other.annotated and _is_later(subject.source, other.source):
        yield Finding(
            place=subject.source.at("spec", "targetRef", "name"),
            rule="target-conflict",
            found=f"the target of {other.source.title} in {where} too",
            allowed="one Canary for a Deployment",
            remedy="delete one of the two",
        )


def _is_later(one: Document, other: Document) -> bool:
    """Return whether of two Canaries this is the one to tell it of: the second. Equal names are one and its patch."""
    return one.name != other.name and (one.file, one.at().line, one.name) > (other.file, other.at().line, other.name)


def command(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A command that stands in a file: each time that the file is applied it would be given again."""
    word = map_at(subject.source.manifest, "metadata", "annotations").get(f"{PREFIX}command")
    if word is not None:
        known = word in list(CommandName)
        yield Finding(
            place=subject.source.at("metadata", "annotations", f"{PREFIX}command"),
            rule="command-in-file",
            found=str(word),
            allowed="no command in a file" if known else f"one of {', '.join(CommandName)}, and none in a file",
            remedy=f"take it out and run `canary {word if known else 'COMMAND'} {subject.source.name}` once",
            level=Level.WARNING if known else Level.FAULT,
        )


def strays(bundle: Bundle) -> Iterator[Finding]:
    """Yield our annotations where nobody reads them."""
    for document in bundle.documents:
        yield from _stray(document)


def _stray(document: Document) -> Iterator[Finding]:
    annotations = map_at(document.manifest, "metadata", "annotations")
    ours = [key for key in map(str, annotations) if key.startswith(PREFIX)]
    if document.kind == "Deployment":
        if ours and ENABLED not in annotations:
            yield Finding(
                place=document.at("metadata", "annotations", ours[0]),
                rule="not-enabled",
                found=f"{ours[0]} without {ENABLED}",
                allowed=f'{ENABLED}: "true" beside it',
                remedy=f'add {ENABLED}: "true"; without it nothing is done',
            )
        if not document.is_live:  # there the controller has labelled it
            yield from _misplaced(document, ("metadata", "labels"))
        yield from _misplaced(document, ("spec", "template", "metadata", "annotations"))
    elif document.kind != KIND and ENABLED in annotations:
        yield Finding(
            place=document.at("metadata", "annotations", ENABLED),
            rule="wrong-kind",
            found=f"a {document.kind}",
            allowed="a Deployment",
            remedy="move the annotations to the Deployment; canary ships no other kind",
        )


def _misplaced(document: Document, where: Path) -> Iterator[Finding]:
    for key in map_at(document.manifest, *where):
        if str(key).startswith(PREFIX):
            yield Finding(
                place=document.at(*where, str(key)),
                rule="misplaced",
                found=f"{key} under {'.'.join(map(str, where))}",
                allowed="keys of canary under metadata.annotations of the Deployment",
                remedy="move it to metadata.annotations",
            )
            return


def other_controllers(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Another tool of this kind that works on the same Deployment."""
    if subject.plan is None:
        return
    for document in bundle.of(KIND, "Rollout", near=subject.source):
        if document.group == GROUP:
            continue
        for path in (("spec", "targetRef", "name"), ("spec", "workloadRef", "name")):
            if text_at(document.manifest, *path) == subject.plan.target:
                yield Finding(
                    place=document.at(*path),
                    rule="other-controller",
                    found=f"Deployment {subject.plan.target}, which {subject.source.file} puts under canary",
                    allowed="one controller for a Deployment",
                    remedy=f"delete this {document.kind} ({document.group}) first, and let it put the Deployment back",
                )


RULES = (faults, api_version, target, command, other_controllers)
