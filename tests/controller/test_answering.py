"""When a command is answered: at once, unless somebody's first pass would wait for it, and then one pass later."""

from __future__ import annotations

from canary.controller.answering import is_answered_now
from canary.rollout.model import Decision, Memory, Status, Wanted

BEFORE = Status()
OBEYED = Status(memory=Memory(pending="abort"))


def decided(after: Status, *, drop_command: bool = True) -> Decision:
    return Decision(status=after, weight=0, wanted=Wanted(), because="aborted", drop_command=drop_command)


def test_a_command_is_answered_with_the_pass_that_obeys_it() -> None:
    assert is_answered_now(BEFORE, decided(OBEYED), lambda: False)


def test_a_command_waits_while_canaries_wait_for_their_pass() -> None:
    assert not is_answered_now(BEFORE, decided(OBEYED), lambda: True)


def test_a_command_waits_for_one_pass_and_no_longer() -> None:
    assert is_answered_now(OBEYED, decided(OBEYED), lambda: True)


def test_where_no_command_is_none_is_answered() -> None:
    assert not is_answered_now(BEFORE, decided(OBEYED, drop_command=False), lambda: False)
