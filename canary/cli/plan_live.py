"""What `canary plan` reads of a cluster: how many pods serve now, who sets that, and the Service that clients call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canary.cli.live import Live
from canary.cli.options import Where
from canary.clients.kube_http import Call, KubeHttp, connect
from canary.controller.names import primary_ref
from canary.errors import NotFound
from canary.lint.bundle import Subject
from canary.lint.model import Document, value_at
from canary.lint.rules_service import is_number

HERE = "<cluster>"
"""The name of the file in which documents of the cluster stand; lines they have none."""
_SCALERS = (
    ("autoscaling/v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "minReplicas", "maxReplicas"),
    ("keda.sh/v1alpha1", "ScaledObject", "scaledobjects", "minReplicaCount", "maxReplicaCount"),
)


async def looked_up(where: Where, subjects: Sequence[Subject]) -> list[Live]:
    """Return what there is of each canary. Raises ConfigError without a kubeconfig, Rejected without the rights."""
    http = await connect(where.kubeconfig, where.context)
    try:
        return [await _one(http, subject) for subject in subjects]
    finally:
        await http.close()


async def _one(http: KubeHttp, subject: Subject) -> Live:
    plan = subject.plan
    assert plan is not None
    primary = primary_ref(plan.namespace, plan.target).name
    deployments = [await _read(http, "apps/v1", "deployments", plan.namespace, name) for name in (primary, plan.target)]
    sizes = zip((primary, plan.target), map(_size, deployments), strict=True)
    serving = next(((name, size) for name, size in sizes if size), None)
    scaler = await _scaler(http, plan.namespace, (primary, plan.target))
    service = await _read(http, "v1", "services", plan.namespace, plan.service.name)
    notes: tuple[str, ...] = ()
    if serving is not None:
        by = f", which {scaler} sets" if scaler else ""
        notes = (f"{serving[0]} has {serving[1]} pods in the cluster{by}",)
    return Live(
        size=serving[1] if serving else None,
        scaled=bool(scaler),
        notes=notes,
        service=_document("v1", "Service", service) if service else None,
    )


def _size(deployment: Mapping[str, Any] | None) -> int:
    replicas = value_at(deployment, "spec", "replicas")
    return int(replicas) if is_number(replicas) else 0


async def _scaler(http: KubeHttp, namespace: str, goals: Sequence[str]) -> str:
    """Return the autoscaler of one of the Deployments and its bounds, "" for none; KEDA's own before its HPA."""
    found = ""
    for version, kind, plural, least, most in _SCALERS:
        try:
            path = f"{_path(version)}/namespaces/{namespace}/{plural}"
            listed = await http.send(Call(method="GET", path=path, what=f"the {kind}s of namespace {namespace}"))
        except NotFound:
            continue
        for one in listed["items"]:
            if value_at(one, "spec", "scaleTargetRef", "name") in goals:
                bounds = f"{value_at(one, 'spec', least) or 1} to {value_at(one, 'spec', most) or 100}"
                found = f"{kind} {one['metadata']['name']} ({bounds})"
    return found


async def _read(http: KubeHttp, version: str, plural: str, namespace: str, name: str) -> Mapping[str, Any] | None:
    path = f"{_path(version)}/namespaces/{namespace}/{plural}/{name}"
    try:
        found: Mapping[str, Any] = await http.send(Call(method="GET", path=path, what=f"{plural} {namespace}/{name}"))
    except NotFound:
        return None
    return found


def _path(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _document(version: str, kind: str, manifest: Mapping[str, Any]) -> Document:
    return Document(file=HERE, manifest={**manifest, "apiVersion": version, "kind": kind}, lines={})
