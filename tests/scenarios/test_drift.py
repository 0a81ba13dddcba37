"""Hand edits of what the controller made: put back at once and told with who did it; never an endless fight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from canary.controller.drift import EVENTS
from canary.ports import CONTROLLER_REVISION, DEPLOYMENT, SERVICE
from canary.rollout.model import Truth
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import Manifest, ObjectRef
from tests.builders import ref
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime

PRIMARY = ref(DEPLOYMENT, "checkout-primary")
CANARY_SERVICE = ref(SERVICE, "checkout-canary")
ROUTE = ref(VIRTUAL_SERVICE)


def split(stage: Stage, primary: int) -> Mapping[str, Any]:
    entry = stage.cluster.now(ROUTE)["spec"]["http"][0]
    route = [{**one, "weight": weight} for one, weight in zip(entry["route"], (primary, 100 - primary), strict=True)]
    return {"spec": {"http": [{**entry, "route": route}]}}


def other_image(_: Stage) -> Mapping[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image("6.6")}]}}}}


EDITS: dict[str, tuple[ObjectRef, Callable[[Stage], Mapping[str, Any]]]] = {
    "the size of the primary": (PRIMARY, lambda _: {"spec": {"replicas": 1}}),
    "the image of the primary": (PRIMARY, other_image),
    "the strategy of the primary": (
        PRIMARY,
        lambda _: {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}},
    ),
    "a label of the primary": (PRIMARY, lambda _: {"metadata": {"labels": {"canary.delivery/revision": "none"}}}),
    "a port of the canary Service": (CANARY_SERVICE, lambda _: {"spec": {"ports": [{"name": "http", "port": 81}]}}),
    "the split": (ROUTE, lambda stage: split(stage, 70)),
    "the host of the route": (ROUTE, lambda _: {"spec": {"hosts": ["elsewhere"]}}),
}


def content(manifest: Manifest) -> tuple[Any, ...]:
    metadata = manifest["metadata"]
    return manifest["spec"], metadata.get("labels"), metadata.get("finalizers")


@pytest.mark.parametrize("what", EDITS)
async def test_an_edit_is_put_back_at_once_and_told_with_who_made_it(stage: Stage, what: str) -> None:
    of, patch = EDITS[what]
    await stage.onboarded()
    await stage.pushed("2.0")
    await stage.rest(1)
    stage.forget()
    before = content(stage.cluster.now(of))
    with stage.watch.blind():
        stage.cluster.edit(of, patch(stage), "mallory")
        await stage.until(lambda: content(stage.cluster.now(of)) == before, within=1)
    await stage.rest(1)
    assert stage.reasons[:1] == ["DriftRepaired"]
    assert f"{of} was edited by mallory" in stage.told.notes[0].text


async def test_a_finalizer_that_somebody_takes_away_comes_back(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.edit(PRIMARY, {"metadata": {"finalizers": None}}, "mallory")
    await stage.until(lambda: stage.primary["metadata"].get("finalizers") == ["canary.delivery/primary"], within=1)
    await stage.rest(1)
    assert "was edited by somebody" in stage.told.notes[0].text  # no managedFields entry tells who removed a field


async def test_a_canary_service_that_is_pinned_elsewhere_gets_no_traffic_until_it_is_put_back(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    with stage.watch.blind():
        stage.cluster.edit(CANARY_SERVICE, {"spec": {"selector": {"pod-template-hash": "666"}}}, "mallory")
        await stage.until(lambda: stage.weight == 0, within=1)
        await stage.until_weight(20)
    assert "DriftRepaired" in stage.reasons
    await stage.until_serving("2.0")


async def test_what_the_controller_changes_itself_is_no_edit(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    stage.canary_traffic(bad=0.5)
    stage.push("3.0")
    await stage.until_phase(Phase.FAILED)
    assert "DriftRepaired" not in stage.reasons


async def keep_editing(stage: Stage, times: int) -> None:
    for _ in range(times):
        stage.cluster.edit(ROUTE, split(stage, 70), "mallory")
        await stage.rest(1)


async def test_ten_edits_in_a_minute_end_the_fight_and_are_named(stage: Stage) -> None:
    await stage.onboarded()
    with stage.watch.blind():
        await keep_editing(stage, 12)
        assert stage.weight == 30
        stage.client.requests.clear()
        await stage.rest(30)
        assert stage.client.requests.writes == 0
    ready = stage.ready_condition
    assert (ready.status, ready.reason) == (Truth.FALSE, "ObjectContested")
    assert "by mallory" in ready.message
    assert stage.reasons.count("DriftRepaired") == 9
    assert [note.reason for note in stage.told.notes] == ["DriftRepaired", "ObjectContested"]


async def test_edits_that_are_no_fight_are_all_put_back_but_only_some_are_an_event_each(stage: Stage) -> None:
    await stage.onboarded()
    with stage.watch.blind():
        for _ in range(70):  # eight a minute
            stage.cluster.edit(ROUTE, split(stage, 70), "mallory")
            await stage.until(lambda: stage.weight == 0, within=2)
            await stage.rest(7.5)
        assert stage.reasons.count("DriftRepaired") == EVENTS
        await stage.rest(3600)
        stage.cluster.edit(ROUTE, split(stage, 70), "mallory")
        await stage.rest(1)
    assert stage.reasons.count("DriftRepaired") == EVENTS + 1
    assert [note.reason for note in stage.told.notes] == ["DriftRepaired", "DriftRepaired"]
    assert stage.told.notes[1].text.endswith(f"; so it was {70 - EVENTS} more times since this was last told")


async def test_an_object_is_put_back_when_nobody_has_edited_it_for_a_minute(stage: Stage) -> None:
    await stage.onboarded()
    with stage.watch.blind():
        await keep_editing(stage, 30)
        assert stage.weight == 30
        await stage.until(lambda: stage.weight == 0, within=61)
    await stage.until(lambda: stage.ready_condition.status is Truth.TRUE, within=5)


async def test_a_fight_that_the_other_side_ends_costs_no_pass_any_more(stage: Stage) -> None:
    await stage.onboarded()
    with stage.watch.blind():
        await keep_editing(stage, 12)
        stage.cluster.edit(ROUTE, split(stage, 100), "mallory")
    await stage.until(lambda: stage.ready_condition.status is Truth.TRUE, within=70)
    await stage.rest(5)
    stage.logs.clear()
    await stage.rest(600)
    assert [entry["event"] for entry in stage.logs] == []


async def test_a_rollback_is_written_into_a_route_that_somebody_keeps_editing(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    with stage.watch.blind():
        await keep_editing(stage, 12)
        stage.command("abort")
        await stage.until(lambda: stage.weight == 0, within=1)
    await stage.until_phase(Phase.FAILED)


@pytest.mark.parametrize("of", [ROUTE, CANARY_SERVICE], ids=["the route", "the canary Service"])
async def test_an_object_that_is_deleted_again_and_again_is_let_be_for_a_minute(stage: Stage, of: ObjectRef) -> None:
    await stage.onboarded()
    for _ in range(10):
        await stage.until(lambda: stage.cluster.store.get(of) is not None, within=1)
        stage.cluster.remove(of)
        await stage.rest(1)
    assert stage.cluster.store.get(of) is None
    await stage.until(lambda: stage.cluster.store.get(of) is not None, within=61)


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PROMOTING])
async def test_a_stored_revision_that_somebody_deletes_is_stored_again(stage: Stage, phase: Phase) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(phase)
    await stage.until(lambda: len(stage.cluster.list(CONTROLLER_REVISION)) == 2)
    for one in stage.cluster.list(CONTROLLER_REVISION):
        stage.cluster.remove(ObjectRef(CONTROLLER_REVISION, "shop", one["metadata"]["name"]))
    await stage.until_serving("2.0")
    assert stage.history == [("2.0", "promoted")]
