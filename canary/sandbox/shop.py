"""The application of the demo, as its user would write it: a Deployment and a Service, with annotations for canary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "shop"
NAME = "checkout"
PORT = 8080
REPLICAS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the application: its image tag, and how its pods behave (the node's environment variables)."""

    tag: str
    what: str
    env: Mapping[str, str] = field(default_factory=dict)


OLD = Version(tag="1.0.0", what="the version that serves", env={"LATENCY_MS": "8", "JITTER_MS": "6"})
GOOD = Version(tag="1.1.0", what="a good version", env={"LATENCY_MS": "6", "JITTER_MS": "5"})
BAD = Version(
    tag="1.2.0",
    what="a bad version: 30 % of its answers are errors",
    env={"LATENCY_MS": "9", "JITTER_MS": "9", "ERROR_RATE": "0.3"},
)

ANNOTATIONS: Mapping[str, str] = {
    "canary.delivery/enabled": "true",
    "canary.delivery/steps": "10,25,50",
    "canary.delivery/interval": "5s",
    "canary.delivery/success-rate": "99",
    "canary.delivery/latency-p99": "250ms",
    "canary.delivery/max-failures": "2",
    "canary.delivery/slack-mention": "@oncall",
}


def deployment(version: Version, annotations: Mapping[str, str]) -> dict[str, Any]:
    """Return the Deployment as its user applies it; without annotations canary leaves it alone.

    Its size is not in it, as in the Git of a user with an autoscaler, or of canary: it is set by `kubectl scale`.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": dict(annotations)},
        "spec": {
            "selector": {"matchLabels": {"app": NAME}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {
                    "containers": [
                        {
                            "name": "app",
                            "image": f"registry.example/shop/{NAME}:{version.tag}",
                            "ports": [{"name": "http", "containerPort": PORT}],
                            "env": [{"name": name, "value": value} for name, value in version.env.items()],
                        }
                    ]
                },
            },
        },
    }


def service(protocol: str = "http", app_protocol: str = "") -> dict[str, Any]:
    """Return the Service that clients call; its port is named by what it speaks, and says so where a mesh asks."""
    port = {"name": protocol, "port": PORT, "targetPort": "http"}
    declared = {"appProtocol": app_protocol} if app_protocol else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"selector": {"app": NAME}, "ports": [{**port, **declared}]},
    }
