"""Autoscalers: canary points the Deployment's own at the primary, which files must not undo."""

from __future__ import annotations

from collections.abc import Iterator

from canary.controller.names import primary_ref
from canary.controller.scalers import KINDS
from canary.lint.bundle import Bundle, Subject
from canary.lint.model import Document, Finding, Level, text_at

GOAL = ("spec", "scaleTargetRef", "name")


def _scalers(subject: Subject, bundle: Bundle) -> list[tuple[Document, bool]]:
    """Return the autoscalers of a canary, each with whether it points at the primary."""
    if subject.plan is None:
        return []
    target = subject.plan.target
    goals = {target: False, primary_ref("", target).name: True}
    found = bundle.of(*(kind.kind for kind in KINDS), near=subject.source)
    return [(one, goals[goal]) for one in found if (goal := text_at(one.manifest, *GOAL)) in goals]


def goal(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """An autoscaler in a file that points at the candidate: each apply takes it away from the primary."""
    for scaler, primary in _scalers(subject, bundle):
        if not primary:
            name = text_at(scaler.manifest, *GOAL)
            yield Finding(
                place=scaler.at(*GOAL),
                rule="autoscaler-of-candidate",
                found=name,
                allowed=f"{name}-primary, which serves; canary points it there, and an apply of this file undoes that",
                remedy=f"write {name}-primary here once the Deployment is under canary",
                level=Level.WARNING,
            )


def several(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Two autoscalers for one set of pods: both stop working (`AmbiguousSelector`)."""
    found = _scalers(subject, bundle)
    if len(found) > 1:
        first = found[0][0]
        for scaler, _ in found[1:]:
            yield Finding(
                place=scaler.at(*GOAL),
                rule="autoscaler-conflict",
                found=f"{text_at(scaler.manifest, *GOAL)}, beside {first.title} of {text_at(first.manifest, *GOAL)}",
                allowed="one autoscaler for the Deployment and its primary together",
                remedy="delete one of the two",
            )


def size(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A size of the primary that an autoscaler overrules."""
    found = _scalers(subject, bundle)
    if found and subject.plan is not None and subject.plan.replicas is not None:
        yield Finding(
            place=subject.at("replicas"),
            rule="replicas-beside-autoscaler",
            found=str(subject.plan.replicas),
            allowed=f"no such key beside {found[0][0].title}, which sets the size",
            remedy="take one of the two away",
            level=Level.WARNING,
        )


RULES = (goal, several, size)
