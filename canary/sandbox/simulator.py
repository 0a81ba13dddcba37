"""The controllers that make a cluster of objects behave: they belong to Kubernetes, not to canary."""

from __future__ import annotations

from canary.sandbox.autoscaler import Autoscaler
from canary.sandbox.endpoints import EndpointSliceController
from canary.sandbox.replicasets import ReplicaSetController
from canary.sandbox.store import Store
from canary.sandbox.workloads import DeploymentController


class Simulator:
    """Deployments, ReplicaSets, EndpointSlices and HorizontalPodAutoscalers at work on one store.

    Each answers an event a little later on the running loop's clock, as its model does; nothing polls.
    """

    def __init__(self, store: Store) -> None:
        self.endpoints = EndpointSliceController(store)
        self._controllers = (
            DeploymentController(store),
            ReplicaSetController(store),
            self.endpoints,
            Autoscaler(store),
        )

    def close(self) -> None:
        """Stop all of them."""
        for controller in self._controllers:
            controller.close()
