"""Copies of frozen values are those that the standard library makes."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from canary.rollout import model, situation
from canary.rollout.model import Memory, Revision, Status
from canary.rollout.values import replace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REVISION = Revision(digest="abc", restarted_at="", pin="5d9", image="shop:1.0")
CLASSES = sorted(
    {
        kind
        for module in (model, situation)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(kind) and len(dataclasses.fields(kind)) > 1
    },
    key=lambda kind: kind.__name__,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("nothing between them")


@dataclass(frozen=True, slots=True)
class Counted:
    name: str
    letters: int = field(init=False, default=0)


@dataclass
class Loose:
    one: int
    two: int = 2


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_each_value_of_the_rules_is_copied_with_any_one_field_changed(kind: type) -> None:
    parts = dataclasses.fields(kind)
    checked = hasattr(kind, "__post_init__")
    value = object.__new__(kind) if checked else kind(**{part.name: f"old {part.name}" for part in parts})
    for part in parts if not checked else ():
        changed = replace(value, **{part.name: "new"})
        assert changed == dataclasses.replace(value, **{part.name: "new"})
        assert type(changed) is kind
        assert getattr(value, part.name) == f"old {part.name}"


def test_several_fields_change_together_and_the_rest_is_shared() -> None:
    before = Status(revision=REVISION, memory=Memory(why="because"))
    after = replace(before, weight=20, started_at=NOW)
    assert after == dataclasses.replace(before, weight=20, started_at=NOW)
    assert after.memory is before.memory
    assert hash(REVISION) == hash(replace(REVISION, pin="5d9"))


def test_a_value_is_its_own_copy_when_nothing_differs() -> None:
    status = Status(revision=REVISION)
    assert replace(status, revision=REVISION, weight=0) is status
    assert replace(status) is status


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="Status has no field 'wait'"):
        replace(Status(), weight=5, wait=3)
    with pytest.raises(TypeError):
        replace(5, real=3)


def test_what_checks_its_fields_checks_them_anew() -> None:
    assert replace(Checked(low=1, high=3), low=2) == Checked(low=2, high=3)
    with pytest.raises(ValueError, match="nothing between"):
        replace(Checked(low=1, high=3), low=4)


def test_what_has_no_slots_or_computes_fields_is_made_as_usual() -> None:
    assert replace(Loose(one=1), two=3) == Loose(one=1, two=3)
    assert replace(Counted("a"), name="b") == Counted("b")
