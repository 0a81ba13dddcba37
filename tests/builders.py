"""Manifests as people write them with kubectl, for tests: the usual object, and keywords for what differs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, HPA, SECRET, SERVICE
from canary.sandbox.kinds import HTTP_ROUTE, VIRTUAL_SERVICE
from meshes.contract import Kind, ObjectRef

NAMESPACE = "shop"
PORT = 8080
PREFIX = "canary.delivery/"

JSON = dict[str, Any]


def ref(kind: Kind, name: str = "checkout", namespace: str = NAMESPACE) -> ObjectRef:
    return ObjectRef(kind, namespace, name)


def settings(**values: str) -> dict[str, str]:
    """Annotations: `settings(success_rate="99")` is `{"canary.delivery/success-rate": "99"}`."""
    return {PREFIX + key.replace("_", "-"): value for key, value in values.items()}


def metadata(name: str, namespace: str = NAMESPACE, **more: Any) -> JSON:
    return {"name": name, "namespace": namespace, **{key: value for key, value in more.items() if value}}


def deployment(
    name: str = "checkout",
    *,
    image: str = "registry.example/checkout:1.0",
    replicas: int | None = 3,
    annotations: Mapping[str, str] | None = None,
    namespace: str = NAMESPACE,
    **spec: Any,
) -> JSON:
    """A Deployment; `annotations` may come from `settings`, `spec` is put over its spec's top level."""
    labels = {"app": name}
    container = {
        "name": "app",
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    body = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": {**labels, "team": "payments"}}, "spec": {"containers": [container]}},
        **({} if replicas is None else {"replicas": replicas}),
        **spec,
    }
    meta = metadata(name, namespace, labels=labels, annotations=dict(annotations or {}))
    return {"apiVersion": "apps/v1", "kind": DEPLOYMENT.kind, "metadata": meta, "spec": body}


def service(
    name: str = "checkout", *, selector: Mapping[str, str] | None = None, namespace: str = NAMESPACE, **spec: Any
) -> JSON:
    """A Service with one named HTTP port; it selects `app: NAME` unless told otherwise."""
    body = {
        "selector": dict(selector or {"app": name}),
        "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
        **spec,
    }
    meta = metadata(name, namespace, labels={"app": name})
    return {"apiVersion": "v1", "kind": SERVICE.kind, "metadata": meta, "spec": body}


def canary(name: str = "checkout", *, namespace: str = NAMESPACE, **spec: Any) -> JSON:
    """A user's own Canary for the Deployment of the same name; `spec` is put over its spec's top level."""
    body = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "service": {"name": name, "port": PORT, "protocol": "http"},
        "analysis": {
            "interval": "1m",
            "steps": [{"weight": 5}, {"weight": 25}, {"weight": 50}],
            "checks": [{"name": "success-rate", "builtin": "success-rate", "min": 99}],
        },
        **spec,
    }
    return {
        "apiVersion": "canary.delivery/v1alpha1",
        "kind": CANARY.kind,
        "metadata": metadata(name, namespace),
        "spec": body,
    }


def virtual_service(name: str = "checkout", *, namespace: str = NAMESPACE, **spec: Any) -> JSON:
    """A user's own VirtualService that sends all of a host's requests to it, with a timeout."""
    destination = {"host": name, "port": {"number": PORT}}
    body = {
        "hosts": [name],
        "http": [{"name": "main", "timeout": "10s", "route": [{"destination": destination}]}],
        **spec,
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": VIRTUAL_SERVICE.kind,
        "metadata": metadata(name, namespace),
        "spec": body,
    }


def http_route(name: str = "checkout", *, namespace: str = NAMESPACE, **spec: Any) -> JSON:
    """A user's own HTTPRoute of a mesh, from a Service to itself."""
    body = {
        "parentRefs": [{"group": "", "kind": "Service", "name": name, "port": PORT}],
        "rules": [{"backendRefs": [{"name": name, "port": PORT, "weight": 1}]}],
        **spec,
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": HTTP_ROUTE.kind,
        "metadata": metadata(name, namespace),
        "spec": body,
    }


def config_map(name: str = "app-config", *, namespace: str = NAMESPACE, **data: str) -> JSON:
    """A ConfigMap; `data` are its keys."""
    return {"apiVersion": "v1", "kind": CONFIG_MAP.kind, "metadata": metadata(name, namespace), "data": data}


def secret(name: str = "app-secret", *, namespace: str = NAMESPACE, **data: str) -> JSON:
    """A Secret with `data` as text, base64 as the API server keeps it."""
    held = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": SECRET.kind, "metadata": metadata(name, namespace), "data": held}


def autoscaler(
    name: str = "checkout", *, target: str | None = None, least: int = 2, most: int = 6, namespace: str = NAMESPACE
) -> JSON:
    """A HorizontalPodAutoscaler on processor use; `target` is the Deployment's name, its own when not given."""
    usage = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    body = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target or name},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [{"type": "Resource", "resource": usage}],
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": HPA.kind,
        "metadata": metadata(name, namespace),
        "spec": body,
    }
