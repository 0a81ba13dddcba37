"""Makes the objects of a canary as plain manifests, from the user's own. Pure: reading and writing are elsewhere.

Labels are only added, so that whatever selects the user's pods goes on selecting what serves. Of an object's own
metadata nothing is copied that names an owner: a copy must not look like the user's to GitOps tools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from canary.controller.names import (
    HASH_LABEL,
    PREFIX,
    PRIMARY_FINALIZER,
    REVISION,
    SELECTOR,
    annotations_of,
    canary_service_ref,
    owner_labels,
    primary_labels,
    primary_ref,
)
from canary.controller.revisions import RESTARTED_AT
from meshes.contract import Manifest

OWNER_KEYS = ("kubectl.kubernetes.io/last-applied-configuration", "app.kubernetes.io/instance")
OWNER_PREFIXES = ("argocd.argoproj.io/", "meta.helm.sh/", "deployment.kubernetes.io/", PREFIX)
OWNER_KEY = "app.kubernetes.io/managed-by"
MESH_DOMAINS = ("istio.io", "linkerd.io", "kuma.io", "gateway.networking.k8s.io", "prometheus.io")
MESH_KEYS = ("ingress.kubernetes.io/service-upstream", "nginx.ingress.kubernetes.io/service-upstream")
LINKERD_DEPLOYMENT = "linkerd.io/proxy-deployment"
"""As whose a pod's requests are counted in Linkerd. It stands in templates that were injected by hand; copied as it is,
the primary would report as the canary."""
DEPLOYMENT_FIELDS = ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")


def copied(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return labels or annotations without those that name an owner (ROLLOUT section 1)."""
    return {key: value for key, value in (metadata or {}).items() if not _names_owner(key)}


def _names_owner(key: str) -> bool:
    prefix, slash, _ = key.partition("/")
    flux = bool(slash) and prefix.endswith(".toolkit.fluxcd.io")
    return key in OWNER_KEYS or key == OWNER_KEY or key.startswith(OWNER_PREFIXES) or flux


def _for_meshes(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Return what meshes and Prometheus read of a Service; others (DNS names, load balancers) must not exist twice."""
    return {key: value for key, value in (annotations or {}).items() if _is_for_meshes(key)}


def _is_for_meshes(key: str) -> bool:
    domain = key.partition("/")[0]
    return key in MESH_KEYS or any(domain == known or domain.endswith(f".{known}") for known in MESH_DOMAINS)


def primary(target: Manifest, template: Mapping[str, Any], *, key: str, restarted_at: str) -> dict[str, Any]:
    """Return `-primary` without its size: the given template with our labels added, the other fields the user's."""
    name, namespace = target["metadata"]["name"], target["metadata"]["namespace"]
    spec = target["spec"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": primary_ref(namespace, name).name,
            "namespace": namespace,
            "labels": {**copied(target["metadata"].get("labels")), **owner_labels(name), REVISION: key},
            "annotations": {**copied(target["metadata"].get("annotations")), SELECTOR: _written(spec["selector"])},
            "finalizers": [PRIMARY_FINALIZER],
        },
        "spec": {
            **{field: spec[field] for field in DEPLOYMENT_FIELDS if field in spec},
            "selector": primary_selector(name),
            "strategy": rolling(spec.get("strategy")),
            "template": primary_template(template, name, restarted_at),
        },
    }


def primary_selector(target: str) -> dict[str, Any]:
    """Return the selector of `-primary`: our labels alone, so that its ReplicaSets can do without the user's."""
    return {"matchLabels": primary_labels(target)}


def is_made_for(live: Manifest, target: Manifest) -> bool:
    """Return whether `-primary` was made for a Deployment with this selector.

    One that an earlier controller made has it in its own selector, beside our labels.
    """
    selector, name = target["spec"]["selector"], target["metadata"]["name"]
    if live["spec"]["selector"] == primary_selector(name):
        return annotations_of(live).get(SELECTOR, _written(selector)) == _written(selector)
    labels = {**(selector.get("matchLabels") or {}), **primary_labels(name)}
    return bool(live["spec"]["selector"] == {**selector, "matchLabels": labels})


def _written(selector: Mapping[str, Any]) -> str:
    return json.dumps(selector, sort_keys=True, separators=(",", ":"))


def primary_template(template: Mapping[str, Any], target: str, restarted_at: str) -> dict[str, Any]:
    """Return the pod template of the primary: the given one with our labels, and the restart that it is to have."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    notes = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != RESTARTED_AT}
    restart = {RESTARTED_AT: restarted_at} if restarted_at else {}
    if LINKERD_DEPLOYMENT in labels:
        labels[LINKERD_DEPLOYMENT] = f"{target}-primary"
    merged = {**metadata, "labels": {**labels, **primary_labels(target)}}
    merged.pop("annotations", None)
    annotations = {**notes, **restart}
    return {**template, "metadata": {**merged, **({"annotations": annotations} if annotations else {})}}


def rolling(strategy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return how the primary rolls: never below its number, with the user's surge, at least 1.

    It serves while it rolls, so neither Recreate nor any unavailability of the user's is taken over.
    """
    surge = ((strategy or {}).get("rollingUpdate") or {}).get("maxSurge", "25%")
    none = surge in (0, "0", "0%")
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1 if none else surge, "maxUnavailable": 0}}


def canary_service(apex: Manifest, target: Manifest, pin: str) -> dict[str, Any]:
    """Return the Service of the revision under test: ports, labels and annotations of the apex, pinned by its hash."""
    name, namespace = target["metadata"]["name"], target["metadata"]["namespace"]
    spec = apex["spec"]
    match_labels = target["spec"]["selector"].get("matchLabels") or {}
    kept = {field: spec[field] for field in ("sessionAffinity", "sessionAffinityConfig") if field in spec}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": canary_service_ref(namespace, name).name,
            "namespace": namespace,
            "labels": {**copied(apex["metadata"].get("labels")), **owner_labels(name)},
            "annotations": _for_meshes(apex["metadata"].get("annotations")),
        },
        "spec": {
            **kept,
            "selector": {**match_labels, HASH_LABEL: pin},
            "ports": [{key: value for key, value in port.items() if key != "nodePort"} for port in spec["ports"]],
        },
    }


def apex_service(target: Manifest, name: str, port: int, port_name: str, app_protocol: str = "") -> dict[str, Any]:
    """Return the apex for a user who has none: it selects the target's pods, narrowed from the start.

    `app_protocol` is what the mesh wants to be told of the port, "" for nothing.
    """
    owner = target["metadata"]["name"]
    match_labels = target["spec"]["selector"].get("matchLabels") or {}
    entry: dict[str, Any] = {"name": port_name or "http", "port": port, "targetPort": port_name or port}
    entry |= {"protocol": "TCP", **({"appProtocol": app_protocol} if app_protocol else {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": target["metadata"]["namespace"],
            "labels": owner_labels(owner),
        },
        "spec": {"selector": {**match_labels, **primary_labels(owner)}, "ports": [entry]},
    }


def narrowed(selector: Mapping[str, str], target: str) -> dict[str, str]:
    """Return a Service's selector that picks the primary alone."""
    return {**selector, **primary_labels(target)}
