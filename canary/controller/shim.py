"""From an annotated Deployment to its Canary, as cert-manager makes a Certificate from an annotated Ingress.

Not its job: what annotations mean (canary.spec), and what follows from a Canary.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from canary.controller.due import Key
from canary.controller.indexes import canaries_of
from canary.controller.merge import exact
from canary.controller.names import resource_version, uid_of
from canary.controller.tell import About, Teller, is_generated
from canary.ports import CANARY, DEPLOYMENT, Cluster, ref_of
from canary.rollout.model import Fault, Notice
from canary.spec.annotations import canary_from_annotations, is_enabled
from canary.spec.faults import SpecFault
from meshes.contract import Manifest, ObjectRef

log = structlog.get_logger()


class Shim:
    """Keeps generated Canaries as the annotations say. It remembers only which faults it has told."""

    def __init__(self, cluster: Cluster, teller: Teller) -> None:
        self._cluster = cluster
        self._teller = teller
        self._told: dict[Key, str] = {}

    async def __call__(self, key: Key) -> timedelta | None:
        """Bring the Canary of one Deployment in line with its annotations. Raises what the cluster raises."""
        namespace, name = key
        deployment = self._cluster.get(ObjectRef(DEPLOYMENT, namespace, name))
        live = self._cluster.get(ObjectRef(CANARY, namespace, name))
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            self._told.pop(key, None)
            return None  # what serves is kept for a while: the rules decide
        if not is_enabled(deployment):
            self._told.pop(key, None)
            await self._opted_out(live)
            return None
        owner = users_canary(self._cluster, deployment)
        if owner:
            text = f"the annotations are ignored: Canary {owner} has this Deployment as its target"
            await self._tell(key, "AnnotationsIgnored", text, deployment)
            return None
        wanted, faults = canary_from_annotations(deployment)
        if live is not None and not is_generated(live):
            text = f"Canary {name} is there already and is about another Deployment; rename it, or delete it"
            await self._tell(key, "NameTaken", text, deployment)
            return None
        if faults:
            await self._tell(key, "InvalidSpec", faults_text(faults), deployment)
        else:
            self._told.pop(key, None)
        if wanted is not None:
            await self._keep(wanted, live, valid=not faults)
        return None

    async def _keep(self, wanted: Manifest, live: Manifest | None, *, valid: bool) -> None:
        if live is None:
            await self._cluster.create(wanted)
            log.info("canary_generated", namespace=wanted["metadata"]["namespace"], canary=wanted["metadata"]["name"])
            return
        if not valid or live["metadata"].get("deletionTimestamp"):
            return  # the last good spec stays in force
        spec = exact(live.get("spec") or {}, wanted["spec"])
        if spec:
            await self._cluster.patch(ref_of(live), {"spec": spec}, resource_version=resource_version(live))

    async def _opted_out(self, live: Manifest | None) -> None:
        if live is None or not is_generated(live) or live["metadata"].get("deletionTimestamp"):
            return
        await self._cluster.delete(ref_of(live), uid=uid_of(live), resource_version=resource_version(live))

    async def _tell(self, key: Key, reason: str, text: str, deployment: Manifest) -> None:
        if self._told.get(key) == text:
            return
        notice = Notice(reason=reason, text=text, warning=True)
        for wrong in await self._teller.record([notice], About(canary=deployment, target=None)):
            log.warning("event_not_written", error=wrong)
        self._told[key] = text


def users_canary(cluster: Cluster, deployment: Manifest) -> str:
    """Return the name of a user's own Canary for a Deployment, "" for none."""
    namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
    for canary in canaries_of(cluster, namespace, name):
        if not is_generated(canary):
            return str(canary["metadata"]["name"])
    return ""


def faults_text(faults: Sequence[SpecFault]) -> str:
    """Return all faults as one text."""
    return "; ".join(fault.text for fault in faults)


def annotation_faults(deployment: Manifest | None, canary: Manifest) -> tuple[Fault, ...]:
    """Return what the Canary is to say of its Deployment's annotations; nothing for a Canary of the user's own."""
    if deployment is None or not is_generated(canary) or not is_enabled(deployment):
        return ()
    _, faults = canary_from_annotations(deployment)
    return (Fault(reason="InvalidSpec", message=faults_text(faults)),) if faults else ()
