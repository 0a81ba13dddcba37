"""Holds every change of a cluster to the invariants of a rollout, at the moment of the change.

Each `_check` method looks at one kind of object; what it finds is collected, with the time, for the end of the test.
The cluster is the one in memory, or what was told of a real one, told again in the order of its writes (tests.faults).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Protocol

from canary.controller.names import (
    EPOCH,
    HASH_LABEL,
    PRIMARY_FINALIZER,
    RESTORE_FINALIZER,
    is_ours,
    labels_of,
    target_of,
)
from canary.errors import ConfigError
from canary.ports import CANARY, DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE, Change, Clock, Watched
from canary.rollout.model import Outcome, Status
from canary.rollout.phases import Phase
from canary.rollout.weights import capacity
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.replicasets import is_ready
from canary.spec.status import status_from_json
from meshes.contract import Kind, Manifest, ObjectRef
from tests.builders import ref

DRAIN = timedelta(seconds=15)
TESTED = (Phase.PROGRESSING, Phase.PAUSED)


class Objects(Protocol):
    """Every object as it is at the moment of a change."""

    def listen(self, listener: Callable[[Watched], None]) -> None: ...
    def get(self, ref: ObjectRef) -> Manifest | None: ...
    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Manifest]: ...


class Told(Protocol):
    """A cluster that tells each change at once, and when it is."""

    @property
    def store(self) -> Objects: ...
    @property
    def clock(self) -> Clock: ...


class Invariants:
    """Watches the canary `name` from now on. `found` are the breaches, oldest first.

    `drain` is how long weight 0 must have lasted before pods are taken away.
    """

    def __init__(
        self, cluster: Told, name: str = "checkout", namespace: str = "shop", *, drain: timedelta = DRAIN
    ) -> None:
        self.found: list[str] = []
        self._cluster, self._drain = cluster, drain
        self._name, self._namespace = name, namespace
        self._silent = False
        self._tested = 0
        self._served = False
        self._weight = 0
        self._split_in = ""
        self._zero_since: datetime | None = None
        self._before: dict[str, Manifest] = {}
        self._checks: Mapping[Kind, Callable[[Manifest], None]] = {
            CANARY: self._decided,
            VIRTUAL_SERVICE: self._route,
            DEPLOYMENT: self._deployment,
            SERVICE: self._service,
            ENDPOINT_SLICE: self._endpoints,
        }
        cluster.store.listen(self._changed)

    @contextmanager
    def blind(self) -> Iterator[None]:
        """Do not look at what a user does meanwhile by intention."""
        self._silent = True
        try:
            yield
        finally:
            self._silent = False
            self._served = bool(self._listed())

    def _changed(self, event: Watched) -> None:
        check = self._checks.get(event.ref.kind)
        if check is None or event.ref.namespace != self._namespace:
            return
        if event.change is not Change.DELETED:
            check(event.manifest)
        elif event.ref.kind == VIRTUAL_SERVICE:
            self._no_weight(event.manifest)
        if event.ref.kind in (VIRTUAL_SERVICE, DEPLOYMENT, SERVICE):
            self._before[str(event.ref)] = event.manifest
            if event.change is Change.DELETED:
                del self._before[str(event.ref)]

    def _breach(self, text: str) -> None:
        if not self._silent:
            self.found.append(f"{self._cluster.clock.now():%H:%M:%S.%f} {text}")

    def _now(self, kind: Any, name: str) -> Manifest | None:
        return self._cluster.store.get(ref(kind, name, self._namespace))

    def _canary(self) -> Manifest | None:
        """The oldest Canary of the Deployment."""
        found = self._cluster.store.list(CANARY, self._namespace)
        return next((one for one in found if target_of(one) == self._name), None)

    @property
    def _status(self) -> Status:
        live = self._canary()
        return status_from_json(live.get("status")) if live is not None else Status()

    # --- the route ---------------------------------------------------------------------------------------------------

    def _route(self, live: Manifest) -> None:
        weight = weight_of(live, f"{self._name}-canary")
        if weight is None:
            self._no_weight(live)
            return
        self._split_in = live["metadata"]["name"]
        before, self._weight = self._weight, weight
        if weight == before:
            return
        status, now = self._status, self._cluster.clock.now()
        if weight == 0:
            self._zero_since = now
            self._taken_over(status)
        if weight != status.weight:
            self._breach(f"the route has weight {weight}, the status {status.weight}")
        if weight < before:
            return
        late = status.phase is Phase.PROMOTING and weight == self._tested
        if status.phase not in TESTED and not late:
            self._breach(f"weight {weight} in {status.phase}")
        if status.revision is not None and status.revision.key == status.last_failed != status.memory.retry:
            self._breach(f"weight {weight} for a revision that failed")
        self._carried(weight)
        self._stamped(live, status)

    def _decided(self, canary: Manifest) -> None:
        """Note the weight that was decided while a revision was tested: its write may come late."""
        if target_of(canary) != self._name:
            return
        with suppress(ConfigError):  # a test may break it
            status = self._status
            if status.phase in TESTED:
                self._tested = status.weight

    def _no_weight(self, live: Manifest) -> None:
        """A route that had the split has none any more, or is gone."""
        if live["metadata"]["name"] == self._split_in and self._weight > 0:
            self._weight, self._zero_since = 0, self._cluster.clock.now()

    def _carried(self, weight: int) -> None:
        pin = self._pin()
        ready = len(self._ready({HASH_LABEL: pin})) if pin else 0
        primary = self._now(DEPLOYMENT, f"{self._name}-primary")
        need = capacity(primary["spec"]["replicas"], weight) if primary is not None else 1
        if ready < need:
            self._breach(f"weight {weight} with {ready} of {need} ready pods of {pin or 'no revision'}")
        target = self._now(DEPLOYMENT, self._name)
        if target is not None and not target["spec"].get("paused"):
            self._breach(f"weight {weight} for a Deployment that is not held")

    def _taken_over(self, status: Status) -> None:
        """After a promotion traffic goes back to a primary that is whole; else it may have to go there at once."""
        if status.phase is not Phase.FINALIZING or status.memory.outcome is not Outcome.PROMOTED:
            return
        primary, ready = self._now(DEPLOYMENT, f"{self._name}-primary"), self._ready(_primary_labels(self._name))
        if primary is None or status.stable is None:
            return
        of_it = [pod for pod in ready if pod["spec"]["containers"][0]["image"] == status.stable.image]
        if len(of_it) < primary["spec"]["replicas"]:
            self._breach(f"the primary takes over with {len(of_it)} of {primary['spec']['replicas']} pods ready")

    def _stamped(self, route: Manifest, status: Status) -> None:
        names = ((DEPLOYMENT, self._name), (SERVICE, f"{self._name}-canary"))
        stamped = [route, *(live for kind, name in names if (live := self._now(kind, name)) is not None)]
        for live in stamped:
            if not status.memory.epoch or labels_of(live).get(EPOCH) != status.memory.epoch:
                self._breach(f"{live['kind']} {live['metadata']['name']} rises without the epoch of the status")

    # --- Deployments -------------------------------------------------------------------------------------------------

    def _deployment(self, live: Manifest) -> None:
        if live["metadata"]["name"] == self._name:
            self._target(live)
        elif live["metadata"]["name"] == f"{self._name}-primary":
            self._primary(live)

    def _target(self, live: Manifest) -> None:
        before = self._before.get(str(ref(DEPLOYMENT, self._name, self._namespace)))
        if before is None:
            return
        if self._weight > 0 and before["spec"].get("paused") and not live["spec"].get("paused"):
            self._breach(f"the Deployment is not held at weight {self._weight}")
        if live["spec"]["replicas"] > 0 or before["spec"]["replicas"] == 0:
            return
        if not self._ready(_primary_labels(self._name)):
            self._breach("the Deployment goes to 0 while no primary pod is ready")
        strangers = self._listed() - {pod["metadata"]["name"] for pod in self._ready(_primary_labels(self._name))}
        if strangers:
            self._breach(f"the Deployment goes to 0 while the Service lists {sorted(strangers)}")
        if self._weight > 0 or (self._zero_since and self._cluster.clock.now() - self._zero_since < self._drain):
            self._breach("the Deployment goes to 0 before weight 0 and drain")

    def _primary(self, live: Manifest) -> None:
        if not is_ours(live, self._name):
            return
        canary, finalizers = self._canary(), live["metadata"].get("finalizers") or ()
        held = canary is not None and RESTORE_FINALIZER in (canary["metadata"].get("finalizers") or ())
        if PRIMARY_FINALIZER in finalizers and not live["metadata"].get("deletionTimestamp") and not held:
            self._breach("there is a primary that the deletion of its Canary would leave behind")
        if live["spec"]["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
            self._breach("the primary rolls below its number")
        before = self._before.get(str(ref(DEPLOYMENT, f"{self._name}-primary", self._namespace)))
        image, status = _image(live), self._status
        if before is not None and _image(before) == image:
            return
        promoted = status.revision.image if status.revision and status.phase is Phase.PROMOTING else None
        if image not in (promoted, status.stable.image if status.stable else None):
            self._breach(f"the primary is given {image}, which did not pass")

    # --- Services ----------------------------------------------------------------------------------------------------

    def _service(self, live: Manifest) -> None:
        if live["metadata"]["name"] != f"{self._name}-canary":
            return
        before = self._before.get(str(ref(SERVICE, f"{self._name}-canary", self._namespace)))
        if before is None or before["spec"].get("selector") == live["spec"].get("selector"):
            return
        if self._weight > 0 or (self._zero_since and self._cluster.clock.now() - self._zero_since < self._drain):
            self._breach("the canary Service is pinned anew before weight 0 and drain")

    def _endpoints(self, live: Manifest) -> None:
        if labels_of(live).get("kubernetes.io/service-name") != self._name:
            return
        listed = bool(self._listed())
        if self._served and not listed:
            self._breach("the Service has no ready endpoint")
        self._served = self._served or listed

    # --- pods --------------------------------------------------------------------------------------------------------

    def _pin(self) -> str:
        service = self._now(SERVICE, f"{self._name}-canary")
        return str(service["spec"]["selector"].get(HASH_LABEL, "")) if service is not None else ""

    def _ready(self, labels: Mapping[str, str]) -> list[Manifest]:
        return [pod for pod in self._cluster.store.list(POD, self._namespace, labels) if is_ready(pod)]

    def _listed(self) -> set[str]:
        """The names of the ready pods behind the Service that clients call."""
        slices = self._cluster.store.list(ENDPOINT_SLICE, self._namespace, {"kubernetes.io/service-name": self._name})
        points = [point for one in slices for point in one.get("endpoints") or ()]
        return {point["targetRef"]["name"] for point in points if point["conditions"].get("ready")}


def weight_of(route: Manifest, canary: str) -> int | None:
    """Return the canary's share in a VirtualService, None when it has none; the weights must add up to 100."""
    found: int | None = None
    for entry in route["spec"].get("http") or ():
        weights = {one["destination"]["host"]: int(one.get("weight", 100)) for one in entry.get("route") or ()}
        if canary in weights:
            assert sum(weights.values()) == 100, weights
            found = weights[canary]
    return found


def _primary_labels(name: str) -> dict[str, str]:
    return {"canary.delivery/role": "primary", "canary.delivery/target": name}


def _image(deployment: Manifest) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
