"""The smallest patches from live objects to what is wanted of them; {} where nothing is to change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.controller.merge import exact, overlay
from canary.controller.names import EPOCH, PRIMARY_FINALIZER, REVISION, labels_of, primary_labels
from canary.controller.objects import DEPLOYMENT_FIELDS
from canary.controller.revisions import RESTARTED_AT, same_but_ours
from canary.rollout.model import PrimaryWanted, TargetWanted
from meshes.contract import Manifest

_NOT_OURS = ("apiVersion", "kind", "metadata", "status")


def part(**parts: dict[str, Any]) -> dict[str, Any]:
    """Return a patch of its parts without the empty ones."""
    return {name: value for name, value in parts.items() if value}


def route_patch(live: Manifest, rendered: Manifest) -> dict[str, Any]:
    """Return the patch that makes a live route what an adapter rendered from it, labels and annotations included."""
    metadata = {
        field: exact(live["metadata"].get(field) or {}, rendered["metadata"].get(field) or {})
        for field in ("labels", "annotations")
    }
    return part(metadata=part(**metadata), **exact(_content(live), _content(rendered)))


def _content(manifest: Manifest) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key not in _NOT_OURS}


def without_epoch(manifest: Manifest) -> Manifest:
    """Return an object without the mark of a leader."""
    labels = {key: value for key, value in labels_of(manifest).items() if key != EPOCH}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def service_patch(live: Manifest, wanted: Manifest) -> dict[str, Any]:
    """Return the patch that gives the canary Service its selector and ports; what the API server chose stays."""
    spec = part(selector=exact(live["spec"].get("selector") or {}, wanted["spec"]["selector"]))
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"} for port in live["spec"].get("ports") or []
    ]
    if ports != wanted["spec"]["ports"]:
        spec["ports"] = wanted["spec"]["ports"]
    return part(metadata=overlay(live["metadata"], {"labels": wanted["metadata"]["labels"]}), spec=spec)


def selector_patch(service: Manifest, target: str, *, narrow: bool) -> dict[str, Any]:
    """Return the patch that makes a Service select the primary alone, or whatever it selected without us."""
    ours, selector = primary_labels(target), service["spec"].get("selector") or {}
    change = overlay(selector, ours) if narrow else {key: None for key in ours if key in selector}
    return part(spec=part(selector=change))


def target_patch(live: Manifest, wanted: TargetWanted) -> dict[str, Any]:
    """Return the one patch of the user's Deployment: its size and its hold together (ROLLOUT section 5)."""
    spec: dict[str, Any] = {}
    if wanted.replicas is not None and live["spec"].get("replicas", 1) != wanted.replicas:
        spec["replicas"] = wanted.replicas
    if wanted.held is not None and bool(live["spec"].get("paused")) != wanted.held:
        spec["paused"] = wanted.held
    return part(spec=spec)


def primary_patch(live: Manifest, made: Manifest, wanted: PrimaryWanted) -> dict[str, Any]:
    """Return the patch that makes `-primary` what was made for it.

    The template is written for another revision, for a restart, and where somebody edited it: never because this
    version of the controller would label it otherwise than the one before (ROLLOUT section 1).
    """
    spec = exact(
        {field: live["spec"][field] for field in DEPLOYMENT_FIELDS if field in live["spec"]},
        {field: made["spec"][field] for field in DEPLOYMENT_FIELDS if field in made["spec"]},
    )
    spec |= part(strategy=exact(live["spec"].get("strategy") or {}, made["spec"]["strategy"]))
    if _template_is_due(live, made, wanted):
        spec |= part(template=exact(live["spec"]["template"], made["spec"]["template"]))
    if (size := primary_size(live, wanted)) is not None:
        spec["replicas"] = size
    if live["spec"].get("paused"):
        spec["paused"] = None  # it would take no template: neither the promoted one, nor the one that is put back
    metadata = overlay(live["metadata"], {"labels": made["metadata"]["labels"]})
    finalizers = live["metadata"].get("finalizers") or []
    if PRIMARY_FINALIZER not in finalizers:
        metadata["finalizers"] = [*finalizers, PRIMARY_FINALIZER]
    return part(metadata=metadata, spec=spec)


def primary_size(live: Manifest, wanted: PrimaryWanted) -> int | None:
    """Return the size that `-primary` is to be given, None when it keeps the one that it has."""
    has = live["spec"].get("replicas", 1)
    size = wanted.awake if wanted.replicas is None and has == 0 else wanted.replicas
    return None if size == has else size


def _template_is_due(live: Manifest, made: Manifest, wanted: PrimaryWanted) -> bool:
    has, template = live["spec"]["template"], made["spec"]["template"]
    if labels_of(live).get(REVISION) != wanted.key or _restart(has) != _restart(template):
        return True
    return not same_but_ours(has, template)


def _restart(template: Mapping[str, Any]) -> str:
    return str(((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED_AT, ""))
