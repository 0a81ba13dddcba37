"""Somebody deletes `-primary`: who serves meanwhile, and how it comes back."""

from __future__ import annotations

import pytest

from canary.ports import CONTROLLER_REVISION, DEPLOYMENT, SERVICE, Propagation
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import ref
from tests.controller.driver import NEW, OLD, onboarded, push
from tests.controller.test_leaving import fewest_behind
from tests.embedded import ready_images

pytestmark = pytest.mark.looptime

PRIMARY = ref(DEPLOYMENT, "checkout-primary")


def uid(cluster: InMemoryCluster) -> str:
    return str((cluster.store.get(PRIMARY) or {"metadata": {"uid": ""}})["metadata"]["uid"])


async def test_the_deployment_stands_in_until_it_is_made_again(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    fewest, before = fewest_behind(cluster, "checkout"), uid(cluster)
    cluster.remove(PRIMARY)
    await driver.until(lambda: uid(cluster) not in ("", before) and driver.status.phase is Phase.INITIALIZED)
    assert fewest() > 0
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0
    assert "canary.delivery/role" in cluster.now(ref(SERVICE))["spec"]["selector"]
    assert "PrimaryDeleted" in driver.notices


async def test_deleted_so_that_its_pods_go_it_is_made_again_at_once(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    before = uid(cluster)
    cluster.remove(PRIMARY, Propagation.FOREGROUND)
    await driver.until(lambda: uid(cluster) not in ("", before), within=10)
    await driver.until(lambda: ready_images(cluster, "checkout-primary") == [OLD] * 3, within=10)


async def test_behind_a_wide_service_an_orphans_pods_give_way_to_the_candidates(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    before = uid(cluster)
    cluster.remove(PRIMARY, Propagation.ORPHAN)
    await driver.until(lambda: cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}, within=1)
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 3
    assert len(ready_images(cluster)) < 3
    await driver.until(lambda: uid(cluster) not in ("", before) and driver.status.phase is Phase.INITIALIZED)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0


async def test_in_mid_rollout_it_is_made_again_from_what_was_stored(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    before = uid(cluster)
    cluster.remove(PRIMARY)
    await driver.until(lambda: uid(cluster) not in ("", before), within=10)
    await driver.until(lambda: ready_images(cluster, "checkout-primary") == [OLD] * 3, within=30)
    assert len(cluster.store.list(CONTROLLER_REVISION, "shop")) == 2
