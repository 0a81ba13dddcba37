"""A Canary that goes gives everything back, and nobody's request finds an empty Service meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from canary.ports import CANARY, CONTROLLER_REVISION, DEPLOYMENT, ENDPOINT_SLICE, NAMESPACE, SERVICE, Watched
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.simulated import NEVER_READY, SimulatedRuntime
from tests.builders import ref
from tests.controller.driver import NEW, OLD, Driver, applied, onboarded, push
from tests.embedded import eventually, pods_of, ready_images

pytestmark = pytest.mark.looptime


def fewest_behind(cluster: InMemoryCluster, service: str) -> Callable[[], int]:
    """Watch a Service from now on; return what tells the fewest ready endpoints that it ever had."""
    fewest = [100]

    def look(event: Watched) -> None:
        if event.ref.kind != ENDPOINT_SLICE:
            return
        labels = {"kubernetes.io/service-name": service}
        endpoints = [end for one in cluster.store.list(ENDPOINT_SLICE, "shop", labels) for end in one["endpoints"]]
        fewest[0] = min(fewest[0], sum(end["conditions"]["ready"] for end in endpoints))

    cluster.store.listen(look)
    return lambda: fewest[0]


def is_gone(cluster: InMemoryCluster) -> bool:
    return cluster.store.get(ref(CANARY)) is None


async def left(driver: Driver) -> None:
    driver.cluster.remove(ref(CANARY))
    await driver.until(lambda: is_gone(driver.cluster))


def left_behind(cluster: InMemoryCluster) -> list[str]:
    """What still bears a mark of ours."""
    kinds = (DEPLOYMENT, SERVICE, CONTROLLER_REVISION, VIRTUAL_SERVICE)
    marked = [one for kind in kinds for one in cluster.store.list(kind, "shop") if "canary.delivery" in str(one)]
    return sorted(f"{one['kind']} {one['metadata']['name']}" for one in marked)


async def test_the_deployment_takes_over_before_anything_goes(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    fewest = fewest_behind(cluster, "checkout")
    await left(driver)
    await eventually(cluster, lambda: not left_behind(cluster))
    assert ready_images(cluster) == [OLD] * 3
    assert cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}
    assert fewest() >= 3


async def test_onboarding_and_a_rollout_never_empty_the_service(cluster: InMemoryCluster) -> None:
    fewest = fewest_behind(cluster, "checkout")
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until_phase(Phase.SUCCEEDED)
    # It began empty, before the first pod was ready: count from then on only.
    assert fewest() == 0
    again = fewest_behind(cluster, "checkout")
    push(cluster, OLD)
    await driver.until_phase(Phase.PROMOTING)
    await driver.until_phase(Phase.SUCCEEDED)
    assert again() >= 3


async def test_leaving_in_mid_rollout_waits_for_what_is_proved(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    cluster.remove(ref(CANARY))
    await driver.for_a_while(120)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert "LeavingWaits" in driver.notices
    push(cluster, OLD)
    await driver.until(lambda: is_gone(cluster))
    assert ready_images(cluster) == [OLD] * 3


async def test_leaving_before_the_primary_was_ever_ready_leaves_the_users_pods_alone(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.choose = lambda pod: NEVER_READY if "-primary-" in pod["metadata"]["name"] else None
    driver = await applied(cluster)
    pods = [pod["metadata"]["name"] for pod in pods_of(cluster, "checkout")]
    await driver.for_a_while(60)
    assert len(pods_of(cluster, "checkout-primary")) == 3
    await left(driver)
    await eventually(cluster, lambda: not left_behind(cluster))
    assert [pod["metadata"]["name"] for pod in pods_of(cluster, "checkout")] == pods


async def test_a_namespace_that_terminates_is_not_held_up(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.remove(ref(NAMESPACE, "shop", ""))
    await driver.until(lambda: is_gone(cluster), within=30)
    await eventually(cluster, lambda: cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None)


async def test_what_serves_outlives_its_deployment_for_ten_minutes(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.remove(ref(DEPLOYMENT))
    await driver.for_a_while(timedelta(minutes=9).total_seconds())
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    await driver.for_a_while(timedelta(minutes=2).total_seconds())
    assert left_behind(cluster) == []
    assert cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}


async def test_a_deployment_that_comes_back_takes_over_what_serves(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.remove(ref(DEPLOYMENT))
    await driver.for_a_while(60)
    push(cluster, NEW)
    await driver.until_phase(Phase.PROGRESSING)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    await driver.until_phase(Phase.SUCCEEDED)
    assert ready_images(cluster, "checkout-primary") == [NEW] * 3
