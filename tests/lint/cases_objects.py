"""Mistakes in the objects around a canary: pods, volumes, Services, autoscalers, routes."""

from __future__ import annotations

from canary.lint.model import Level
from tests.lint.cases import ENABLED, HERE, POD, PORT, SELECTOR, SERVICE, Case, annotated, thing

CLAIM = thing("v1", "PersistentVolumeClaim", "  accessModes: [ReadWriteOnce]\n", "data")
VOLUME = f"""\
    spec:
      volumes:
        - name: data
          persistentVolumeClaim: {{claimName: data}} {HERE}
      containers:"""
AFFINITY = f"""\
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname {HERE}
              labelSelector: {{matchLabels: {{app: checkout}}}}
      containers:"""
GOAL = "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "
OTHER_DEPLOYMENT = thing(
    "apps/v1",
    "Deployment",
    "  selector: {matchLabels: {app: checkout}}\n  template: {metadata: {labels: {app: checkout, tier: batch}}}\n",
    "batch",
)


def scaler(name: str, goal: str, mark: str = "") -> str:
    """An HPA; its goal's line is the marked one."""
    goal = f"  scaleTargetRef:\n    name: {goal} {mark}\n"
    return thing("autoscaling/v2", "HorizontalPodAutoscaler", goal, name)


