"""Tells people what happened: Kubernetes Events on the Canary and the Deployment, and messages through the Notifier."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary.controller.names import GENERATED, MANAGER, labels_of
from canary.controller.outbox import ROOM, bulletin, letter_of, notification, posted, received
from canary.errors import CanaryError, Conflict
from canary.ports import Clock, Cluster, Notification, Notifier
from canary.rollout.model import Decision, Notice, Plan, Status
from canary.rollout.situation import Pass
from canary.rollout.values import replace
from canary.rollout.wording import fitted
from meshes.contract import Manifest

CROWDED_OUT = f"over {ROOM} messages wait"

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
        self._troubles: dict[tuple[str, str], str] = {}
        self._later: dict[tuple[str, str], tuple[Notice, ...]] = {}
        self._crowded_out: dict[tuple[str, str], Sequence[Notification]] = {}

    def remember(self, before: Status, decision: Decision, plan: Plan) -> Status:
        """Return the decision's status with what is to be told in it, and without what was told.

        A receipt alone is no reason for a write before it is due. What finds no room is given up once that is written.
        """
        now = self._clock.now()
        if not self._notifier.lasting:
            return replace(decision.status, telling=replace(decision.status.telling, letters=()))
        key = (plan.namespace, plan.name)
        notices = (*self._later.get(key, ()), *decision.notices)
        receipt = self._notifier.receipt(*key)
        after, crowded_out = posted(before, decision.status, notices, now)
        if receipt is not None and (receipt.due or after != before):
            # what was told makes room first, or it would be crowded out by what comes now
            after, crowded_out = posted(before, received(decision.status, receipt), notices, now)
        self._crowded_out[key] = [notification(letter, plan) for letter in crowded_out]
        return after

    def post(self, it: Pass, before: Status, notices: Iterable[Notice], uid: str) -> None:
        """Hand what waits in the status, once it is written, over to the notifier."""
        status = it.status
        if not self._notifier.lasting:
            status, _ = posted(before, status, notices, it.now)
        key = (it.plan.namespace, it.plan.name)
        self._later.pop(key, None)
        self._notifier.gave_up(self._crowded_out.pop(key, ()), CROWDED_OUT)
        if self._notifier.lasting or status.telling.letters:
            self._notifier.tell(bulletin(it.on(status), uid, before.telling.last + 1))

    def also(self, it: Pass, notices: Sequence[Notice], uid: str) -> tuple[Notice, ...]:
        """Have told what came up while acting, and return what keeps people from being told, for an Event.

        Where what waits is kept in the status it is told with the next pass, which what was done here brings.
        """
        key = (it.plan.namespace, it.plan.name)
        if self._notifier.lasting and notices:
            self._keep_for_later(it, notices)
        elif notices:
            self.post(it, it.status, notices, uid)
        return self._trouble(key)

    def forget(self, namespace: str, canary: str) -> None:
        """Have the last words told about a Canary that is gone."""
        self._troubles.pop((namespace, canary), None)
        self._later.pop((namespace, canary), None)
        self._crowded_out.pop((namespace, canary), None)
        self._notifier.forget(namespace, canary)

    def _keep_for_later(self, it: Pass, notices: Sequence[Notice]) -> None:
        """Keep notices until the next pass writes them, no more than the status has room for."""
        key = (it.plan.namespace, it.plan.name)
        kept = (*self._later.get(key, ()), *notices)
        self._later[key] = kept[-ROOM:]
        lost = [letter_of(notice, it.status, it.status, it.now) for notice in kept[:-ROOM] if notice.slack]
        self._notifier.gave_up([notification(letter, it.plan) for letter in lost], CROWDED_OUT)

    def _trouble(self, key: tuple[str, str]) -> tuple[Notice, ...]:
        receipt = self._notifier.receipt(*key)
        found = receipt.trouble if receipt is not None else ""
        if found == self._troubles.get(key, ""):
            return ()
        self._troubles[key] = found
        return (Notice(reason="SlackRefused", text=found, warning=True, slack=False),) if found else ()

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
    whole = fitted(notice.text, LONGEST_NOTE + 1)
    text = whole if len(whole) <= LONGEST_NOTE else f"{whole[: LONGEST_NOTE - 3]}..."
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
