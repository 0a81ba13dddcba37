"""The two sides of a canary as the rules see them: the user's Deployment and `-primary`, from caches alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from canary.controller import pods as podlist
from canary.controller.config import NOTHING, Config
from canary.controller.drift import setter
from canary.controller.indexes import pods_of_sets, sets_of
from canary.controller.names import (
    HASH_LABEL,
    PRIMARY_ROLE,
    REVISION,
    ROLE,
    TARGET,
    canary_service_ref,
    labels_of,
    uid_of,
)
from canary.controller.revisions import RESTARTED_AT, owned_sets, replica_set_of, revision_of
from canary.controller.sets import are_left_alone, is_freed, is_orphaned
from canary.ports import POD, Cluster
from canary.rollout.model import Fault, Plan, Primary, Stage, Status, Target
from canary.rollout.phases import Phase
from meshes.contract import Manifest, Mesh

DEFAULT_DEADLINE = timedelta(minutes=10)
"""`progressDeadlineSeconds` of a Deployment that sets none (API reference of apps/v1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a pass looks through. `faults` are what was found before: in annotations, in the spec.

    `jumped_at` is when the clock jumped ahead last, None when this process saw no jump.
    """

    cluster: Cluster
    mesh: Mesh
    plan: Plan
    status: Status
    canary: Manifest
    now: datetime
    pull_errors: podlist.PullErrors
    faults: tuple[Fault, ...] = ()
    config: Config = NOTHING
    jumped_at: datetime | None = None


def target_now(sight: Sight, target: Manifest) -> Target:
    """Return the user's Deployment as the rules see it. Pods that run no more are not counted."""
    cluster, plan, status = sight.cluster, sight.plan, sight.status
    owned = owned_sets(target, sets_of(cluster, target))
    revision = sight.config.of(revision_of(target, owned), status)
    pods = [pod for pod in pods_of_sets(cluster, owned) if not podlist.is_over(pod)]
    of_present = podlist.of_hash(pods, revision.pin)
    pin = revision.pin
    if status.phase in (None, Phase.INITIALIZING) or status.memory.stage in (Stage.LEAVING, Stage.REPLACING):
        ready = sum(podlist.is_ready(pod) for pod in of_present)
        looked_at = of_present
    else:
        behind = podlist.listed_behind(cluster, plan.namespace, canary_service_ref(plan.namespace, plan.target).name)
        pin = status.revision.pin if status.revision else ""
        looked_at = podlist.of_hash(pods, pin)
        ready = sum(podlist.is_ready(pod) and behind.lists(pod) for pod in looked_at)
    spec, seen = target["spec"], target.get("status") or {}
    updated = seen.get("updatedReplicas", 0) == seen.get("replicas", 0) == spec.get("replicas", 1)
    deadline = spec.get("progressDeadlineSeconds")
    return Target(
        generation=int(target["metadata"]["generation"]),
        revision=revision,
        replicas=int(spec.get("replicas", 1)),
        sized_by=setter(target, "replicas"),
        paused=bool(spec.get("paused")),
        pods=len(pods),
        other_pods=len(pods) - len(of_present),
        ready=ready,
        stale=sum(uid_of(pod) in sight.config.older for pod in looked_at),
        settled=seen.get("observedGeneration", 0) >= target["metadata"]["generation"] and updated,
        # The greatest int32 stands for no deadline (API reference).
        progress_deadline=timedelta(seconds=min(int(deadline), 7 * 86400)) if deadline else DEFAULT_DEADLINE,
        trouble=podlist.trouble(looked_at, _pinned(owned, pin), sight.pull_errors.seen(looked_at, sight.now)),
    )


def present_pods(cluster: Cluster, deployment: Manifest) -> Sequence[Manifest]:
    """Return the pods of a Deployment's present template."""
    present = replica_set_of(deployment, owned_sets(deployment, sets_of(cluster, deployment)))
    return pods_of_sets(cluster, [present]) if present is not None else ()


def _pinned(replica_sets: Sequence[Manifest], pin: str) -> Manifest | None:
    return next((one for one in replica_sets if labels_of(one).get(HASH_LABEL) == pin), None)


def primary_now(sight: Sight, primary: Manifest) -> Primary:
    """Return `-primary` as the rules see it."""
    pods = primary_pods(sight)
    present = replica_set_of(primary, sets_of(sight.cluster, primary))
    of_present = podlist.of_hash(pods, labels_of(present).get(HASH_LABEL, "") if present else "")
    spec, seen, metadata = primary["spec"], primary.get("status") or {}, primary["metadata"]
    replicas = int(spec.get("replicas", 1))
    counted = [int(seen.get(field, 0)) for field in ("replicas", "updatedReplicas", "readyReplicas")]
    deleting = bool(metadata.get("deletionTimestamp"))
    caught_up = seen.get("observedGeneration", 0) >= metadata["generation"]
    notes = (spec["template"].get("metadata") or {}).get("annotations") or {}
    return Primary(
        key=labels_of(primary).get(REVISION, ""),
        restarted_at=notes.get(RESTARTED_AT, ""),
        replicas=replicas,
        ready=sum(podlist.is_ready(pod) for pod in of_present),
        rolled_out=caught_up and counted == [replicas] * 3,
        deleting=deleting,
        foreground=deleting and "foregroundDeletion" in (metadata.get("finalizers") or ()),
        orphaned=deleting and is_orphaned(sight.cluster, primary),
        freed=deleting and is_freed(sight.cluster, primary),
        min_ready=timedelta(seconds=int(spec.get("minReadySeconds") or 0)),
        left_alone=deleting and are_left_alone(sight.cluster, primary, sight.plan.target),
        trouble=podlist.trouble(of_present, present, sight.pull_errors.seen(of_present, sight.now)),
    )


def primary_pods(sight: Sight) -> list[Manifest]:
    """Return the pods that serve, by their labels."""
    labels = {ROLE: PRIMARY_ROLE, TARGET: sight.plan.target}
    return [pod for pod in sight.cluster.list(POD, sight.plan.namespace, labels) if not podlist.is_over(pod)]