CASES: dict[str, Case] = {
    "a port of the node": Case(
        change={"containerPort: 8080\n": f"containerPort: 8080\n              hostPort: 8080 {HERE}\n"},
        rule="host-port",
        key="spec.template.spec.containers[0].ports[0].hostPort",
        found="8080",
        allowed="pods that can run beside each other on a node",
        remedy="use a Service instead",
    ),
    "the network of the node": Case(
        change={POD: f"    spec:\n      hostNetwork: true {HERE}\n      containers:"},
        rule="host-port",
        key="spec.template.spec.hostNetwork",
        found="true",
        allowed="pods that can run beside each other on a node",
        remedy="use a Service instead",
    ),
    "a volume for one pod": Case(
        change={
            POD: VOLUME,
            "  template:\n": "  strategy: {type: Recreate}\n  template:\n",
        },
        more=CLAIM,
        rule="volume-not-shared",
        key="spec.template.spec.volumes[0].persistentVolumeClaim",
        found="claim data, which is ReadWriteOnce, and the strategy is Recreate",
        allowed="ReadWriteMany",
        remedy="keep the data outside of the pods",
    ),
    "a claim for one node": Case(
        change={POD: VOLUME},
        more=CLAIM,
        rule="volume-not-shared",
        key="spec.template.spec.volumes[0].persistentVolumeClaim",
        level=Level.WARNING,
        found="claim data, which is ReadWriteOnce, for the pods of one node",
        allowed="ReadWriteMany",
        remedy="keep the data outside of the pods",
    ),
    "pods that keep apart": Case(
        change={POD: AFFINITY},
        rule="anti-affinity",
        key="spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]",
        found="at most one pod for each kubernetes.io/hostname, primary and candidate counted together",
        allowed="room for the candidate's pods",
        remedy="preferredDuringSchedulingIgnoredDuringExecution",
        level=Level.WARNING,
    ),
    "replicas in Git": Case(
        change={"  template:\n": f"  replicas: 3 {HERE}\n  template:\n"},
        rule="replicas-in-file",
        key="spec.replicas",
        found="3",
        allowed="no replicas",
        remedy="take it out",
        level=Level.WARNING,
    ),
    "paused by the user": Case(
        change={"  template:\n": f"  paused: true {HERE}\n  template:\n"},
        rule="paused",
        key="spec.paused",
        found="true",
        allowed="canary pauses and unpauses the Deployment itself",
        remedy="take it out",
    ),
    "no readiness probe": Case(
        change={
            "          readinessProbe:\n            httpGet: {path: /healthz, port: http}\n": "",
            "        - name: app\n": f"        - name: app {HERE}\n",
        },
        rule="no-readiness",
        key="spec.template.spec.containers[0]",
        found="no readinessProbe in any container",
        allowed="a readinessProbe",
        remedy="add one",
        level=Level.WARNING,
    ),
    "a tag that moves": Case(
        change={"checkout:1.0.0\n": f"checkout:latest {HERE}\n"},
        rule="moving-tag",
        key="spec.template.spec.containers[0].image",
        found="registry.example/shop/checkout:latest",
        allowed="an image with a tag of its own for each version",
        remedy="name the version",
        level=Level.WARNING,
    ),
    "a name that is taken": Case(
        more=thing("v1", "Service", SELECTOR.replace("checkout", "x"), "checkout-canary").replace(
            "checkout-canary\n", f"checkout-canary {HERE}\n"
        ),
        object="Service shop/checkout-canary",
        rule="name-taken",
        key="metadata.name",
        found="checkout-canary, the name that canary gives to its own Service for checkout",
        allowed="any other name",
        remedy="rename it",
    ),
    "a headless apex": Case(
        change={SELECTOR: f"{SELECTOR}  clusterIP: None {HERE}\n"},
        object=SERVICE,
        rule="service-unusable",
        key="spec.clusterIP",
        found="None: headless, so clients choose pods themselves",
        allowed="a Service with a cluster IP and a selector",
        remedy="name another with canary.delivery/service",
    ),
    "an apex without a selector": Case(
        change={f"spec:\n{SELECTOR}": f"spec: {HERE}\n"},
        object=SERVICE,
        rule="service-unusable",
        key="spec.selector",
        found="no selector",
        allowed="a Service with a cluster IP and a selector",
        remedy="name another with canary.delivery/service",
    ),
    "an apex of other pods": Case(
        change={SELECTOR: f"  selector: {{app: chekout}} {HERE}\n"},
        object=SERVICE,
        rule="service-unusable",
        key="spec.selector",
        found="app=chekout",
        allowed="labels that the pods of Deployment shop/checkout have",
        remedy="or change this one",
    ),
    "a port among several": Case(
        change={
            "  ports:\n    - name: http\n      port: 80\n": f"  ports: {HERE}\n    - {{name: http-admin, port: 81}}\n"
            "    - name: http\n      port: 80\n"
        },
        object=SERVICE,
        rule="port-unknown",
        key="spec.ports",
        found="the ports 81 (http-admin), 80 (http)",
        allowed="one port, one among several that is named http* or grpc*",
        remedy="canary.delivery/port",
    ),
    "a port that the Service lacks": Case(
        change=annotated("port", '"8080"'),
        rule="port-unknown",
        key="canary.delivery/port",
        found="8080, where Service shop/checkout has the ports 80 (http)",
        allowed="or the one that is named",
        remedy="canary.delivery/port",
    ),
    "a target port that no container has": Case(
        change={"      targetPort: http\n": f"      targetPort: web {HERE}\n"},
        object=SERVICE,
        rule="target-port",
        key="spec.ports[0].targetPort",
        found="web",
        allowed="a named container port: http",
        remedy="name the container's port web",
    ),
    "a port that is no HTTP to Istio": Case(
        change={PORT: f"    - name: web {HERE}\n      port: 80\n      targetPort: http\n"},
        object=SERVICE,
        rule="port-protocol",
        key="spec.ports[0].name",
        found="web",
        allowed="http-",
        remedy="appProtocol: http",
        level=Level.WARNING,
    ),
    "pods outside of Istio": Case(
        change={
            "      labels: {app: checkout}\n": "      labels:\n        app: checkout\n"
            f'        sidecar.istio.io/inject: "false" {HERE}\n'
        },
        rule="not-in-mesh",
        key="spec.template.metadata.labels.sidecar.istio.io/inject",
        found="sidecar.istio.io/inject: false",
        allowed="pods that are in the mesh istio",
        remedy="take it out",
    ),
    "a namespace outside of Istio": Case(
        more=f"apiVersion: v1\nkind: Namespace\nmetadata: {HERE}\n  name: shop\n",
        object="Namespace shop",
        rule="namespace-not-in-mesh",
        key="metadata",
        found="no label that brings its pods into the mesh istio",
        allowed="istio-injection: enabled",
        remedy="add the label istio-injection: enabled",
        level=Level.WARNING,
    ),
    "an autoscaler of the candidate": Case(
        more=scaler("checkout", "checkout", HERE),
        object="HorizontalPodAutoscaler shop/checkout",
        rule="autoscaler-of-candidate",
        key="spec.scaleTargetRef.name",
        found="checkout",
        allowed="checkout-primary, which serves",
        remedy="write checkout-primary here",
        level=Level.WARNING,
    ),
    "an autoscaler for each side": Case(
        more=scaler("first", "checkout-primary") + "---\n" + scaler("second", "checkout-primary", HERE),
        object="HorizontalPodAutoscaler shop/second",
        rule="autoscaler-conflict",
        key="spec.scaleTargetRef.name",
        found="checkout-primary, beside HorizontalPodAutoscaler shop/first of checkout-primary",
        allowed="one autoscaler",
        remedy="delete one of the two",
    ),
    "a size beside an autoscaler": Case(
        change=annotated("replicas", '"4"'),
        more=scaler("checkout", "checkout-primary"),
        rule="replicas-beside-autoscaler",
        key="canary.delivery/replicas",
        found="4",
        allowed="no such key beside HorizontalPodAutoscaler shop/checkout",
        remedy="take one of the two away",
        level=Level.WARNING,
    ),
}
__all__ = ["CASES", "ENABLED", "OTHER_DEPLOYMENT"]
