"""What cannot be worked with: said by name, with the user's objects as they were, and taken up once it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from canary.ports import CANARY, DEPLOYMENT, SERVICE
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import Manifest
from tests.builders import autoscaler, canary, deployment, ref, service, virtual_service
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime

CONTAINER: Mapping[str, Any] = deployment()["spec"]["template"]["spec"]["containers"][0]


def template(**spec: Any) -> Any:
    labels = {"app": "checkout", "team": "payments"}
    return {"template": {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER], **spec}}}


def volumes() -> Any:
    return template(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])


def taken(kind: Any, name: str) -> Manifest:
    """An object of somebody else's with a name that the controller needs."""
    return service(name, selector={"app": "x"}) if kind is SERVICE else deployment(name, replicas=0)


HOST_PORT = {**CONTAINER, "ports": [{"name": "http", "containerPort": 8080, "hostPort": 8080}]}


def labelled(labels: Mapping[str, str]) -> Any:
    """A pod template with these labels."""
    return {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER]}}


NEIGHBOUR = deployment(
    "neighbour", selector={"matchLabels": {"tier": "b"}}, template=labelled({"tier": "b", "stack": "shop"})
)
ALL = service("all", selector={"stack": "shop"})

REFUSED = [
    pytest.param([taken(DEPLOYMENT, "checkout-primary")], {}, "NameTaken", id="the name of the primary"),
    pytest.param([taken(SERVICE, "checkout-canary")], {}, "NameTaken", id="the name of the canary Service"),
    pytest.param([deployment(**template(containers=[HOST_PORT]))], {}, "HostPort", id="a host port"),
    pytest.param([deployment(**template(hostNetwork=True))], {}, "HostPort", id="the host's network"),
    pytest.param(
        [deployment(strategy={"type": "Recreate"}, **volumes())], {}, "VolumeNotShared", id="a volume for one pod"
    ),
    pytest.param(
        [deployment("other", selector={"matchLabels": {"team": "payments"}}, **template())],
        {},
        "SelectorOverlap",
        id="pods of another Deployment",
    ),
    pytest.param([service(clusterIP="None")], {}, "ServiceUnusable", id="a headless Service"),
    pytest.param([service(selector={"app": "x"})], {}, "ServiceUnusable", id="a Service of other pods"),
    pytest.param([], {"service": {"name": "checkout", "port": 9999}}, "PortUnknown", id="a port that is not there"),
    pytest.param([virtual_service("theirs", hosts=["checkout"])], {}, "RouteConflict", id="a route of somebody's"),
    pytest.param(
        [autoscaler("one", target="checkout"), autoscaler("two", target="checkout")],
        {},
        "AutoscalerConflict",
        id="two autoscalers",
    ),
    pytest.param(
        [NEIGHBOUR, deployment(template=labelled({"app": "checkout", "stack": "shop"})), ALL],
        {},
        "ServiceShared",
        id="a Service with pods of others",
    ),
]


@pytest.mark.parametrize(("objects", "spec", "reason"), REFUSED)
async def test_what_cannot_be_served_is_refused_by_name_and_nothing_is_touched(
    stage: Stage, objects: list[Manifest], spec: dict[str, Any], reason: str
) -> None:
    wanted = {(each["kind"], each["metadata"]["name"]): each for each in (deployment(), service(), *objects)}
    for manifest in wanted.values():
        stage.cluster.apply(manifest)
    await stage.rest(10)
    stage.cluster.apply(canary(**{"analysis": analysis(), **spec}))
    stage.start()
    await stage.rest(120)
    assert (stage.status.phase, stage.candidate) == (Phase.INITIALIZING, (3, False))
    assert (stage.ready_condition.status, stage.ready_condition.reason) == ("False", reason)
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == wanted["Service", "checkout"]["spec"]["selector"]
    assert stage.cluster.store.get(ref(VIRTUAL_SERVICE)) is None
    assert stage.reasons == [reason, "Initializing"]


async def test_a_name_that_becomes_too_long_is_refused(stage: Stage) -> None:
    name = "c" * 56
    for each in (deployment(name), service(name), canary(name)):
        stage.cluster.apply(each)
    stage.start()
    await stage.rest(60)
    conditions = stage.cluster.now(ref(CANARY, name))["status"]["conditions"]
    assert [one["reason"] for one in conditions if one["type"] == "Ready"] == ["NameTooLong"]
    assert stage.cluster.store.get(ref(DEPLOYMENT, f"{name}-primary")) is None


async def test_a_mesh_that_is_not_installed_is_said_and_taken_up_once_it_is(stage: Stage) -> None:
    served = stage.cluster.store.kinds[VIRTUAL_SERVICE]
    stage.cluster.unregister(VIRTUAL_SERVICE)
    await stage.there()
    stage.cluster.apply(canary())
    stage.start()
    await stage.rest(60)
    assert stage.ready_condition.reason == "MeshNotInstalled"
    assert stage.candidate == (3, False)
    stage.cluster.register(VIRTUAL_SERVICE, served)
    stage.edit_spec(analysis={"interval": "30s"})
    await stage.until_phase(Phase.INITIALIZED)


async def test_once_the_conflict_is_gone_onboarding_goes_on(stage: Stage) -> None:
    await stage.there(virtual_service("theirs", hosts=["checkout"]))
    stage.cluster.apply(canary())
    stage.start()
    await stage.rest(60)
    stage.cluster.remove(ref(VIRTUAL_SERVICE, "theirs"))
    await stage.until_phase(Phase.INITIALIZED)
    assert stage.ready_condition.status == "True"


async def test_of_two_canaries_the_older_has_the_target_and_the_other_takes_over(stage: Stage) -> None:
    await stage.onboarded()
    second = canary("second")
    second["spec"]["targetRef"]["name"] = "checkout"
    stage.cluster.apply(second)
    await stage.rest(30)
    conditions = stage.cluster.now(ref(CANARY, "second"))["status"]["conditions"]
    assert [one["reason"] for one in conditions if one["type"] == "Ready"] == ["TargetConflict"]
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_a_spec_that_cannot_be_read_keeps_the_last_good_one_in_force(stage: Stage) -> None:
    await stage.onboarded()
    stage.edit_spec(analysis={"interval": "soon"})
    await stage.rest(5)
    assert (stage.ready_condition.status, stage.ready_condition.reason) == ("False", "InvalidSpec")
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["2.0"] * 3


async def test_a_spec_that_never_could_be_read_is_said_and_taken_up_once_it_can(stage: Stage) -> None:
    await stage.there()
    stage.cluster.apply(canary(analysis=analysis(interval="soon")))
    stage.start()
    await stage.rest(60)
    assert stage.ready_condition.reason == "InvalidSpec"
    assert stage.reasons == ["InvalidSpec"]
    stage.edit_spec(analysis={"interval": "20s"})
    await stage.until_phase(Phase.INITIALIZED)
    assert stage.ready_condition.status == "True"
