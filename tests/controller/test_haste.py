"""How much of a hurry a change is: for what goes wrong with a pod first of all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from canary.controller.haste import Haste, haste_of, of_version
from canary.ports import CANARY, DEPLOYMENT, POD, Change, Watched
from meshes.contract import Manifest
from tests.builders import canary, deployment, ref

READY, UNREADY = ({"conditions": [{"type": "Ready", "status": told}]} for told in ("True", "False"))


def pod(status: dict[str, Any], restarts: int = 0, waits: str = "", **metadata: Any) -> Manifest:
    state = {"waiting": {"reason": waits}} if waits else {"running": {}}
    of_app = {"name": "app", "restartCount": restarts, "state": state}
    return {"metadata": {"name": "a", **metadata}, "status": {**status, "containerStatuses": [of_app]}}


def haste(before: Manifest | None, after: Manifest) -> Haste:
    return haste_of(Watched(change=Change.MODIFIED, ref=ref(POD, "a"), manifest=after), before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pod(READY), pod(UNREADY)),
        (pod(UNREADY), pod(UNREADY, restarts=1)),
        (pod(UNREADY, restarts=1), pod(UNREADY, restarts=1, waits="CrashLoopBackOff")),
        (pod(UNREADY, waits="ContainerCreating"), pod(UNREADY, waits="ErrImagePull")),
    ],
    ids=["not ready", "restarted", "crash loop", "no image"],
)
def test_a_pod_that_fails_comes_first(before: Manifest, after: Manifest) -> None:
    assert haste(before, after) is Haste.FIRST


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, pod(UNREADY, restarts=3, waits="CrashLoopBackOff")),
        (pod(UNREADY), pod(READY)),
        (pod(UNREADY, restarts=1, waits="CrashLoopBackOff"), pod(READY, restarts=1)),
        (pod(UNREADY, waits="CrashLoopBackOff"), pod(UNREADY, waits="CrashLoopBackOff", labels={"a": "b"})),
        (pod(READY), pod(UNREADY, restarts=1, deletionTimestamp="2026-01-01T00:00:00Z")),
    ],
    ids=["seen for the first time", "ready", "recovered", "as before", "on its way out"],
)
def test_what_else_becomes_of_a_pod_is_in_no_hurry(before: Manifest | None, after: Manifest) -> None:
    assert haste(before, after) is Haste.REST


@pytest.mark.parametrize(
    "strange",
    [
        {"metadata": {"name": "a"}, "status": {"containerStatuses": [{"restartCount": 1}]}},
        {"metadata": {"name": "a"}, "status": {"containerStatuses": [{"name": "app", "restartCount": "many"}]}},
        {"metadata": {"name": "a"}, "status": {"containerStatuses": ["app"]}},
        {"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready"}]}},
        {"metadata": {"name": "a"}, "status": "strange"},
    ],
)
def test_what_cannot_be_told_of_a_pod_is_in_a_hurry_and_no_error(strange: Manifest) -> None:
    assert haste(pod(READY), strange) is Haste.FIRST
    assert haste(strange, pod(READY)) in (Haste.FIRST, Haste.REST)


@pytest.mark.parametrize(("weight", "came"), [(20, Haste.FIRST), (0, Haste.REST)])
def test_who_has_traffic_comes_first_when_the_process_begins_and_when_its_version_is_taken_back(
    weight: int, came: Haste
) -> None:
    running = {**canary(), "status": {"weight": weight}}
    told = Watched(change=Change.ADDED, ref=ref(CANARY), manifest=running)
    assert haste_of(told, None) is came
    assert haste_of(replace(told, change=Change.MODIFIED), None) is Haste.REST
    assert of_version(Haste.NEWS, running) is (Haste.FIRST if weight else Haste.NEWS)
    assert of_version(Haste.REST, running) is Haste.REST
    assert of_version(Haste.NEWS, None) is Haste.NEWS


def test_a_new_template_is_news_but_for_one_that_is_seen_for_the_first_time_or_our_own() -> None:
    old, new = deployment("a", image="registry.example/app:1.0"), deployment("a", image="registry.example/app:2.0")
    told = Watched(change=Change.MODIFIED, ref=ref(DEPLOYMENT, "a"), manifest=new)
    assert haste_of(told, old) is Haste.NEWS
    assert haste_of(told, None) is Haste.REST
    ours = {**new, "metadata": {**new["metadata"], "labels": {"canary.delivery/target": "a"}}}
    assert haste_of(Watched(change=Change.MODIFIED, ref=ref(DEPLOYMENT, "a"), manifest=ours), old) is Haste.REST
