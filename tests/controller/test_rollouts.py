"""Whole rollouts through observe, decide and act on a cluster that behaves, in virtual time."""

from __future__ import annotations

import pytest

from canary.ports import CONTROLLER_REVISION, DEPLOYMENT, REPLICA_SET, SERVICE
from canary.rollout.model import Answer, Counts, Question, Side
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.simulated import CRASHING, SimulatedRuntime
from tests.builders import deployment, ref
from tests.controller.driver import NEW, OLD, onboarded, push
from tests.embedded import eventually, pods_of, ready_images

pytestmark = pytest.mark.looptime

NARROW = {
    "app": "checkout",
    "canary.delivery/role": "primary",
    "canary.delivery/target": "checkout",
}


def failing(question: Question) -> Answer:
    return Counts(total=1000, bad=300 if question.side is Side.CANARY else 0)


def candidate(cluster: InMemoryCluster) -> tuple[int, bool]:
    """The size of the user's Deployment, and whether it is held."""
    spec = cluster.now(ref(DEPLOYMENT))["spec"]
    return spec["replicas"], spec.get("paused", False)


def split(cluster: InMemoryCluster) -> dict[str, int]:
    route = cluster.now(ref(VIRTUAL_SERVICE))["spec"]["http"][0]["route"]
    return {each["destination"]["host"]: each["weight"] for each in route}


def stored(cluster: InMemoryCluster) -> list[str]:
    """The images of the revisions that are kept, sorted."""
    kept = cluster.store.list(CONTROLLER_REVISION, "shop")
    return sorted(each["data"]["template"]["spec"]["containers"][0]["image"] for each in kept)


async def test_onboarding_ends_with_the_primary_serving_alone(cluster: InMemoryCluster) -> None:
    await onboarded(cluster)
    assert candidate(cluster) == (0, False)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert cluster.now(ref(SERVICE))["spec"]["selector"] == NARROW
    assert split(cluster) == {"checkout": 100, "checkout-canary": 0}
    assert stored(cluster) == [OLD]


async def test_what_is_at_rest_is_not_written(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    await driver.for_a_while()
    cluster.requests.clear()
    await driver.for_a_while()
    assert [(call.verb, str(call.ref)) for call in cluster.requests.log] == []


async def test_a_good_version_is_promoted(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until_phase(Phase.SUCCEEDED)
    assert ready_images(cluster, "checkout-primary") == [NEW] * 3
    assert candidate(cluster) == (0, False)
    assert split(cluster) == {"checkout": 100, "checkout-canary": 0}
    assert stored(cluster) == [NEW]


async def test_a_bad_version_is_rolled_back(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    driver.answers = failing
    push(cluster, NEW)
    await driver.until_phase(Phase.FAILED)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert candidate(cluster) == (0, False)
    assert split(cluster) == {"checkout": 100, "checkout-canary": 0}
    assert driver.status.history[0].image == NEW


async def test_a_version_that_crashes_never_gets_traffic(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    runtime.by_tag["2.0"] = CRASHING
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until_phase(Phase.FAILED)
    assert driver.status.highest_weight == 0
    assert "container app" in driver.status.message
    assert candidate(cluster) == (0, False)


async def test_the_canary_is_held_and_its_service_pinned_while_it_has_traffic(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    sets = [one for one in cluster.store.list(REPLICA_SET, "shop") if one["spec"]["replicas"]]
    pin = next(one for one in sets if one["metadata"]["name"].startswith("checkout-") and "primary" not in str(one))
    assert candidate(cluster) == (1, True)
    assert cluster.now(ref(SERVICE, "checkout-canary"))["spec"]["selector"] == {
        "app": "checkout",
        "pod-template-hash": pin["metadata"]["labels"]["pod-template-hash"],
    }
    assert ready_images(cluster) == [NEW]


async def test_a_newer_push_starts_again_from_the_first_step(cluster: InMemoryCluster) -> None:
    newer = "registry.example/checkout:3.0"
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    push(cluster, newer)
    await driver.until(lambda: driver.status.revision is not None and driver.status.revision.image == newer)
    assert (driver.status.weight, split(cluster)["checkout-canary"]) == (0, 0)
    await driver.until_phase(Phase.SUCCEEDED)
    assert ready_images(cluster, "checkout-primary") == [newer] * 3


async def test_going_back_to_what_serves_ends_the_rollout(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    push(cluster, OLD)
    await driver.until_phase(Phase.SUCCEEDED)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert [past.outcome.value for past in driver.status.history] == ["reverted"]


async def test_a_restart_of_what_serves_rolls_the_primarys_pods(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    before = {pod["metadata"]["name"] for pod in pods_of(cluster, "checkout-primary")}
    restarted = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:10:00Z"}}}
    cluster.edit(ref(DEPLOYMENT), {"spec": {"template": restarted}}, manager="kubectl-rollout")
    await driver.for_a_while(60)
    after = {pod["metadata"]["name"] for pod in pods_of(cluster, "checkout-primary")}
    assert (len(after), before & after) == (3, set())
    assert driver.status.phase is Phase.INITIALIZED


async def test_an_edit_of_the_primary_is_put_back(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    container = {**cluster.now(ref(DEPLOYMENT, "checkout-primary"))["spec"]["template"]["spec"]["containers"][0]}
    edited = {"spec": {"template": {"spec": {"containers": [{**container, "image": "elsewhere.example/x:9"}]}}}}
    cluster.edit(ref(DEPLOYMENT, "checkout-primary"), edited)
    await driver.for_a_while(60)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3


async def test_fields_beside_the_template_reach_the_primary_at_once(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, OLD, minReadySeconds=7, strategy={"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}})
    await driver.for_a_while(2)
    spec = cluster.now(ref(DEPLOYMENT, "checkout-primary"))["spec"]
    assert spec["minReadySeconds"] == 7
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    push(cluster, OLD)
    await driver.for_a_while(2)
    assert "minReadySeconds" not in cluster.now(ref(DEPLOYMENT, "checkout-primary"))["spec"]


async def test_one_step_costs_no_more_than_six_writes(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 5)
    await driver.for_a_while(30)
    cluster.requests.clear()
    await driver.until(lambda: driver.status.weight == 25)
    assert cluster.requests.reads == 0
    # The status of each evaluation is one of them; Events are written by others.
    assert cluster.requests.writes <= 6


async def test_a_version_that_changes_the_template_only_by_our_labels_restarts_nobody(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    labels = {"metadata": {"labels": {"canary.delivery/older": "yes"}}}
    edited = cluster.edit(ref(DEPLOYMENT, "checkout-primary"), {"spec": {"template": labels}}, manager="an older one")
    await driver.for_a_while(60)
    assert cluster.now(ref(DEPLOYMENT, "checkout-primary"))["spec"] == edited["spec"]


async def test_pods_that_the_canary_service_does_not_list_carry_nothing(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    cluster.edit(ref(SERVICE, "checkout-canary"), {"spec": {"selector": {"pod-template-hash": "other"}}})

    def unlisted() -> bool:
        target = driver.observe().world.target
        return target is not None and target.ready == 0

    await eventually(cluster, unlisted)
    await driver.once()
    assert split(cluster)["checkout-canary"] == 0


async def test_a_deployment_applied_again_without_replicas_is_set_back_to_0(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.apply(deployment(replicas=None))
    assert candidate(cluster) == (1, False)
    await driver.for_a_while(2)
    assert candidate(cluster) == (0, False)
