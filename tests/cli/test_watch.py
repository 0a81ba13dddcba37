"""`canary watch`: the screen at any width, lines where there is no terminal, and when it ends."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from canary.cli.watch import _drawing
from canary.cli.watch_view import fresh, line, screen, sparkline
from canary.cli.watched import Objects, Told, Traces, View, view, waits
from canary.controller.revisions import digest
from canary.rollout.model import CheckResult, Memory, NoData, Result, Revision, Stage, Status
from canary.rollout.phases import Phase
from canary.spec.plan import plan_from
from canary.spec.status import status_to_json
from tests.builders import JSON, canary, deployment, settings
from tests.cli.shell import run
from tests.cli.watched_api import WatchedApi, watched_api
from tests.rollout.builders import a_plan

NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
NEW = Revision(digest="new", pin="7f8a6c", image="registry.example/checkout:2.0")
CHECK = CheckResult(
    name="success-rate", value=98.5, limit=99, requests=1200, verdict=Result.FAILED, at=NOW, because="too many"
)
STATUS = Status(
    phase=Phase.PROGRESSING,
    weight=25,
    observed_weight=5,
    step=1,
    stable=Revision(digest="old", pin="5d9c7b"),
    revision=NEW,
    checks=(CHECK,),
    message="7f8a6c at 25 %, step 2 of 3",
    started_at=NOW,
    memory=Memory(stage=Stage.STEPPING, effective_at=NOW - timedelta(seconds=20), step_weight=25),
)


def pod(name: str, *, primary: bool = False, ready: bool = True, reason: str = "") -> JSON:
    labels = {"app": "checkout", **({"canary.delivery/role": "primary"} if primary else {})}
    state: JSON = {"waiting": {"reason": reason}} if reason else {"running": {}}
    container = {"name": "app", "restartCount": 3 if reason else 0, "state": state}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    status = {"phase": "Running", "conditions": conditions, "containerStatuses": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def event(reason: str, text: str, at: datetime = NOW, kind: str = "Normal") -> JSON:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": f"{reason}-{stamp}", "namespace": "shop", "creationTimestamp": stamp}
    about = {"kind": "Canary", "name": "checkout", "namespace": "shop"}
    told = {"reason": reason, "message": text, "type": kind, "lastTimestamp": stamp}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": about, **told}


PODS = [
    pod("checkout-primary-1", primary=True),
    pod("checkout-1", ready=False, reason="CrashLoopBackOff"),
    pod("checkout-2"),
]
EVENTS = [event("WeightAdvanced", "Weight raised from 5 to 25 %"), event("CheckFailed", "98.5 %", kind="Warning")]


def seen(status: Status = STATUS, traces: Traces | None = None, **changes: Any) -> View:
    objects = Objects(
        canary={**canary(), "status": status_to_json(status)},
        deployment=deployment(),
        pods=PODS,
        events=EVENTS,
        now=NOW,
    )
    return view(replace(objects, **changes), traces or Traces())


def drawn(found: View, width: int, **console: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=width, **console).print(screen(found, width))
    return out.getvalue()


def test_the_screen_tells_all_that_is_known() -> None:
    assert [line.rstrip() for line in drawn(seen(), 80).splitlines()] == [
        "shop/checkout  Progressing  10:00:00",
        "revision 7f8a6c (registry.example/checkout:2.0)",
        "7f8a6c at 25 %, step 2 of 3",
        "10:00:40 (in 40s): the step's time is over",
        "",
        "steps  ✓ 5 %  ● 25 %  ○ 50 %",
        "decided  ██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 25 % canary",
        "observed ██░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 5 % canary",
        "",
        "CHECK         VALUE   LIMIT  REQUESTS  VERDICT",
        "success-rate  98.5 %  99 %   1200      failed   ▁",
        "",
        "primary: 1 of 1 pods ready",
        "candidate: 1 of 2 pods ready",
        "  checkout-1 not ready: container app: CrashLoopBackOff, 3 restarts",
        "",
        "events",
        "  10:00:00 WeightAdvanced: Weight raised from 5 to 25 %",
        "  10:00:00 CheckFailed: 98.5 %",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    assert [line for line in drawn(seen(), width).splitlines() if len(line) > width] == []


def test_without_colour_there_are_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in drawn(seen(), 80, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = drawn(seen(), 80, force_terminal=True, color_system="standard")
    assert re.findall(r"\x1b\[[0-9;]*3[0-7]m", plain) == []


def test_what_others_wrote_is_plain_text() -> None:
    found = seen(replace(STATUS, message="[red]no[/red] \x1b[31mcolour"), events=[event("A", "b\x1b[2Jc")])
    assert "[red]no[/red]  [31mcolour" in drawn(found, 80)
    assert "\x1b[2J" not in drawn(found, 80)


@pytest.mark.parametrize(
    ("values", "bars"),
    [((), ""), ((5.0,), "▁"), ((1.0, 1.0), "▁▁"), ((0.0, 50.0, 100.0), "▁▅█"), ((99.0, 100.0, 98.0), "▅█▁")],
)
def test_a_sparkline_goes_from_the_least_to_the_greatest_value(values: tuple[float, ...], bars: str) -> None:
    assert sparkline(values) in (bars, bars.replace("▅", "▄"))


def test_values_are_remembered_once_each_and_forgotten_with_the_revision() -> None:
    traces = Traces()
    for at, value in ((0, 99.0), (0, 99.0), (20, 98.0)):
        check = replace(CHECK, at=NOW + timedelta(seconds=at), value=value)
        found = seen(replace(STATUS, checks=(check,)), traces)
    assert found.traces == {"success-rate": (99.0, 98.0)}
    other = replace(NEW, digest="newer")
    assert seen(replace(STATUS, revision=other, checks=()), traces).traces == {}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (STATUS, (40, "the step's time is over")),
        (replace(STATUS, memory=Memory(waiting_since=NOW)), (600, "pods must be ready")),
        (replace(STATUS, memory=Memory(no_data_since=NOW)), (600, "too few requests until then: rollback")),
        (replace(STATUS, phase=Phase.PAUSED), None),
        (replace(STATUS, phase=Phase.SUCCEEDED), None),
    ],
)
def test_what_is_waited_for_has_a_moment(status: Status, expected: tuple[int, str] | None) -> None:
    found = waits(status, a_plan(no_data=NoData.ROLLBACK))
    assert found == (None if expected is None else (NOW + timedelta(seconds=expected[0]), expected[1]))


def test_an_event_is_told_once() -> None:
    told: set[Told] = set()
    assert [one.reason for one in fresh(seen(), told)] == ["WeightAdvanced", "CheckFailed"]
    assert list(fresh(seen(), told)) == []


def test_a_line_has_both_splits_where_they_differ() -> None:
    assert line(seen()) == "Progressing, 25 % (the mesh has 5 %): 7f8a6c at 25 %, step 2 of 3"
    assert line(seen(replace(STATUS, observed_weight=25))) == "Progressing, 25 %: 7f8a6c at 25 %, step 2 of 3"


async def test_on_a_terminal_the_last_picture_stays() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    async with _drawing(console) as draw:
        draw(seen())
        draw(seen(replace(STATUS, phase=Phase.SUCCEEDED, message="Promoted")))
    _, _, left = out.getvalue().rpartition("\x1b[?1049l")
    assert left.lstrip("\x1b[?25h").splitlines()[0].startswith("shop/checkout  Succeeded")
    assert "Promoted" in left


@pytest.fixture
def api(tmp_path: Path) -> Iterator[WatchedApi]:
    with watched_api(tmp_path) as serving:
        yield serving


def test_without_a_terminal_each_change_is_a_line_and_the_end_is_that_of_the_rollout(api: WatchedApi) -> None:
    target = deployment(annotations=settings(enabled="true"))
    target["metadata"]["generation"] = 3
    revision = replace(NEW, digest=digest(target["spec"]["template"]))
    going = replace(STATUS, revision=revision, target_generation=3)
    over = replace(going, phase=Phase.FAILED, weight=0, observed_weight=0, message="Rolled back 7f8a6c")
    api.hold(target, {**canary(), "status": status_to_json(going)}, *PODS, *EVENTS)
    timer = threading.Timer(0.5, lambda: api.hold({**canary(), "status": status_to_json(over)}))
    timer.start()
    ended = run("watch", "checkout", "--until-done", "--kubeconfig", api.kubeconfig)
    timer.join()
    told = [re.sub(r"^\d\d:\d\d:\d\d ", "", each) for each in ended.out.splitlines()]
    assert (ended.status, told) == (
        1,
        [
            "WeightAdvanced: Weight raised from 5 to 25 %",
            "CheckFailed: 98.5 %",
            "Progressing, 25 % (the mesh has 5 %): 7f8a6c at 25 %, step 2 of 3",
            "Failed, 0 %: Rolled back 7f8a6c",
        ],
    )


def test_a_name_that_is_not_there_is_told(api: WatchedApi) -> None:
    ended = run("watch", "chekout", "--kubeconfig", api.kubeconfig)
    assert (ended.status, ended.error.startswith("there is no Canary shop/chekout")) == (1, True)


def test_the_plan_of_the_builders_is_that_of_the_screen() -> None:
    plan = plan_from(canary(), timing=a_plan().timing, default_mesh="istio")
    assert [step.weight for step in plan.steps] == [5, 25, 50]


def test_for_programs_each_change_is_an_object_on_a_line(api: WatchedApi) -> None:
    target = deployment(annotations=settings(enabled="true"))
    target["metadata"]["generation"] = 3
    revision = replace(NEW, digest=digest(target["spec"]["template"]))
    over = replace(STATUS, phase=Phase.SUCCEEDED, stable=revision, revision=revision, target_generation=3)
    api.hold(target, {**canary(), "status": status_to_json(over)})
    ended = run("watch", "checkout", "--until-done", "-o", "json", "--kubeconfig", api.kubeconfig)
    [shown] = [json.loads(each) for each in ended.out.splitlines()]
    assert (ended.status, shown["name"], shown["status"]["phase"]) == (0, "checkout", "Succeeded")
    assert "memory" not in shown["status"]
