"""The least shape that answers of the API server must have before anything is taken from them.

The API server keeps to it; a proxy before it may answer anything with HTTP 200. What breaks is Unavailable: it is asked
again, nothing of it is cached, and nothing is decided from it. Not its job: schemas, which the API server holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from canary.clients.parsed import cut
from canary.errors import Unavailable

_MAPS = ("labels", "annotations")
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "deletionTimestamp", "generateName"), str),
    **dict.fromkeys(_MAPS, dict),
    **dict.fromkeys(("ownerReferences", "managedFields"), list),
}
_BROKEN = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what breaks while an answer is read into Unavailable, which names `what` was asked for."""
    try:
        yield
    except _BROKEN as error:
        said = cut(" ".join(f"{type(error).__name__} {error}".split()))
        raise Unavailable(
            f"{what}: the API server's answer has an unknown form ({said}); check what stands before it",
            outcome_unknown=True,
        ) from error


def object_in(answer: Any, what: str) -> dict[str, Any]:
    """Return an answer that is an object with a name, a version and metadata of the right types; raises Unavailable."""
    with reading(what):
        _check_metadata(answer["metadata"])
        if not isinstance(answer, dict):
            raise TypeError("no object")
        return answer


def items_in(page: Any, what: str) -> list[dict[str, Any]]:
    """Return the items of a page of a list, each with the page's apiVersion unless it has its own; raises
    Unavailable."""
    with reading(what):
        named = {"apiVersion": str(page["apiVersion"])}
        return [object_in({**named, **item}, what) for item in page["items"]]


def place_in(page: Any, what: str) -> tuple[str, str]:
    """Return the resourceVersion of a page, and where the next one begins ("" for the last); raises Unavailable."""
    with reading(what):
        metadata = page["metadata"]
        return str(metadata["resourceVersion"]), str(metadata.get("continue") or "")


def event_in(line: Any, what: str) -> tuple[str, dict[str, Any]]:
    """Return the type of a watch's event, and what it is about; raises Unavailable."""
    with reading(what):
        kind, about = str(line["type"]), line["object"]
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            return kind, object_in(about, what)
        if not isinstance(about, dict):
            raise TypeError("no object")
        return kind, about


def newest(events: Sequence[Any], what: str, every: bool = False) -> Sequence[Any]:
    """Return the events of a watch that came together, without changes of objects that changed again but for who asks
    for `every` one; raises Unavailable. Nobody acts on a state between two events that are taken at once."""
    if every or len(events) < 2:
        return events
    with reading(what):
        changed = [_uid(event) if event["type"] == "MODIFIED" else None for event in events]
        last = {uid: at for at, uid in enumerate(changed)}
        return [event for at, event in enumerate(events) if not changed[at] or last[changed[at]] == at]


def _uid(event: Any) -> str:
    return str(event["object"]["metadata"].get("uid", ""))


def label_in(value: Any) -> str:
    """Return a value that may stand in a path, as versions and plurals do; raises ValueError for all else."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value):
        raise ValueError("a version or plural that is no DNS label")
    return value


def _check_metadata(metadata: Any) -> None:
    """Raise TypeError or KeyError for what is no metadata of a stored object."""
    if not (isinstance(metadata["name"], str) and isinstance(metadata["resourceVersion"], str)):
        raise TypeError("an object without a name or a version")
    for field, value in metadata.items():
        kind = _KINDS.get(field)
        if kind is not None and not isinstance(value, kind):
            raise TypeError(f"metadata.{field} of another type")
    for reference in metadata.get("ownerReferences", ()):
        if not (isinstance(reference["kind"], str) and isinstance(reference["name"], str)):
            raise TypeError("an owner without kind or name")
    for field in _MAPS:
        for value in metadata.get(field, {}).values():
            if not isinstance(value, str):
                raise TypeError("a label or annotation that is no text")
