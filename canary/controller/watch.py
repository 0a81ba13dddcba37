"""Which canaries a change of some object concerns. Not its job: reading the change or acting on it.

Rather one pass too many than one too few: a pass that finds nothing to do costs no request. But what a change costs
must not grow with the canaries beside it, so each kind of object is looked up by what it names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from canary.controller.concerns import Concerns
from canary.controller.due import Key
from canary.controller.echoes import Echoes
from canary.controller.haste import Haste, of_version
from canary.controller.indexes import TEMPLATES, pairs
from canary.controller.names import HASH_LABEL, ROLE, TARGET, labels_of, target_of
from canary.controller.news import News
from canary.controller.scalers import KINDS as SCALERS
from canary.ports import (
    CANARY,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    Change,
    Cluster,
    Watched,
)
from meshes.contract import ANY, Kind, Manifest, ObjectRef

Routing = Mapping[Kind, Callable[[Manifest], Collection[str]]]
"""What tells the Services whose requests an object of a kind may route, for kinds of which that is known."""

BESIDE = (DEPLOYMENT, REPLICA_SET, POD, CONFIG_MAP, SECRET, CONTROLLER_REVISION, ENDPOINT_SLICE)
"""Kinds whose objects of ours lie in the canary's namespace; a mesh may have its routes in one of its own."""


