"""What /metrics looks like: every row of the catalogue, by the conventions of Prometheus."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from canary.errors import AlreadyExists, CanaryError, ConfigError, NotFound, Rejected, Unavailable
from canary.ports import Peer, Request
from canary.rollout.model import Check, CheckResult, Limit, Outcome, Past, Result, Status
from canary.rollout.phases import Phase
from canary.telemetry.catalogue import METRICS, Kind, Metric
from canary.telemetry.reference import reference
from canary.telemetry.telemetry import Messages, Standing, Telemetry
from tests.telemetry.scraped import Page, scrape

ROOT = Path(__file__).resolve().parents[2]
PROMTOOL = shutil.which("promtool")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORDS = ("conflict", "unavailable", "rejected", "not_found", "config", "other", "bug")
KEY = ("shop", "checkout")
RATE = Check(name="success-rate", side=Limit.MIN, limit=99)
LAG = Check(name="lag", side=Limit.MAX, limit=100)


class Line:
    """A queue of three keys, the oldest of which has waited for 2.5 s."""

    oldest_s = 2.5

    def __len__(self) -> int:
        return 3


def result(check: Check, value: float | None, at: datetime = NOW, verdict: Result = Result.PASSED) -> CheckResult:
    return CheckResult(name=check.name, value=value, limit=check.limit, requests=None, verdict=verdict, at=at)


def past(revision: str, outcome: Outcome = Outcome.PROMOTED, message: str = "") -> Past:
    return Past(
        revision=revision, image="", outcome=outcome, message=message, started_at=NOW - timedelta(minutes=5),
        ended_at=NOW, highest_weight=50,
    )  # fmt: skip


def running(*results: CheckResult, history: Sequence[Past] = ()) -> Status:
    return Status(
        phase=Phase.PROGRESSING, weight=20, observed_weight=10, started_at=NOW, last_transition_at=NOW,
        checks=results, history=tuple(history),
    )  # fmt: skip


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """One that has seen something of everything."""
    made = Telemetry()
    made.look_at_lease(lambda: Standing(leads=True, age_s=1.5, transitions=7))
    made.look_at_tasks(lambda: 12)
    made.look_at_messages(lambda: Messages(waiting=1, sent=2, refused=3, dropped=4))
    made.seen(KEY, running(), (RATE, LAG))
    made.seen(KEY, running(result(RATE, 99.5), result(LAG, 120), history=[past("a")]), (RATE, LAG))
    made.passed("passes", 0.25, None)
    made.passed("passes", 0.25, Unavailable("gone"))
    made.requested(Request(peer=Peer.KUBERNETES, verb="patch", resource="canaries", code="4xx", seconds=0.1))
    with made.leading({"passes": Line()}):
        yield made


def test_each_metric_of_the_catalogue_is_exported_with_its_type_help_and_labels(telemetry: Telemetry) -> None:
    page = scrape(telemetry)
    ours = {each.name: each for each in page.families if each.name.startswith("canary_")}
    assert set(ours) == {row.name.removesuffix("_total") for row in METRICS}
    assert [line for line in page.text.splitlines() if line.count("{") > 1] == []
    for row in METRICS:
        found = ours[row.name.removesuffix("_total")]
        assert (found.type, found.documentation) == (row.kind.value, row.doc)
        assert found.samples, row.name
        assert {frozenset(one.labels.keys() - {"le"}) for one in found.samples} == {frozenset(row.labels)}


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_a_name_follows_the_conventions(row: Metric) -> None:
    assert re.fullmatch(r"canary(_[a-z]+)+", row.name)
    assert row.name.endswith("_total") == (row.kind is Kind.COUNTER)
    assert not re.search(r"_(ms|milliseconds|minutes|hours|percent|percentage)(_|$)", row.name)
    assert not set(row.labels) & {"le", "job", "instance", "pod", "quantile"}
    assert (row.kind is Kind.HISTOGRAM) == bool(row.buckets)
    assert row.doc.endswith(".")


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool on the PATH")
def test_promtool_finds_nothing_wrong(telemetry: Telemetry) -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=telemetry.page().text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_values_are_those_that_were_told(telemetry: Telemetry) -> None:
    page = scrape(telemetry)
    assert page.one("canary_leader") == 1
    assert page.one("canary_lease_age_seconds") == 1.5
    assert page.one("canary_lease_transitions") == 7
    assert page.one("canary_queue_depth", queue="passes") == 3
    assert page.one("canary_queue_oldest_age_seconds", queue="passes") == 2.5
    assert page.one("canary_asyncio_tasks") == 12
    assert page.one("canary_slack_messages_waiting") == 1
    assert page.by("canary_slack_messages_total", "outcome") == {"sent": 2, "refused": 3, "dropped": 4}
    assert page.one("canary_pass_duration_seconds_count", queue="passes") == 2
    errors = page.by("canary_pass_errors_total", "error")
    assert errors == dict.fromkeys(WORDS, 0) | {"unavailable": 1}
    assert page.one("canary_requests_total", peer="kubernetes", verb="patch", resource="canaries", code="4xx") == 1
    assert page.one("canary_weight_ratio") == 0.2
    assert page.one("canary_observed_weight_ratio") == 0.1
    assert page.by("canary_check_margin", "check") == {"success-rate": 0.5, "lag": -20}


def test_a_standby_shows_what_is_of_the_process_only() -> None:
    page = scrape(Telemetry())
    assert {one.name for one in page.samples if not one.name.startswith("process_")} == {
        "canary_build_info",
        "canary_leader",
    }
    assert page.one("canary_leader") == 0


def test_the_same_evaluation_counts_once_and_the_next_one_again() -> None:
    made = Telemetry()
    for status in (running(), running(result(RATE, 99.5)), running(result(RATE, 99.5))):
        made.seen(KEY, status, (RATE,))
    assert _verdicts(scrape(made)) == {"passed": 1}
    made.seen(KEY, running(result(RATE, 98, NOW + timedelta(seconds=20), Result.FAILED)), (RATE,))
    assert _verdicts(scrape(made)) == {"passed": 1, "failed": 1}


def test_an_end_whose_words_were_cut_when_stored_counts_once() -> None:
    made = Telemetry()
    for history in ([], [past("a", message="long")], [past("a", message="l")], [past("b"), past("a", message="l")]):
        made.seen(KEY, running(history=history), ())
    assert scrape(made).one("canary_rollouts_total", outcome="promoted") == 2
    assert scrape(made).one("canary_rollout_duration_seconds_sum", outcome="promoted") == 600


def test_a_check_that_was_taken_out_leaves_no_series() -> None:
    made = Telemetry()
    made.seen(KEY, running(), (RATE, LAG))
    made.seen(KEY, running(result(RATE, 99.5), result(LAG, 1)), (RATE, LAG))
    made.seen(KEY, running(result(RATE, 99.5), result(LAG, 1)), (RATE,))
    assert {one.labels["check"] for one in scrape(made).samples if "check" in one.labels} == {"success-rate"}


def test_a_name_that_needs_escaping_reads_back_as_it_is() -> None:
    made, odd = Telemetry(), Check(name='a"b\\c\nd', side=Limit.MAX, limit=1e300)
    made.seen(KEY, running(result(odd, -1e-9)), (odd,))
    page = scrape(made)
    assert page.by("canary_check_limit", "check") == {odd.name: 1e300}
    assert page.by("canary_check_value", "check") == {odd.name: -1e-9}


def test_a_scrape_shows_what_changed_since_the_last_one() -> None:
    made = Telemetry()
    for name in ("a", "b"):
        made.seen(("shop", name), running(result(RATE, 99.5)), (RATE,))
    assert scrape(made).by("canary_check_value", "canary") == {"a": 99.5, "b": 99.5}
    made.seen(("shop", "b"), running(result(RATE, 98)), (RATE,))
    assert scrape(made).by("canary_check_value", "canary") == {"a": 99.5, "b": 98}
    made.gone(("shop", "a"))
    assert scrape(made).by("canary_check_value", "canary") == {"b": 98}


def test_a_check_without_a_value_shows_its_limit_alone() -> None:
    made = Telemetry()
    made.seen(KEY, running(result(RATE, None)), (RATE,))
    page = scrape(made)
    assert page.one("canary_check_limit") == 99
    assert (page.one("canary_check_value"), page.one("canary_check_margin")) == (None, None)


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (AlreadyExists("x"), "conflict"),
        (Unavailable("x"), "unavailable"),
        (Rejected("x"), "rejected"),
        (NotFound("x"), "not_found"),
        (ConfigError("x"), "config"),
        (CanaryError("x"), "other"),
        (KeyError("x"), "bug"),
    ],
)
def test_a_failed_pass_is_counted_by_the_class_of_its_error(failure: Exception, word: str) -> None:
    made = Telemetry()
    made.passed("shims", 0.1, failure)
    assert scrape(made).by("canary_pass_errors_total", "error", queue="shims") == {word: 1}


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert page == reference(), "run `make docs`"


def _verdicts(page: Page) -> dict[str, float]:
    return {verdict: count for verdict, count in page.by("canary_check_verdicts_total", "verdict").items() if count}
