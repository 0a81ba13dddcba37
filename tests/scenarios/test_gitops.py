"""Something re-applies the user's manifests every few seconds: no endless fight, no rollout lost, and what should not
be in Git is named. Argo CD applies client-side (maps are merged), Flux server-side with force (a selector is replaced).
"""

from __future__ import annotations

import pytest

from canary.ports import EVENT, HPA, SERVICE
from canary.rollout.phases import Phase
from tests.builders import autoscaler, deployment, ref, service
from tests.scenarios.git import MINUTES, NARROW, argo, flux, texts, writes_of
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime


async def test_what_git_should_say_costs_no_write(stage: Stage) -> None:
    await stage.onboarded()
    stage.client.requests.clear()
    async with argo(stage, deployment(replicas=None), service(selector=NARROW)):
        await stage.rest(60 * MINUTES)
    assert writes_of(stage) == {}
    assert stage.reasons == []


async def test_replicas_in_git_are_left_alone_and_named_after_three_times(stage: Stage) -> None:
    await stage.onboarded()
    stage.client.requests.clear()
    async with argo(stage, deployment(replicas=3)):
        await stage.rest(60 * MINUTES)
    assert writes_of(stage)["Deployment"] <= 3 + 1  # ten minutes later it is tried again
    assert sum(writes_of(stage).values()) < 30
    assert stage.reasons.count("ReplicasContested") == 1
    assert texts(stage, "ReplicasContested") == [
        "Replicas of the Deployment were set 3 times in ten minutes, the last time by argocd-controller, and are left "
        "at 3: its pods get no traffic; take `replicas` out of what is applied, or set it to 0"
    ]


async def test_a_selector_that_git_replaces_is_put_back_each_time_with_one_write(stage: Stage) -> None:
    await stage.onboarded()
    stage.client.requests.clear()
    async with flux(stage):
        await stage.rest(60 * MINUTES)
    resets = MINUTES * 60 // 5
    assert resets - 1 <= writes_of(stage)["Service"] <= resets + 1
    assert sum(writes_of(stage).values()) <= 4 * resets
    assert texts(stage, "ApexContested") == [
        "The selector of a Service was widened 3 times in a day, the last time by kustomize-controller, and is put "
        "back each time; write into Git: `canary.delivery/role: primary` and `canary.delivery/target: checkout` in its "
        "selector"
    ]
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == NARROW


async def test_an_autoscaler_in_git_is_pointed_at_the_primary_each_time(stage: Stage) -> None:
    await stage.onboarded(autoscaler(least=2))
    await stage.rest(1)
    stage.forget()
    stage.client.requests.clear()
    async with argo(stage, autoscaler(least=2)):
        await stage.rest(60 * MINUTES)
    await stage.rest(1)
    assert stage.cluster.now(ref(HPA))["spec"]["scaleTargetRef"]["name"] == "checkout-primary"
    resets = MINUTES * 60 // 5
    assert writes_of(stage)["HorizontalPodAutoscaler"] <= resets + 1
    assert writes_of(stage).get("Canary", 0) + writes_of(stage).get(EVENT.kind, 0) <= 3 * 3 + 3 * MINUTES
    assert stage.reasons == ["AutoscalerReset", "AutoscalerReset", "AutoscalerContested"]
    assert texts(stage, "AutoscalerContested") == [
        "HorizontalPodAutoscaler checkout was pointed away from the primary 3 times in a day, the last time by "
        "argocd-controller, and is put back each time; write into Git: `name: checkout-primary` in its "
        "`spec.scaleTargetRef`"
    ]


async def test_a_version_comes_through_while_git_says_replicas(stage: Stage) -> None:
    await stage.onboarded()
    async with argo(stage, deployment(image=image("2.0"), replicas=3)):
        await stage.until(lambda: stage.serving == ["2.0"] * 3 and stage.status.phase is Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_a_bad_version_is_rolled_back_while_git_says_replicas(stage: Stage) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=0.3)
    async with argo(stage, deployment(image=image("2.0"), replicas=3)):
        await stage.until_phase(Phase.FAILED)
        await stage.rest(120)
    assert (stage.weight, stage.serving) == (0, ["1.0"] * 3)
    assert stage.history == [("2.0", "rolled_back")]


async def test_a_version_comes_through_while_the_selector_is_reset_each_minute(stage: Stage) -> None:
    await stage.onboarded()
    async with flux(stage, deployment(image=image("2.0"), replicas=None), every=60):
        await stage.until(lambda: stage.serving == ["2.0"] * 3 and stage.status.phase is Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_a_bad_version_is_not_kept_in_traffic_by_a_selector_that_is_reset_every_few_seconds(stage: Stage) -> None:
    """Each reset begins the windows anew, so nothing could be judged: what cannot be judged carries nothing."""
    await stage.onboarded()
    await stage.pushed("2.0")
    stage.canary_traffic(bad=1.0)
    async with flux(stage, every=3):
        await stage.until_weight(0, within=15)
        stage.forget()
        await stage.rest(60 * MINUTES)
        assert (stage.weights, stage.serving) == ([0], ["1.0"] * 3)
        assert "is set back again and again" in stage.status.message
    await stage.until_phase(Phase.FAILED)
    assert stage.history == [("2.0", "rolled_back")]


async def test_nothing_advances_while_the_selector_is_reset_every_few_seconds_and_it_is_said_why(stage: Stage) -> None:
    await stage.onboarded()
    async with flux(stage, deployment(image=image("2.0"), replicas=None)):
        await stage.rest(60 * MINUTES)
        assert stage.serving == ["1.0"] * 3
        assert stage.history == []
        assert "ApexContested" in stage.reasons
    await stage.until(lambda: stage.serving == ["2.0"] * 3)
