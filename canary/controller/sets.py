"""The ReplicaSets of `-primary`, kept where no other Deployment can adopt them once their owner is gone.

Kubernetes adopts a ReplicaSet without an owner by its own labels, not by those of its pods, and writes them but once.
Without the user's labels nobody but a Deployment with our two as its selector can adopt it (docs/decisions/0009).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canary.controller.indexes import sets_of
from canary.controller.names import HASH_LABEL, labels_of, matches, primary_labels, template_labels, uid_of
from canary.controller.objects import primary_selector
from canary.controller.revisions import owned_sets
from canary.ports import DEPLOYMENT, REPLICA_SET, Cluster
from meshes.contract import Manifest

ORPHAN = "orphan"
"""The finalizer by which Kubernetes takes the ReplicaSets from a Deployment before that goes (`--cascade=orphan`)."""


def within_reach(cluster: Cluster, primary: Manifest, target: str) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    """Yield the ReplicaSets of `-primary` that bear labels of the user's, and what to make of these: None each.

    None of one with another selector: without those labels it would let go of them.
    """
    if primary["spec"]["selector"] != primary_selector(target):
        return
    for one in owned_sets(primary, sets_of(cluster, primary)):
        theirs = _theirs(one, target)
        if theirs and not one["metadata"].get("deletionTimestamp"):
            yield one, dict.fromkeys(theirs)


def _theirs(replica_set: Manifest, target: str) -> list[str]:
    """Return the labels that a ReplicaSet has of its pods, and that are not ours nor Kubernetes' own."""
    kept = {*primary_labels(target), HASH_LABEL}
    return [key for key in labels_of(replica_set) if key in template_labels(replica_set) and key not in kept]


def is_orphaned(cluster: Cluster, primary: Manifest) -> bool:
    """Return whether a deletion takes or took its ReplicaSets from `-primary`, which no finalizer of ours delays."""
    return _is_taken_from(primary) or is_freed(cluster, primary)


def is_freed(cluster: Cluster, primary: Manifest) -> bool:
    """Return whether no ReplicaSet has `-primary` as its owner."""
    return not owned_sets(primary, sets_of(cluster, primary))


def without_owner(cluster: Cluster, namespace: str, target: str, primary: Manifest | None) -> list[Manifest]:
    """Return the ReplicaSets of `-primary` that have no owner, or will have none since it is deleted as an orphan."""
    leaving = owned_sets(primary, sets_of(cluster, primary)) if primary is not None and _is_taken_from(primary) else ()
    uids = {uid_of(one) for one in leaving}
    found = cluster.list(REPLICA_SET, namespace, primary_labels(target))
    return [one for one in found if uid_of(one) in uids or not one["metadata"].get("ownerReferences")]


def _is_taken_from(primary: Manifest) -> bool:
    metadata = primary["metadata"]
    return bool(metadata.get("deletionTimestamp")) and ORPHAN in (metadata.get("finalizers") or ())


def are_left_alone(cluster: Cluster, primary: Manifest, target: str) -> bool:
    """Return whether pods of a `-primary` that is being deleted go on without it: nobody adopts their ReplicaSets.

    What is within reach of others counts without its labels while they can still be taken from it.
    """
    namespace, name = primary["metadata"]["namespace"], primary["metadata"]["name"]
    orphans = without_owner(cluster, namespace, target, primary)
    owned = () if _is_taken_from(primary) else owned_sets(primary, sets_of(cluster, primary))
    reached = {uid_of(one): labels for one, labels in within_reach(cluster, primary, target)} if owned else {}
    serving = [one for one in (*orphans, *owned) if one["spec"].get("replicas", 1)]
    others = [one for one in cluster.list(DEPLOYMENT, namespace) if one["metadata"]["name"] != name]
    bare = [_without(labels_of(one), reached.get(uid_of(one), {})) for one in serving]
    return bool(bare) and not any(matches(other["spec"]["selector"], labels) for labels in bare for other in others)


def _without(labels: Mapping[str, str], taken: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in taken}


def given_back(replica_set: Manifest) -> dict[str, Any]:
    """Return the labels with which the user's Deployment can adopt a ReplicaSet of `-primary` again, {} for none."""
    wanted = template_labels(replica_set)
    return {key: value for key, value in wanted.items() if labels_of(replica_set).get(key) != value}
