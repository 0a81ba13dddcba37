"""A condition says which shared field somebody keeps setting back, and who; what that costs is bounded."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from canary.ports import HPA, SERVICE
from canary.rollout.model import Truth
from canary.rollout.phases import Phase
from tests.builders import autoscaler, deployment, ref
from tests.scenarios.git import MINUTES, NARROW, argo, flux, writes_of
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime

CONTESTS = {
    "replicas": (
        "ReplicasContested",
        "spec.replicas of Deployment checkout is set back again and again by argocd-controller; take `replicas` out of "
        "what is applied, or set it to 0",
    ),
    "selector": (
        "ApexContested",
        "spec.selector of Service checkout is set back again and again by kustomize-controller; write into Git: "
        "`canary.delivery/role: primary` and `canary.delivery/target: checkout` in it",
    ),
    "target": (
        "AutoscalerContested",
        "spec.scaleTargetRef of HorizontalPodAutoscaler checkout is set back again and again by argocd-controller; "
        "write into Git: `name: checkout-primary` in it",
    ),
}


def applied(stage: Stage, what: str, every: float) -> AbstractAsyncContextManager[None]:
    """Apply one field that is shared as it should not be."""
    match what:
        case "replicas":
            return argo(stage, deployment(replicas=3), every=every)
        case "selector":
            return flux(stage, every=every)
        case _:
            return argo(stage, autoscaler(least=2), every=every)


def contested(stage: Stage) -> list[tuple[str, str]]:
    """Reason and message of the condition, as it is now."""
    return [(one.reason, one.message) for one in stage.status.conditions if one.type == "Contested"]


@pytest.mark.parametrize("what", CONTESTS)
async def test_a_condition_names_field_and_manager_until_it_was_quiet_for_an_hour(stage: Stage, what: str) -> None:
    await stage.onboarded(autoscaler(least=2))
    await stage.rest()
    async with applied(stage, what, every=60):
        await stage.rest(90)
        assert contested(stage) == [], "twice may be chance"
        await stage.rest(3 * 3600)
        assert contested(stage) == [CONTESTS[what]]
        assert stage.ready_condition.status is Truth.TRUE, "it serves as it should"
    await stage.rest(3000)
    assert contested(stage) == [CONTESTS[what]]
    await stage.until(lambda: not contested(stage), within=1300)
    await stage.rest()
    stage.client.requests.clear()
    await stage.rest(3 * 3600)
    assert writes_of(stage) == {}


@pytest.mark.parametrize("what", CONTESTS)
async def test_a_controller_that_comes_anew_knows_how_often_it_was(stage: Stage, what: str) -> None:
    await stage.onboarded(autoscaler(least=2))
    await stage.rest()
    async with applied(stage, what, every=60):
        await stage.rest(90)
        stage.controllers[-1].kill()
        stage.start()
        await stage.rest(180)
    assert contested(stage) == [CONTESTS[what]]
    assert stage.reasons.count(CONTESTS[what][0]) == 1


@pytest.mark.parametrize("what", ["selector", "target"])
async def test_however_often_a_field_is_set_back_the_writes_in_a_minute_are_bounded(stage: Stage, what: str) -> None:
    kind = {"selector": "Service", "target": "HorizontalPodAutoscaler"}[what]
    await stage.onboarded(autoscaler(least=2))
    await stage.rest()
    async with applied(stage, what, every=0.1):
        await stage.rest(60)
        stage.client.requests.clear()
        await stage.rest(60 * MINUTES)
        assert 25 * MINUTES <= writes_of(stage)[kind] <= 30 * MINUTES
        assert sum(writes_of(stage).values()) <= 100 * MINUTES
    await stage.until(lambda: stage.cluster.now(ref(SERVICE))["spec"]["selector"] == NARROW, within=61)
    await stage.until(
        lambda: stage.cluster.now(ref(HPA))["spec"]["scaleTargetRef"]["name"] == "checkout-primary", within=61
    )


async def test_several_at_once_are_named_together(stage: Stage) -> None:
    await stage.onboarded(autoscaler(least=2))
    async with argo(stage, deployment(replicas=3), autoscaler(least=2)), flux(stage):
        await stage.rest(60)
    [(reason, message)] = contested(stage)
    assert reason == "ApexContested"
    assert message == "; ".join(CONTESTS[what][1] for what in ("selector", "target"))
    assert stage.candidate == (3, False), "pods that the Service may reach are not taken away"


async def test_the_first_time_that_an_autoscaler_is_pointed_at_the_primary_is_nobodys_reset(stage: Stage) -> None:
    await stage.onboarded()
    for _ in range(3):
        stage.cluster.apply(autoscaler(least=2))
        await stage.rest(5)
        stage.cluster.remove(ref(HPA))
        await stage.rest(5)
    assert not {"AutoscalerReset", "AutoscalerContested"} & {*stage.reasons}


async def test_replicas_that_git_takes_from_the_candidate_in_mid_rollout_are_named(stage: Stage) -> None:
    await stage.onboarded(replicas=6)
    async with argo(stage, deployment(image=image("2.0"), replicas=1)):
        await stage.until_weight(50)
        await stage.rest(30)
        assert contested(stage) == [CONTESTS["replicas"]]
        await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["2.0"] * 6
