"""Every way out of canary on a real control plane: the apex is served throughout, and nothing of ours stays."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, DEPLOYMENT, NAMESPACE, Propagation
from canary.rollout.phases import Phase
from meshes.contract import ObjectRef
from tests.api.endings import gave_back
from tests.api.harness import Harness, hold_as_before
from tests.api.side_by_side import scene
from tests.builders import canary

pytestmark = pytest.mark.xdist_group("api-installed")


@scene
async def test_opting_out_gives_everything_back(it: Harness) -> None:
    await it.there()
    await it.push("2.0")
    await it.until_phase(Phase.SUCCEEDED)
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await gave_back(it, "2.0")


async def deleted(it: Harness, propagation: Propagation) -> None:
    """A user's own Canary is deleted; the annotations do not bring it back."""
    await it.there()
    await it.annotate(it.ref(DEPLOYMENT), enabled="false")
    await it.people.delete(it.ref(CANARY), propagation)
    await gave_back(it, "1.0")


@scene
async def test_a_canary_that_is_deleted_in_the_background_gives_everything_back(it: Harness) -> None:
    await deleted(it, Propagation.BACKGROUND)


@scene
async def test_a_canary_that_is_deleted_in_the_foreground_gives_everything_back(it: Harness) -> None:
    await deleted(it, Propagation.FOREGROUND)


@scene
async def test_a_canary_that_is_deleted_as_an_orphan_gives_everything_back(it: Harness) -> None:
    await deleted(it, Propagation.ORPHAN)


@scene
async def test_a_users_own_canary_gives_everything_back_in_mid_rollout_once_the_version_is_proved(it: Harness) -> None:
    await it.people.apply(
        {**canary(namespace=it.namespace), "metadata": {"name": "checkout", "namespace": it.namespace}}
    )
    await it.there()
    await it.push("2.0")
    await it.until_phase(Phase.PROGRESSING)
    await it.until(lambda: it.weight)
    await it.people.delete(it.ref(CANARY))
    await it.until(lambda: "is unproved" in it.status.message)
    assert (it.serving(), it.weight, it.size()) == (("1.0", 3), 0, 0)
    await it.annotate(it.ref(DEPLOYMENT), enabled="false")
    await it.push("1.0", enabled="false")
    await gave_back(it, "1.0")


async def recreated(it: Harness, propagation: Propagation) -> None:
    await it.there()
    await it.people.delete(it.ref(DEPLOYMENT), propagation)
    await it.until(lambda: it.live(DEPLOYMENT) is None)
    assert it.serving() == ("1.0", 3)
    await it.push("2.0", replicas=3)
    await it.until_phase(Phase.SUCCEEDED)
    assert (it.serving(), it.size()) == (("2.0", 3), 0)


@scene
async def test_a_deployment_that_is_deleted_and_comes_back_takes_its_primary_over(it: Harness) -> None:
    await recreated(it, Propagation.BACKGROUND)


@scene
async def test_a_deployment_that_is_deleted_in_the_foreground_and_comes_back(it: Harness) -> None:
    await recreated(it, Propagation.FOREGROUND)


@scene
async def test_a_deployment_that_is_deleted_as_an_orphan_and_comes_back(it: Harness) -> None:
    await recreated(it, Propagation.ORPHAN)


@scene
async def test_a_deployment_that_is_deleted_in_mid_rollout_leaves_the_traffic_with_the_primary(it: Harness) -> None:
    await it.there(steps="50@5m")
    await it.push("2.0", steps="50@5m")
    await it.until_weight(50)
    await it.people.delete(it.ref(DEPLOYMENT))
    await it.until(lambda: it.weight == 0)
    await it.until(lambda: it.serving("checkout") == ("", 0))
    assert it.serving() == ("1.0", 3)
    await it.push("1.0", replicas=3)
    await it.until(lambda: it.status.phase is not None and it.status.phase.at_rest and it.size() == 0)
    hold_as_before(it)


@scene
async def test_a_namespace_that_is_deleted_is_not_held_up(it: Harness) -> None:
    await it.there()
    with it.apex.blind():
        await it.people.delete(ObjectRef(NAMESPACE, "", it.namespace))
        await it.until(lambda: it.view.get(ObjectRef(NAMESPACE, "", it.namespace)) is None)


async def primary_deleted(it: Harness, propagation: Propagation) -> None:
    before = it.live(DEPLOYMENT, "checkout-primary")
    assert before is not None
    await it.people.delete(it.ref(DEPLOYMENT, "checkout-primary"), propagation)

    def is_another() -> bool:
        live = it.live(DEPLOYMENT, "checkout-primary")
        return live is not None and live["metadata"]["uid"] != before["metadata"]["uid"]

    await it.until(is_another)
    await it.until(lambda: it.serving() == ("1.0", 3))
    await it.until(lambda: it.status.phase is Phase.INITIALIZED and it.size() == 0)
    assert "PrimaryDeleted" in it.reasons
    hold_as_before(it)


@scene
async def test_a_primary_that_is_deleted_in_the_background_is_made_again_without_an_outage(it: Harness) -> None:
    await it.there()
    await primary_deleted(it, Propagation.BACKGROUND)


@scene
async def test_a_primary_that_is_deleted_as_an_orphan_is_made_again(it: Harness) -> None:
    """Whether it costs an outage is a race between Kubernetes' own controllers and ours (docs, Limits)."""
    await it.there()
    with it.apex.blind():
        await primary_deleted(it, Propagation.ORPHAN)


@scene
async def test_a_primary_that_is_deleted_in_the_foreground_is_made_again_at_once(it: Harness) -> None:
    await it.there()
    with it.apex.blind():
        await primary_deleted(it, Propagation.FOREGROUND)
