"""The order of effects, what a conflict or a crash leaves, and the marks that keep a late leader's writes out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.controller.act import Act
from canary.errors import Conflict, Rejected, Unavailable
from canary.ports import CANARY, DEPLOYMENT, SERVICE
from canary.rollout.model import Decision, PrimaryWanted, Revision, Status, TargetWanted, Wanted
from canary.rollout.phases import Phase
from canary.sandbox.calls import Call, Verb
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.builders import ref, virtual_service
from tests.controller.driver import NEW, OLD, Driver, applied, onboarded, push
from tests.embedded import ready_images

pytestmark = pytest.mark.looptime


def said(call: Call) -> str:
    return f"{call.verb} {call.ref.kind.kind} {call.ref.name}"


class Recorder:
    """Writes down each call, and may raise at one of them."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.calls: list[str] = []
        self.bodies: list[object] = []
        cluster.before = self

    def __call__(self, call: Call) -> None:
        self.calls.append(said(call))
        self.bodies.append(call.body)


def decision(driver: Driver, *, weight: int, wanted: Wanted, epoch: str = "e1") -> Decision:
    status = replace(driver.status, phase=Phase.PROGRESSING, weight=weight)
    status = replace(status, memory=replace(status.memory, epoch=epoch))
    return Decision(status=status, weight=weight, wanted=wanted, because="a test")


