"""An in-memory Kubernetes cluster: the controller's port, and beside it what a user with kubectl does.

It behaves as a kube-apiserver with a controller manager does for all that canary uses. It has no authentication, no
schemas beyond those registered, and keeps no history of versions. Pods run only once a kubelet joins (`kubelet.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from canary.errors import Rejected
from canary.ports import DEPLOYMENT, NAMESPACE, POD, SERVICE, Clock, Propagation
from canary.sandbox.client import Client
from canary.sandbox.clock import LoopClock
from canary.sandbox.gc import GarbageCollector
from canary.sandbox.kinds import Served
from canary.sandbox.managed import Writer
from canary.sandbox.merge import apply_patch, force_patch, without_nulls
from canary.sandbox.replicasets import is_active
from canary.sandbox.simulator import Simulator
from canary.sandbox.store import Store
from meshes.contract import Kind, Manifest, ObjectRef

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NAMESPACES = ("default", "kube-system", "shop")
ATOMIC = {SERVICE: (("spec", "selector"),), DEPLOYMENT: (("spec", "selector", "matchLabels"),)}
"""By kind: the maps that server-side apply sets as a whole."""


class InMemoryCluster(Client):
    """The cluster and its first client, the controller. Must be made while an event loop runs.

    The methods of the port are the controller's; `apply`, `edit`, `replace` and `remove` are a user's, take effect at
    once and count no request. `seed` decides generated names and uids.
    """

    def __init__(self, *, clock: Clock | None = None, namespaces: Iterable[str] = NAMESPACES, seed: int = 0) -> None:
        store = Store(clock or LoopClock(), seed=seed)
        for name in namespaces:
            store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, Writer(manager="setup"))
        super().__init__(store, "canary-controller")
        self._collector = GarbageCollector(store)
        self._simulator = Simulator(store)
        self._most_pods: dict[str, int] = {}
        self._applied: dict[tuple[str, str], Manifest] = {}
        store.admission.append(self._within_quota)

    @property
    def clock(self) -> Clock:
        """The API server's clock."""
        return self.store.clock

    def client(self, manager: str) -> Client:
        """Return another client with a cache, counts and faults of its own."""
        return Client(self.store, manager)

    def register(self, kind: Kind, served: Served) -> None:
        """Serve a kind so from now on, as when its CustomResourceDefinition is installed."""
        self.store.kinds[kind] = served

    def unregister(self, kind: Kind) -> None:
        """Serve a kind no more; its objects go, as when its CustomResourceDefinition is deleted."""
        for manifest in list(self.store.list(kind)):
            self.store.remove(self.store.locate(manifest))
        self.store.kinds.pop(kind, None)

    def apply(self, manifest: Manifest, manager: str = "kubectl") -> Manifest:
        """Create or change the object as `kubectl apply` does (client-side): what others set stays.

        What was in the manifest last applied and is not in this one is removed. Lists are replaced whole.
        """
        wanted = without_nulls(manifest)
        wanted.pop("status", None)
        last_applied = json.dumps(wanted, sort_keys=True)
        annotations = {**wanted["metadata"].get("annotations", {}), LAST_APPLIED: last_applied}
        wanted["metadata"]["annotations"] = annotations
        live = self.store.get(self.store.locate(wanted))
        if live is None:
            return self.store.create(wanted, Writer(manager=manager))
        last = json.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED, "{}"))
        return self.store.patch(self.store.locate(wanted), apply_patch(last, wanted), Writer(manager=manager))

    def apply_by_force(self, manifest: Manifest, manager: str = "kubectl") -> Manifest:
        """Create or change the object as `kubectl apply --server-side --force-conflicts` does.

        What the same manager applied so before, and does not now, is removed, whoever else has set it since. Maps that
        are atomic and all lists are replaced whole.
        """
        wanted = without_nulls(manifest)
        wanted.pop("status", None)
        ref = self.store.locate(wanted)
        live = self.store.get(ref)
        if live is None:
            live = self.store.create(wanted, Writer(manager=manager))
        else:
            last = self._applied.get((live["metadata"]["uid"], manager), {})
            patch = force_patch(last, wanted, live, ATOMIC.get(ref.kind, ()))
            live = self.store.patch(ref, patch, Writer(manager=manager))
        self._applied[live["metadata"]["uid"], manager] = wanted
        return live

    def edit(self, ref: ObjectRef, patch: Manifest, manager: str = "kubectl-edit", subresource: str = "") -> Manifest:
        """Change the object by a merge patch without a precondition, as `kubectl patch --type merge` does."""
        return self.store.patch(ref, patch, Writer(manager=manager, subresource=subresource))

    def replace(self, manifest: Manifest, manager: str = "kubectl-replace") -> Manifest:
        """Put the whole object in the place of the live one, as `kubectl replace` does."""
        return self.store.replace(manifest, Writer(manager=manager))

    def remove(self, ref: ObjectRef, propagation: Propagation = Propagation.BACKGROUND) -> None:
        """Delete the object as `kubectl delete` does; NotFound when there is none."""
        self.store.delete(ref, propagation)

    def now(self, ref: ObjectRef) -> dict[str, Any]:
        """Return the object as the API server has it, without a request; NotFound when there is none."""
        return dict(self.store.require(ref))

    def namespace(self, name: str) -> Manifest:
        """Create a namespace."""
        return self.apply({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": name}})

    def limit_pods(self, namespace: str, most: int | None) -> None:
        """Allow no more than `most` pods in a namespace from now on, as a ResourceQuota does; None allows any."""
        self._most_pods.pop(namespace, None)
        if most is not None:
            self._most_pods[namespace] = most

    def slow_endpoints(self, seconds: float) -> None:
        """Have EndpointSlices follow Services and pods so late from now on, as where their controller is busy."""
        self._simulator.endpoints.slow(seconds)

    def _within_quota(self, new: Manifest, old: Manifest | None) -> None:
        name, namespace = new["metadata"]["name"], new["metadata"].get("namespace", "")
        most = self._most_pods.get(namespace)
        if new["kind"] != POD.kind or old is not None or most is None:
            return
        used = sum(is_active(pod) for pod in self.store.list(POD, namespace))
        if used >= most:
            quota = f"requested: pods=1, used: pods={used}, limited: pods={most}"
            raise Rejected(f'pods "{name}" is forbidden: exceeded quota: pods, {quota}')

    def close(self) -> None:
        """Stop everything that would still happen by itself."""
        super().close()
        self._collector.close()
        self._simulator.close()
