"""Deployments that read ConfigMaps and Secrets, and a runtime whose pods hold what these held when they started.

A pod does not start while something that it needs is not there, as a kubelet has it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from canary.controller.references import references
from canary.ports import CONFIG_MAP, SECRET
from canary.sandbox.replicasets import is_ready
from canary.sandbox.simulated import NEVER_READY, PodBehaviour
from meshes.contract import Manifest, ObjectRef
from tests.builders import PORT, config_map, deployment
from tests.embedded import pods_of
from tests.scenarios.stage import Stage, image

FROM_CONFIG = {"envFrom": [{"configMapRef": {"name": "app-config"}}]}


def reading(
    tag: str = "1.0",
    *,
    volumes: list[dict[str, Any]] | None = None,
    annotations: Mapping[str, str] | None = None,
    **container: Any,
) -> Manifest:
    """The Deployment without replicas; its container reads the ConfigMap `app-config` unless told otherwise."""
    port = {"name": "http", "containerPort": PORT}
    app = {"name": "app", "image": image(tag), "ports": [port], **(container or (FROM_CONFIG if not volumes else {}))}
    labels = {"app": "checkout", "team": "payments"}
    spec = {"containers": [app], **({"volumes": volumes} if volumes else {})}
    return deployment(replicas=None, annotations=annotations, template={"metadata": {"labels": labels}, "spec": spec})


class Holding:
    """What each pod of a stage read when it started, by pod name: one text of all that it refers to."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.held: dict[str, str] = {}
        stage.runtime.choose = self._start

    def _start(self, pod: Manifest) -> PodBehaviour | None:
        texts: list[str] = []
        for one in references(pod, (CONFIG_MAP, SECRET)):
            live = self._stage.cluster.store.get(ObjectRef(one.kind, pod["metadata"]["namespace"], one.name))
            if live is None and not one.optional:
                return NEVER_READY
            data = (live or {}).get("data") or {}
            texts += [b64decode(text).decode() if one.kind == SECRET else text for _, text in sorted(data.items())]
        self.held.setdefault(pod["metadata"]["name"], " ".join(texts))
        return None

    def by(self, name: str) -> list[str]:
        """What the ready pods of a Deployment hold; "" for one that started before anybody looked."""
        ready = [pod for pod in pods_of(self._stage.cluster, name) if is_ready(pod)]
        return sorted(self.held.get(pod["metadata"]["name"], "") for pod in ready)

    @property
    def serving(self) -> list[str]:
        return self.by("checkout-primary")


async def configured(stage: Stage, *more: Manifest, text: str = "old", **spec: Any) -> Holding:
    """A canary at rest whose pods read `text` from the ConfigMap `app-config`."""
    holding = Holding(stage)
    await stage.onboarded(config_map(text=text), *(more or (reading(),)), **spec)
    return holding


def copies(stage: Stage, target: str = "checkout") -> dict[str, str]:
    """The texts of the copies that the controller made for a target, by name."""
    kinds = (CONFIG_MAP, SECRET)
    labels = {"canary.delivery/target": target}
    made = [one for kind in kinds for one in stage.cluster.store.list(kind, "shop", labels)]
    return {one["metadata"]["name"]: " ".join(one["data"].values()) for one in made if one.get("immutable")}
