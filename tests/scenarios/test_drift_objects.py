"""Edits and deletions of what else the controller made: the Service of a user who has none, the Canary that stands for
annotations, the copies of configuration.
"""

from __future__ import annotations

import pytest

from canary.errors import CanaryError
from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, EVENT, SERVICE
from canary.rollout.phases import Phase
from tests.builders import canary, config_map, deployment, ref, settings
from tests.embedded import ready_images
from tests.scenarios.configured import Holding, configured, copies, reading
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime

ENABLED = settings(enabled="true", steps="20,50", interval="20s")
NARROW = {"app": "checkout", "canary.delivery/role": "primary", "canary.delivery/target": "checkout"}
APEX = ref(SERVICE)


async def without_a_service(stage: Stage) -> None:
    """Come to rest with a Service that the controller made."""
    stage.cluster.apply(deployment(replicas=None))
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 3}})
    await stage.until(lambda: len(ready_images(stage.cluster)) == 3)
    stage.cluster.apply(canary(analysis=analysis()))
    stage.start()
    await stage.until_phase(Phase.INITIALIZED)
    stage.forget()


async def annotated(stage: Stage) -> None:
    """Come to rest with a Canary that stands for annotations."""
    await stage.there(deployment(replicas=None, annotations=ENABLED))
    stage.start()
    await stage.until_phase(Phase.INITIALIZED)
    stage.forget()


@pytest.mark.parametrize("weight", [0, 20])
async def test_the_service_that_we_made_is_narrowed_again_when_somebody_widens_it(stage: Stage, weight: int) -> None:
    await without_a_service(stage)
    if weight:
        await stage.pushed("2.0")
    widened = {"canary.delivery/role": None, "canary.delivery/target": None}
    stage.cluster.edit(APEX, {"spec": {"selector": {"app": "checkout", **widened}}}, "mallory")
    await stage.until(lambda: stage.cluster.now(APEX)["spec"]["selector"] == NARROW, within=1)
    await stage.rest(1)
    [event] = [one for one in stage.cluster.store.list(EVENT) if one["reason"] == "ApexWidened"]
    assert "by mallory" in event["message"]
    if weight:
        await stage.until_serving("2.0")


async def test_the_service_that_we_made_is_made_again_when_somebody_deletes_it(stage: Stage) -> None:
    await without_a_service(stage)
    before = stage.cluster.now(APEX)["spec"]
    with stage.watch.blind():
        stage.cluster.remove(APEX)
        await stage.until(lambda: stage.cluster.store.get(APEX) is not None, within=1)
    again = stage.cluster.now(APEX)["spec"]
    assert (again["selector"], again["ports"]) == (before["selector"], before["ports"])
    await stage.rest()
    await stage.pushed("2.0")
    await stage.until_serving("2.0")


async def test_an_edit_of_a_generated_canary_is_put_back_and_the_rollout_goes_its_way(stage: Stage) -> None:
    await annotated(stage)
    stage.push("2.0", annotations=ENABLED)
    await stage.until_weight(20)
    before = stage.cluster.now(ref(CANARY))["spec"]
    stage.edit_spec(analysis={"steps": [{"weight": 90}]}, suspend=True)
    await stage.until(lambda: stage.cluster.now(ref(CANARY))["spec"] == before, within=1)
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0]


async def test_a_generated_canary_that_somebody_deletes_leaves_and_comes_again_without_an_outage(stage: Stage) -> None:
    await annotated(stage)
    uid = stage.cluster.now(ref(CANARY))["metadata"]["uid"]
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: "LeavingWaits" not in stage.reasons and again(stage, uid), within=300)
    await stage.until(lambda: stage.serving == ["1.0"] * 3)
    stage.push("2.0", annotations=ENABLED)
    await stage.until_serving("2.0")


async def test_a_generated_canary_that_is_deleted_in_mid_rollout_leaves_once_a_proved_version_is_back(
    stage: Stage,
) -> None:
    await annotated(stage)
    stage.push("2.0", annotations=ENABLED)
    await stage.until_weight(20)
    uid = stage.cluster.now(ref(CANARY))["metadata"]["uid"]
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.weight == 0, within=1)
    await stage.until(lambda: "LeavingWaits" in stage.reasons)
    assert stage.serving == ["1.0"] * 3
    stage.push("1.0", annotations=ENABLED)
    await stage.until(lambda: again(stage, uid))
    await stage.until(lambda: stage.serving == ["1.0"] * 3)


def again(stage: Stage, uid: str) -> bool:
    """Whether there is another Canary by now, and it is at rest."""
    live = stage.cluster.store.get(ref(CANARY))
    return live is not None and live["metadata"]["uid"] != uid and stage.status.phase is Phase.INITIALIZED


async def test_a_copy_of_configuration_takes_no_edit(stage: Stage) -> None:
    await configured(stage)
    [name] = copies(stage)
    with pytest.raises(CanaryError, match="immutable"):
        stage.cluster.edit(ref(CONFIG_MAP, name), {"data": {"text": "forged"}}, "mallory")
    assert copies(stage) == {name: "old"}


async def test_a_label_that_somebody_takes_from_a_copy_does_not_cost_what_serves_its_configuration(
    stage: Stage,
) -> None:
    holding = await configured(stage)
    [name] = copies(stage)
    stage.cluster.edit(ref(CONFIG_MAP, name), {"metadata": {"labels": {"canary.delivery/target": None}}}, "mallory")
    await stage.rest()
    restart = {"kubectl.kubernetes.io/restartedAt": "2030-01-01T00:00:00Z"}
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"template": {"metadata": {"annotations": restart}}}})
    await stage.rest(120)
    assert stage.cluster.now(ref(CONFIG_MAP, name))["data"] == {"text": "old"}
    assert holding.serving == ["old"] * 3


async def test_copies_that_somebody_deletes_in_mid_rollout_cost_no_rollout(stage: Stage) -> None:
    holding: Holding = await configured(stage)
    stage.cluster.apply(config_map(text="new"))
    stage.cluster.apply(reading("2.0"))
    await stage.until_weight(20)
    for name in copies(stage):
        stage.cluster.remove(ref(CONFIG_MAP, name))
    await stage.until(lambda: "new" in copies(stage).values(), within=2)
    await stage.until_serving("2.0")
    assert holding.serving == ["new"] * 3
