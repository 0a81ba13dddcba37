"""The values of lint: a document of a file with the lines of its keys, and what is found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from canary.spec.faults import shown

Path = tuple[str | int, ...]
"""Where a value stands in a document: `("spec", "ports", 0, "name")`."""


class Level(StrEnum):
    """What follows: a fault fails, a warning fails with `--strict`, a note never does."""

    FAULT = "fault"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something was found. `line` counts from 1; `object` and `key` are "" for a file that cannot be read."""

    file: str
    line: int
    object: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to tell: where it stands, what was found, what is allowed there, what to do.

    `rule` is its name in kebab-case, which stays the same from version to version.
    """

    place: Place
    rule: str
    found: str
    allowed: str
    remedy: str
    level: Level = Level.FAULT

    @property
    def text(self) -> str:
        """The finding as one line of printable characters."""
        place = self.place
        what = ": ".join(part for part in (place.object, place.key) if part)
        sentence = f"{what or 'the file'}: found {shown(self.found)}, allowed is {self.allowed}; {self.remedy}"
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One Kubernetes object as it stands in a file. `lines` has the line of each key and each item of a list."""

    file: str
    manifest: Mapping[str, Any]
    lines: Mapping[Path, int]

    @property
    def kind(self) -> str:
        """Its kind, "" when that is no text."""
        return text_at(self.manifest, "kind")

    @property
    def group(self) -> str:
        """The group of its API version, "" for the core group."""
        return text_at(self.manifest, "apiVersion").rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its name, "" when it has none."""
        return text_at(self.manifest, "metadata", "name")

    @property
    def namespace(self) -> str:
        """Its namespace, "" when the file leaves that open."""
        return text_at(self.manifest, "metadata", "namespace")

    @property
    def is_live(self) -> bool:
        """Whether it was read from a cluster: the API server alone gives a uid."""
        return bool(text_at(self.manifest, "metadata", "uid"))

    @property
    def title(self) -> str:
        """`Deployment shop/checkout`, as findings and people say it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def at(self, *path: str | int) -> Place:
        """Return the place of a key; for one that is not there, the line of the nearest that is."""
        known: Path = path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 1)
        return Place(file=self.file, line=line, object=self.title, key=key_of(path))


def together(one: Document, other: Document) -> bool:
    """Return whether two objects may be of one namespace."""
    return one.namespace == other.namespace or not one.namespace or not other.namespace


def key_of(path: Path) -> str:
    """Return a path as people write it: `spec.ports[0].name`; of annotations and labels of ours the key alone."""
    if len(path) == 3 and path[1] in ("annotations", "labels"):
        return str(path[2])
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def value_at(value: Any, *path: str | int) -> Any:
    """Return what stands there, None for nothing and for what has another shape than the path asks for."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """Return the text that stands there, "" for none and for what is no text."""
    found = value_at(value, *path)
    return found if isinstance(found, str) else ""


def map_at(value: Any, *path: str | int) -> Mapping[str, Any]:
    """Return the map that stands there, an empty one for none."""
    found = value_at(value, *path)
    return found if isinstance(found, Mapping) else {}


def maps_at(value: Any, *path: str | int) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the maps in the list that stands there with their places in it, none when it is no list."""
    found = value_at(value, *path)
    items = found if isinstance(found, list) else []
    return [(at, item) for at, item in enumerate(items) if isinstance(item, Mapping)]
