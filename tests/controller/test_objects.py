"""The objects that the controller makes: labels only added, nothing copied that names an owner."""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.objects import apex_service, canary_service, copied, primary
from canary.ports import SERVICE, ref_of
from meshes.contract import ObjectRef
from tests.builders import JSON, deployment, service

OURS = {"canary.delivery/role": "primary", "canary.delivery/target": "checkout"}


def made(target: JSON, *, key: str = "k1", restarted_at: str = "") -> Any:
    return primary(target, target["spec"]["template"], key=key, restarted_at=restarted_at)


def test_the_primarys_pods_bear_every_label_of_the_users_and_ours() -> None:
    labels = made(deployment())["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": "checkout", "team": "payments", **OURS}


def test_its_selector_is_our_labels_alone() -> None:
    expressions = [{"key": "tier", "operator": "NotIn", "values": ["batch"]}]
    target = deployment(selector={"matchLabels": {"app": "checkout"}, "matchExpressions": expressions})
    assert made(target)["spec"]["selector"] == {"matchLabels": OURS}


def test_it_is_named_owned_and_marked_without_an_owner_reference() -> None:
    metadata = made(deployment(annotations={"example.com/note": "x"}))["metadata"]
    assert metadata == {
        "name": "checkout-primary",
        "namespace": "shop",
        "labels": {
            "app": "checkout",
            "app.kubernetes.io/managed-by": "canary-controller",
            "canary.delivery/target": "checkout",
            "canary.delivery/revision": "k1",
        },
        "annotations": {"example.com/note": "x", "canary.delivery/selector": '{"matchLabels":{"app":"checkout"}}'},
        "finalizers": ["canary.delivery/primary"],
    }


@pytest.mark.parametrize(
    "key",
    [
        "kubectl.kubernetes.io/last-applied-configuration",
        "argocd.argoproj.io/tracking-id",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/namespace",
        "meta.helm.sh/release-name",
        "canary.delivery/enabled",
        "deployment.kubernetes.io/revision",
    ],
)
def test_nothing_that_names_an_owner_is_copied(key: str) -> None:
    assert copied({key: "x", "app.kubernetes.io/name": "checkout"}) == {"app.kubernetes.io/name": "checkout"}


def test_pod_labels_and_annotations_are_copied_whole() -> None:
    target = deployment()
    target["spec"]["template"]["metadata"] = {
        "labels": {"app": "checkout", "app.kubernetes.io/instance": "blue"},
        "annotations": {"meta.helm.sh/release-name": "x", "kubectl.kubernetes.io/restartedAt": "then"},
    }
    assert made(target, restarted_at="now")["spec"]["template"]["metadata"] == {
        "labels": {"app": "checkout", "app.kubernetes.io/instance": "blue", **OURS},
        "annotations": {"meta.helm.sh/release-name": "x", "kubectl.kubernetes.io/restartedAt": "now"},
    }


def test_a_template_that_linkerd_was_injected_into_by_hand_reports_as_the_primary() -> None:
    target = deployment()
    target["spec"]["template"]["metadata"]["labels"] = {"app": "checkout", "linkerd.io/proxy-deployment": "checkout"}
    labels = made(target)["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": "checkout", "linkerd.io/proxy-deployment": "checkout-primary", **OURS}


@pytest.mark.parametrize(
    ("strategy", "surge"),
    [
        (None, "25%"),
        ({"type": "Recreate"}, "25%"),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 2}}, 2),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, 1),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%", "maxUnavailable": 1}}, 1),
    ],
)
def test_the_primary_never_rolls_below_its_number(strategy: JSON | None, surge: int | str) -> None:
    given: dict[str, Any] = {"strategy": strategy} if strategy else {}
    target = deployment(**given)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 0}}
    assert made(target)["spec"]["strategy"] == rolling


def test_the_canary_service_has_the_apexs_ports_and_selects_one_revision() -> None:
    port = {"name": "grpc", "port": 9000, "targetPort": "grpc", "protocol": "TCP", "appProtocol": "grpc"}
    apex = service(type="LoadBalancer", ports=[{**port, "nodePort": 30001}], publishNotReadyAddresses=True)
    apex["metadata"]["annotations"] = {
        "9000.service.kuma.io/protocol": "grpc",
        "config.linkerd.io/opaque-ports": "9001",
        "prometheus.io/scrape": "true",
        "nginx.ingress.kubernetes.io/service-upstream": "true",
        "external-dns.alpha.kubernetes.io/hostname": "checkout.example.com",
        "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    }
    apex["metadata"]["labels"]["istio.io/use-waypoint"] = "waypoint"
    wanted = canary_service(apex, deployment(), "6bbf8c7d9")
    assert ref_of(wanted) == ObjectRef(SERVICE, "shop", "checkout-canary")
    assert wanted["spec"] == {"selector": {"app": "checkout", "pod-template-hash": "6bbf8c7d9"}, "ports": [port]}
    assert wanted["metadata"]["labels"] == {
        "app": "checkout",
        "istio.io/use-waypoint": "waypoint",
        "app.kubernetes.io/managed-by": "canary-controller",
        "canary.delivery/target": "checkout",
    }
    assert sorted(wanted["metadata"]["annotations"]) == [
        "9000.service.kuma.io/protocol",
        "config.linkerd.io/opaque-ports",
        "nginx.ingress.kubernetes.io/service-upstream",
        "prometheus.io/scrape",
    ]


def test_an_apex_of_ours_selects_the_primary_alone() -> None:
    wanted = apex_service(deployment(), "checkout", 8080, "http")
    assert wanted["spec"] == {
        "selector": {"app": "checkout", **OURS},
        "ports": [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}],
    }
