"""The fields of Flagger's three resources (flagger.app/v1beta1, version 1.44), each with the type of its value.

A type is one letter: s text, n number, b truth, o map, a list. `[]` stands for the items of a list.
"""

from __future__ import annotations

CANARY = """
- provider:s metricsServer:s progressDeadlineSeconds:n skipAnalysis:b revertOnDeletion:b suspend:b
targetRef apiVersion:s kind:s name:s
autoscalerRef apiVersion:s kind:s name:s primaryScalerQueries:o
autoscalerRef.primaryScalerReplicas minReplicas:n maxReplicas:n
ingressRef apiVersion:s kind:s name:s
routeRef apiVersion:s kind:s name:s
upstreamRef apiVersion:s kind:s name:s namespace:s
service name:s port:n portName:s appProtocol:s trafficDistribution:s targetPort:n portDiscovery:b headless:b
service timeout:s backendTimeout:s meshName:s backends:a hosts:a delegation:b gateways:a
service.match[].authority exact:s prefix:s regex:s
service.match[] gateways:a headers:o ignoreUriCase:b name:s port:n queryParams:o sourceLabels:o sourceNamespace:s
service.match[] withoutHeaders:o
service.match[].method exact:s prefix:s regex:s
service.match[].scheme exact:s prefix:s regex:s
service.match[].uri exact:s prefix:s regex:s
service.retries attempts:n perTryTimeout:s retryOn:s
service.rewrite uri:s authority:s type:s
service.mirror[].backendRef group:s kind:s name:s namespace:s port:n
service.headers.request add:o remove:a set:o
service.headers.response add:o remove:a set:o
service.gatewayRefs[] group:s kind:s name:s namespace:s sectionName:s port:n
service.corsPolicy allowCredentials:b allowHeaders:a allowMethods:a allowOrigin:a exposeHeaders:a maxAge:s
service.corsPolicy.allowOrigins[] exact:s prefix:s regex:s
service.trafficPolicy.connectionPool.http h2UpgradePolicy:s http1MaxPendingRequests:n http2MaxRequests:n
service.trafficPolicy.connectionPool.http idleTimeout:s maxRequestsPerConnection:n maxRetries:n
service.trafficPolicy.loadBalancer.consistentHash.httpCookie name:s path:s ttl:s
service.trafficPolicy.loadBalancer.consistentHash httpHeaderName:s httpQueryParameterName:s minimumRingSize:n
service.trafficPolicy.loadBalancer.consistentHash useSourceIp:b
service.trafficPolicy.loadBalancer.localityLbSetting.distribute[] from:s to:o
service.trafficPolicy.loadBalancer.localityLbSetting enabled:b
service.trafficPolicy.loadBalancer.localityLbSetting.failover[] from:s to:s
service.trafficPolicy.loadBalancer simple:s warmupDurationSecs:s
service.trafficPolicy.outlierDetection baseEjectionTime:s consecutive5xxErrors:n consecutiveErrors:n
service.trafficPolicy.outlierDetection consecutiveGatewayErrors:n consecutiveLocalOriginFailures:n interval:s
service.trafficPolicy.outlierDetection maxEjectionPercent:n minHealthPercent:n splitExternalLocalOriginErrors:b
service.trafficPolicy.tls caCertificates:s clientCertificate:s mode:s privateKey:s sni:s subjectAltNames:a
service.apex labels:o annotations:o
service.primary labels:o annotations:o
service.canary labels:o annotations:o
service.unmanagedMetadata annotations:a labels:a
analysis interval:s iterations:n threshold:n maxWeight:n stepWeight:n stepWeights:a stepWeightPromotion:n mirror:b
analysis mirrorWeight:n primaryReadyThreshold:n canaryReadyThreshold:n
analysis.match[] headers:o queryParams:o sourceLabels:o
analysis.metrics[] name:s interval:s threshold:n query:s templateVariables:o
analysis.metrics[].thresholdRange min:n max:n
analysis.metrics[].templateRef name:s namespace:s
analysis.alerts[] name:s severity:s
analysis.alerts[].providerRef name:s namespace:s
analysis.webhooks[] name:s type:s muteAlert:b url:s timeout:s retries:n disableTLS:b metadata:o
analysis.sessionAffinity cookieName:s primaryCookieName:s domain:s httpOnly:b maxAge:n partitioned:b path:s
analysis.sessionAffinity sameSite:s secure:b
"""
METRICTEMPLATE = """
provider type:s address:s headers:o region:s insecureSkipVerify:b
provider.secretRef name:s
- query:s
"""
ALERTPROVIDER = """
- type:s channel:s username:s address:s proxy:s
secretRef name:s
"""


def fields(listing: str) -> dict[str, str]:
    """Return the type of each field by its path."""
    found: dict[str, str] = {}
    for line in listing.strip().splitlines():
        parent, *leaves = line.split()
        for leaf in leaves:
            name, _, kind = leaf.partition(":")
            found[name if parent == "-" else f"{parent}.{name}"] = kind
    return found
