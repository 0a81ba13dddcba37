"""What counts as the echo of a pass's own write of the status, and whom it wakes."""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.due import Key
from canary.controller.echoes import Echoes
from canary.ports import CANARY, Change, Watched
from meshes.contract import Manifest
from tests.builders import canary, ref

KEY: Key = ("shop", "checkout")
WRITTEN = {"phase": "Progressing", "weight": 20}


def live(**metadata: Any) -> Manifest:
    """The Canary as a pass read it, or with other metadata."""
    made = canary()
    return {
        **made,
        "metadata": {**made["metadata"], "uid": "1", "resourceVersion": "7", "generation": 1, **metadata},
        "status": {"phase": "Initialized", "weight": 0},
    }


def told(manifest: Manifest, change: Change = Change.MODIFIED) -> Watched:
    return Watched(change=change, ref=ref(CANARY), manifest=manifest)


def as_written(**more: Any) -> Watched:
    """The event of the write: nothing but the status, the version and who wrote differ."""
    written = live(resourceVersion="8", managedFields=[{"manager": "canary-controller", "subresource": "status"}])
    return told({**written, "status": WRITTEN, **more})


class Woken(list[Key]):
    """Who was woken, and the echoes that are expected while a status is being written."""

    def __init__(self) -> None:
        super().__init__()
        self.echoes = Echoes(wake=lambda key, _: self.append(key))
        self.echoes.expect(KEY, live(), WRITTEN)


def test_a_needless_echo_wakes_nobody_whether_it_comes_before_the_end_of_the_pass_or_after_it() -> None:
    woken = Woken()
    assert woken.echoes.is_echo(KEY, as_written())
    woken.echoes.needless(KEY)
    woken.echoes.ended(KEY)
    woken.echoes.expect(KEY, live(), WRITTEN)
    woken.echoes.needless(KEY)
    woken.echoes.ended(KEY)
    assert woken.echoes.is_echo(KEY, as_written())
    assert woken == []


def test_an_echo_that_leads_on_wakes_its_canary_once_its_pass_has_ended() -> None:
    woken = Woken()
    assert woken.echoes.is_echo(KEY, as_written())
    assert woken == []
    woken.echoes.ended(KEY)
    assert woken == [KEY]


def test_an_echo_that_leads_on_and_comes_late_is_news() -> None:
    woken = Woken()
    woken.echoes.ended(KEY)
    assert not woken.echoes.is_echo(KEY, as_written())


def test_a_late_echo_is_passed_over_once() -> None:
    woken = Woken()
    woken.echoes.needless(KEY)
    woken.echoes.ended(KEY)
    assert [woken.echoes.is_echo(KEY, as_written()) for _ in range(2)] == [True, False]


def test_the_next_pass_expects_no_echo_of_the_one_before() -> None:
    woken = Woken()
    woken.echoes.needless(KEY)
    woken.echoes.ended(KEY)
    woken.echoes.ended(KEY)
    assert not woken.echoes.is_echo(KEY, as_written())


@pytest.mark.parametrize(
    "event",
    [
        told({**live(resourceVersion="8", annotations={"canary.delivery/command": "abort"}), "status": WRITTEN}),
        told({**live(resourceVersion="8", deletionTimestamp="2026-01-01T00:00:00Z"), "status": WRITTEN}),
        told({**live(resourceVersion="8", generation=2), "status": WRITTEN}),
        as_written(spec={}),
        as_written(status={**WRITTEN, "weight": 50}),
        as_written(status={**WRITTEN, "note": "of somebody else"}),
        told(as_written().manifest, Change.DELETED),
        told(as_written().manifest, Change.ADDED),
    ],
    ids=["command", "leaving", "generation", "spec", "other status", "more status", "gone", "came anew"],
)
def test_whatever_else_an_event_tells_is_news(event: Watched) -> None:
    woken = Woken()
    assert not woken.echoes.is_echo(KEY, event)


def test_nothing_is_expected_of_a_canary_that_is_gone_or_whose_status_nobody_writes() -> None:
    woken = Woken()
    assert not woken.echoes.is_echo(("shop", "cart"), as_written())
    woken.echoes.forget(KEY)
    assert not woken.echoes.is_echo(KEY, as_written())