async def test_what_takes_traffic_goes_first_and_what_gives_it_last(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    await driver.for_a_while(2)
    wanted = Wanted(target=TargetWanted(replicas=3, held=True), canary_pin="other")
    recorder = Recorder(cluster)
    await driver.act(decision(driver, weight=50, wanted=wanted))
    assert recorder.calls == [
        "patch Service checkout-canary",
        "patch Deployment checkout",
        "patch VirtualService checkout",
    ]
    recorder.calls.clear()
    wanted = Wanted(target=TargetWanted(replicas=0, held=False), canary_pin="another")
    await driver.for_a_while(0)
    await driver.act(decision(driver, weight=0, wanted=wanted), driver.observe())
    assert recorder.calls == [
        "patch VirtualService checkout",
        "patch Service checkout-canary",
        "patch Deployment checkout",
    ]


@pytest.mark.parametrize(("weight", "gives_way"), [(0, True), (50, False)])
async def test_once_traffic_is_taken_away_those_that_wait_go_first(
    cluster: InMemoryCluster, weight: int, gives_way: bool
) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    await driver.for_a_while(2)
    recorder, seen = Recorder(cluster), driver.observe()

    async def give_way() -> bool:
        recorder.calls.append("give way")
        return True

    tidied = decision(driver, weight=weight, wanted=Wanted(target=TargetWanted(replicas=0, held=False)))
    act = Act(cluster=cluster, mesh=driver.mesh, seen=seen, decision=tidied, canary=seen.canary)
    act.give_way = give_way
    await act.run()
    taken, tidies = "patch VirtualService checkout", "patch Deployment checkout"
    assert recorder.calls == ([taken, "give way", tidies] if gives_way else [tidies, taken])


async def test_hold_and_first_scale_up_are_one_write(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, OLD)
    await driver.for_a_while(2)
    recorder = Recorder(cluster)
    await driver.act(decision(driver, weight=0, wanted=Wanted(target=TargetWanted(replicas=2, held=True)), epoch=""))
    assert recorder.bodies == [{"spec": {"replicas": 2, "paused": True}}]


async def test_a_write_that_meets_a_newer_object_ends_the_pass(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    seen = driver.observe()
    cluster.edit(ref(DEPLOYMENT), {"metadata": {"labels": {"someone": "else"}}})
    wanted = Wanted(target=TargetWanted(replicas=2, held=True))
    with pytest.raises(Conflict):
        await driver.act(decision(driver, weight=5, wanted=wanted), seen)
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0
    route = cluster.now(ref(VIRTUAL_SERVICE))["spec"]["http"][0]["route"]
    assert [each["weight"] for each in route] == [100, 0]


async def test_a_new_epoch_is_stamped_before_anything_else_and_only_once(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    recorder = Recorder(cluster)
    await driver.act(decision(driver, weight=0, wanted=Wanted(), epoch="e2"))
    stamped = [
        "patch VirtualService checkout",
        "patch Service checkout-canary",
        "patch Deployment checkout",
        "patch Deployment checkout-primary",
    ]
    assert recorder.calls == stamped
    both = (ref(DEPLOYMENT), ref(DEPLOYMENT, "checkout-primary"))
    objects = (ref(VIRTUAL_SERVICE), ref(SERVICE, "checkout-canary"), *both)
    assert {cluster.now(one)["metadata"]["labels"]["canary.delivery/epoch"] for one in objects} == {"e2"}
    await driver.for_a_while(0)
    await driver.act(decision(driver, weight=0, wanted=Wanted(), epoch="e2"), driver.observe())
    assert recorder.calls == stamped


async def test_a_late_leaders_writes_meet_the_stamp_of_the_new_one(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    late = driver.observe()
    await driver.act(decision(driver, weight=0, wanted=Wanted(), epoch="e2"))
    for wanted, weight in ((Wanted(target=TargetWanted(replicas=3)), 0), (Wanted(canary_pin="x"), 0), (Wanted(), 50)):
        with pytest.raises(Conflict):
            await driver.act(decision(driver, weight=weight, wanted=wanted, epoch="e1"), late)


async def test_what_is_made_in_a_rollout_is_made_with_its_stamp(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster)
    await driver.until(lambda: cluster.store.get(ref(SERVICE, "checkout-canary")))
    labels = cluster.now(ref(SERVICE, "checkout-canary"))["metadata"]["labels"]
    assert labels["canary.delivery/epoch"] == "e1"


async def test_the_canary_is_taken_in_hand_before_anything_is_made(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster)
    recorder = Recorder(cluster)
    await driver.until(lambda: cluster.store.get(ref(DEPLOYMENT, "checkout-primary")))
    made = [call for call in recorder.calls if call.startswith("create")]
    finalizer = recorder.bodies.index({"metadata": {"finalizers": ["canary.delivery/restore"]}})
    assert finalizer < recorder.calls.index(made[0])


async def test_a_revision_is_stored_and_given_to_the_primary_in_one_pass(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster)
    seen = driver.observe()
    assert seen.world.target is not None
    revision: Revision = seen.world.target.revision
    primary = PrimaryWanted(key=revision.key, restarted_at="", replicas=3)
    await driver.act(decision(driver, weight=0, wanted=Wanted(store=revision, primary=primary)), seen)
    assert cluster.now(ref(DEPLOYMENT, "checkout-primary"))["spec"]["replicas"] == 3


async def test_a_primary_whose_revision_is_not_stored_is_left_alone(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    before = cluster.now(ref(DEPLOYMENT, "checkout-primary"))
    wanted = Wanted(primary=PrimaryWanted(key="unknown", restarted_at="", replicas=None))
    await driver.act(decision(driver, weight=0, wanted=wanted, epoch=""))
    assert cluster.now(ref(DEPLOYMENT, "checkout-primary")) == before


async def test_a_route_that_refuses_the_split_stops_no_other_effect_and_is_told(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.remove(ref(VIRTUAL_SERVICE))
    cluster.apply(virtual_service())
    await driver.until(lambda: not driver.observe().world.split.accepted)
    wanted = Wanted(target=TargetWanted(replicas=1))
    with pytest.raises(Rejected, match="is there already and is not ours"):
        await driver.act(decision(driver, weight=5, wanted=wanted))
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 1
    assert cluster.now(ref(VIRTUAL_SERVICE))["spec"] == virtual_service()["spec"]


async def test_a_rollout_survives_a_crash_after_any_write(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    count = 0

    def crash(call: Call) -> None:
        nonlocal count
        if call.verb is not Verb.READ and (count := count + 1) % 2:
            raise Unavailable(f"the controller died after {said(call)}", outcome_unknown=True)

    cluster.after = crash

    while driver.status.phase is not Phase.SUCCEEDED:
        try:
            await driver.until_phase(Phase.SUCCEEDED)
        except Unavailable:
            assert count < 400
    cluster.after = None
    await driver.for_a_while(5)
    assert ready_images(cluster, "checkout-primary") == [NEW] * 3
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0
    assert "paused" not in cluster.now(ref(DEPLOYMENT))["spec"]


async def test_the_status_goes_before_every_other_write(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)

    def refuse(call: Call) -> None:
        if call.subresource == "status":
            raise Conflict("somebody else wrote the status")

    cluster.before = refuse
    cluster.requests.clear()
    await driver.for_a_while(60)
    assert {str(call.ref) for call in cluster.requests.log} == {str(ref(CANARY))}


async def test_a_first_status_has_nothing_stamped(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster)
    recorder = Recorder(cluster)
    seen = driver.observe()
    nothing = Decision(status=Status(), weight=None, wanted=Wanted(), because="a test")
    act = Act(cluster=cluster, mesh=driver.mesh, seen=seen, decision=nothing, canary=seen.canary)
    await act.run()
    assert recorder.calls == []
