"""By what the controller finds objects in the caches, so that a pass looks at what concerns its canary and no more.

What the caches do with it is their business (`canary.clients.indexes`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from canary.controller.names import is_selected, labels_of, matches, target_of, template_labels
from canary.index import Index
from canary.ports import CANARY, DEPLOYMENT, POD, REPLICA_SET, SERVICE, Cluster
from meshes.contract import Claiming, Kind, Manifest


def pairs(namespace: str, labels: Mapping[str, Any] | None) -> Iterator[Hashable]:
    """Yield the keys under which labels, or a selector's, are found."""
    return ((namespace, label, value) for label, value in (labels or {}).items())


def _owners(manifest: Manifest) -> Iterable[Hashable]:
    return (owner["uid"] for owner in manifest["metadata"].get("ownerReferences") or ())


def _selector(service: Manifest) -> Iterable[Hashable]:
    return pairs(service["metadata"].get("namespace", ""), service["spec"].get("selector"))


def _template(deployment: Manifest) -> Iterable[Hashable]:
    return pairs(deployment["metadata"].get("namespace", ""), template_labels(deployment))


def _target(canary: Manifest) -> Iterable[Hashable]:
    return ((canary["metadata"].get("namespace", ""), target_of(canary)),)


OWNED_PODS = Index(name="owner", kind=POD, keys=_owners)
OWNED_SETS = Index(name="owner", kind=REPLICA_SET, keys=_owners)
SELECTORS = Index(name="selector", kind=SERVICE, keys=_selector, rarest=True)
TEMPLATES = Index(name="template labels", kind=DEPLOYMENT, keys=_template)
TARGETS = Index(name="target", kind=CANARY, keys=_target)


@cache
def goals(kind: Kind) -> Index:
    """Return the index of autoscalers of a kind by what they scale: namespace and name."""
    return Index(name="goal", kind=kind, keys=_goal)


def routed(mesh: Claiming, kind: Kind) -> Index:
    """Return the index of objects of a mesh by the Services whose requests they may route."""
    return Index(name=f"routed, {type(mesh).__qualname__}", kind=kind, keys=mesh.services)


def _goal(scaler: Manifest) -> Iterable[Hashable]:
    goal = scaler["spec"].get("scaleTargetRef") or {}
    return ((scaler["metadata"].get("namespace", ""), str(goal.get("name", ""))),)


def sets_of(cluster: Cluster, deployment: Manifest) -> list[Manifest]:
    """Return the ReplicaSets that name the Deployment as an owner."""
    return list(cluster.find(OWNED_SETS, deployment["metadata"]["uid"]))


def pods_of_sets(cluster: Cluster, replica_sets: Iterable[Manifest]) -> list[Manifest]:
    """Return the pods that name one of the ReplicaSets as an owner."""
    return [pod for one in replica_sets for pod in cluster.find(OWNED_PODS, one["metadata"]["uid"])]


def services_selecting(cluster: Cluster, namespace: str, labels: Mapping[str, Any]) -> list[Manifest]:
    """Return the Services of a namespace whose selector picks pods with these labels, by name."""
    near = {one["metadata"]["name"]: one for key in pairs(namespace, labels) for one in cluster.find(SELECTORS, key)}
    picking = [name for name, one in near.items() if is_selected(one["spec"].get("selector") or {}, labels)]
    return [near[name] for name in sorted(picking)]


def deployments_matching(cluster: Cluster, namespace: str, selector: Mapping[str, Any]) -> list[Manifest]:
    """Return the Deployments of a namespace whose pods a LabelSelector picks. One that names no label with its value
    (by expressions alone) is held against all of them."""
    keys = tuple(pairs(namespace, selector.get("matchLabels")))
    near = cluster.find(TEMPLATES, *keys) if keys else cluster.list(DEPLOYMENT, namespace)
    return [one for one in near if matches(selector, template_labels(one))]


def canaries_of(cluster: Cluster, namespace: str, target: str) -> list[Manifest]:
    """Return the Canaries that are about a Deployment."""
    return list(cluster.find(TARGETS, (namespace, target)))


def pods_selected(cluster: Cluster, namespace: str, selector: Mapping[str, str]) -> list[Manifest]:
    """Return the pods that a Service's selector picks; an empty selector picks none."""
    found = cluster.list(POD, namespace, selector) if selector else ()
    return [pod for pod in found if is_selected(selector, labels_of(pod))]
