"""What a cache keeps of an object: the fields that somebody reads. Most of a big cluster is what nobody does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.clients.crd_schema import skeleton
from canary.contents import without_content
from canary.ports import (
    CANARY,
    CLAIM,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
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
NOBODY_EDITS = (POD, REPLICA_SET, ENDPOINT_SLICE, CONTROLLER_REVISION, EVENT, NAMESPACE, CLAIM, CRD)
"""Kinds of which nobody asks who edited an object."""
WRITER = ("manager", "time", "subresource")


def trimmed(kind: Kind, manifest: dict[str, Any], schemas: frozenset[Kind] = frozenset()) -> Manifest:
    """Return the manifest without what is never read: managedFields but where commands are looked for (of what people
    edit: who wrote and when), pods' specs, all of a claim but its access modes, the schemas of CRDs, what ConfigMaps
    and Secrets hold (their hash instead). Of those of `schemas` stays which fields there are."""
    if kind in CONTENTS:
        return without_content(manifest)
    metadata = dict(manifest["metadata"])
    if kind not in (CANARY, DEPLOYMENT):
        entries = metadata.pop("managedFields", None) or ()
        if kind not in NOBODY_EDITS and entries:
            metadata["managedFields"] = [{key: each[key] for key in WRITER if key in each} for each in entries]
    kept = {**manifest, "metadata": metadata}
    if kind == POD:
        metadata.pop("annotations", None)
        kept.pop("spec", None)
    if kind == CLAIM:
        metadata.pop("annotations", None)
        kept.pop("status", None)
        kept["spec"] = {"accessModes": manifest["spec"].get("accessModes", [])}
    if kind == CRD:
        kept["spec"] = {**manifest["spec"], "versions": _versions(manifest["spec"], schemas)}
    return kept


def _versions(spec: Mapping[str, Any], schemas: frozenset[Kind]) -> list[dict[str, Any]]:
    versions = [{key: each.get(key) for key in ("name", "served")} for each in spec["versions"]]
    if Kind(spec.get("group", ""), spec.get("names", {}).get("kind", "")) in schemas:
        for kept, each in zip(versions, spec["versions"], strict=True):
            kept["schema"] = skeleton((each.get("schema") or {}).get("openAPIV3Schema"))
    return versions
