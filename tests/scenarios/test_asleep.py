"""What serves taken to 0 under an autoscaler: an outage that no HorizontalPodAutoscaler ends, and a way of KEDA's."""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.scalers import SCALED_OBJECT
from canary.ports import DEPLOYMENT, HPA
from canary.rollout.phases import Phase
from meshes.contract import Manifest
from tests.builders import autoscaler, ref
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime

PRIMARY = ref(DEPLOYMENT, "checkout-primary")


def scaled_object() -> Manifest:
    meta = {"name": "checkout", "namespace": "shop"}
    spec = {"scaleTargetRef": {"name": "checkout"}, "maxReplicaCount": 6, "triggers": [{"type": "cpu"}]}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": SCALED_OBJECT.kind, "metadata": meta, "spec": spec}


def size(stage: Stage) -> int:
    return int(stage.primary["spec"]["replicas"])


async def under(stage: Stage, scaler: Manifest, **spec: Any) -> None:
    """Come to rest with an autoscaler that gave the primary five pods, as far as it wants any."""
    await stage.onboarded(scaler, **spec)
    await stage.rest(30)
    stage.cluster.edit(PRIMARY, {"spec": {"replicas": 5}}, "kube-controller-manager")
    await stage.until(lambda: len(stage.serving) == 5)
    stage.forget()


def scale_to_nothing(stage: Stage) -> None:
    stage.cluster.edit(PRIMARY, {"spec": {"replicas": 0}}, "mallory")


async def test_what_somebody_scales_to_0_gets_the_size_back_that_it_had_and_it_is_told(stage: Stage) -> None:
    await under(stage, autoscaler(least=2))
    with stage.watch.blind():
        scale_to_nothing(stage)
        await stage.until(lambda: size(stage) == 5, within=1)
        await stage.until(lambda: len(stage.serving) == 5)
    await stage.rest()
    assert (size(stage), stage.reasons) == (5, ["DriftRepaired"])
    assert "checkout-primary was edited by mallory" in stage.told.notes[0].text


async def test_it_gets_that_size_from_the_next_controller_too_and_no_less_than_the_autoscaler_wants(
    stage: Stage,
) -> None:
    await under(stage, autoscaler(least=2))
    with stage.watch.blind():
        for least, wanted in ((2, 5), (6, 6)):
            stage.controllers[-1].kill()
            scale_to_nothing(stage)
            await stage.rest(30)
            assert size(stage) == 0, "the autoscaler alone leaves it there"
            stage.cluster.edit(ref(HPA), {"spec": {"minReplicas": least}})
            stage.start()
            await stage.rest(5)
            assert size(stage) == wanted


async def test_in_mid_rollout_it_comes_back_too_and_the_rollout_goes_its_way(stage: Stage) -> None:
    await under(stage, autoscaler(least=2))
    await stage.pushed("2.0")
    with stage.watch.blind():
        scale_to_nothing(stage)
        await stage.until(lambda: len(stage.serving) == 5)
    await stage.until(lambda: stage.serving == ["2.0"] * 5 and stage.status.phase is Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_what_somebody_scales_to_0_again_and_again_is_no_endless_fight(stage: Stage) -> None:
    await under(stage, autoscaler(least=2))
    with stage.watch.blind():
        for _ in range(12):
            scale_to_nothing(stage)
            await stage.rest(1)
        assert size(stage) == 0
        assert stage.ready_condition.reason == "ObjectContested"
        await stage.until(lambda: size(stage) == 5, within=61)


@pytest.mark.parametrize(
    ("scaler", "spec"),
    [
        pytest.param(scaled_object(), {}, id="KEDA scales it"),
        pytest.param(autoscaler(least=2), {"replicas": 0}, id="its replicas are to be 0"),
    ],
)
async def test_it_stays_at_0_where_that_is_meant(stage: Stage, scaler: Manifest, spec: dict[str, Any]) -> None:
    await under(stage, scaler, **spec)
    with stage.watch.blind():
        stage.client.requests.clear()
        scale_to_nothing(stage)
        await stage.rest(120)
        assert (size(stage), stage.reasons) == (0, [])
