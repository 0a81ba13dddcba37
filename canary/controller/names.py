"""The names that the controller gives to objects, labels and annotations (CONTRACT sections 1 and 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.ports import DEPLOYMENT, SERVICE
from meshes.contract import Manifest, ObjectRef

PREFIX = "canary.delivery/"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "canary-controller"
ROLE = f"{PREFIX}role"
PRIMARY_ROLE = "primary"
TARGET = f"{PREFIX}target"
REVISION = f"{PREFIX}revision"
EPOCH = f"{PREFIX}epoch"
GENERATED = f"{PREFIX}generated"
SELECTOR = f"{PREFIX}selector"
"""The annotation of `-primary` that keeps the selector of the Deployment for which it was made, as JSON."""
COMMAND = f"{PREFIX}command"
HOME = f"{PREFIX}namespace"
"""On an object of ours in another namespace than its canary's: which that is."""
RESTORE_FINALIZER = f"{PREFIX}restore"
PRIMARY_FINALIZER = f"{PREFIX}primary"
HASH_LABEL = "pod-template-hash"
LONGEST_NAME = 63


def primary_ref(namespace: str, target: str) -> ObjectRef:
    """Return the Deployment that serves."""
    return ObjectRef(DEPLOYMENT, namespace, f"{target}-primary")


def canary_service_ref(namespace: str, target: str) -> ObjectRef:
    """Return the Service of the revision under test."""
    return ObjectRef(SERVICE, namespace, f"{target}-canary")


def primary_labels(target: str) -> dict[str, str]:
    """Return what is added to the pods of the primary, to its selector, and to the selectors of narrowed Services."""
    return {ROLE: PRIMARY_ROLE, TARGET: target}


def owner_labels(target: str) -> dict[str, str]:
    """Return the labels that tell that an object is ours, and of which canary."""
    return {MANAGED_BY: MANAGER, TARGET: target}


def target_of(canary: Manifest) -> str:
    """Return the name of the Deployment that a Canary is about: the one it took into service, else that of its spec.

    The status knows the former (status.py in canary.spec); a targetRef that was changed since is refused.
    """
    memory = (canary.get("status") or {}).get("memory") or {}
    objects = (memory.get("memory") or {}).get("objects") or {}
    wanted = ((canary.get("spec") or {}).get("targetRef") or {}).get("name", "")
    return str(objects.get("target") or wanted)


def is_ours(manifest: Manifest, target: str) -> bool:
    """Return whether the controller made the object for that target."""
    labels = labels_of(manifest)
    return labels.get(MANAGED_BY) == MANAGER and labels.get(TARGET) == target


def labels_of(manifest: Manifest) -> Mapping[str, str]:
    """Return the labels of an object."""
    labels: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    return labels


def annotations_of(manifest: Manifest) -> Mapping[str, str]:
    """Return the annotations of an object."""
    annotations: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return annotations


def resource_version(manifest: Manifest) -> str:
    """Return the version at which an object was read."""
    return str(manifest["metadata"]["resourceVersion"])


def uid_of(manifest: Manifest) -> str:
    """Return the uid of an object."""
    return str(manifest["metadata"]["uid"])


def matches(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Return whether a LabelSelector (matchLabels and matchExpressions) picks these labels; an empty one picks none."""
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if not wanted and not expressions:
        return False
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:  # the API server takes no other
            return False


def is_selected(selector: Mapping[str, str], labels: Mapping[str, Any]) -> bool:
    """Return whether a Service's selector picks pods with these labels; an empty selector picks none."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def template_labels(target: Manifest) -> Mapping[str, str]:
    """Return the labels of the pods that a Deployment makes now."""
    labels: Mapping[str, str] = (target["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return labels