class Watch:
    """Turns changes into keys: of canaries for passes, of Deployments for the shim.

    `echoes` wakes, and knows which change of a Canary is a pass's own write; `concerned` says which canaries a change
    of a ConfigMap or Secret is about.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        echoes: Echoes,
        shim: Callable[[Key], None],
        concerned: Callable[[Watched], Iterable[Key]],
        routing: Routing,
    ) -> None:
        self._cluster = cluster
        self._concerned = concerned
        self._echoes = echoes
        self._shim = shim
        self._routing = routing
        self._news = News()
        self._canaries = Concerns()
        self._named: dict[ObjectRef, frozenset[Key]] = {}

    def start(self) -> None:
        """Listen from now on; what is there already counts as changed."""
        self._cluster.subscribe(self.changed)

    def changed(self, event: Watched) -> None:
        """Wake every canary that the change concerns; nobody for what no pass looks at."""
        kind, haste = event.ref.kind, self._news.of(event)
        if haste is None:
            return
        if kind == CANARY:
            self._canary_changed(event, haste)
        elif kind in (CONFIG_MAP, SECRET):
            self._wake_keys(self._concerned(event), haste)
            self._wake_owner(event, haste)
        elif not self._wake_owner(event, haste):
            self._wake_keys(self._around(event), haste)

    def _canary_changed(self, event: Watched, haste: Haste) -> None:
        key = (event.ref.namespace, event.ref.name)
        before = self._canaries.aimed_at(key)
        if event.change is Change.DELETED:
            self._canaries.forget(key)
        else:
            self._canaries.note(key, event.manifest)
        target = (key[0], target_of(event.manifest))
        self._wake_keys({*self._canaries.of(target), *self._canaries.of(before or target)} - {key}, Haste.REST)
        if not self._echoes.is_echo(key, event):
            self._shim(target)
            self._echoes.wake(key, haste)

    def _wake_owner(self, event: Watched, haste: Haste) -> bool:
        """Wake the canary that an object names as its own in a label; return whether it names one."""
        ref, labelled = event.ref, str(labels_of(event.manifest).get(TARGET, ""))
        if ref.kind == DEPLOYMENT:
            self._shim((ref.namespace, ref.name))
        if not labelled or ref.kind == SERVICE:
            return False
        beside = ref.kind in BESIDE
        whose = self._canaries.of((ref.namespace, labelled)) if beside else self._canaries.named(labelled)
        self._wake_keys(whose, haste)
        return ref.kind not in (REPLICA_SET, POD)

    def _around(self, event: Watched) -> Iterable[Key]:
        """Return the canaries that a change of an object without our label concerns."""
        ref, manifest = event.ref, event.manifest
        if ref.kind == DEPLOYMENT:
            return self._canaries.of((ref.namespace, ref.name))
        if ref.kind in (REPLICA_SET, POD):
            return self._all_of(ref.namespace, _owners(manifest))
        if ref.kind in (CONTROLLER_REVISION, EVENT):
            return ()  # those of StatefulSets and DaemonSets, and what is told of anything
        if ref.kind == NAMESPACE:
            return self._canaries.inside(ref.name)
        if ref.kind == ENDPOINT_SLICE:
            return self._behind(ref.namespace, labels_of(manifest).get("kubernetes.io/service-name", ""))
        if ref.kind == SERVICE:
            return self._before_and_after(event, self._selected(ref, manifest))
        if ref.kind in SCALERS:
            goal = str((manifest["spec"].get("scaleTargetRef") or {}).get("name", ""))
            scaled = self._all_of(ref.namespace, (goal, goal.removesuffix("-primary")))
            return self._before_and_after(event, scaled)
        return self._before_and_after(event, self._routed(ref, manifest))

    def _before_and_after(self, event: Watched, now: Iterable[Key]) -> Iterable[Key]:
        """Return whom an object concerns, and whom it did before the change."""
        keys = frozenset(now)
        before = self._named.pop(event.ref, frozenset())
        if event.change is not Change.DELETED:
            self._named[event.ref] = keys
        return keys | before

    def _behind(self, namespace: str, service: str) -> Iterable[Key]:
        """Return whose pods may stand behind a Service. One that is not known yet wakes more when it comes itself."""
        ref = ObjectRef(SERVICE, namespace, service)
        manifest = self._cluster.get(ref)
        if manifest is not None:
            return self._selected(ref, manifest)
        own = self._canaries.of((namespace, service.removesuffix("-canary")))
        return {*own, *self._canaries.called_by(namespace, service)}

    def _selected(self, ref: ObjectRef, service: Manifest) -> Iterable[Key]:
        """Return those whose apex a Service is, whose it is by label, and whose pods it may select."""
        yield from self._canaries.called_by(ref.namespace, ref.name)
        selector = service["spec"].get("selector") or {}
        named = (str(labels.get(TARGET, "")) for labels in (labels_of(service), selector))
        yield from self._all_of(ref.namespace, named)
        theirs = {label: value for label, value in selector.items() if label not in (TARGET, ROLE, HASH_LABEL)}
        keys = tuple(pairs(ref.namespace, theirs))
        if keys:
            found = self._cluster.find(TEMPLATES, *keys)
            yield from self._all_of(ref.namespace, (one["metadata"]["name"] for one in found))

    def _routed(self, ref: ObjectRef, manifest: Manifest) -> Iterable[Key]:
        """Return those whose apex an object may route, and whose route it is by name."""
        services = self._routing.get(ref.kind)
        if services is None:
            inside = self._canaries.inside(ref.namespace) if ref.namespace else self._canaries.all()
            return {*inside, *self._canaries.routed_by(ref.name)}
        names = services(manifest)
        if ANY in names:
            return self._canaries.all()
        mine = self._canaries.called_by(ref.namespace, ref.name)
        return {*mine, *(key for name in names for key in self._canaries.called(name))}

    def _all_of(self, namespace: str, targets: Iterable[str]) -> Iterator[Key]:
        for target in targets:
            yield from self._canaries.of((namespace, target))

    def _wake_keys(self, keys: Iterable[Key], haste: Haste) -> None:
        for key in tuple(keys):
            self._echoes.wake(key, of_version(haste, self._cluster.get(ObjectRef(CANARY, *key))))


def _owners(manifest: Manifest) -> Iterator[str]:
    """Yield the names of the Deployments that a ReplicaSet or a pod belongs to."""
    template_hash = labels_of(manifest).get(HASH_LABEL, "")
    for owner in manifest["metadata"].get("ownerReferences") or ():
        if owner["kind"] == "Deployment":
            yield owner["name"]
        elif owner["kind"] == "ReplicaSet":
            yield owner["name"].removesuffix(f"-{template_hash}")
