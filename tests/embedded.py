"""A cluster that behaves, for tests in virtual time: fixtures `cluster`, `kubelet`, `runtime`, and `eventually`.

Use them with `@pytest.mark.looptime`. Virtual time begins with the test, so a fixture must not wait for anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from canary.ports import DEPLOYMENT, POD, REPLICA_SET, Watched
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.deployment_status import is_complete
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.owners import controller_uid
from canary.sandbox.replicasets import is_active, is_ready
from canary.sandbox.simulated import SimulatedRuntime
from meshes.contract import Manifest
from tests.builders import ref

_T = TypeVar("_T")


@pytest.fixture
def runtime() -> SimulatedRuntime:
    """What the pods of `cluster` do; ready after a second unless told otherwise."""
    return SimulatedRuntime()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A cluster and the kubelet that runs its pods."""

    cluster: InMemoryCluster
    kubelet: Kubelet


@pytest.fixture
async def embedded(runtime: SimulatedRuntime) -> AsyncIterator[Embedded]:
    """A cluster at work; what goes wrong in the cluster itself fails the test."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    cluster = InMemoryCluster()
    async with Kubelet(cluster.client("kubelet"), runtime, cluster.clock) as kubelet:
        yield Embedded(cluster, kubelet)
        cluster.close()
    assert failures == []


@pytest.fixture
def cluster(embedded: Embedded) -> InMemoryCluster:
    """A cluster with its controllers and a kubelet; its namespaces are `default`, `kube-system` and `shop`."""
    return embedded.cluster


@pytest.fixture
def kubelet(embedded: Embedded) -> Kubelet:
    """The kubelet of `cluster`."""
    return embedded.kubelet


async def eventually(cluster: InMemoryCluster, predicate: Callable[[], _T], within: float = 60.0) -> _T:
    """Wait for a predicate to hold, looking after each change that `cluster` hears of, and return its value.

    `within` is in seconds of virtual time.
    """
    changed = asyncio.Event()

    def notice(_: Watched) -> None:
        changed.set()

    cluster.subscribe(notice)
    try:
        async with asyncio.timeout(within):
            while not (value := predicate()):
                changed.clear()
                await changed.wait()
    except TimeoutError:
        raise AssertionError(f"{predicate.__qualname__} did not hold within {within} s") from None
    finally:
        cluster.unsubscribe(notice)
    return value


def pods_of(cluster: InMemoryCluster, deployment: str, namespace: str = "shop") -> list[Manifest]:
    """The pods of a Deployment that are neither ended nor deleted, by name, as the API server has them."""
    owners = {each["metadata"]["uid"]: controller_uid(each) for each in cluster.store.list(REPLICA_SET, namespace)}
    uid = cluster.now(ref(DEPLOYMENT, deployment, namespace))["metadata"]["uid"]
    pods = cluster.store.list(POD, namespace)
    return [pod for pod in pods if owners.get(controller_uid(pod)) == uid and is_active(pod)]


def ready_images(cluster: InMemoryCluster, deployment: str = "checkout", namespace: str = "shop") -> list[str]:
    """The images of a Deployment's ready pods, sorted."""
    pods = [pod for pod in pods_of(cluster, deployment, namespace) if is_ready(pod)]
    return sorted(str(pod["spec"]["containers"][0]["image"]) for pod in pods)


def is_rolled_out(cluster: InMemoryCluster, deployment: str = "checkout", namespace: str = "shop") -> bool:
    """Whether a Deployment's newest template runs at full size and nothing else does, as `kubectl rollout status`."""
    live = cluster.now(ref(DEPLOYMENT, deployment, namespace))
    return is_complete(live, live.get("status", {}))
