"""A Canary or its Deployment is deleted in mid-rollout, in each way that there is: the primary serves on throughout."""

from __future__ import annotations

import pytest

from canary.controller.names import RESTORE_FINALIZER
from canary.ports import CANARY, DEPLOYMENT, POD, Propagation
from canary.rollout.phases import Phase
from tests.api.endings import finalizers_at_deletion, gave_back
from tests.api.harness import Harness, hold_as_before
from tests.api.installed.test_leaving import in_mid_rollout, own_canary
from tests.api.side_by_side import scene

pytestmark = pytest.mark.xdist_group("api-scenes")


async def canary_deleted(it: Harness, propagation: Propagation, *finalizers: str) -> None:
    """A user's own Canary goes, and waits for a version that is proved. `finalizers` are what Kubernetes adds."""
    await own_canary(it)
    await it.there()
    await it.push("2.0")
    await it.until_phase(Phase.PROGRESSING)
    await it.until(lambda: it.weight)
    found = finalizers_at_deletion(it, it.ref(CANARY))
    await it.people.delete(it.ref(CANARY), propagation)
    await it.until(lambda: "is unproved" in it.status.message)
    assert (it.serving(), it.weight, it.size()) == (("1.0", 3), 0, 0)
    await it.annotate(it.ref(DEPLOYMENT), enabled="false")
    await it.push("1.0", enabled="false")
    await gave_back(it, "1.0")
    assert sorted(found) == sorted([RESTORE_FINALIZER, *finalizers])


@scene
async def test_a_users_own_canary_gives_everything_back_in_mid_rollout_once_the_version_is_proved(it: Harness) -> None:
    await canary_deleted(it, Propagation.BACKGROUND)


@scene
async def test_a_canary_that_is_deleted_in_the_foreground_in_mid_rollout_gives_everything_back(it: Harness) -> None:
    await canary_deleted(it, Propagation.FOREGROUND, "foregroundDeletion")


@scene
async def test_a_canary_that_is_deleted_as_an_orphan_in_mid_rollout_gives_everything_back(it: Harness) -> None:
    await canary_deleted(it, Propagation.ORPHAN, "orphan")


async def deployment_deleted(it: Harness, propagation: Propagation) -> None:
    await in_mid_rollout(it)
    await it.people.delete(it.ref(DEPLOYMENT), propagation)
    await it.until(lambda: it.weight == 0)
    await it.until(lambda: it.serving("checkout") == ("", 0))
    assert it.serving() == ("1.0", 3)
    await it.push("1.0", replicas=3)
    await it.until(lambda: it.status.phase is not None and it.status.phase.at_rest and it.size() == 0)
    await hold_as_before(it)
    await it.until(lambda: len(it.view.list(POD, it.namespace)) == 3)


@scene
async def test_a_deployment_that_is_deleted_in_mid_rollout_leaves_the_traffic_with_the_primary(it: Harness) -> None:
    await deployment_deleted(it, Propagation.BACKGROUND)


@scene
async def test_a_deployment_that_is_deleted_in_the_foreground_in_mid_rollout_leaves_it_there_too(it: Harness) -> None:
    await deployment_deleted(it, Propagation.FOREGROUND)


@scene
async def test_a_deployment_that_is_deleted_as_an_orphan_in_mid_rollout_leaves_no_pod_behind(it: Harness) -> None:
    await deployment_deleted(it, Propagation.ORPHAN)
