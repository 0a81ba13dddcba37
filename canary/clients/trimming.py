"""What a cache keeps of an object: the fields that somebody reads. Most of a big cluster is what nobody does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.clients.crd_schema import skeleton
from canary.contents import without_content
from canary.ports import (
    CLAIM,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    ENDPOINT_SLICE,
    EVENT,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SECRET,
)
from meshes.contract import Kind, Manifest

CRD = Kind("apiextensions.k8s.io", "CustomResourceDefinition")
CONTENTS = (CONFIG_MAP, SECRET)
NOBODY_EDITS = (CONTROLLER_REVISION, EVENT, NAMESPACE, CLAIM, CRD)
"""Kinds of which nobody asks who edited an object."""
WRITER = ("manager", "time", "subresource")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OURS = "f:canary.delivery/"
SHARED = ("f:replicas", "f:selector", "f:scaleTargetRef")
"""Fields of a spec that people and the controller both set: who set them is told."""


def trimmed(kind: Kind, manifest: dict[str, Any], schemas: frozenset[Kind] = frozenset()) -> Manifest:
    """Return the manifest without what is never read: of managedFields all but who wrote when, and who set what is
    shared and what of ours; what kubectl applied last; all of pods, ReplicaSets and EndpointSlices but who they belong
    to, who is ready and what is wrong; all of a claim but its access modes, the schemas of CRDs, what ConfigMaps and
    Secrets hold (their hash instead). Of the CRDs of `schemas` stays which fields there are."""
    if kind in CONTENTS:
        return without_content(manifest)
    if kind in _MADE:
        metadata = _only(manifest["metadata"], *IDENTITY)
        return {**_only(manifest, "apiVersion", "kind"), "metadata": metadata, **_MADE[kind](manifest)}
    metadata = dict(manifest["metadata"])
    entries = metadata.pop("managedFields", None) or ()
    if kind not in NOBODY_EDITS and entries:
        metadata["managedFields"] = [_writer(each) for each in entries]
    annotations = metadata.get("annotations") or {}
    if LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    kept = {**manifest, "metadata": metadata}
    if kind == CLAIM:
        metadata.pop("annotations", None)
        kept.pop("status", None)
        kept["spec"] = {"accessModes": manifest["spec"].get("accessModes", [])}
    if kind == CRD:
        kept["spec"] = {**manifest["spec"], "versions": _versions(manifest["spec"], schemas)}
    return kept


def _only(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}


def _pod(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return who is ready and what is wrong: of a status all that `canary.controller.pods` looks at."""
    status = manifest.get("status") or {}
    kept = _only(status, "phase", "podIP")
    if ready := [_only(one, "type", "status") for one in status.get("conditions") or () if one["type"] == "Ready"]:
        kept["conditions"] = ready
    for name in ("initContainerStatuses", "containerStatuses"):
        if status.get(name):
            kept[name] = [_container(one) for one in status[name]]
    return {"status": kept}


def _container(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = _only(status, "name", "restartCount")
    for name in ("state", "lastState"):
        told = {key: _only(told or {}, "reason") for key, told in (status.get(name) or {}).items() if key != "running"}
        if told:
            kept[name] = told
    return kept


def _replica_set(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template, by which revisions are told apart, and what the ReplicaSet could not do."""
    kept = {"spec": _only(manifest.get("spec") or {}, "template", "replicas")}
    return kept | ({"status": _only(manifest["status"], "conditions")} if manifest.get("status") else {})


def _slice(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return who is ready, by pod where there is one: of a big Service there are many."""
    return {"endpoints": [_endpoint(one) for one in manifest.get("endpoints") or ()]}


def _endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    pod = (endpoint.get("targetRef") or {}).get("name")
    who = {"targetRef": {"name": pod}} if pod else {"addresses": (endpoint.get("addresses") or [])[:1]}
    return who | {"conditions": _only(endpoint.get("conditions") or {}, "ready")}


_MADE = {POD: _pod, REPLICA_SET: _replica_set, ENDPOINT_SLICE: _slice}
"""Kinds that the cluster makes by itself, with more objects than all others; of them we write labels at most."""
IDENTITY = (
    "namespace",
    "name",
    "uid",
    "resourceVersion",
    "labels",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
)


def _writer(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return who wrote and when, and which of the shared fields that set; where an annotation of ours was set (a
    command), also that, and whether the pod template was: of all fields these are the ones that are asked for."""
    kept = {key: entry[key] for key in WRITER if key in entry}
    fields = entry.get("fieldsV1") or {}
    annotations = (fields.get("f:metadata") or {}).get("f:annotations") or {}
    ours = {key: value for key, value in annotations.items() if key.startswith(OURS)}
    asked = (*SHARED, "f:template") if ours else SHARED
    spec: dict[str, Any] = {key: {} for key in asked if key in (fields.get("f:spec") or {})}
    about = {"f:metadata": {"f:annotations": ours} if ours else {}, "f:spec": spec}
    if told := {key: value for key, value in about.items() if value}:
        kept["fieldsV1"] = told
    return kept


def _versions(spec: Mapping[str, Any], schemas: frozenset[Kind]) -> list[dict[str, Any]]:
    versions = [{key: each.get(key) for key in ("name", "served")} for each in spec["versions"]]
    if Kind(spec.get("group", ""), spec.get("names", {}).get("kind", "")) in schemas:
        for kept, each in zip(versions, spec["versions"], strict=True):
            kept["schema"] = skeleton((each.get("schema") or {}).get("openAPIV3Schema"))
    return versions
