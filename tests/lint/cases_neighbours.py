"""Mistakes in what stands beside a canary: other Deployments, Services, budgets, routes, controllers."""

from __future__ import annotations

from canary.lint.model import Level
from tests.lint.cases import HERE, SERVICE, Case, annotated, thing

BATCH = "  selector: {matchLabels: {app: batch}}\n  template: {metadata: {labels: {app: checkout, tier: batch}}}\n"
LONG = "checkout-of-a-shop-with-a-name-that-is-far-too-long-for-it"

CASES: dict[str, Case] = {
    "a Service of two Deployments": Case(
        change={
            "  selector: {app: checkout}\n": f"  selector: {{app: checkout}} {HERE}\n",
            "    matchLabels: {app: checkout}\n": "    matchLabels: {app: checkout, tier: web}\n",
            "      labels: {app: checkout}\n": "      labels: {app: checkout, tier: web}\n",
        },
        more=thing("apps/v1", "Deployment", BATCH, "batch"),
        object=SERVICE,
        rule="service-shared",
        key="spec.selector",
        found="app=checkout, which picks the pods of Deployment shop/batch too",
        allowed="a selector that picks the pods of Deployment shop/checkout alone",
        remedy="narrow it",
    ),
    "a selector that another Deployment's pods match": Case(
        change={
            "  selector:\n    matchLabels": f"  selector: {HERE}\n    matchLabels",
            "  selector: {app: checkout}\n": "  selector: {app: checkout, tier: web}\n",
            "      labels: {app: checkout}\n": "      labels: {app: checkout, tier: web}\n",
        },
        more=thing("apps/v1", "Deployment", BATCH, "batch"),
        rule="selector-overlap",
        key="spec.selector",
        found="a selector that matches the pods of Deployment shop/batch too",
        allowed="labels that only pods of this Deployment have",
        remedy="tell them apart",
    ),
    "a Service for scraping": Case(
        more=thing(
            "v1",
            "Service",
            f"  selector: {{app: checkout}} {HERE}\n  ports: [{{name: metrics, port: 9090}}]\n",
            "checkout-metrics",
        ),
        object="Service shop/checkout-metrics",
        rule="scrape-service",
        key="spec.selector",
        found="app=checkout; its only ports are metrics",
        allowed="Services that may be narrowed",
        remedy="scrape the pods themselves (a PodMonitor)",
        level=Level.WARNING,
    ),
    "a budget of both sides": Case(
        more=thing(
            "policy/v1",
            "PodDisruptionBudget",
            f"  minAvailable: 2\n  selector: {HERE}\n    matchLabels: {{app: checkout}}\n",
        ),
        object="PodDisruptionBudget shop/checkout",
        rule="budget-of-both",
        key="spec.selector",
        found="app=checkout, which picks primary and candidate",
        allowed="a selector that picks the primary's pods alone",
        remedy="add canary.delivery/role: primary and canary.delivery/target: checkout",
        level=Level.WARNING,
    ),
    "a route that is not here": Case(
        change=annotated("route", "shop-front"),
        rule="route-not-here",
        key="canary.delivery/route",
        found="VirtualService.networking.istio.io shop-front, which is not among the files",
        allowed="a VirtualService of the namespace",
        remedy="give lint the file of the route too",
        level=Level.NOTE,
    ),
    "a route without the apex": Case(
        change={
            '    canary.delivery/enabled: "true"\n': '    canary.delivery/enabled: "true"\n'
            "    canary.delivery/route: front\n"
        },
        more=thing(
            "networking.istio.io/v1",
            "VirtualService",
            "  hosts: [shop]\n  http:\n    - route: [{destination: {host: cart}}]\n",
            "front",
        ).replace("spec:", f"spec: {HERE}"),
        object="VirtualService shop/front",
        rule="route-unusable",
        key="spec",
        found="RouteUnusable",
        allowed="a VirtualService in which requests for checkout can be split",
        remedy="checkout",
    ),
    "another route for the host": Case(
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
    "Flagger has it too": Case(
        more=thing(
            "flagger.app/v1beta1",
            "Canary",
            f"  targetRef:\n    kind: Deployment\n    name: checkout {HERE}\n",
        ),
        object="Canary shop/checkout",
        rule="other-controller",
        key="spec.targetRef.name",
        found="Deployment checkout, which checkout.yaml puts under canary",
        allowed="one controller for a Deployment",
        remedy="delete this Canary (flagger.app) first",
    ),
    "two Canaries for one Deployment": Case(
        change={'    canary.delivery/enabled: "true"\n': "    note: none\n"},
        more=thing("canary.delivery/v1alpha1", "Canary", "  targetRef: {name: checkout}\n", "first").replace(
            "{name: checkout}", "{name: other}"
        )
        + "---\n"
        + thing("canary.delivery/v1alpha1", "Canary", "  targetRef: {name: checkout}\n", "second")
        + "---\n"
        + thing("canary.delivery/v1alpha1", "Canary", f"  targetRef:\n    name: checkout {HERE}\n", "third"),
        object="Canary shop/third",
        rule="target-conflict",
        key="spec.targetRef.name",
        found="the target of Canary shop/second in checkout.yaml:44 too",
        allowed="one Canary for a Deployment",
        remedy="delete one of the two",
    ),
    "a name too long": Case(
        change={
            "  name: checkout\n  namespace: shop\n  annotations:": f"  name: {LONG} {HERE}\n  namespace: shop\n"
            "  annotations:\n    canary.delivery/service: checkout"
        },
        object=f"Deployment shop/{LONG}",
        rule="name-too-long",
        key="metadata.name",
        found=f"{LONG}, of which {LONG}-primary is made with 66 characters",
        allowed="a name of at most 55 characters",
        remedy="a shorter name",
    ),
    "a port that is no HTTP to Kuma": Case(
        mesh="kuma",
        change={"    - name: http\n      port: 80\n": f"    - name: http {HERE}\n      port: 80\n"},
        object=SERVICE,
        rule="port-protocol",
        key="spec.ports[0].appProtocol",
        found="",
        allowed="http, http2, grpc",
        remedy="set appProtocol: http",
    ),
    "pods outside of Linkerd": Case(
        mesh="linkerd",
        change={
            "      labels: {app: checkout}\n": "      labels: {app: checkout}\n      annotations:\n"
            f"        linkerd.io/inject: disabled {HERE}\n"
        },
        rule="not-in-mesh",
        key="spec.template.metadata.annotations.linkerd.io/inject",
        found="linkerd.io/inject: disabled",
        allowed="pods that are in the mesh linkerd",
        remedy="take it out",
    ),
    "a port that Linkerd does not look into": Case(
        mesh="linkerd",
        change={
            "      labels: {app: checkout}\n": "      labels: {app: checkout}\n      annotations:\n"
            f'        config.linkerd.io/opaque-ports: "8080" {HERE}\n'
        },
        rule="opaque-port",
        key="spec.template.metadata.annotations.config.linkerd.io/opaque-ports",
        found="8080",
        allowed="ports other than the one that is split",
        remedy="take the port out",
    ),
}
