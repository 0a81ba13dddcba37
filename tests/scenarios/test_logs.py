"""The log of whole rollouts, line by line as it is written, and what a secret that lies about leaves in it: nothing."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from canary.clients.slack_message import render
from canary.logs import LogFormat, set_up
from canary.ports import CANARY, EVENT
from canary.rollout.phases import Phase
from tests.builders import deployment, ref
from tests.scenarios.configured import configured
from tests.scenarios.stage import Stage, image
from tests.telemetry.scraped import scrape

pytestmark = pytest.mark.looptime

SECRET = "hunter2-never-shown"
FOREIGN = {"example.com/token": SECRET, "vault.example.com/from": f"https://user:{SECRET}@vault.example.com/"}
BOUND = {"namespace", "canary", "pass_id", "revision"}


@pytest.fixture
def log(stage: Stage) -> Iterator[io.StringIO]:
    """The log as it stands on standard error in a cluster."""
    before = structlog.get_config()
    stream = io.StringIO()
    set_up(LogFormat.JSON, stream=stream)
    yield stream
    structlog.configure(**before)


def lines(log: io.StringIO, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == event]


async def a_promotion_a_rollback_and_a_command_refused(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    stage.canary_traffic(bad=0.03)
    await stage.pushed("3.0")
    stage.metrics.down = True
    await stage.rest(60)
    stage.metrics.down = False
    await stage.until_phase(Phase.FAILED)
    stage.command("resume")
    await stage.until(lambda: "CommandRefused" in stage.reasons)


def crashes(log: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines(log, "pass_failed") if "exception" in line]


async def test_each_pass_that_ends_is_one_line_with_its_keys(stage: Stage, log: io.StringIO) -> None:
    await a_promotion_a_rollback_and_a_command_refused(stage)
    await stage.rest(5)
    page = scrape(stage.controllers[0].telemetry)
    passes = page.one("canary_pass_duration_seconds_count", queue="passes")
    failed = sum(page.by("canary_pass_errors_total", "error", queue="passes").values())
    ended = lines(log, "reconciled")
    assert len(ended) == (passes or 0) - failed
    assert len({line["pass_id"] for line in ended}) == len(ended)
    for line in ended:
        assert line.keys() == BOUND | {
            "because", "changed", "event", "level", "phase", "step", "timestamp", "weight",
        }  # fmt: skip
    assert all(line.keys() >= BOUND for line in lines(log, "told"))
    assert [line["reason"] for line in lines(log, "told")][:3] == ["Initializing", "Initialized", "RolloutStarted"]
    assert crashes(log) == []


async def test_a_pass_that_waits_for_caches_of_configuration_is_one_line_too(stage: Stage, log: io.StringIO) -> None:
    await configured(stage)
    page = scrape(stage.controllers[0].telemetry)
    ended = lines(log, "reconciled")
    assert len(ended) == page.one("canary_pass_duration_seconds_count", queue="passes")
    assert "The caches of its configuration are being filled" in {line["because"] for line in ended}


async def test_a_pass_over_what_cannot_be_read_is_a_line_too(stage: Stage, log: io.StringIO) -> None:
    await stage.onboarded()
    live = stage.cluster.now(ref(CANARY))
    broken = {"status": {**live["status"], "memory": {"step": "x"}}}
    stage.cluster.edit(ref(CANARY), broken, subresource="status")
    await stage.rest(5)
    [told] = lines(log, "status_not_read")
    ended = [line for line in lines(log, "reconciled") if line["pass_id"] == told["pass_id"]]
    assert [line["because"] for line in ended] == [told["error"]]
    assert "the split is held" in told["error"]


def with_secrets() -> dict[str, Any]:
    """A pod template with secrets where templates have them: in the environment, in annotations, in a Secret."""
    wanted = deployment(image=image("2.0"), replicas=None)
    template = wanted["spec"]["template"]
    template["metadata"]["annotations"] = FOREIGN
    [container] = template["spec"]["containers"]
    container["env"] = [{"name": "PASSWORD", "value": SECRET}]
    container["envFrom"] = [{"secretRef": {"name": "db"}}]
    wanted["metadata"]["annotations"] = FOREIGN
    return wanted


async def test_no_secret_is_seen_from_elsewhere(stage: Stage, log: io.StringIO) -> None:
    held = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}}
    await stage.onboarded({**held, "data": {"password": b64encode(SECRET.encode()).decode()}}, trackConfig="all")
    stage.cluster.edit(ref(CANARY), {"metadata": {"annotations": FOREIGN}})
    stage.cluster.apply(with_secrets())
    await stage.until_weight(20)
    stage.canary_traffic(bad=0.2)
    await stage.until_phase(Phase.FAILED)
    stage.command("resume")
    await stage.until(lambda: "CommandRefused" in stage.reasons)

    seen = {
        "the log": log.getvalue(),
        "events": json.dumps(stage.cluster.store.list(EVENT, "shop")),
        "the status": json.dumps(stage.cluster.now(ref(CANARY))["status"]),
        "Slack": repr([render(note).body() for note in stage.told.notes]),
        "metrics": scrape(stage.controllers[0].telemetry).text,
    }
    assert all(seen.values())
    assert "Failed" in seen["the status"]
    coded = b64encode(SECRET.encode()).decode()
    assert {where for where, text in seen.items() if SECRET in text or coded in text} == set()
    assert crashes(log) == []
