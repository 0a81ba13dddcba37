"""Which canaries a change of some object concerns. Not its job: reading the change or acting on it.

Rather one pass too many than one too few: a pass that finds nothing to do costs no request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from canary.controller.names import HASH_LABEL, ROLE, TARGET, target_of
from canary.controller.queue import Key
from canary.ports import (
    CANARY,
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    Change,
    Cluster,
    Watched,
)
from meshes.contract import Manifest, ObjectRef


class Watch:
    """Turns changes into keys: of canaries for passes, of Deployments for the shim.

    It keeps an index from Deployments to the canaries that target them, built from the changes that it is told.
    `concerned` says which canaries a change of a ConfigMap or Secret is about.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        wake: Callable[[Key], None],
        shim: Callable[[Key], None],
        concerned: Callable[[Watched], Iterable[Key]],
    ) -> None:
        self._cluster = cluster
        self._concerned = concerned
        self._wake = wake
        self._shim = shim
        self._targets: dict[Key, set[Key]] = defaultdict(set)
        self._targeted: dict[Key, Key] = {}

    def start(self) -> None:
        """Listen from now on; what is there already counts as changed."""
        self._cluster.subscribe(self.changed)

    def changed(self, event: Watched) -> None:
        """Wake every canary that the change concerns."""
        ref = event.ref
        if ref.kind == CANARY:
            self._canary_changed(event)
        elif ref.kind == DEPLOYMENT:
            self._shim((ref.namespace, ref.name))
            self._wake_target(ref.namespace, _labelled(event.manifest) or ref.name)
        elif ref.kind in (REPLICA_SET, POD):
            for name in self._workload(event.manifest):
                self._wake_target(ref.namespace, name)
        elif ref.kind == ENDPOINT_SLICE:
            self._slice_changed(event)
        elif ref.kind in (CONFIG_MAP, SECRET):
            self._config_changed(event)
        else:
            self._wake_all(ref, event.manifest)

    def _config_changed(self, event: Watched) -> None:
        """A tracked one whose content changed, or a copy of ours: no other ever leads to a pass."""
        for key in self._concerned(event):
            self._wake(key)
        labelled = _labelled(event.manifest)
        if labelled:
            self._wake_target(event.ref.namespace, labelled)

    def _canary_changed(self, event: Watched) -> None:
        key = (event.ref.namespace, event.ref.name)
        before = self._targeted.pop(key, None)
        if before is not None:
            self._targets[before].discard(key)
        target = (key[0], target_of(event.manifest))
        if event.change is not Change.DELETED:
            self._targeted[key] = target
            self._targets[target].add(key)
        self._shim(target)
        for other in {key, *self._targets[target], *self._targets.get(before or target, ())}:
            self._wake(other)

    def _workload(self, manifest: Manifest) -> Iterator[str]:
        labelled = _labelled(manifest)
        if labelled:
            yield labelled
        template_hash = manifest["metadata"].get("labels", {}).get(HASH_LABEL, "")
        for owner in manifest["metadata"].get("ownerReferences", ()):
            if owner["kind"] == "Deployment":
                yield owner["name"]
            elif owner["kind"] == "ReplicaSet":
                yield owner["name"].removesuffix(f"-{template_hash}")

    def _slice_changed(self, event: Watched) -> None:
        service = event.manifest["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
        for key, target in tuple(self._targeted.items()):
            if key[0] == event.ref.namespace and self._may_serve(service, target):
                self._wake(key)

    def _may_serve(self, service: str, target: Key) -> bool:
        """Return whether the pods of a target may stand behind a Service; true when that cannot be known."""
        deployment = self._cluster.get(ObjectRef(DEPLOYMENT, *target))
        manifest = self._cluster.get(ObjectRef(SERVICE, target[0], service))
        if deployment is None or manifest is None:
            return True
        labels = deployment["spec"]["template"]["metadata"].get("labels", {})
        selector = manifest["spec"].get("selector") or {}
        ours = (TARGET, ROLE, HASH_LABEL)
        return all(labels.get(name) == value for name, value in selector.items() if name not in ours)

    def _wake_all(self, ref: ObjectRef, manifest: Manifest) -> None:
        labelled = _labelled(manifest)
        for key, target in tuple(self._targeted.items()):
            if labelled == target[1] or (not labelled and ref.namespace in (key[0], "")):
                self._wake(key)

    def _wake_target(self, namespace: str, name: str) -> None:
        for key in tuple(self._targets.get((namespace, name), ())):
            self._wake(key)


def _labelled(manifest: Manifest) -> str:
    value = manifest["metadata"].get("labels", {}).get(TARGET, "")
    return str(value)
