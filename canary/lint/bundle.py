"""All documents of one run of lint, and the canaries among them with what they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from canary.lint import nearness
from canary.lint.model import Document, Place, map_at, text_at, together, value_at
from canary.rollout.model import Plan, Timing
from canary.spec.annotations import canary_from_annotations, is_enabled
from canary.spec.crd import GROUP, KIND
from canary.spec.faults import SpecError, SpecFault
from canary.spec.keys import PREFIX
from canary.spec.plan import plan_from
from canary.spec.reading import spec_faults
from canary.spec.table import NAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the controller will be started with: its mesh, and its timing."""

    mesh: str
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One canary: the document that asks for it, its Deployment (None when it is not among the files), its plan.

    `faults` are those of what was written; `plan` is then what the keys without a fault say, None when nothing does.
    """

    source: Document
    deployment: Document | None
    canary: Mapping[str, Any]
    faults: tuple[SpecFault, ...]
    plan: Plan | None

    @property
    def annotated(self) -> bool:
        """Whether annotations ask for it, and no Canary of the user's own."""
        return self.source.kind != KIND

    def at(self, name: str) -> Place:
        """Return the place of a setting by its annotation's name; where it is not written, of what opts in."""
        if self.annotated:
            written = PREFIX + name in map_at(self.source.manifest, "metadata", "annotations")
            return self.source.at("metadata", "annotations", PREFIX + (name if written else "enabled"))
        return self.source.at("spec", *NAMED[name].path)

    def at_check(self, name: str) -> Place:
        """Return the place of a check by its name."""
        if self.annotated:
            own = f"check.{name}"
            return self.at(own if PREFIX + own in map_at(self.source.manifest, "metadata", "annotations") else name)
        checks = value_at(self.source.manifest, "spec", "analysis", "checks")
        names = [text_at(check, "name") for check in checks] if isinstance(checks, list) else []
        at = (names.index(name),) if name in names else ()
        return self.source.at("spec", "analysis", "checks", *at)

    def is_written(self, name: str) -> bool:
        """Return whether a setting stands there, rather than being a default."""
        if self.annotated:
            return PREFIX + name in map_at(self.source.manifest, "metadata", "annotations")
        return value_at(self.source.manifest, "spec", *NAMED[name].path) is not None


class Bundle:
    """The documents, and lookups in them. A namespace that a file leaves open may be any; plans then have `default`."""

    def __init__(self, documents: Sequence[Document], settings: Settings, default: str = "") -> None:
        self.documents = documents
        self.settings = settings
        self._default = default

    def with_more(self, documents: Sequence[Document]) -> Bundle:
        """Return a bundle with more documents, which are looked up where the others do not have an object."""
        return Bundle([*self.documents, *documents], self.settings, self._default)

    def of(self, *kinds: str, near: Document | None = None) -> list[Document]:
        """Return the documents of some kinds; with `near` as `seen_from` it, of its namespace."""
        if near is None:
            return [one for kind in kinds for one in self._by_kind.get(kind, ())]
        return [one for one in self.seen_from(near, *kinds) if together(one, near)]

    def seen_from(self, near: Document, *kinds: str) -> list[Document]:
        """Return the documents of some kinds in any namespace that stand beside `near`: of each object one alone.

        `canary.lint.nearness` says which.
        """
        same = [one for one in self.of(near.kind) if one.name == near.name]
        return nearness.seen(near, same, self.of(*kinds))

    @cached_property
    def _by_kind(self) -> Mapping[str, list[Document]]:
        found: dict[str, list[Document]] = {}
        for one in self.documents:
            found.setdefault(one.kind, []).append(one)
        return found

    def named(self, kind: str, name: str, near: Document) -> Document | None:
        """Return the document of that kind and name, as seen from `near`."""
        found = [one for one in self.of(kind, near=near) if one.name == name]
        return max(found, key=lambda one: len(one.lines), default=None)

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """The canaries: Deployments that are opted in, and the user's own Canaries."""
        return (*map(self._annotated, self._opted_in()), *map(self._own, self._canaries()))

    def _opted_in(self) -> Iterator[Document]:
        return (one for one in self.of("Deployment") if is_enabled(_readable(one.manifest)))

    def _canaries(self) -> Iterator[Document]:
        return (one for one in self.of(KIND) if one.group == GROUP)

    def _annotated(self, source: Document) -> Subject:
        manifest = _readable(source.manifest)
        canary, faults = canary_from_annotations(manifest)
        if faults:
            named = {fault.key for fault in faults}
            kept = {key: value for key, value in manifest["metadata"]["annotations"].items() if key not in named}
            sound = {**manifest, "metadata": {**manifest["metadata"], "annotations": kept}}
            canary = canary_from_annotations(sound)[0]
        return Subject(
            source=source,
            deployment=source,
            canary=canary or {},
            faults=faults,
            plan=self._plan(canary or {}, source),
        )

    def _own(self, source: Document) -> Subject:
        target = text_at(source.manifest, "spec", "targetRef", "name")
        faults = spec_faults(source.manifest)
        bare = {key: map_at(source.manifest, "spec").get(key) for key in ("targetRef", "service", "mesh", "route")}
        canary = {**source.manifest, "spec": bare} if faults else source.manifest
        return Subject(
            source=source,
            deployment=self.named("Deployment", target, source),
            canary=canary,
            faults=faults,
            plan=self._plan(canary, source),
        )

    def _plan(self, canary: Mapping[str, Any], source: Document) -> Plan | None:
        metadata = {"namespace": source.namespace or self._default, "name": source.name}
        try:
            return plan_from(
                {**canary, "metadata": metadata}, timing=self.settings.timing, default_mesh=self.settings.mesh
            )
        except SpecError:
            return None


def _readable(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with metadata as the readers of annotations expect them, whatever stands in the file."""
    metadata = map_at(manifest, "metadata")
    return {**manifest, "metadata": {**metadata, "annotations": dict(map_at(metadata, "annotations"))}}
