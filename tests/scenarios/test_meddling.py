"""People and GitOps tools that change what the controller keeps: put back, told, and without harm meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from canary.errors import Rejected
from canary.ports import CANARY, DEPLOYMENT, SERVICE
from canary.rollout.model import Truth
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import Manifest
from tests.builders import deployment, ref, service, virtual_service
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime

WIDE = {"canary.delivery/role": None, "canary.delivery/target": None}
NARROW = {"app": "checkout", "canary.delivery/role": "primary", "canary.delivery/target": "checkout"}


def selector(stage: Stage) -> dict[str, str]:
    found: dict[str, str] = stage.cluster.now(ref(SERVICE))["spec"]["selector"]
    return found


async def test_a_widened_service_is_narrowed_at_once_and_told(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.edit(ref(SERVICE), {"spec": {"selector": WIDE}}, "argocd")
    await stage.until(lambda: selector(stage) == NARROW, within=1)
    await stage.rest(10)
    assert stage.reasons == ["ApexWidened"]


async def test_a_service_that_is_widened_in_mid_rollout_does_not_end_it(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.cluster.edit(ref(SERVICE), {"spec": {"selector": WIDE}}, "argocd")
    await stage.until(lambda: selector(stage) == NARROW, within=1)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0]
    assert stage.history == [("2.0", "promoted")]


async def test_a_service_that_is_widened_thrice_a_day_is_told_with_what_to_write(stage: Stage) -> None:
    await stage.onboarded()
    for _ in range(3):
        stage.cluster.edit(ref(SERVICE), {"spec": {"selector": WIDE}}, "argocd")
        await stage.until(lambda: selector(stage) == NARROW, within=1)
        await stage.rest(600)
    assert stage.reasons.count("ApexContested") == 1
    assert "canary.delivery/role" in stage.told.notes[-1].text


async def test_replicas_that_gitops_sets_are_put_back_and_left_alone_after_three_times(stage: Stage) -> None:
    await stage.onboarded()
    for _ in range(4):
        stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 3}}, "argocd")
        await stage.rest(20)
    assert stage.candidate == (3, False)
    assert stage.reasons == ["ReplicasReset", "ReplicasReset", "ReplicasReset", "ReplicasContested"]
    assert selector(stage) == NARROW
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["2.0"] * 3


async def test_a_hand_edited_split_is_put_back_at_once(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    entry = stage.cluster.now(ref(VIRTUAL_SERVICE))["spec"]["http"][0]
    route = [{**one, "weight": weight} for one, weight in zip(entry["route"], (5, 95), strict=True)]
    with stage.watch.blind():
        stage.cluster.edit(ref(VIRTUAL_SERVICE), {"spec": {"http": [{**entry, "route": route}]}})
    assert stage.weight == 95
    await stage.until(lambda: stage.weight == 20, within=1)
    await stage.until_phase(Phase.SUCCEEDED)


async def test_a_route_that_somebody_deletes_is_made_again(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(VIRTUAL_SERVICE))
    await stage.until(lambda: stage.cluster.store.get(ref(VIRTUAL_SERVICE)) is not None, within=1)
    assert stage.weight == 0


async def test_a_hand_edited_primary_is_put_back(stage: Stage) -> None:
    await stage.onboarded()
    template = {"spec": {"containers": [{"name": "app", "image": image("6.6")}]}}
    with stage.watch.blind():
        stage.cluster.edit(ref(DEPLOYMENT, "checkout-primary"), {"spec": {"template": template, "replicas": 1}})
    await stage.until(lambda: stage.primary["spec"]["replicas"] == 3, within=1)
    await stage.rest(60)
    assert stage.serving == ["1.0"] * 3
    assert (stage.phases, stage.weights) == (["Initialized"], [0])


@pytest.mark.parametrize(("then", "tag"), [("resume", "2.0"), ("abort", "1.0")], ids=["promoted", "put back"])
async def test_a_primary_that_somebody_pauses_still_takes_the_version(stage: Stage, then: str, tag: str) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.PROMOTING)
    stage.cluster.edit(ref(DEPLOYMENT, "checkout-primary"), {"spec": {"paused": True}}, "alice")
    stage.command(then)
    await stage.until(lambda: "paused" not in stage.primary["spec"], within=1)
    await stage.until(lambda: stage.status.phase in (Phase.FAILED, Phase.SUCCEEDED) and stage.serving == [tag] * 3)


async def test_a_users_own_route_is_at_rest_as_it_was(stage: Stage) -> None:
    destination = {"host": "checkout", "port": {"number": 8080}}
    http = [{"name": "main", "timeout": "10s", "route": [{"destination": destination}]}]
    own = virtual_service("frontdoor", hosts=["checkout"], http=http)
    await stage.onboarded(own, route={"name": "frontdoor"})
    route = ref(VIRTUAL_SERVICE, "frontdoor")
    assert stage.cluster.now(route)["spec"] == own["spec"]
    stage.push("2.0")
    await stage.until(lambda: len(stage.cluster.now(route)["spec"]["http"][0]["route"]) == 2)
    assert stage.cluster.now(route)["spec"]["http"][0]["timeout"] == "10s"
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest(30)
    live = stage.cluster.now(route)
    assert live["spec"] == own["spec"]
    assert not [key for key in live["metadata"].get("labels") or {} if "canary" in key]
    assert list(live["metadata"]["annotations"]) == ["kubectl.kubernetes.io/last-applied-configuration"]
    assert stage.cluster.store.get(ref(VIRTUAL_SERVICE)) is None
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None)
    assert stage.cluster.now(route)["spec"] == own["spec"]


async def test_another_service_of_the_same_pods_is_narrowed_and_given_back(stage: Stage) -> None:
    await stage.onboarded(service("internal", selector={"app": "checkout"}))
    assert stage.cluster.now(ref(SERVICE, "internal"))["spec"]["selector"] == NARROW
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None)
    assert stage.cluster.now(ref(SERVICE, "internal"))["spec"]["selector"] == {"app": "checkout"}


async def test_a_service_that_comes_later_is_narrowed_too(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    stage.cluster.apply(service("internal", selector={"app": "checkout"}))
    await stage.until(lambda: stage.cluster.now(ref(SERVICE, "internal"))["spec"]["selector"] == NARROW, within=1)
    await stage.until_phase(Phase.SUCCEEDED)


def stacked(name: str, labels: Mapping[str, str], **spec: Any) -> Manifest:
    """A Deployment whose pods have these labels, and one that they share with others."""
    made = deployment(name, **{"selector": {"matchLabels": labels}, **spec})
    made["spec"]["template"]["metadata"] = {"labels": {**labels, "stack": "shop"}}
    return made


@pytest.mark.parametrize("replicas", [2, 0])
async def test_a_service_of_others_too_that_comes_later_is_not_taken_from_them(stage: Stage, replicas: int) -> None:
    await stage.onboarded(stacked("checkout", {"app": "checkout"}, replicas=None))
    stage.cluster.apply(stacked("neighbour", {"app": "neighbour"}, replicas=replicas))
    new = stacked("checkout", {"app": "checkout"}, replicas=None)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = image("2.0")
    stage.cluster.apply(new)
    await stage.until_weight(20)
    stage.forget()
    stage.cluster.apply(service("all", selector={"stack": "shop"}))
    await stage.until(lambda: stage.candidate == (0, False))
    await stage.rest(120)
    assert stage.cluster.now(ref(SERVICE, "all"))["spec"]["selector"] == {"stack": "shop"}
    assert (stage.weights, stage.reasons) == ([20, 0], ["ServiceShared", "RolloutRestarted"])
    assert (stage.ready_condition.reason, selector(stage)) == ("ServiceShared", NARROW)
    stage.cluster.remove(ref(SERVICE, "all"))
    await stage.until_serving("2.0")


@pytest.mark.parametrize("name", ["checkout", "all"])
@pytest.mark.parametrize("replicas", [2, 0])
async def test_pods_that_a_narrowed_service_leaves_out_are_named_and_hold_nothing(
    stage: Stage, name: str, replicas: int
) -> None:
    shared = service(name, selector={"stack": "shop"})
    await stage.onboarded(stacked("checkout", {"app": "checkout"}, replicas=None), shared)
    stage.cluster.apply(stacked("neighbour", {"app": "neighbour"}, replicas=replicas))
    await stage.rest()
    new = stacked("checkout", {"app": "checkout"}, replicas=None)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = image("2.0")
    stage.cluster.apply(new)
    await stage.until_serving("2.0")
    assert stage.reasons.count("PodsLeftOut") == 1
    assert (stage.ready_condition.status, stage.ready_condition.reason) == (Truth.TRUE, "Ready")
    assert f"Service {name} leads to Deployment checkout alone" in stage.ready_condition.message
    assert "the pods of Deployment neighbour" in stage.ready_condition.message
    stage.cluster.remove(ref(DEPLOYMENT, "neighbour"))
    await stage.rest(120)
    stage.cluster.edit(ref(DEPLOYMENT, "checkout-primary"), {"spec": {"replicas": 2}}, "mallory")  # any event
    await stage.until(lambda: stage.ready_condition.message == "The spec is valid and every object is in place")


async def test_ports_that_tell_no_more_what_the_split_is_about_bar_no_way_back(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    others = [{"name": name, "port": port, "targetPort": 8080} for name, port in (("one", 9090), ("two", 9091))]
    stage.cluster.edit(ref(SERVICE), {"spec": {"ports": others}})
    await stage.until(lambda: stage.ready_condition.reason == "PortUnknown", within=1)
    await stage.rest(300)
    assert (stage.weight, stage.status.phase) == (50, Phase.PROGRESSING)
    stage.canary_traffic(bad=0.5)
    await stage.until_phase(Phase.FAILED)
    assert (stage.weight, stage.candidate) == (0, (0, False))


@pytest.mark.parametrize("word", ["abort", "release"])
async def test_a_mesh_that_is_uninstalled_holds_nobody(stage: Stage, word: str) -> None:
    """All requests go to the primary by then: nothing is left to drain but what was under way."""
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    stage.cluster.unregister(VIRTUAL_SERVICE)
    await stage.until(lambda: stage.ready_condition.reason == "MeshNotInstalled", within=5)
    assert (stage.status.weight, stage.status.memory.weight_at) == (20, None), "nobody is sent to the canary any more"
    if word == "release":
        stage.cluster.remove(ref(CANARY))
        await stage.until(lambda: stage.status.message.startswith("Leaving waits"))
    stage.command(word)
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None or stage.status.phase is Phase.FAILED)
    if word == "release":
        await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None)
        assert stage.candidate == (3, False)


def front_door() -> Manifest:
    http = [{"route": [{"destination": {"host": "checkout", "port": {"number": 8080}}}]}]
    return virtual_service("frontdoor", hosts=["checkout"], http=http)


async def test_a_users_route_that_takes_no_weight_0_keeps_the_pods_that_it_leads_to(stage: Stage) -> None:
    def refuse(new: Manifest, old: Manifest | None) -> None:
        if new["kind"] == VIRTUAL_SERVICE.kind:
            raise Rejected("admission webhook denied the request: routes come from Git")

    await stage.onboarded(front_door(), route={"name": "frontdoor"})
    stage.push("2.0")
    await stage.until(lambda: stage.status.observed_weight == 50)
    stage.cluster.store.admission.append(refuse)
    stage.command("abort")
    await stage.until_phase(Phase.ROLLING_BACK, within=1)
    await stage.rest(120)
    assert (stage.status.observed_weight, stage.candidate) == (50, (2, True))
    assert "weight 0 is not accepted yet" in stage.status.message
    stage.cluster.store.admission.remove(refuse)
    await stage.until(lambda: stage.candidate == (0, False))


async def test_a_users_route_that_is_deleted_holds_no_canary_that_leaves(stage: Stage) -> None:
    await stage.onboarded(front_door(), route={"name": "frontdoor"})
    stage.cluster.remove(ref(VIRTUAL_SERVICE, "frontdoor"))
    await stage.until(lambda: stage.ready_condition.reason == "RouteNotFound", within=5)
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None)
    assert stage.candidate == (3, False)
