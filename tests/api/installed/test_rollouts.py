"""Whole rollouts on a real control plane, side by side under one `canary run` with its own ServiceAccount."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, DEPLOYMENT, POD
from canary.rollout.phases import Phase
from canary.sandbox.simulated import UNPULLABLE, PodBehaviour
from tests.api.harness import Harness, hold_as_before
from tests.api.side_by_side import scene
from tests.builders import service

pytestmark = pytest.mark.xdist_group("api-scenes")

ONBOARDED = ["Initializing", "Initialized"]
PROMOTED = [*ONBOARDED, "Progressing", "Promoting", "Finalizing", "Succeeded"]
ROLLED_BACK = [*ONBOARDED, "Progressing", "RollingBack", "Failed"]
BAD_FROM_THE_START = PodBehaviour(crashes_after=0.1)


@scene
async def test_a_version_that_cannot_be_pulled_is_rolled_back_after_a_minute(it: Harness) -> None:
    it.runtime.by_tag["2.0"] = UNPULLABLE
    await it.there()
    await it.push("2.0")
    await it.until_phase(Phase.FAILED)
    assert "its image could not be pulled for 60 s" in it.status.message
    assert (it.phases, it.weights) == (ROLLED_BACK, [0])
    await hold_as_before(it)


@scene
async def test_clients_are_served_at_every_moment_of_an_onboarding_and_a_promotion(it: Harness) -> None:
    """Every scenario asserts so of its own apex; here the Deployment serves clients before it is known."""
    await it.people.apply(service(namespace=it.namespace))
    await it.push("1.0", replicas=3, enabled="false")
    await it.until(lambda: len(it.apex.ready()) == 3)
    await it.push("1.0")
    await it.until_phase(Phase.INITIALIZED)
    assert (it.serving(), it.size(), it.weight) == (("1.0", 3), 0, 0)
    assert len(it.apex.ready()) == 3
    await it.push("2.0")
    await it.until_phase(Phase.SUCCEEDED)
    assert (it.phases, it.weights) == (PROMOTED, [0, 50, 0])
    assert (it.serving(), it.size()) == (("2.0", 3), 0)
    await it.until(lambda: "Succeeded" in it.reasons)
    ended = ["PromotionStarted", "Promoted", "Succeeded"]
    assert it.reasons == ["Initializing", "Initialized", "RolloutStarted", "WeightAdvanced", *ended]


@scene
async def test_too_many_failed_evaluations_of_the_success_rate_end_it(it: Harness) -> None:
    await it.there(max_failures="2")
    it.metrics.set("checkout", bad=0.04)
    await it.push("2.0", max_failures="2")
    await it.until_phase(Phase.FAILED)
    assert "2 failed evaluations, the last: success-rate is 96 %" in it.status.message
    assert (it.phases, it.weights) == (ROLLED_BACK, [0, 50, 0])
    await hold_as_before(it)
    await it.until(lambda: "Failed" in it.reasons)
    ended = ["CheckFailed", "CheckFailed", "RolledBack", "Failed"]
    assert it.reasons == ["Initializing", "Initialized", "RolloutStarted", "WeightAdvanced", *ended]


@scene
async def test_slow_answers_end_it(it: Harness) -> None:
    await it.there(max_failures="1", latency_p95="500ms")
    it.metrics.set("checkout", slow=0.2)
    await it.push("2.0", max_failures="1", latency_p95="500ms")
    await it.until_phase(Phase.FAILED)
    assert "latency-p95 is" in it.status.message
    assert (it.phases, it.weights) == (ROLLED_BACK, [0, 50, 0])
    await hold_as_before(it)


@scene
async def test_too_few_requests_are_waited_for_and_then_end_it(it: Harness) -> None:
    it.metrics.set("checkout", rate=0.0)
    await it.there(no_data_timeout="12s")
    await it.push("2.0", no_data_timeout="12s")
    await it.until_weight(50)
    await it.until(lambda: it.status.checks and it.status.checks[0].value is None)
    await it.until_phase(Phase.FAILED)
    assert (it.phases, it.weights) == (ROLLED_BACK, [0, 50, 0])
    await hold_as_before(it)


@scene
async def test_one_that_fails_plainly_or_every_time_is_ended_at_once(it: Harness) -> None:
    await it.there()
    for tag, bad, because in (("2.0", 0.2, "success-rate is 80 %"), ("3.0", 1.0, "success-rate is 0 %")):
        it.metrics.set("checkout", bad=bad)
        await it.push(tag)
        await it.until_phase(Phase.PROGRESSING)
        await it.until_phase(Phase.FAILED)
        assert f"failing fast, {because}" in it.status.message
        await hold_as_before(it)
    assert it.phases == [*ROLLED_BACK, *ROLLED_BACK[2:]]
    assert it.weights == [0, 50, 0, 50, 0]


@scene
async def test_a_version_that_crashes_is_rolled_back_without_a_request(it: Harness) -> None:
    it.runtime.by_tag["2.0"] = BAD_FROM_THE_START
    await it.there()
    await it.push("2.0")
    await it.until_phase(Phase.FAILED)
    assert "its pods were restarted 3 times" in it.status.message
    assert (it.phases, it.weights) == (ROLLED_BACK, [0])
    await hold_as_before(it)


@scene
async def test_one_that_is_never_ready_is_rolled_back_at_its_deadline(it: Harness) -> None:
    it.runtime.by_tag["2.0"] = PodBehaviour(ready_after=None)
    await it.there(progress_deadline="8s")
    await it.push("2.0", progress_deadline="8s")
    await it.until_phase(Phase.FAILED)
    assert "only 0 of 2 pods were ready within 8 s" in it.status.message
    assert (it.phases, it.weights) == (ROLLED_BACK, [0])
    await hold_as_before(it)


@scene
async def test_an_evicted_pod_takes_the_weight_that_it_carried_with_it_until_another_is_ready(it: Harness) -> None:
    await it.there(steps="50@5m")
    [first, *_] = it.apex.ready()
    it.world.node.evict(it.ref(POD, first))
    await it.until(lambda: len(it.apex.ready()) == 3 and first not in it.apex.ready())
    await it.push("2.0", steps="50@5m")
    await it.until_weight(50)
    [victim, _] = it.carried.ready()
    it.runtime.by_tag["2.0"] = PodBehaviour(ready_after=3.0, stop_after=0.2)
    it.world.node.evict(it.ref(POD, victim))
    await it.until_weight(33)
    await it.until_weight(50)
    assert victim not in it.carried.ready()
    evicted = it.live(POD, victim)
    assert evicted is not None
    assert (evicted["status"]["phase"], evicted["status"]["reason"]) == ("Failed", "Evicted")
    assert (it.phases, it.weights) == ([*ONBOARDED, "Progressing"], [0, 50, 33, 50])


@scene
async def test_a_push_and_its_revert_in_mid_rollout(it: Harness) -> None:
    await it.there(steps="20@5m")
    await it.push("2.0", steps="20@5m")
    await it.until_weight(20)
    await it.push("3.0", steps="20@5m")
    await it.until_weight(0)
    await it.until_weight(20)
    assert it.serving("checkout")[0] == "3.0"
    await it.push("1.0", steps="20@5m")
    await it.until_phase(Phase.SUCCEEDED)
    assert it.phases == [*ONBOARDED, "Progressing", "Finalizing", "Succeeded"]
    assert it.weights == [0, 20, 0, 20, 0]
    await hold_as_before(it)


@scene
async def test_abort_by_annotation_is_obeyed_and_taken_away(it: Harness) -> None:
    await it.there(steps="20@5m")
    await it.push("2.0", steps="20@5m")
    await it.until_weight(20)
    await it.annotate(it.ref(CANARY), by="alice", command="abort")
    await it.until_phase(Phase.FAILED)
    assert it.phases == ROLLED_BACK
    last, live = it.status.last_command, it.live(CANARY)
    assert last is not None
    assert (last.name.value, last.by) == ("abort", "alice")
    assert live is not None
    assert "canary.delivery/command" not in live["metadata"].get("annotations", {})
    await hold_as_before(it)


@scene
async def test_no_weight_is_given_while_a_restarted_candidate_comes_up(it: Harness) -> None:
    await it.there(steps="20@5m")
    await it.push("2.0", steps="20@5m")
    await it.until_weight(20)
    await restart(it)
    await it.until_weight(0)
    await it.until_weight(20)
    target = it.live(DEPLOYMENT)
    assert target is not None
    assert RESTARTED_AT in target["spec"]["template"]["metadata"]["annotations"]
    assert (it.phases, it.weights) == ([*ONBOARDED, "Progressing"], [0, 20, 0, 20])


RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


async def restart(it: Harness) -> None:
    """As `kubectl rollout restart` does."""
    template = {"metadata": {"annotations": {RESTARTED_AT: "2026-01-01T10:00:00Z"}}}
    await it.people.patch(it.ref(DEPLOYMENT), {"spec": {"template": template}})


@scene
async def test_a_restart_at_rest_restarts_the_primary_alone(it: Harness) -> None:
    await it.there()
    before = it.apex.ready()
    await restart(it)
    await it.until(lambda: len(it.apex.ready()) == 3 and not set(it.apex.ready()) & set(before))
    await it.until(lambda: it.serving() == ("1.0", 3) and it.size() == 0)
    assert (it.phases, it.weights) == (ONBOARDED, [0])
    await hold_as_before(it)


@scene
async def test_replicas_that_somebody_sets_at_rest_are_set_back_and_the_annotation_is_obeyed(it: Harness) -> None:
    await it.there()
    before = it.generation()
    await it.people.patch(it.ref(DEPLOYMENT), {"spec": {"replicas": 2}}, "kubectl-scale")
    await it.until(lambda: it.generation() > before + 1 and it.size() == 0)  # the 2, and the 0 after it
    assert (it.serving(), it.size("checkout-primary")) == (("1.0", 3), 3)
    await it.annotate(it.ref(DEPLOYMENT), replicas="5")
    await it.until(lambda: it.serving() == ("1.0", 5))
    assert (it.phases, it.weights, it.size()) == (ONBOARDED, [0], 0)


@scene
async def test_a_candidate_grows_with_its_primary_and_keeps_its_weight(it: Harness) -> None:
    await it.there(steps="50@5m")
    await it.push("2.0", steps="50@5m")
    await it.until_weight(50)
    await it.until(lambda: it.serving("checkout") == ("2.0", 2))
    await it.annotate(it.ref(DEPLOYMENT), replicas="6")
    await it.until(lambda: it.serving("checkout") == ("2.0", 3))
    await it.until(lambda: it.serving() == ("1.0", 6))
    await it.people.patch(it.ref(DEPLOYMENT), {"spec": {"replicas": 1}}, "kubectl-scale")
    await it.until(lambda: it.size() == 3 and it.serving("checkout") == ("2.0", 3) and it.weight == 50)
    assert it.phases == [*ONBOARDED, "Progressing"]
    # While the candidate has too few pods it carries no more than they can: one of six is 16 %.
    assert it.weights[:2] == [0, 50]
    assert set(it.weights) <= {0, 50, 33, 16}
