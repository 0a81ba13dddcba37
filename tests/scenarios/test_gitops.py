"""Something re-applies the user's manifests every few seconds: no endless fight, no rollout lost, and what should not
be in Git is named. Argo CD applies client-side (maps are merged), Flux server-side with force (a selector is replaced). tests/api has
both on a real API server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import pytest

from canary.ports import EVENT, HPA, SERVICE
from canary.rollout.model import Truth
from canary.rollout.phases import Phase
from canary.sandbox.calls import Verb
from meshes.contract import Manifest
from tests.builders import autoscaler, deployment, ref, service
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime

NARROW = {"app": "checkout", "canary.delivery/role": "primary", "canary.delivery/target": "checkout"}
MINUTES = 10


@asynccontextmanager
async def again_and_again(sync: Callable[[], object], every: float = 5.0) -> AsyncIterator[None]:
    """Call `sync` every so many seconds while the block runs."""

    async def syncing() -> None:
        while True:
            sync()
            await asyncio.sleep(every)

    task = asyncio.create_task(syncing(), name="gitops")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def argo(stage: Stage, *manifests: Manifest, every: float = 5.0) -> AbstractAsyncContextManager[None]:
    """Apply the manifests as Argo CD does."""

    def sync() -> None:
        for manifest in manifests:
            stage.cluster.apply(manifest, "argocd-controller")

    return again_and_again(sync, every)


def flux(stage: Stage, *manifests: Manifest, every: float = 5.0) -> AbstractAsyncContextManager[None]:
    """Apply the manifests, and a Service `checkout` with the selector of before, as Flux does."""

    def sync() -> None:
        for manifest in manifests:
            stage.cluster.apply(manifest, "kustomize-controller")
        selector = {"app": "checkout", "canary.delivery/role": None, "canary.delivery/target": None}
        stage.cluster.edit(ref(SERVICE), {"spec": {"selector": selector}}, "kustomize-controller")

    return again_and_again(sync, every)


def writes_of(stage: Stage) -> dict[str, int]:
    """How often the controller wrote each kind, Events included."""
    found: dict[str, int] = {}
    for (verb, kind), count in stage.client.requests.counts.items():
        if verb is not Verb.READ:
            found[kind.kind] = found.get(kind.kind, 0) + count
    return found


def texts(stage: Stage, reason: str) -> list[str]:
    """What was told for a reason."""
    return [note.text for note in stage.told.notes if note.reason == reason]


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


async def test_nothing_advances_while_the_selector_is_reset_every_few_seconds_and_it_is_said_why(stage: Stage) -> None:
    await stage.onboarded()
    async with flux(stage, deployment(image=image("2.0"), replicas=None)):
        await stage.rest(60 * MINUTES)
        assert stage.serving == ["1.0"] * 3
        assert stage.history == []
        assert "ApexContested" in stage.reasons
    await stage.until(lambda: stage.serving == ["2.0"] * 3)
