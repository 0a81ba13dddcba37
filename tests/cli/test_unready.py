"""Whoever waits for a Canary, watches it or lists it is told the fault that keeps it from working."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from canary.cli.unready import with_fault, with_fault_as_stored
from canary.cli.watch_view import line
from canary.rollout.model import Condition, Status, Truth
from canary.rollout.phases import Phase
from canary.spec.status import status_to_json
from tests.builders import canary
from tests.cli.shell import run
from tests.cli.test_wait import at, pushed
from tests.cli.test_watch import NOW, drawn, seen
from tests.cli.watched_api import watched_api

FAULT = 'canary.delivery/steps: found "50,10", allowed is weights that rise'
TOLD = f"Waits: suspended; InvalidSpec: {FAULT}"


def unready(message: str = FAULT, truth: Truth = Truth.FALSE) -> Status:
    ready = Condition(type="Ready", status=truth, reason="InvalidSpec", message=message, since=NOW)
    return Status(phase=Phase.INITIALIZING, message="Waits: suspended", conditions=(ready,))


def test_a_wait_names_the_fault(tmp_path: Path) -> None:
    with watched_api(tmp_path) as api:
        api.hold(pushed()[0], at(unready()))
        ended = run("wait", "checkout", "--timeout", "1s", "--kubeconfig", api.kubeconfig)
    assert ended.status == 3
    assert f"Initializing, 0 %: {TOLD}; generation 3 is not taken up yet" in ended.out.splitlines()


def test_a_watch_names_the_fault_on_the_screen_and_in_lines() -> None:
    assert TOLD in " ".join(drawn(seen(unready()), 200).split())
    assert line(seen(unready())) == f"Initializing, 0 %: {TOLD}"


def test_a_list_names_the_fault(tmp_path: Path) -> None:
    with watched_api(tmp_path) as api:
        api.hold({**canary(), "status": status_to_json(unready())})
        ended = run("status", "--kubeconfig", api.kubeconfig)
    assert TOLD in ended.out


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (unready(), TOLD),
        (replace(unready(), message=""), f"InvalidSpec: {FAULT}"),
        (unready(message="suspended"), "Waits: suspended"),
        (unready(truth=Truth.TRUE), "Waits: suspended"),
        (Status(message="Step 1 of 2"), "Step 1 of 2"),
    ],
)
def test_it_is_told_once_and_only_where_there_is_one(status: Status, told: str) -> None:
    assert with_fault(status) == told
    assert with_fault_as_stored(status_to_json(status)) == told
