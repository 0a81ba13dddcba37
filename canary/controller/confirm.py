"""A live look at one side of a canary, before something ends because of a deadline or of pods.

A watch may be cut or late without anybody's knowing: caches then tell of pods that were not ready as they were minutes
ago. Not its job: what needs the look (`Decision.confirm`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from canary.controller.names import HASH_LABEL, PRIMARY_ROLE, ROLE, TARGET, canary_service_ref, primary_ref
from canary.index import Selection
from canary.ports import DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET, Cluster
from canary.rollout.model import Plan, Side, Status


async def look_again(cluster: Cluster, plan: Plan, status: Status, side: Side) -> None:
    """Bring the caches up to what the API server has of one side: its Deployment, ReplicaSet and pods.

    Four requests at most. Raises what the cluster raises; then nothing is known, and nothing may be decided.
    """
    selections = _of_primary(plan) if side is Side.PRIMARY else _of_canary(plan, status)
    await asyncio.gather(*(cluster.refresh(selection) for selection in selections))


def _of_canary(plan: Plan, status: Status) -> Iterator[Selection]:
    """Yield the user's Deployment, what belongs to the revision under test, and which of its pods are listed."""
    namespace = plan.namespace
    yield Selection(kind=DEPLOYMENT, namespace=namespace, name=plan.target)
    if status.revision is None or not status.revision.pin:
        return
    of_revision = {HASH_LABEL: status.revision.pin}
    yield Selection(kind=REPLICA_SET, namespace=namespace, labels=of_revision)
    yield Selection(kind=POD, namespace=namespace, labels=of_revision)
    behind = {"kubernetes.io/service-name": canary_service_ref(namespace, plan.target).name}
    yield Selection(kind=ENDPOINT_SLICE, namespace=namespace, labels=behind)


def _of_primary(plan: Plan) -> Iterator[Selection]:
    namespace, serving = plan.namespace, {ROLE: PRIMARY_ROLE, TARGET: plan.target}
    yield Selection(kind=DEPLOYMENT, namespace=namespace, name=primary_ref(namespace, plan.target).name)
    yield Selection(kind=REPLICA_SET, namespace=namespace, labels=serving)
    yield Selection(kind=POD, namespace=namespace, labels=serving)
