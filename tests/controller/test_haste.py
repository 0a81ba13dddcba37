"""How much of a hurry a change is: for what goes wrong with a pod first of all."""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.haste import Haste, haste_of
from canary.ports import DEPLOYMENT, POD, Change, Watched
from meshes.contract import Manifest
from tests.builders import deployment, ref

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


def test_a_new_template_is_news_but_for_one_that_is_seen_for_the_first_time_or_our_own() -> None:
    old, new = deployment("a", image="registry.example/app:1.0"), deployment("a", image="registry.example/app:2.0")
    told = Watched(change=Change.MODIFIED, ref=ref(DEPLOYMENT, "a"), manifest=new)
    assert haste_of(told, old) is Haste.NEWS
    assert haste_of(told, None) is Haste.REST
    ours = {**new, "metadata": {**new["metadata"], "labels": {"canary.delivery/target": "a"}}}
    assert haste_of(Watched(change=Change.MODIFIED, ref=ref(DEPLOYMENT, "a"), manifest=ours), old) is Haste.REST
