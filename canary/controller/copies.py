"""Immutable copies of tracked configuration: what a stored revision refers to in place of the originals.

Named by what they hold, so they are written once and never changed. Which revisions are stored is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from canary.contents import LENGTH, content_of, hashed, held_by
from canary.controller.hands import Hands
from canary.controller.names import PREFIX, TARGET, is_ours, owner_labels
from canary.controller.references import Reference, references
from canary.errors import Conflict, Rejected
from canary.ports import CONFIG_MAP, SECRET
from meshes.contract import Kind, Manifest, ObjectRef

LONGEST_NAME = 253
COPY_OF = f"{PREFIX}copy-of"
"""The annotation that names the original: for people; a name may be longer than a label's value."""


class CopyRefused(Rejected):
    """The API server refuses to have an original copied: a right is missing, or an admission rule forbids it."""


_KINDS = {kind.kind: kind for kind in (CONFIG_MAP, SECRET)}


def copy_ref(namespace: str, target: str, reference: Reference, content: str) -> ObjectRef:
    """Return the copy, `NAME-HASH`, of an original that holds `content`; for "" one that is never made.

    The target goes into the hash: two canaries that read the same ConfigMap have a copy each.
    """
    address = hashed([target, reference.kind.kind, reference.name, content])
    head = reference.name[: LONGEST_NAME - LENGTH - 1].rstrip("-.")
    return ObjectRef(reference.kind, namespace, f"{head}-{address}")


def recorded(namespace: str, target: str, held: Mapping[Reference, str]) -> list[dict[str, Any]]:
    """Return what a stored revision notes of its config. An original that was not there is noted as absent: pods of
    the primary go on without it whatever comes under its name."""
    return [
        {
            "kind": one.kind.kind,
            "name": one.name,
            "copy": copy_ref(namespace, target, one, content).name,
            **({} if content else {"absent": True}),
        }
        for one, content in held.items()
    ]


def copies_in(stored: Manifest) -> Iterator[ObjectRef]:
    """Yield the copies that a stored revision refers to."""
    namespace = stored["metadata"]["namespace"]
    for note in stored["data"].get("config") or ():
        if not note.get("absent"):
            yield ObjectRef(_KINDS[note["kind"]], namespace, note["copy"])


def names_in(stored: Manifest) -> dict[tuple[Kind, str], str]:
    """Return the name of the copy for each original that a stored revision refers to."""
    return {(_KINDS[note["kind"]], note["name"]): note["copy"] for note in stored["data"].get("config") or ()}


async def make_copies(hands: Hands, namespace: str, held: Mapping[Reference, str], only: frozenset[ObjectRef]) -> None:
    """Copy the originals, those among `only`.

    Raises Conflict when one holds something else by now, CopyRefused when it may not be read or its copy not be made.
    """
    for one, content in held.items():
        ref = copy_ref(namespace, hands.target, one, content)
        if not content or ref not in only:
            continue
        known = hands.cluster.get(ref)
        if known is not None and is_ours(known, hands.target) and content_of(known) == content:
            continue
        original = ObjectRef(one.kind, namespace, one.name)
        try:
            whole = await hands.cluster.read(original)
            if whole is None or content_of(whole) != content:
                raise Conflict(f"{original} was changed while it was about to be stored; it is looked at again")
            made = await hands.create(_copy(ref, hands.target, whole))
        except Rejected as refused:
            raise CopyRefused(f"{original} cannot be copied to {ref.name}: {refused}") from refused
        if made is None:
            raise Rejected(f"{ref} is there already and not a copy of this controller; rename or delete it")


def _copy(ref: ObjectRef, target: str, whole: Manifest) -> dict[str, Any]:
    """The type of a Secret is not copied: nothing that reads keys asks for it, and others may act on it."""
    return {
        "apiVersion": "v1",
        "kind": ref.kind.kind,
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": owner_labels(target),
            "annotations": {COPY_OF: whole["metadata"]["name"]},
        },
        "immutable": True,
        **held_by(whole),
    }


async def forget_copies(
    hands: Hands, namespace: str, followed: Iterable[Kind], gone: Iterable[Manifest], used: frozenset[ObjectRef]
) -> None:
    """Delete the copies of stored revisions that go, and those that no stored revision knows, but for the `used`."""
    known = {ref for stored in gone for ref in copies_in(stored)} - used
    for kind in followed:
        for cached in hands.cluster.list(kind, namespace, {TARGET: hands.target}):
            ref = ObjectRef(kind, namespace, cached["metadata"]["name"])
            known.discard(ref)
            if ref not in used:
                await hands.delete(cached)
    for ref in sorted(known):
        live = await hands.cluster.read(ref)
        if live is not None:
            await hands.delete(live)


def copies_used(kept: Iterable[Manifest], primary: Manifest | None) -> frozenset[ObjectRef]:
    """Return the copies that stored revisions and the primary's template refer to."""
    used = {ref for stored in kept for ref in copies_in(stored)}
    if primary is not None:
        namespace = primary["metadata"]["namespace"]
        named = references(primary["spec"]["template"], (CONFIG_MAP, SECRET))
        used |= {ObjectRef(one.kind, namespace, one.name) for one in named}
    return frozenset(used)
