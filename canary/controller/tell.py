"""Tells people what happened: Kubernetes Events on the Canary and the Deployment, and messages through the Notifier."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary.controller.names import GENERATED, MANAGER, labels_of
from canary.errors import CanaryError, Conflict
from canary.ports import Clock, Cluster, Notification, Notifier
from canary.rollout.model import Notice, Plan
from meshes.contract import Manifest

LONGEST_NOTE = 1024
"""What the API server takes as the message of an Event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What notices are about: the Canary, and the Deployment when it is there."""

    canary: Manifest
    target: Manifest | None


class Teller:
    """Writes Events and hands messages over. A fault in telling never stops a rollout: it is returned, not raised."""

    def __init__(self, cluster: Cluster, notifier: Notifier, clock: Clock) -> None:
        self._cluster = cluster
        self._notifier = notifier
        self._clock = clock

    def post(self, notices: Iterable[Notice], plan: Plan) -> None:
        """Hand the notices that are for people over to the notifier."""
        for notice in notices:
            if notice.slack:
                self._notifier.tell(
                    Notification(
                        namespace=plan.namespace,
                        canary=plan.name,
                        reason=notice.reason,
                        text=notice.text,
                        failure=notice.warning,
                        facts=notice.facts,
                        channel=plan.slack_channel,
                        mention=plan.slack_mention,
                    )
                )

    async def record(self, notices: Iterable[Notice], about: About) -> list[str]:
        """Write the notices as Events, on the Deployment too where a rollout starts or ends; return what went wrong."""
        wrong: list[str] = []
        for notice in notices:
            objects = [about.canary, *([about.target] if notice.milestone and about.target is not None else [])]
            for subject in objects:
                try:
                    await self._cluster.create(event(subject, notice, self._clock.now()))
                except Conflict:
                    continue  # the same event was written before
                except CanaryError as error:
                    wrong.append(str(error))
        return wrong


def event(subject: Manifest, notice: Notice, now: datetime) -> dict[str, Any]:
    """Return a core/v1 Event; the same notice about the same object at the same moment has the same name."""
    metadata = subject["metadata"]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = notice.text if len(notice.text) <= LONGEST_NOTE else f"{notice.text[: LONGEST_NOTE - 3]}..."
    mark = hashlib.sha256(f"{metadata['uid']} {notice.reason} {text} {now.isoformat()}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:200]}.{mark}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": subject["apiVersion"],
            "kind": subject["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "reason": notice.reason,
        "message": text,
        "type": "Warning" if notice.warning else "Normal",
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def is_generated(canary: Manifest) -> bool:
    """Return whether a Canary was made from annotations."""
    return labels_of(canary).get(GENERATED) == "true"
