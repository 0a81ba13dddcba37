"""What becomes of each field of Flagger's resources: converted, not needed, or without an equivalent.

Facts are from the CRDs of Flagger 1.44 (flagger.app/v1beta1). A field that this table does not know is listed too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CONVERTED = ""
"""The fate of a field that checks.py and flagger.py turn into one of ours, or list themselves."""

_ROUTE = "keep it in a route of your own (VirtualService, HTTPRoute, MeshHTTPRoute) and name that in `route`"
_POLICY = "keep it in a policy of your mesh for the Service: canary never touches those"
_SERVICE = "write it into the Service itself, which canary leaves as it is but for its selector"
_HEADERS = "no equivalent: canary splits by weight only, not by headers, cookies or labels"
_HOOK = "no equivalent: canary calls nobody; hold at a `pause` in the steps and run `canary resume` or `canary abort`"
_OTHER_ROUTER = "no equivalent: canary splits in a mesh only"
_METRICS = "of the controller, which asks one Prometheus: its flags --prometheus-url, -token-file, -ca-file and -user"
_SLACK_SECRET = "of the controller: SLACK_BOT_TOKEN or SLACK_WEBHOOK_URL in the Secret canary-slack"

CANARY: Mapping[str, str] = {
    "provider": CONVERTED,
    "metricsServer": _METRICS,
    "progressDeadlineSeconds": CONVERTED,
    "targetRef": CONVERTED,
    "autoscalerRef": "not needed: canary finds the autoscaler of the Deployment and points it at the primary",
    "autoscalerRef.primaryScalerQueries": "no equivalent: the Deployment's own ScaledObject serves the primary",
    "autoscalerRef.primaryScalerReplicas": "no equivalent: the bounds of the Deployment's own autoscaler hold",
    "ingressRef": _OTHER_ROUTER,
    "routeRef": _OTHER_ROUTER,
    "upstreamRef": _OTHER_ROUTER,
    "service.name": CONVERTED,
    "service.port": CONVERTED,
    "service.portName": _SERVICE,
    "service.appProtocol": CONVERTED,
    "service.trafficDistribution": _SERVICE,
    "service.targetPort": _SERVICE,
    "service.portDiscovery": "not needed: canary copies every port of the Service",
    "service.headless": "no equivalent: no mesh splits the requests to a headless Service",
    "service.timeout": _ROUTE,
    "service.backendTimeout": _ROUTE,
    "service.meshName": "not needed: canary writes no App Mesh objects",
    "service.backends": "not needed: canary writes no App Mesh objects",
    "service.hosts": _ROUTE,
    "service.delegation": _ROUTE,
    "service.match": _ROUTE,
    "service.retries": _ROUTE,
    "service.rewrite": _ROUTE,
    "service.mirror": _ROUTE,
    "service.headers": _ROUTE,
    "service.gateways": _ROUTE,
    "service.gatewayRefs": _ROUTE,
    "service.corsPolicy": _ROUTE,
    "service.trafficPolicy": _POLICY,
    "service.apex": _SERVICE,
    "service.primary": "no equivalent: there is no Service of the primary, the apex itself leads there",
    "service.canary": "no equivalent: canary's own Service takes what meshes read from the apex",
    "service.unmanagedMetadata": "not needed: canary keeps labels and annotations that are not its own",
    "skipAnalysis": CONVERTED,
    "revertOnDeletion": "not needed: leaving always puts everything back",
    "suspend": CONVERTED,
    "analysis.interval": CONVERTED,
    "analysis.iterations": "no equivalent: canary shifts weights; give a step more time (`50@10m`) instead",
    "analysis.threshold": CONVERTED,
    "analysis.maxWeight": CONVERTED,
    "analysis.stepWeight": CONVERTED,
    "analysis.stepWeights": CONVERTED,
    "analysis.stepWeightPromotion": "no equivalent: the primary rolls by itself while the canary keeps its weight",
    "analysis.mirror": "no equivalent: canary does not mirror requests",
    "analysis.mirrorWeight": "no equivalent: canary does not mirror requests",
    "analysis.primaryReadyThreshold": "no equivalent: every pod of the primary must be ready",
    "analysis.canaryReadyThreshold": "no equivalent: every pod that a weight needs must be ready",
    "analysis.match": _HEADERS,
    "analysis.metrics": CONVERTED,
    "analysis.alerts": CONVERTED,
    "analysis.webhooks": _HOOK,
    "analysis.sessionAffinity": _HEADERS,
}
TEMPLATE: Mapping[str, str] = {
    "provider.type": CONVERTED,
    "provider.address": _METRICS,
    "provider.headers": _METRICS,
    "provider.secretRef": _METRICS,
    "provider.region": "no equivalent: canary asks Prometheus only",
    "provider.insecureSkipVerify": "no equivalent: give the controller the CA with --prometheus-ca-file",
    "query": CONVERTED,
}
ALERT: Mapping[str, str] = {
    "type": CONVERTED,
    "channel": CONVERTED,
    "username": "no equivalent: the name is that of the Slack app",
    "address": _SLACK_SECRET,
    "proxy": "of the controller: HTTPS_PROXY in its environment",
    "secretRef": _SLACK_SECRET,
}
UNKNOWN = "this command does not know that field of Flagger's"


def without_equivalent(spec: Any, fates: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield path and fate of each field of a spec that is not converted, the outermost that has a fate of its own."""
    for path in _paths(spec):
        known = [name for name in fates if path == name or path.startswith((f"{name}.", f"{name}["))]
        name = max(known, key=len, default="")
        fate = fates[name] if name else UNKNOWN
        if fate != CONVERTED:
            yield name or path, fate


def _paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value that is neither a map nor empty; items of a list are `path[]`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for item in value:
            yield from _paths(item, f"{path}[]")
    elif value is not None:
        yield path
