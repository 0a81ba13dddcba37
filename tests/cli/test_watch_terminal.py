"""`canary watch` as a process in a terminal: the full screen, other sizes, and how the terminal is given back."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from canary.rollout.phases import Phase
from canary.spec.status import status_to_json
from tests.builders import canary, deployment, settings
from tests.cli.process import command, environment
from tests.cli.terminal import AS_BEFORE, CTRL_C, FULL_SCREEN, HOME, Terminal, terminal
from tests.cli.test_watch import EVENTS, PODS, STATUS
from tests.cli.watched_api import WatchedApi, watched_api

CURSOR_IS_BACK, CURSOR_IS_HIDDEN = "\x1b[?25h", "\x1b[?25l"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[WatchedApi]:
    with watched_api(tmp_path) as serving:
        target = deployment(annotations=settings(enabled="true"))
        target["metadata"]["generation"] = 3
        serving.hold(
            target,
            {**canary(), "status": status_to_json(STATUS)},
            *PODS,
            *EVENTS,
        )
        yield serving


@contextmanager
def watching(api: WatchedApi, *flags: str, lines: int = 40, columns: int = 100) -> Iterator[Terminal]:
    words = command("watch", "checkout", "--kubeconfig", api.kubeconfig, *flags)
    more = {"TERM": "xterm-256color", "NO_COLOR": "1"}
    given = {name: value for name, value in environment(api.folder, more).items() if name != "COLUMNS"}
    with terminal(words, given, api.folder, lines=lines, columns=columns) as it:
        yield it


def pictures(written: str) -> list[list[str]]:
    """The lines of each picture that was drawn on the full screen."""
    full = written.partition(FULL_SCREEN)[2].partition(AS_BEFORE)[0]
    return [ESCAPES.sub("", each).replace("\r", "").split("\n") for each in full.split(HOME)[1:]]


def left_behind(written: str) -> str:
    """What stands in the terminal once the full screen is gone."""
    return ESCAPES.sub("", written.rpartition(AS_BEFORE)[2])


def shows(written: str, text: str) -> bool:
    return any(text in line for picture in pictures(written) for line in picture)


def test_ctrl_c_gives_the_terminal_back_with_the_last_picture_and_ends_with_130(api: WatchedApi) -> None:
    with watching(api) as it:
        it.until(lambda written: shows(written, "CheckFailed: 98.5 %"))
        it.press(CTRL_C)
        status = it.ended()
        assert (status, it.written.count(FULL_SCREEN), it.written.count(AS_BEFORE)) == (130, 1, 1)
        assert it.written.rfind(CURSOR_IS_BACK) > it.written.rfind(CURSOR_IS_HIDDEN)
        assert "shop/checkout  Progressing" in left_behind(it.written)
        assert "Traceback" not in it.written


def test_sigterm_gives_the_terminal_back_too_and_ends_with_143(api: WatchedApi) -> None:
    with watching(api) as it:
        it.until(lambda written: shows(written, "CheckFailed: 98.5 %"))
        it.process.send_signal(signal.SIGTERM)
        assert (it.ended(), it.written.count(AS_BEFORE)) == (143, 1)
        assert "Traceback" not in it.written


def test_in_a_terminal_that_becomes_short_and_narrow_what_matters_most_stays(api: WatchedApi) -> None:
    with watching(api) as it:
        it.until(lambda written: shows(written, "CheckFailed: 98.5 %"))
        it.resize(8, 40)
        seen = len(pictures(it.written))
        it.until(lambda written: len(pictures(written)) > seen + 2)
        last = pictures(it.written)[-2]
        assert (len(last) <= 8, max(map(len, last)) <= 40) == (True, True), last
        assert last[0].startswith("shop/checkout  Progressing")
        assert not any("CheckFailed" in line for line in last)
        it.resize(40, 100)
        it.until(lambda written: any("CheckFailed" in line for line in pictures(written)[-2]))
        it.press(CTRL_C)
        assert it.ended() == 130


def test_the_end_of_the_rollout_ends_it_with_its_exit_status(api: WatchedApi) -> None:
    with watching(api, "--until-done") as it:
        it.until(lambda written: shows(written, "Progressing"))
        over = replace(STATUS, phase=Phase.FAILED, weight=0, message="Rolled back 7f8a6c", target_generation=3)
        api.hold({**canary(), "status": status_to_json(over)})
        assert it.ended() == 1
        assert "Rolled back 7f8a6c" in left_behind(it.written)


def test_a_name_that_is_not_there_never_takes_the_screen(api: WatchedApi) -> None:
    words = command("watch", "chekout", "--kubeconfig", api.kubeconfig)
    with terminal(words, environment(api.folder), api.folder, lines=20, columns=100) as it:
        assert it.ended() == 1
        assert (FULL_SCREEN in it.written, "there is no Canary shop/chekout" in it.written) == (False, True)
