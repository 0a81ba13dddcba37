"""The status survives being stored: nothing that the rules remember is lost, and no foreign status is guessed at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import ConfigError
from canary.rollout.model import Memory, Status
from canary.sandbox.merge import without_nulls
from canary.spec.status import NewerStatus, status_from_json, status_to_json

TIMES = st.datetimes(timezones=st.just(UTC))
SHORT = st.text(max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(min_value=-(2**63), max_value=2**63 - 1)
"""An API server keeps no larger ones."""
BASE: dict[Any, st.SearchStrategy[Any]] = {datetime: TIMES, str: SHORT, float: FINITE, int: WHOLE}


def _part(kind: type, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Build a dataclass of the model; what a field may hold follows from its type."""
    hints = get_type_hints(kind)
    chosen = {field.name: known.get(field.name) for field in fields(kind)}
    return st.builds(kind, **{name: _typed(hints[name]) if one is None else one for name, one in chosen.items()})


def _typed(hint: Any) -> st.SearchStrategy[Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if hint in BASE:
        return BASE[hint]
    if origin is tuple:
        return st.lists(_typed(inner[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(_typed(inner[0]), _typed(inner[1]), max_size=3)
    if origin is UnionType:
        return st.one_of([_typed(one) for one in inner])
    return _part(hint) if is_dataclass(hint) and isinstance(hint, type) else st.from_type(hint)


STATUSES = _part(Status, version=st.just(1), memory=_part(Memory))


@given(STATUSES)
def test_a_stored_status_reads_back_equal(status: Status) -> None:
    assert status_from_json(json.loads(json.dumps(status_to_json(status)))) == status


@given(STATUSES)
def test_a_status_has_no_null_which_an_api_server_would_drop(status: Status) -> None:
    stored = status_to_json(status)
    assert without_nulls(stored) == stored


def test_no_status_is_the_first_status() -> None:
    assert status_from_json(None) == status_from_json({}) == Status()


def test_equal_statuses_give_equal_json() -> None:
    assert status_to_json(Status(weight=5)) == status_to_json(Status(weight=5))


def test_a_newer_controllers_status_is_not_read() -> None:
    with pytest.raises(NewerStatus, match="version 2, written by a newer controller"):
        status_from_json({**status_to_json(Status()), "version": 2})


@pytest.mark.parametrize("broken", [{"phase": "Failed"}, {"memory": 3}, {"memory": {"weight": "much"}}])
def test_a_status_that_cannot_be_read_says_so(broken: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="the status cannot be read"):
        status_from_json(broken)
