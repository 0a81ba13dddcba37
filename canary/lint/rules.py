"""All rules, and the run over them. A rule looks at one canary among all documents and yields what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from canary.lint import (
    rules_checks,
    rules_mesh,
    rules_route,
    rules_scaling,
    rules_service,
    rules_spec,
    rules_workload,
)
from canary.lint.bundle import Bundle, Settings, Subject
from canary.lint.model import Document, Finding, Level

Rule = Callable[[Subject, Bundle], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    *rules_spec.RULES,
    *rules_workload.RULES,
    *rules_service.RULES,
    *rules_scaling.RULES,
    *rules_checks.RULES,
    *rules_mesh.RULES,
    *rules_route.RULES,
)


def findings(documents: Sequence[Document], settings: Settings) -> tuple[Finding, ...]:
    """Return all that is to be told of the documents, by file and line; each thing once."""
    bundle = Bundle(documents, settings)
    found = [*rules_spec.strays(bundle)]
    for subject in bundle.subjects:
        for rule in RULES:
            found += rule(subject, bundle)
    return in_order(found)


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by file and line, each once."""
    levels = list(Level)
    once = dict.fromkeys(found)
    key = lambda one: (one.place.file, one.place.line, levels.index(one.level), one.rule)  # noqa: E731
    return tuple(sorted(once, key=key))


def fails(found: Iterable[Finding], *, strict: bool) -> bool:
    """Return whether what was found is to fail: a fault does, a warning with `strict`."""
    bad = (Level.FAULT, Level.WARNING) if strict else (Level.FAULT,)
    return any(one.level in bad for one in found)
