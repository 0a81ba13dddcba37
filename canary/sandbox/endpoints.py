"""The EndpointSlice controller of the simulated cluster: which addresses stand behind each Service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from canary.ports import ENDPOINT_SLICE, POD, SERVICE, Change, Propagation, Watched, ref_of
from canary.sandbox.managed import Writer
from canary.sandbox.owners import controller_uid, is_deleted, labels_of, owner_reference
from canary.sandbox.replicasets import is_ready
from canary.sandbox.selectors import carries
from canary.sandbox.store import Store
from canary.sandbox.worklist import Worklist
from meshes.contract import Manifest, ObjectRef

SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
_WRITER = Writer(manager="kube-controller-manager")

Ports = tuple[tuple[str, int, str, str], ...]
"""Name, number, protocol and appProtocol ("" when not set) of each port, as one slice has them."""

_Pair = tuple[str, str, str]
"""A namespace, and the key and value of a label."""


class EndpointSliceController:
    """Keeps one slice for each set of ports of each Service, `delay` seconds after an event that concerns it."""

    def __init__(self, store: Store, delay: float = 0.05) -> None:
        self._store = store
        self._work = Worklist(self._sync, delay)
        self._selected: dict[ObjectRef, set[ObjectRef]] = defaultdict(set)
        self._by_pair: dict[_Pair | None, set[ObjectRef]] = defaultdict(set)
        self._pair_of: dict[ObjectRef, _Pair] = {}
        store.listen(self._notice)

    def slow(self, seconds: float) -> None:
        """Be so late from now on."""
        self._work.delay = seconds

    def close(self) -> None:
        """Stop working."""
        self._work.close()

    def _notice(self, event: Watched) -> None:
        if event.ref.kind == SERVICE:
            self._index(event)
            self._work.add(event.ref)
        elif event.ref.kind == POD:
            self._notice_pod(event)
        elif event.ref.kind == ENDPOINT_SLICE:
            service_name = labels_of(event.manifest).get(SERVICE_NAME, "")
            self._work.add(ObjectRef(SERVICE, event.ref.namespace, service_name))

    def _index(self, event: Watched) -> None:
        """Keep services by one pair of their selectors, so that a pod's event costs little among many services."""
        self._by_pair[self._pair_of.pop(event.ref, None)].discard(event.ref)
        selector = event.manifest["spec"].get("selector")
        if selector and event.change is not Change.DELETED:
            pair = (event.ref.namespace, *max(selector.items()))
            self._pair_of[event.ref] = pair
            self._by_pair[pair].add(event.ref)

    def _notice_pod(self, event: Watched) -> None:
        labels = labels_of(event.manifest)
        for pair in labels.items():
            for ref in self._by_pair.get((event.ref.namespace, *pair), ()):
                if carries(labels, self._store.require(ref)["spec"]["selector"]):
                    self._work.add(ref)
        for ref in self._selected.get(event.ref, ()):
            self._work.add(ref)
        if event.change is Change.DELETED:
            self._selected.pop(event.ref, None)

    def _sync(self, ref: ObjectRef) -> None:
        service = self._store.get(ref)
        if service is None or is_deleted(service) or not service["spec"].get("selector"):
            return
        old = self._slices(service)
        for ports, endpoints in self._wanted(service).items():
            manifest = _slice(service, ports, endpoints)
            same = next((each for each in old if each["ports"] == manifest["ports"]), None) or next(iter(old), None)
            if same is None:
                self._store.create(manifest, _WRITER)
            else:
                old.remove(same)
                patch = {key: manifest[key] for key in ("endpoints", "ports")}
                patch["metadata"] = {"labels": manifest["metadata"]["labels"]}
                self._store.patch(ref_of(same), patch, _WRITER)
        for each in old:
            self._store.delete(ref_of(each), Propagation.BACKGROUND)

    def _slices(self, service: Manifest) -> list[Manifest]:
        labels = {SERVICE_NAME: service["metadata"]["name"]}
        found = self._store.list(ENDPOINT_SLICE, service["metadata"]["namespace"], labels)
        return [each for each in found if controller_uid(each) == service["metadata"]["uid"]]

    def _wanted(self, service: Manifest) -> Mapping[Ports, list[dict[str, Any]]]:
        """The endpoints of the Service by the ports that its pods have; one empty slice when there are none."""
        found: dict[Ports, list[dict[str, Any]]] = defaultdict(list)
        ref = ref_of(service)
        for pod in self._store.list(POD, ref.namespace, service["spec"]["selector"]):
            self._selected[ref_of(pod)].add(ref)
            status = pod.get("status", {})
            if status.get("podIP") and status.get("phase") not in ("Failed", "Succeeded"):
                found[_ports(service, pod)].append(_endpoint(service, pod))
        return found or {(): []}


def _ports(service: Manifest, pod: Manifest) -> Ports:
    ports = []
    for port in service["spec"].get("ports") or ():
        number = _number(port["targetPort"], pod)
        if number is not None:
            ports.append((port.get("name", ""), number, port["protocol"], port.get("appProtocol", "")))
    return tuple(ports)


def _number(target: int | str, pod: Manifest) -> int | None:
    """The number of a target port; a name is looked up in the pod's containers, None when none has it."""
    if isinstance(target, int):
        return target
    named = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    return next((int(port["containerPort"]) for port in named if port.get("name") == target), None)


def _endpoint(service: Manifest, pod: Manifest) -> dict[str, Any]:
    serving, terminating = is_ready(pod), is_deleted(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    meta = pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {"kind": POD.kind, "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
    }


def _slice(service: Manifest, ports: Ports, endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    meta = service["metadata"]
    listed = [
        {"name": name, "port": number, "protocol": protocol, **({"appProtocol": speaks} if speaks else {})}
        for name, number, protocol, speaks in ports
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": ENDPOINT_SLICE.kind,
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": {**labels_of(service), SERVICE_NAME: meta["name"], **_MANAGED_BY},
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": listed,
    }
