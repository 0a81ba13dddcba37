"""Which documents belong together where files hold an object more than once. Pure.

Folders of files are often several answers to one question: a base and its overlays, a folder for each cluster or mesh.
So a folder that has the same object whole again is another answer, and nothing in it is looked at; and of what is left
each object counts once: as the same file has it, else the same folder, else the one that says most. A patch (one that
says less than half of what another does) never counts for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from canary.lint.model import Document, together

PATCH = 0.5
"""The share of the keys of the longest one under which a document is a patch of it."""


def seen(near: Document, same: Iterable[Document], among: Iterable[Document]) -> list[Document]:
    """Return those of `among` that belong to `near`, of each object one, in their order.

    `same` are at least the documents of the kind and name of `near`.
    """
    strange = _other_answers(near, same)
    left = [one for one in among if _folder(one) not in strange]
    chosen: dict[tuple[str, str, str], list[Document]] = {}
    for one in left:
        chosen.setdefault((one.group, one.kind, one.name), []).append(one)
    kept = {id(one) for several in chosen.values() for one in _nearest(near, several)}
    return [one for one in left if id(one) in kept]


def _other_answers(near: Document, same: Iterable[Document]) -> set[str]:
    """Return the folders that have the same object whole again; none for a patch, which is of one of them."""
    whole = _whole([near, *(one for one in same if one is not near and _is_same(one, near))])
    return {_folder(one) for one in whole} - {_folder(near)} if near in whole else set()


def _is_same(one: Document, other: Document) -> bool:
    """Return whether two documents may be of one object."""
    return (one.group, one.kind, one.name) == (other.group, other.kind, other.name) and together(one, other)


def _whole(same: Sequence[Document]) -> list[Document]:
    said = {id(one): _said(one) for one in same}
    most = max(said.values())
    return [one for one in same if said[id(one)] >= PATCH * most]


def _said(one: Document) -> int:
    """Return how many keys an object has beside its names and labels, which a patch has too."""
    return sum(bool(path) and path[0] not in ("apiVersion", "kind", "metadata") for path in one.lines)


def _nearest(near: Document, several: Sequence[Document]) -> list[Document]:
    """Return one document for each namespace that is named; one that leaves it open may stand for any of them."""
    if len(several) == 1:
        return list(several)
    found: list[Document] = []
    key = lambda one: (one.file == near.file, _folder(one) == _folder(near), _said(one))  # noqa: E731
    for one in sorted(_whole(several), key=key, reverse=True):
        if not any(together(one, other) for other in found):
            found.append(one)
    return found


def _folder(one: Document) -> str:
    return str(PurePath(one.file).parent)
