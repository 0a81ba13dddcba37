"""metadata.managedFields, kept simply: who set which annotation, label and top-level field of an object, and when.

A real API server tracks every leaf; canary asks only who set an annotation or changed an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshes.contract import Manifest

Path = tuple[str, ...]

_OWN_MAPS = ("annotations", "labels")
_SKIPPED = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes and through which door: a field manager, and "" or "status" for the subresource."""

    manager: str
    subresource: str = ""


def managed_fields(old: Manifest | None, new: Manifest, writer: Writer, time: str) -> list[dict[str, Any]]:
    """Return the entries after `writer` turned `old` (None: a create) into `new` at `time`.

    A path that changed goes to the writer and leaves every other entry; an entry without paths goes.
    """
    before, after = _leaves(old or {}, new), _leaves(new, old or {})
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    removed = before.keys() - after.keys()
    entries = list(old["metadata"].get("managedFields", ())) if old else []
    kept: list[dict[str, Any]] = []
    mine: set[Path] = set()
    for entry in entries:
        paths = _paths(entry["fieldsV1"])
        if (entry["manager"], entry.get("subresource", "")) == (writer.manager, writer.subresource):
            mine = paths - removed
        elif left := paths - changed - removed:
            kept.append(entry if left == paths else {**entry, "fieldsV1": _tree(left)})
    if mine | changed:
        kept.append(_entry(new, writer, time, mine | changed))
    return kept


def manager_of(manifest: Manifest, *path: str) -> str:
    """Return the field manager that last set a path such as `"metadata", "annotations", KEY`; "" when none did."""
    for entry in manifest["metadata"].get("managedFields", ()):
        if tuple(path) in _paths(entry["fieldsV1"]):
            return str(entry["manager"])
    return ""


def _entry(new: Manifest, writer: Writer, time: str, paths: set[Path]) -> dict[str, Any]:
    entry = {
        "manager": writer.manager,
        "operation": "Update",
        "apiVersion": new["apiVersion"],
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": _tree(paths),
    }
    return {**entry, "subresource": writer.subresource} if writer.subresource else entry


def _leaves(manifest: Manifest, beside: Manifest) -> dict[Path, Any]:
    """The parts that are tracked: annotations and labels by key, spec, status and data by their first field.

    What is the very same object `beside` it is left out: it did not change.
    """
    leaves: dict[Path, Any] = {}
    for name in _OWN_MAPS:
        for key, value in (manifest.get("metadata", {}).get(name) or {}).items():
            leaves["metadata", name, key] = value
    for part, content in manifest.items():
        if part in _SKIPPED or beside.get(part) is content:
            continue
        if isinstance(content, Mapping):
            leaves.update({(part, key): value for key, value in content.items()})
        else:
            leaves[part,] = content
    return leaves


def _tree(paths: set[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for key in path:
            node = node.setdefault(f"f:{key}", {})
    return tree


def _paths(tree: Mapping[str, Any]) -> set[Path]:
    found: set[Path] = set()
    for key, below in tree.items():
        name = key.removeprefix("f:")
        found |= {(name, *path) for path in _paths(below)} if below else {(name,)}
    return found
