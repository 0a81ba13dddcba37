"""Mistakes that only one mesh minds, and those around ScaledObjects and Canaries; notes of what is not among files."""

from __future__ import annotations

from canary.lint.model import Level
from tests.lint.cases import ENABLED, HERE, PORT, SELECTOR, SERVICE, Case, annotated, thing

A = "canary.delivery/"
LABELS = "      labels: {app: checkout}\n"
KUMA_PORT = {PORT: f"{PORT}      appProtocol: http\n"}
GAMMA_ROUTE = "  parentRefs: [{group: '', kind: Service, name: checkout, port: 80}]\n  rules: [{backendRefs: "
AMBIENT = {LABELS: "      labels: {app: checkout, istio.io/dataplane-mode: ambient}\n"}


def scaled(name: str, goal: str, mark: str = "") -> str:
    """A ScaledObject; its goal's line is the marked one."""
    return thing("keda.sh/v1alpha1", "ScaledObject", f"  scaleTargetRef:\n    name: {goal} {mark}\n", name)


def namespace(mark: str = HERE) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {mark}\n  name: shop\n"


CASES: dict[str, Case] = {
    "a namespace outside of Linkerd": Case(
        mesh="linkerd",
        more=namespace(),
        object="Namespace shop",
        rule="namespace-not-in-mesh",
        key="metadata",
        found="no annotation that brings its pods into the mesh linkerd",
        allowed="linkerd.io/inject: enabled",
        remedy="add the annotation linkerd.io/inject: enabled",
        level=Level.WARNING,
    ),
    "a port that is opaque to Linkerd": Case(
        mesh="linkerd",
        change={PORT: f"{PORT}      appProtocol: linkerd.io/opaque {HERE}\n"},
        object=SERVICE,
        rule="port-protocol",
        key="spec.ports[0].appProtocol",
        found="linkerd.io/opaque",
        allowed="http, kubernetes.io/h2c, or none",
        remedy="take it out",
    ),
    "a ServiceProfile that overrules Linkerd's routes": Case(
        mesh="linkerd",
        more=thing(
            "linkerd.io/v1alpha2", "ServiceProfile", "  routes: [{name: all}]\n", "checkout.shop.svc.cluster.local"
        ).replace("spec:", f"spec: {HERE}"),
        object="ServiceProfile shop/checkout.shop.svc.cluster.local",
        rule="route-conflict",
        key="spec",
        found="RouteConflict",
        allowed="no other object that decides where requests for checkout go",
        remedy="overrides all routes of Service checkout by its routes; remove them",
    ),
    "a namespace outside of Kuma": Case(
        mesh="kuma",
        change=KUMA_PORT,
        more=namespace(),
        object="Namespace shop",
        rule="namespace-not-in-mesh",
        key="metadata",
        found="no label that brings its pods into the mesh kuma",
        allowed="kuma.io/sidecar-injection: enabled",
        remedy="add the label kuma.io/sidecar-injection: enabled",
        level=Level.WARNING,
    ),
    "pods outside of Kuma": Case(
        mesh="kuma",
        change={
            **KUMA_PORT,
            LABELS: f"      labels:\n        app: checkout\n        kuma.io/sidecar-injection: disabled {HERE}\n",
        },
        rule="not-in-mesh",
        key="spec.template.metadata.labels.kuma.io/sidecar-injection",
        found="kuma.io/sidecar-injection: disabled",
        allowed="pods that are in the mesh kuma",
        remedy="take it out",
    ),
    "a protocol that Kuma does not know": Case(
        mesh="kuma",
        change={PORT: f"{PORT}      appProtocol: tcp {HERE}\n"},
        object=SERVICE,
        rule="port-protocol",
        key="spec.ports[0].appProtocol",
        found="tcp",
        allowed="http, http2, grpc",
        remedy="Kuma silently drops other backends from a split",
    ),
    "HTTP/2 by a word that Kuma does not know": Case(
        mesh="kuma",
        change={PORT: f"{PORT}      appProtocol: kubernetes.io/h2c {HERE}\n"},
        object=SERVICE,
        rule="port-protocol",
        key="spec.ports[0].appProtocol",
        found="kubernetes.io/h2c",
        allowed="http, http2, grpc",
        remedy="Kuma silently drops other backends from a split",
    ),
    "another HTTPRoute for the Service": Case(
        mesh="gateway-api",
        more=thing(
            "gateway.networking.k8s.io/v1", "HTTPRoute", f"{GAMMA_ROUTE}[{{name: checkout, port: 80}}]}}]\n", "front"
        ).replace("spec:", f"spec: {HERE}"),
        object="HTTPRoute shop/front",
        rule="route-conflict",
        key="spec",
        found="RouteConflict",
        allowed="no other object that decides where requests for checkout go",
        remedy="checkout",
    ),
    "a VirtualService beside HTTPRoutes": Case(
        mesh="gateway-api",
        more=thing(
            "networking.istio.io/v1",
            "VirtualService",
            "  hosts: [checkout]\n  http:\n    - route: [{destination: {host: checkout}}]\n",
            "front",
        ).replace("spec:", f"spec: {HERE}"),
        object="VirtualService shop/front",
        rule="route-conflict",
        key="spec",
        found="RouteConflict",
        allowed="no other object that decides where requests for checkout go",
        remedy="checkout",
    ),
    "an HTTPRoute of another Service": Case(
        mesh="gateway-api",
        change={ENABLED: f"{ENABLED}    {A}route: front\n"},
        more=thing(
            "gateway.networking.k8s.io/v1", "HTTPRoute", f"{GAMMA_ROUTE}[{{name: cart, port: 80}}]}}]\n", "front"
        )
        .replace("name: checkout, port: 80}]", "name: cart, port: 80}]")
        .replace("spec:", f"spec: {HERE}"),
        object="HTTPRoute shop/front",
        rule="route-unusable",
        key="spec",
        found="RouteUnusable",
        allowed="a HTTPRoute in which requests for checkout can be split",
        remedy="checkout",
    ),
    "an HTTPRoute that is not here": Case(
        mesh="gateway-api",
        change=annotated("route", "front"),
        rule="route-not-here",
        key=f"{A}route",
        found="HTTPRoute.gateway.networking.k8s.io front, which is not among the files",
        allowed="a HTTPRoute of the namespace",
        remedy="give lint the file of the route too",
        level=Level.NOTE,
    ),
    "ambient pods whose Service has no waypoint": Case(
        mesh="gateway-api",
        change={
            **AMBIENT,
            f"metadata:\n  name: checkout\n  namespace: shop\nspec:\n{SELECTOR}": f"metadata: {HERE}\n"
            f"  name: checkout\n  namespace: shop\nspec:\n{SELECTOR}",
        },
        object=SERVICE,
        rule="no-waypoint",
        key="istio.io/use-waypoint",
        found="",
        allowed="the name of a waypoint, at the Service or its Namespace",
        remedy="add the label istio.io/use-waypoint",
        level=Level.WARNING,
    ),
    "an ambient Service that wants no waypoint": Case(
        change={
            **AMBIENT,
            f"metadata:\n  name: checkout\n  namespace: shop\nspec:\n{SELECTOR}": "metadata:\n  name: checkout\n"
            f"  namespace: shop\n  labels:\n    istio.io/use-waypoint: none {HERE}\nspec:\n{SELECTOR}",
        },
        more=namespace("").replace("  name: shop\n", "  name: shop\n  labels: {istio.io/dataplane-mode: ambient}\n"),
        object=SERVICE,
        rule="no-waypoint",
        key="istio.io/use-waypoint",
        found="none",
        allowed="the name of a waypoint, at the Service or its Namespace",
        remedy="add the label istio.io/use-waypoint",
        level=Level.WARNING,
    ),
    "a ScaledObject of the candidate": Case(
        more=scaled("checkout", "checkout", HERE),
        object="ScaledObject shop/checkout",
        rule="autoscaler-of-candidate",
        key="spec.scaleTargetRef.name",
        found="checkout",
        allowed="checkout-primary, which serves",
        remedy="write checkout-primary here",
        level=Level.WARNING,
    ),
    "a ScaledObject for each side": Case(
        more=scaled("first", "checkout-primary") + "---\n" + scaled("second", "checkout-primary", HERE),
        object="ScaledObject shop/second",
        rule="autoscaler-conflict",
        key="spec.scaleTargetRef.name",
        found="checkout-primary, beside ScaledObject shop/first of checkout-primary",
        allowed="one autoscaler",
        remedy="delete one of the two",
    ),
    "a size beside a ScaledObject": Case(
        change=annotated("replicas", '"4"'),
        more=scaled("checkout", "checkout-primary"),
        rule="replicas-beside-autoscaler",
        key=f"{A}replicas",
        found="4",
        allowed="no such key beside ScaledObject shop/checkout",
        remedy="take one of the two away",
        level=Level.WARNING,
    ),
    "an apex that publishes pods that are not ready": Case(
        change={SELECTOR: f"{SELECTOR}  publishNotReadyAddresses: true {HERE}\n"},
        object=SERVICE,
        rule="not-ready-addresses",
        key="spec.publishNotReadyAddresses",
        found="true",
        allowed="false: requests to pods that are not ready fail",
        remedy="take it out",
        level=Level.WARNING,
    ),
    "a Service that is not here": Case(
        change=annotated("service", "front"),
        rule="service-not-here",
        key=f"{A}service",
        found="Service front, which is not among the files",
        allowed="canary makes it if there is none",
        remedy="give lint the file of the Service too",
        level=Level.NOTE,
    ),
    "a Deployment that is not here": Case(
        change={ENABLED: "    note: none\n"},
        more=thing(
            f"{A}v1alpha1", "Canary", f"  targetRef:\n    name: cart {HERE}\n  service: {{name: checkout}}\n", "cart"
        ),
        object="Canary shop/cart",
        rule="target-not-here",
        key="spec.targetRef.name",
        found="Deployment cart, which is not among the files",
        allowed="any Deployment of its namespace",
        remedy="give lint the file of the Deployment too",
        level=Level.NOTE,
    ),
    "suspended in a file": Case(
        change=annotated("suspend", '"true"'),
        rule="suspended",
        key=f"{A}suspend",
        found="true",
        allowed="false, for rollouts to start",
        remedy="take it out",
        level=Level.NOTE,
    ),
}
