"""What the API server fills in on a write, as far as it shows: templates are compared, routes are read back.

From the defaulting of Kubernetes 1.36 and the defaults in the meshes' CRDs. Fields that canary never
meets are left out.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from canary.ports import DEPLOYMENT, HPA, POD, REPLICA_SET, SECRET, SERVICE
from canary.sandbox.kinds import GRPC_ROUTE, HTTP_ROUTE, MESH_HTTP_ROUTE
from canary.sandbox.merge import with_defaults
from meshes.contract import Kind

JSON = dict[str, Any]

_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_ROLLING = {"maxSurge": "25%", "maxUnavailable": "25%"}


def defaulted(kind: Kind, manifest: JSON) -> JSON:
    """Return the manifest with the fields filled in that its author left out; kinds without defaults as they are."""
    if kind == SECRET:
        return _secret(manifest)
    fill = _FILLERS.get(kind)
    if fill is None or not isinstance(manifest.get("spec"), Mapping):
        return manifest
    return {**manifest, "spec": fill(manifest["spec"])}


def pod_spec(spec: Mapping[str, Any]) -> JSON:
    """Return the pod spec with its defaults."""
    filled = with_defaults(spec, _POD)
    for group in ("initContainers", "containers"):
        if group in filled:
            filled[group] = [_container(each) for each in filled[group]]
    if "volumes" in filled:
        filled["volumes"] = [_volume(each) for each in filled["volumes"]]
    return filled


def _secret(manifest: JSON) -> JSON:
    filled = with_defaults(manifest, {"type": "Opaque"})
    plain = filled.pop("stringData", None)
    if plain:
        encoded = {key: b64encode(str(value).encode()).decode() for key, value in plain.items()}
        filled["data"] = {**filled.get("data", {}), **encoded}
    return filled


def _container(container: Mapping[str, Any]) -> JSON:
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    filled = with_defaults(
        container,
        {
            "imagePullPolicy": "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        },
    )
    if "ports" in filled:
        filled["ports"] = [with_defaults(port, {"protocol": "TCP"}) for port in filled["ports"]]
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if probe in filled:
            filled[probe] = _probe(filled[probe])
    return filled


def _probe(probe: Mapping[str, Any]) -> JSON:
    filled = with_defaults(probe, _PROBE)
    if "httpGet" in filled:
        filled["httpGet"] = with_defaults(filled["httpGet"], {"path": "/", "scheme": "HTTP"})
    return filled


def _volume(volume: Mapping[str, Any]) -> JSON:
    filled = dict(volume)
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if source in filled:
            filled[source] = with_defaults(filled[source], {"defaultMode": 420})
    return filled


def _template(spec: JSON) -> JSON:
    if isinstance(spec.get("template"), Mapping):
        template = spec["template"]
        spec["template"] = {**template, "spec": pod_spec(template.get("spec") or {})}
    return spec


def _without_false(spec: JSON, *fields: str) -> JSON:
    """Optional fields whose zero value is written as absence."""
    return {key: value for key, value in spec.items() if key not in fields or value}


def _deployment(spec: Mapping[str, Any]) -> JSON:
    filled = with_defaults(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = with_defaults(spec.get("strategy") or {}, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = with_defaults(strategy.get("rollingUpdate") or {}, _ROLLING)
    filled["strategy"] = strategy
    return _template(_without_false(filled, "paused", "minReadySeconds"))


def _replica_set(spec: Mapping[str, Any]) -> JSON:
    return _template(_without_false(with_defaults(spec, {"replicas": 1}), "minReadySeconds"))


def _service(spec: Mapping[str, Any]) -> JSON:
    filled = with_defaults(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    if filled["type"] != "ExternalName":
        ips = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"}
        filled = with_defaults(filled, ips)
    filled["ports"] = [
        with_defaults(port, {"protocol": "TCP", "targetPort": port.get("port")}) for port in spec.get("ports") or ()
    ]
    return _without_false(filled, "publishNotReadyAddresses", "ports", "selector")


def _autoscaler(spec: Mapping[str, Any]) -> JSON:
    return with_defaults(spec, {"minReplicas": 1})


def _backends(rule: Mapping[str, Any], key: str, defaults: Mapping[str, Any]) -> JSON:
    if key not in rule:
        return dict(rule)
    return {**rule, key: [with_defaults(backend, defaults) for backend in rule[key]]}


def _gateway_route(spec: Mapping[str, Any]) -> JSON:
    filled = dict(spec)
    if "parentRefs" in filled:
        gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
        filled["parentRefs"] = [with_defaults(parent, gateway) for parent in filled["parentRefs"]]
    backend = {"group": "", "kind": "Service", "weight": 1}
    rules: list[JSON] = spec.get("rules") or [{}]
    filled["rules"] = [_backends(rule, "backendRefs", backend) for rule in rules]
    return filled


def _http_route(spec: Mapping[str, Any]) -> JSON:
    filled = _gateway_route(spec)
    anything = [{"path": {"type": "PathPrefix", "value": "/"}}]
    filled["rules"] = [
        {**rule, "matches": [_http_match(match) for match in rule.get("matches") or anything]}
        for rule in filled["rules"]
    ]
    return filled


def _http_match(match: Mapping[str, Any]) -> JSON:
    filled = with_defaults(match, {"path": {"type": "PathPrefix", "value": "/"}})
    if "headers" in filled:
        filled["headers"] = [with_defaults(header, {"type": "Exact"}) for header in filled["headers"]]
    return filled


def _grpc_route(spec: Mapping[str, Any]) -> JSON:
    filled = _gateway_route(spec)
    filled["rules"] = [
        {**rule, "matches": [_grpc_match(match) for match in rule["matches"]]} if rule.get("matches") else rule
        for rule in filled["rules"]
    ]
    return filled


def _grpc_match(match: Mapping[str, Any]) -> JSON:
    exact = {"type": "Exact"}
    filled = dict(match)
    if "method" in filled:
        filled["method"] = with_defaults(filled["method"], exact)
    if "headers" in filled:
        filled["headers"] = [with_defaults(header, exact) for header in filled["headers"]]
    return filled


def _kuma_route(spec: Mapping[str, Any]) -> JSON:
    filled = dict(spec)
    filled["to"] = [
        {
            **to,
            "rules": [
                {**rule, "default": _backends(rule.get("default") or {}, "backendRefs", {"weight": 1})}
                for rule in to.get("rules") or ()
            ],
        }
        for to in spec.get("to") or ()
    ]
    return filled


_FILLERS: dict[Kind, Callable[[Mapping[str, Any]], JSON]] = {
    DEPLOYMENT: _deployment,
    REPLICA_SET: _replica_set,
    POD: pod_spec,
    SERVICE: _service,
    HPA: _autoscaler,
    HTTP_ROUTE: _http_route,
    GRPC_ROUTE: _grpc_route,
    MESH_HTTP_ROUTE: _kuma_route,
}
