"""Every way out of canary on a real control plane: the apex is served throughout, and nothing of ours stays."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from canary.controller.names import HASH_LABEL, PRIMARY_ROLE, RESTORE_FINALIZER, ROLE, TARGET, labels_of
from canary.ports import CANARY, DEPLOYMENT, NAMESPACE, POD, REPLICA_SET, Propagation
from canary.rollout.phases import Phase
from meshes.contract import Kind, ObjectRef
from tests.api.audit import requests
from tests.api.endings import finalizers_at_deletion, gave_back
from tests.api.harness import Harness, hold_as_before
from tests.api.side_by_side import scene
from tests.builders import canary

pytestmark = pytest.mark.xdist_group("api-scenes")


@scene
async def test_opting_out_gives_everything_back(it: Harness) -> None:
    await it.there()
    await it.push("2.0")
    await it.until_phase(Phase.SUCCEEDED)
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await gave_back(it, "2.0")


async def deleted(it: Harness, propagation: Propagation, *finalizers: str) -> None:
    """A user's own Canary is deleted; nothing else ends it, since its Deployment never asked for one.

    `finalizers` are what Kubernetes itself adds for that way of deletion.
    """
    await own_canary(it)
    await it.there(enabled="false")
    live = it.live(CANARY)
    assert live is not None
    assert "deletionTimestamp" not in live["metadata"]
    found = finalizers_at_deletion(it, it.ref(CANARY))
    await it.people.delete(it.ref(CANARY), propagation)
    await gave_back(it, "1.0")
    assert sorted(found) == sorted([RESTORE_FINALIZER, *finalizers])


async def own_canary(it: Harness) -> None:
    mine = {"metadata": {"name": "checkout", "namespace": it.namespace}}
    await it.people.apply({**canary(namespace=it.namespace), **mine})


@scene
async def test_a_canary_that_is_deleted_in_the_background_gives_everything_back(it: Harness) -> None:
    await deleted(it, Propagation.BACKGROUND)


@scene
async def test_a_canary_that_is_deleted_in_the_foreground_gives_everything_back(it: Harness) -> None:
    await deleted(it, Propagation.FOREGROUND, "foregroundDeletion")


@scene
async def test_a_canary_that_is_deleted_as_an_orphan_gives_everything_back(it: Harness) -> None:
    await deleted(it, Propagation.ORPHAN, "orphan")


@scene
async def test_a_generated_canary_that_is_deleted_while_it_is_asked_for_is_generated_again(it: Harness) -> None:
    await it.there()
    before = uid(it, CANARY)
    await it.people.delete(it.ref(CANARY))
    await it.until(lambda: uid(it, CANARY) not in ("", before))
    await it.until_phase(Phase.INITIALIZED)
    await it.until(lambda: it.serving() == ("1.0", 3) and it.size() == 0)
    await hold_as_before(it)


def uid(it: Harness, kind: Kind, name: str = "checkout") -> str:
    """The uid of an object, "" while it is not there."""
    live = it.live(kind, name)
    return "" if live is None else str(live["metadata"]["uid"])


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


async def namespace_deleted(it: Harness) -> None:
    with it.blind():
        await it.people.delete(ObjectRef(NAMESPACE, "", it.namespace))
        await it.until(lambda: it.view.get(ObjectRef(NAMESPACE, "", it.namespace)) is None)


@scene
async def test_a_namespace_that_is_deleted_is_not_held_up(it: Harness) -> None:
    await it.there()
    await namespace_deleted(it)


@scene
async def test_a_namespace_that_is_deleted_in_mid_rollout_is_not_held_up(it: Harness) -> None:
    await in_mid_rollout(it)
    await namespace_deleted(it)


async def in_mid_rollout(it: Harness, steps: str = "50@5m") -> None:
    await it.there(steps=steps)
    await it.push("2.0", steps=steps)
    await it.until_weight(50)


async def primary_deleted(it: Harness, propagation: Propagation) -> None:
    before = uid(it, DEPLOYMENT, "checkout-primary")
    await it.people.delete(it.ref(DEPLOYMENT, "checkout-primary"), propagation)
    await it.until(lambda: uid(it, DEPLOYMENT, "checkout-primary") not in ("", before))
    await it.until(lambda: it.serving() == ("1.0", 3))
    await it.until(lambda: "PrimaryDeleted" in it.reasons)  # Events come beside the passes


async def primary_deleted_at_rest(it: Harness, propagation: Propagation) -> None:
    await primary_deleted(it, propagation)
    await it.until(lambda: it.status.phase is Phase.INITIALIZED and it.size() == 0)
    await hold_as_before(it)


@scene
async def test_a_primary_that_is_deleted_in_the_background_is_made_again_without_an_outage(it: Harness) -> None:
    await it.there()
    await primary_deleted_at_rest(it, Propagation.BACKGROUND)


@scene
async def test_a_primary_that_is_deleted_as_an_orphan_is_made_again_and_adopts_its_pods(it: Harness) -> None:
    await it.there()
    before = serving_pods(it)
    await primary_deleted_at_rest(it, Propagation.ORPHAN)
    assert serving_pods(it) == before


async def primary_deleted_in_mid_rollout(it: Harness, propagation: Propagation) -> None:
    await in_mid_rollout(it, "50@20s")
    before = serving_pods(it)
    await primary_deleted(it, propagation)
    assert serving_pods(it) == before
    await it.until(lambda: it.status.phase is not None and it.status.phase.at_rest)
    ended = ["Progressing", "Promoting", "Finalizing", "Succeeded"]
    assert it.phases == ["Initializing", "Initialized", *ended]
    assert (it.serving(), it.size()) == (("2.0", 3), 0)


@scene
async def test_a_primary_that_is_deleted_as_an_orphan_in_mid_rollout_costs_no_request_either(it: Harness) -> None:
    await primary_deleted_in_mid_rollout(it, Propagation.ORPHAN)


@scene
async def test_a_primary_that_is_deleted_in_the_background_in_mid_rollout_costs_no_request_either(it: Harness) -> None:
    await primary_deleted_in_mid_rollout(it, Propagation.BACKGROUND)


async def primary_deleted_after_a_rollback(it: Harness, propagation: Propagation) -> None:
    await in_mid_rollout(it)
    await it.annotate(it.ref(CANARY), command="abort")
    await it.until_phase(Phase.FAILED)
    before = serving_pods(it)
    await primary_deleted(it, propagation)
    assert (serving_pods(it), it.status.phase) == (before, Phase.FAILED)
    await hold_as_before(it)


@scene
async def test_a_primary_that_is_deleted_in_the_background_after_a_rollback_keeps_its_pods(it: Harness) -> None:
    await primary_deleted_after_a_rollback(it, Propagation.BACKGROUND)


@scene
async def test_a_primary_that_is_deleted_as_an_orphan_after_a_rollback_keeps_its_pods(it: Harness) -> None:
    await primary_deleted_after_a_rollback(it, Propagation.ORPHAN)


@scene
async def test_kubernetes_writes_the_labels_of_a_replicaset_once_and_the_controller_once(it: Harness) -> None:
    """Through promotions, one of them to an older template whose ReplicaSet is still there, a restart and a size."""
    await it.there(skip_analysis="true")
    for tag in ("2.0", "1.0"):
        await it.push(tag, skip_analysis="true")
        await it.until(lambda tag=tag: it.status.phase is Phase.SUCCEEDED and it.serving() == (tag, 3))  # type: ignore[misc]
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-11-28T12:00:00Z"}
    template = {"spec": {"template": {"metadata": {"annotations": restarted}}}}
    await it.people.patch(it.ref(DEPLOYMENT), template, "kubectl-rollout")
    await it.until(lambda: len(sets(it)) == 3 and it.serving() == ("1.0", 3))
    await it.annotate(it.ref(DEPLOYMENT), replicas="4")
    await it.until(lambda: it.serving() == ("1.0", 4))
    await it.until(lambda: [sorted(each) for each in sets(it)] == [[ROLE, TARGET, HASH_LABEL]] * 3)
    asked = [
        each for each in requests(it.plane.folder) if (each.namespace, each.resource) == (it.namespace, "replicasets")
    ]
    assert [(each.verb, each.code) for each in asked] == [("patch", 200)] * 3
    assert len({each.name for each in asked}) == 3


def sets(it: Harness) -> list[Mapping[str, str]]:
    """The labels of each ReplicaSet of what serves."""
    return [labels_of(one) for one in it.view.list(REPLICA_SET, it.namespace, {ROLE: PRIMARY_ROLE, TARGET: "checkout"})]


def serving_pods(it: Harness) -> list[str]:
    """The uids of the pods of `-primary`, whoever owns their ReplicaSet."""
    labels = {ROLE: PRIMARY_ROLE, TARGET: "checkout"}
    return sorted(str(pod["metadata"]["uid"]) for pod in it.view.list(POD, it.namespace, labels))


@scene
async def test_a_primary_that_is_deleted_in_the_foreground_is_made_again_at_once(it: Harness) -> None:
    await it.there()
    with it.blind():
        await primary_deleted_at_rest(it, Propagation.FOREGROUND)
