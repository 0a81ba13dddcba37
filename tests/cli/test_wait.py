"""`canary wait`: what it prints and its exit status, against a server whose objects change while it waits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from canary.controller.revisions import digest
from canary.rollout.model import Revision, Status
from canary.rollout.phases import Phase
from canary.spec.status import status_to_json
from tests.builders import JSON, canary, deployment, settings
from tests.cli.shell import Ended, run
from tests.cli.watched_api import WatchedApi, watched_api

LONGEST_START_S = 60.0
OLD, NEW = Revision(digest="old", pin="5d9c7b"), Revision(digest="new", pin="7f8a6c")
STATUS = Status(
    phase=Phase.PROGRESSING, weight=20, stable=OLD, revision=NEW, target_generation=3, message="Step 1 of 2",
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def api(tmp_path: Path) -> Iterator[WatchedApi]:
    with watched_api(tmp_path) as serving:
        yield serving


def pushed() -> tuple[JSON, Revision]:
    """A Deployment of generation 3, and the revision that it is."""
    made = deployment(annotations=settings(enabled="true"))
    made["metadata"]["generation"] = 3
    return made, replace(NEW, digest=digest(made["spec"]["template"]))


def at(status: Status) -> JSON:
    return {**canary(), "status": status_to_json(status)}


def waited(api: WatchedApi, then: Callable[[], None], *words: object) -> Ended:
    """Run the command, and `then` a moment after it began to follow the server."""

    def later() -> None:
        api.followed.wait(LONGEST_START_S)
        time.sleep(0.5)
        then()

    people = threading.Thread(target=later)
    people.start()
    try:
        return run("wait", "checkout", *words, "--kubeconfig", api.kubeconfig)
    finally:
        people.join()


def test_progress_is_told_and_then_the_promotion(api: WatchedApi) -> None:
    target, revision = pushed()
    going = replace(STATUS, revision=revision)
    over = replace(
        going, phase=Phase.SUCCEEDED, stable=revision, weight=0, message="Promoted 7f8a6c: all 2 steps passed"
    )
    api.hold(target, at(going))
    assert waited(api, lambda: api.hold(at(over))) == Ended(
        status=0,
        out="Progressing, 20 %: Step 1 of 2\n"
        "shop/checkout: promoted: 7f8a6c serves: Promoted 7f8a6c: all 2 steps passed\n",
    )


def test_an_end_without_promotion_is_exit_status_1(api: WatchedApi) -> None:
    target, revision = pushed()
    going = replace(STATUS, revision=revision)
    api.hold(target, at(going))
    failed = replace(going, phase=Phase.FAILED, weight=0, message="Rolled back 7f8a6c: failing fast")
    ended = waited(api, lambda: api.hold(at(failed)), "-o", "json")
    assert (ended.status, json.loads(ended.out)) == (
        1,
        {
            "namespace": "shop",
            "name": "checkout",
            "result": "ended",
            "revision": "7f8a6c",
            "message": "Rolled back 7f8a6c: failing fast",
        },
    )


def test_time_that_is_up_is_exit_status_3(api: WatchedApi) -> None:
    target, revision = pushed()
    api.hold(target, at(replace(STATUS, revision=revision)))
    ended = run("wait", "checkout", "--timeout", "1s", "--kubeconfig", api.kubeconfig)
    assert (ended.status, ended.out.splitlines()[-1]) == (
        3,
        "shop/checkout: time is up: Progressing, 20 %: Step 1 of 2",
    )


def test_a_canary_that_is_deleted_ends_the_wait(api: WatchedApi) -> None:
    target, revision = pushed()
    here = at(replace(STATUS, revision=revision))
    api.hold(target, here)
    ended = waited(api, lambda: api.drop(here))
    assert (ended.status, ended.out.splitlines()[-1]) == (1, "shop/checkout: not promoted: the Canary is gone")


def test_a_deployment_that_is_opted_in_is_waited_for_before_there_is_a_canary(api: WatchedApi) -> None:
    target, revision = pushed()
    api.hold(target)
    first = Status(phase=Phase.INITIALIZED, stable=revision, target_generation=3, message="7f8a6c serves all traffic")
    ended = waited(api, lambda: api.hold(at(first)))
    assert (ended.status, ended.out.splitlines()[0]) == (0, "there is no Canary yet")


def test_a_name_that_is_not_there_is_told_at_once(api: WatchedApi) -> None:
    ended = run("wait", "chekout", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(
        status=1, out="", error="there is no Canary shop/chekout: namespace shop has none; -n names another"
    )


@pytest.mark.parametrize(
    "words", [(), ("checkout", "--revision", "a", "--image", "b"), ("checkout", "--timeout", "soon"), ("a/b",)]
)
def test_wrong_usage_is_exit_status_2(words: tuple[str, ...]) -> None:
    assert run("wait", *words).status == 2
