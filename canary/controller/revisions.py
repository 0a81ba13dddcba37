"""The identity of a revision, the ReplicaSet that is its pin, and the ControllerRevisions that keep its template.

What is promoted is read from here, never from the Deployment as it is by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from canary.contents import hashed
from canary.controller.copies import names_in
from canary.controller.memo import Memo
from canary.controller.names import HASH_LABEL, MANAGED_BY, MANAGER, PREFIX, TARGET
from canary.controller.references import renamed
from canary.ports import CONTROLLER_REVISION
from canary.rollout.model import Revision
from meshes.contract import Manifest, ObjectRef

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def digest(template: Mapping[str, Any]) -> str:
    """Return the hash of a pod template without its restart annotation: ten characters that fit into a name.

    A restart is not a new revision (ROLLOUT section 4); the label that a ReplicaSet adds is left out too.
    """
    return _digests(template)


def revision_of(deployment: Manifest, replica_sets: Iterable[Manifest]) -> Revision:
    """Return the revision of a Deployment's present template, its pin "" while no ReplicaSet of it is known."""
    template = deployment["spec"]["template"]
    owner = replica_set_of(deployment, replica_sets)
    containers = template.get("spec", {}).get("containers") or [{}]
    return Revision(
        digest=digest(template),
        restarted_at=_annotations(template).get(RESTARTED_AT, ""),
        pin=owner["metadata"]["labels"].get(HASH_LABEL, "") if owner else "",
        image=str(containers[0].get("image", "")),
    )


def replica_set_of(deployment: Manifest, replica_sets: Iterable[Manifest]) -> Manifest | None:
    """Return the ReplicaSet of the Deployment whose template equals the Deployment's, None when there is none yet.

    The Deployment's own revision number is not enough: image and size in one update leave it behind (tried). Of several
    equal ones the oldest counts, as the Deployment controller has it.
    """
    wanted = _whole(deployment["spec"]["template"])
    equal = [owned for owned in owned_sets(deployment, replica_sets) if _whole(owned["spec"]["template"]) == wanted]
    return min(equal, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]), default=None)


def owned_sets(deployment: Manifest, replica_sets: Iterable[Manifest]) -> list[Manifest]:
    """Return the ReplicaSets that the Deployment controls."""
    uid = deployment["metadata"]["uid"]
    return [
        one
        for one in replica_sets
        if any(owner["uid"] == uid and owner.get("controller") for owner in one["metadata"].get("ownerReferences", ()))
    ]


def same_but_ours(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two pod templates differ in nothing but their restart and the labels that we add."""
    return _without_ours(one) == _without_ours(other)


def _without_ours(template: Mapping[str, Any]) -> dict[str, Any]:
    bare = _bare(template, restart=False)
    labels = {key: value for key, value in bare["metadata"]["labels"].items() if not key.startswith(PREFIX)}
    return {**bare, "metadata": {**bare["metadata"], "labels": labels}}


def stored_ref(namespace: str, target: str, key: str) -> ObjectRef:
    """Return where the template of a revision is kept."""
    return ObjectRef(CONTROLLER_REVISION, namespace, f"{target}-{key}")


def stored_revision(
    deployment: Manifest, revision: Revision, number: int, config: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return the ControllerRevision that keeps the Deployment's present template, and which copies hold its `config`.

    Many may read it; it has no secrets but those that stand in the template itself.
    """
    metadata = deployment["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{metadata['name']}-{revision.key}",
            "namespace": metadata["namespace"],
            "labels": {MANAGED_BY: MANAGER, TARGET: metadata["name"]},
        },
        "revision": number,
        "data": {"key": revision.key, "image": revision.image, "template": deployment["spec"]["template"]}
        | ({"config": [*config]} if config else {}),
    }


def template_in(stored: Manifest) -> Mapping[str, Any]:
    """Return the pod template that a ControllerRevision keeps, with the copies in place of what its config was."""
    return renamed(stored["data"]["template"], names_in(stored))


def key_in(stored: Manifest) -> str:
    """Return the key of the revision that a ControllerRevision keeps, "" when it is none of ours."""
    data = stored.get("data")
    return str(data.get("key", "")) if isinstance(data, Mapping) else ""


def _annotations(template: Mapping[str, Any]) -> Mapping[str, str]:
    return (template.get("metadata") or {}).get("annotations") or {}


def _bare(template: Mapping[str, Any], *, restart: bool) -> dict[str, Any]:
    """Return the template without what does not make it another one; `restart` keeps the restart annotation."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in (metadata.pop("labels", None) or {}).items() if key != HASH_LABEL}
    notes = metadata.pop("annotations", None) or {}
    kept = {key: value for key, value in notes.items() if restart or key != RESTARTED_AT}
    return {"metadata": {**metadata, "labels": labels, "annotations": kept}, "spec": template.get("spec") or {}}


_whole = Memo(partial(_bare, restart=True))
_digests = Memo(lambda template: hashed(_bare(template, restart=False)))
