"""The metrics of a controller at work, compared with what the rollouts did."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.phases import Phase
from tests.builders import ref
from tests.scenarios.stage import Stage
from tests.telemetry.scraped import Page, scrape

pytestmark = pytest.mark.looptime

NONE_ENDED = {"promoted": 0, "rolled_back": 0, "reverted": 0, "superseded": 0}
NO_VERDICTS = {"passed": 0, "failed": 0, "thin": 0, "no-data": 0, "error": 0, "environment": 0}


def page(stage: Stage) -> Page:
    return scrape(stage.controllers[-1].telemetry)


def phases_of(page: Page) -> list[str]:
    """The phases whose series are 1; all nine are there."""
    states = page.by("canary_phase", "phase")
    assert set(states) == set(Phase)
    return [phase for phase, value in states.items() if value == 1]


async def test_a_promotion_is_counted_with_its_duration_and_its_verdicts(stage: Stage) -> None:
    await stage.onboarded()
    assert page(stage).by("canary_rollouts_total", "outcome") == NONE_ENDED
    await stage.pushed("2.0", 50)
    middle = page(stage)
    assert phases_of(middle) == ["Progressing"]
    assert middle.one("canary_weight_ratio", namespace="shop", canary="checkout") == 0.5
    assert stage.status.started_at is not None
    assert middle.one("canary_rollout_started_timestamp_seconds") == stage.status.started_at.timestamp()
    await stage.until_phase(Phase.SUCCEEDED)

    after = page(stage)
    [past] = stage.status.history
    assert phases_of(after) == ["Succeeded"]
    assert after.by("canary_rollouts_total", "outcome") == NONE_ENDED | {"promoted": 1}
    assert after.one("canary_rollout_duration_seconds_count", outcome="promoted") == 1
    seconds = (past.ended_at - past.started_at).total_seconds()
    assert after.one("canary_rollout_duration_seconds_sum", outcome="promoted") == seconds
    assert after.one("canary_weight_ratio") == 0
    assert after.one("canary_observed_weight_ratio") == 0
    assert after.one("canary_ready") == 1
    assert after.one("canary_rollout_started_timestamp_seconds") is None
    verdicts = after.by("canary_check_verdicts_total", "verdict", check="success-rate")
    assert verdicts == NO_VERDICTS | {"passed": 2}
    assert stage.status.last_transition_at is not None
    assert after.one("canary_last_transition_timestamp_seconds") == stage.status.last_transition_at.timestamp()


async def test_a_rollback_shows_how_far_the_check_was_over_its_limit(stage: Stage) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=0.03)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)

    after = page(stage)
    assert phases_of(after) == ["Failed"]
    assert after.by("canary_rollouts_total", "outcome") == NONE_ENDED | {"rolled_back": 1}
    assert after.by("canary_check_verdicts_total", "verdict") == NO_VERDICTS | {"failed": 3}
    assert after.one("canary_failed_evaluations") == 3
    assert after.one("canary_check_value", check="success-rate") == pytest.approx(97)
    assert after.one("canary_check_limit", check="success-rate") == 99
    assert after.one("canary_check_margin", check="success-rate") == pytest.approx(-2)


async def test_a_newer_leader_counts_nothing_that_ended_before(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    stage.controllers[-1].kill()
    stage.start()
    await stage.rest(5)
    assert page(stage).by("canary_rollouts_total", "outcome") == NONE_ENDED
    assert page(stage).by("canary_check_verdicts_total", "verdict") == NO_VERDICTS


async def test_a_canary_that_left_has_no_series(stage: Stage) -> None:
    await stage.onboarded()
    assert page(stage).of_canaries() == {("shop", "checkout")}
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None)
    await stage.rest(5)
    assert page(stage).of_canaries() == set()


async def test_who_stops_leading_shows_no_canary_and_no_queue(stage: Stage) -> None:
    await stage.onboarded()
    last = stage.controllers[-1]
    assert set(scrape(last.telemetry).by("canary_queue_depth", "queue")) == {"passes", "shims", "asks", "tells"}
    last.task.cancel()
    await stage.rest(1)
    left = scrape(last.telemetry)
    assert left.of_canaries() == set()
    assert left.by("canary_queue_depth", "queue") == {}
    assert left.one("canary_leader") == 0


async def test_passes_are_timed_and_their_errors_counted_by_kind(stage: Stage) -> None:
    await stage.onboarded()
    before = page(stage).one("canary_pass_duration_seconds_count", queue="passes")
    stage.cluster.edit(ref(DEPLOYMENT), {"metadata": {"labels": {"team": "payments"}}})
    await stage.rest(5)
    after = page(stage)
    assert before is not None
    assert (after.one("canary_pass_duration_seconds_count", queue="passes") or 0) > before
    assert after.one("canary_pass_errors_total", queue="passes", error="bug") == 0


async def test_a_status_that_cannot_be_read_is_not_ready_and_shows_no_weight(stage: Stage) -> None:
    await stage.onboarded()
    live = stage.cluster.now(ref(CANARY))
    broken = {"status": {**live["status"], "memory": {"step": "x"}}}
    stage.cluster.edit(ref(CANARY), broken, subresource="status")
    await stage.rest(5)
    assert page(stage).one("canary_ready") == 0
    assert page(stage).one("canary_weight_ratio") is None
