"""Whether a client of the apex would have been served at every moment, by what the API server told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from canary.controller.pods import is_ready
from canary.ports import ENDPOINT_SLICE, POD, Cluster, Watched
from meshes.contract import ObjectRef


class Apex:
    """Watches the EndpointSlices of the Service `checkout` from the first ready pod on.

    An endpoint counts while its pod is there, ready and not told to end. `outages` says when there was none, `lasted`
    for how many seconds each that is over.
    """

    def __init__(self, view: Cluster, namespace: str, service: str = "checkout") -> None:
        self._view, self._namespace, self._service = view, namespace, service
        self._served = False
        self.outages: list[str] = []
        self.lasted: list[float] = []
        self._out_since: float | None = None

    def note(self, event: Watched) -> None:
        """Look again after a change of a slice or a pod."""
        if event.ref.namespace != self._namespace or event.ref.kind not in (ENDPOINT_SLICE, POD):
            return
        if self.ready():
            self._served = True
            if self._out_since is not None:
                self.lasted.append(time.monotonic() - self._out_since)
                self._out_since = None
        elif self._served:
            self._served, self._out_since = False, time.monotonic()
            self.outages.append(f"no pod behind {self._service} after {event.change} of {event.ref}")

    def ready(self) -> list[str]:
        """The pods that a client could reach now, by name."""
        labels = {"kubernetes.io/service-name": self._service}
        endpoints = [
            endpoint
            for each in self._view.list(ENDPOINT_SLICE, self._namespace, labels)
            for endpoint in each.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready")
        ]
        return sorted(name for endpoint in endpoints if self._runs(name := endpoint["targetRef"]["name"]))

    def _runs(self, name: str) -> bool:
        pod = self._view.get(ObjectRef(POD, self._namespace, name))
        return pod is not None and is_ready(pod)

    def assert_served(self, report: str = "") -> None:
        """Fail when there was a moment at which clients found nobody."""
        if self.outages:
            raise AssertionError("\n".join([*self.outages, report]))

    @contextmanager
    def blind(self) -> Iterator[None]:
        """Overlook what must happen in the block: somebody takes away what serves."""
        yield
        self.outages.clear()
        self._served = bool(self.ready())
