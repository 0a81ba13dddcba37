"""The status survives being stored: nothing that the rules remember is lost, and no foreign status is guessed at."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import ConfigError
from canary.rollout.model import Status
from canary.spec.status import NewerStatus, status_from_json, status_to_json

TIMES = st.datetimes(timezones=st.just(UTC))
SHORT = st.text(max_size=20)
for kind, strategy in ((datetime, TIMES), (str, SHORT)):
    st.register_type_strategy(kind, strategy)
STATUSES = st.from_type(Status).map(lambda status: replace(status, version=1))


@given(STATUSES)
def test_a_stored_status_reads_back_equal(status: Status) -> None:
    assert status_from_json(json.loads(json.dumps(status_to_json(status)))) == status


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
