"""`canary watch`: the screen at any width, lines where there is no terminal, and when it ends."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from canary.cli.watch import _drawing
from canary.cli.watch_view import Lines, line, screen, sparkline
from canary.cli.watched import Objects, Traces, View, view
from canary.controller.revisions import digest
from canary.rollout.model import CheckResult, Memory, Outcome, Result, Revision, Stage, Status
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
    waits_until=NOW + timedelta(seconds=40),
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
        "shop/checkout  Progressing  10:00:00Z",
        "revision 7f8a6c (registry.example/checkout:2.0)",
        "7f8a6c at 25 %, step 2 of 3",
        "until 10:00:40Z (in 40s)",
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
        "  10:00:00Z WeightAdvanced: Weight raised from 5 to 25 %",
        "  10:00:00Z CheckFailed: 98.5 %",
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


def test_a_moment_that_is_over_is_told_as_such_and_none_where_nothing_is_known() -> None:
    late = replace(STATUS, waits_until=NOW - timedelta(seconds=1))
    assert "until 09:59:59Z (passed)" in drawn(seen(late), 80)
    assert "until" not in drawn(seen(replace(STATUS, waits_until=None)), 80)


PROMOTED, ROLLED_BACK, REVERTED = Outcome.PROMOTED, Outcome.ROLLED_BACK, Outcome.REVERTED


@pytest.mark.parametrize(
    ("phase", "step", "outcome", "marks"),
    [
        (Phase.INITIALIZED, -1, None, "○ 5 %  ○ 25 %  ○ 50 %"),
        (Phase.PROGRESSING, 1, None, "✓ 5 %  ● 25 %  ○ 50 %"),
        (Phase.PAUSED, 1, None, "✓ 5 %  ● 25 %  ○ 50 %"),
        (Phase.PROMOTING, 2, None, "✓ 5 %  ✓ 25 %  ✓ 50 %"),
        (Phase.SUCCEEDED, 2, PROMOTED, "✓ 5 %  ✓ 25 %  ✓ 50 %"),
        (Phase.SUCCEEDED, 0, PROMOTED, "✓ 5 %  ○ 25 %  ○ 50 %"),
        (Phase.ROLLING_BACK, 1, ROLLED_BACK, "✓ 5 %  ✗ 25 %  ○ 50 %"),
        (Phase.FAILED, 1, ROLLED_BACK, "✓ 5 %  ✗ 25 %  ○ 50 %"),
        (Phase.SUCCEEDED, 1, REVERTED, "✓ 5 %  ○ 25 %  ○ 50 %"),
    ],
)
def test_the_steps_tell_what_passed_and_where_it_failed_at_rest_too(
    phase: Phase, step: int, outcome: Outcome | None, marks: str
) -> None:
    found = replace(STATUS, phase=phase, step=step, memory=replace(STATUS.memory, outcome=outcome))
    assert f"steps  {marks}" in [line.rstrip() for line in drawn(seen(found), 80).splitlines()]


def test_units_follow_what_a_check_measures_and_not_its_name() -> None:
    spec = {"analysis": {"checks": [{"name": "slow", "builtin": "latency-p99", "max": "500ms"}]}}
    checked = {**canary(), "spec": {**canary()["spec"], **spec}}
    check = CheckResult(name="slow", value=0.099, limit=0.5, requests=10, verdict=Result.PASSED, at=NOW)
    status = {"status": status_to_json(replace(STATUS, checks=(check,)))}
    lines = drawn(seen(canary={**checked, **status}), 80).splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("slow")] == [["slow", "99ms", "500ms"]]


def test_an_event_is_told_once() -> None:
    lines = Lines()
    assert list(lines.fresh(seen())) == [
        "10:00:00Z WeightAdvanced: Weight raised from 5 to 25 %",
        "10:00:00Z CheckFailed: 98.5 %",
        "10:00:00Z Progressing, 25 % (the mesh has 5 %): 7f8a6c at 25 %, step 2 of 3",
    ]
    assert list(lines.fresh(seen())) == []


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


def told_when_shown(shown: threading.Event) -> Callable[[Lines, View], Iterator[str]]:
    """`Lines.fresh`, which says when it was asked for the first time."""
    fresh = Lines.fresh

    def told(self: Lines, view: View) -> Iterator[str]:
        yield from fresh(self, view)
        shown.set()

    return told


def test_without_a_terminal_each_change_is_a_line_and_the_end_is_that_of_the_rollout(
    api: WatchedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = deployment(annotations=settings(enabled="true"))
    target["metadata"]["generation"] = 3
    revision = replace(NEW, digest=digest(target["spec"]["template"]))
    going = replace(STATUS, revision=revision, target_generation=3)
    over = replace(going, phase=Phase.FAILED, weight=0, observed_weight=0, message="Rolled back 7f8a6c")
    api.hold(target, {**canary(), "status": status_to_json(going)}, *PODS, *EVENTS)
    shown = threading.Event()

    def end() -> None:
        assert shown.wait(60)
        api.hold({**canary(), "status": status_to_json(over)})

    monkeypatch.setattr(Lines, "fresh", told_when_shown(shown))
    changing = threading.Thread(target=end)
    changing.start()
    ended = run("watch", "checkout", "--until-done", "--kubeconfig", api.kubeconfig)
    changing.join()
    told = [re.sub(r"^\d\d:\d\d:\d\dZ ", "", each) for each in ended.out.splitlines()]
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
