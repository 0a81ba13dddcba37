"""A planted secret is found however it is sent."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.faults.planted import USER, Planted

PLANTED = Planted.drawn(1)


@pytest.mark.parametrize(
    "said",
    [
        PLANTED.of_pods,
        f"url https://user:{PLANTED.of_pods}@vault.example.com/",
        b64encode(PLANTED.of_pods.encode()).decode(),
        f"Bearer {PLANTED.slack_token}",
        f"Basic {b64encode(f'{USER}:{PLANTED.prometheus}'.encode()).decode()}",
        PLANTED.prometheus,
    ],
)
def test_what_is_said_of_a_secret_is_found_where_it_is_said(said: str) -> None:
    assert PLANTED.shown_in({"the log": f"x {said} y", "Events": "nothing", "metrics": "hunter2"}) == ["the log"]


def test_prometheus_is_shown_a_token_or_a_password_by_the_seed() -> None:
    assert [Planted.drawn(seed).by_password for seed in range(4)] == [False, True, False, True]
    assert "CANARY_PROMETHEUS_PASSWORD" in PLANTED.environment
    assert "CANARY_PROMETHEUS_PASSWORD" not in Planted.drawn(0).environment
