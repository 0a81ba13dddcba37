"""Whole rollouts through observe, decide and act on a cluster that behaves, in virtual time."""

from __future__ import annotations

import pytest

from canary.ports import DEPLOYMENT, SERVICE
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import canary, deployment, ref, service
from tests.controller.driver import Driver
from tests.embedded import eventually, pods_of, ready_images

pytestmark = pytest.mark.looptime

NEW = "registry.example/checkout:2.0"


async def onboarded(cluster: InMemoryCluster) -> Driver:
    driver = Driver(cluster)
    for manifest in (deployment(), service(), canary()):
        cluster.apply(manifest)
    await eventually(cluster, lambda: len(ready_images(cluster)) == 3)
    await driver.until(lambda: driver.status.phase is Phase.INITIALIZED)
    return driver


async def test_onboarding_ends_with_the_primary_serving_alone(cluster: InMemoryCluster) -> None:
    await onboarded(cluster)
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0
    assert len(pods_of(cluster, "checkout-primary")) == 3
    assert cluster.now(ref(SERVICE))["spec"]["selector"] == {
        "app": "checkout",
        "canary.delivery/role": "primary",
        "canary.delivery/target": "checkout",
    }


async def test_a_good_version_is_promoted(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    driver.cluster.apply(deployment(image=NEW, replicas=None))
    await driver.until(lambda: driver.status.phase is Phase.SUCCEEDED)
    assert ready_images(driver.cluster, "checkout-primary") == [NEW] * 3
