"""How one rollout looks while it runs: a screen for a terminal of any width, and lines where there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import assert_never

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from canary.cli.status_view import PHASE_STYLE, VERDICT_STYLE, plain
from canary.cli.unready import with_fault
from canary.cli.values import shown
from canary.cli.watched import Pod, Told, View
from canary.rollout.model import Builtin, CheckResult, Outcome
from canary.rollout.phases import Phase
from canary.spec.units import format_duration

BARS = "▁▂▃▄▅▆▇█"
NARROW = 60
"""Columns under which the sparkline is left out."""
LONGEST_BAR = 40
EVENTS = 6
PODS = 8
_BEHIND, _PRESENT, _AHEAD, _FAILED = ("✓ ", "green"), ("● ", "bold yellow"), ("○ ", "dim"), ("✗ ", "bold red")


def screen(view: View, width: int) -> RenderableType:
    """Return the whole screen for a terminal of `width` columns."""
    parts = [_head(view), _steps(view), _split(view, width), _checks(view, width), _pods(view), _events(view)]
    return Group(*parts)


def line(view: View) -> str:
    """Return where the rollout stands as one line, the same until something changes that is worth a line."""
    status = view.status
    phase = status.phase.value if status.phase else "-"
    weight = f"{status.weight} %"
    if status.observed_weight not in (None, status.weight):
        weight += f" (the mesh has {status.observed_weight} %)"
    return f"{phase}, {weight}: {plain(with_fault(status)).plain}"


def event_line(told: Told) -> str:
    """Return an Event as one line."""
    return f"{_clock(told.at)} {told.reason}: {plain(told.text).plain}"


def _head(view: View) -> RenderableType:
    status = view.status
    phase = status.phase.value if status.phase else "-"
    revision = status.revision.shown if status.revision else "-"
    image = f" ({status.revision.image})" if status.revision and status.revision.image else ""
    head = Text.assemble((view.name, "bold"), "  ", (phase, PHASE_STYLE.get(phase, "bold")), f"  {_clock(view.now)}")
    parts = [head, plain(f"revision {revision}{image}"), plain(with_fault(status))]
    if status.waits_until is not None:
        left = (status.waits_until - view.now).total_seconds()
        passed = "passed" if left <= 0 else f"in {_rounded(left)}"
        parts.append(Text(f"until {_clock(status.waits_until)} ({passed})", style="dim"))
    if view.trouble:
        parts.append(Text.assemble(("may be old: ", "yellow"), plain(view.trouble)))
    return Group(*parts, "")


def _rounded(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def _clock(moment: datetime) -> str:
    """Return a time of day with its zone, which is always UTC, as logs and Events have it."""
    return moment.astimezone(UTC).strftime("%H:%M:%SZ")


def _steps(view: View) -> RenderableType:
    """Return the steps on one line: those behind, the present one, those ahead, and the one at which it failed."""
    if view.plan is None:
        return Text("the spec has faults; `canary status` tells them", style="red")
    found = Text("steps  ")
    for number, step in enumerate(view.plan.steps):
        time = f"@{format_duration(step.duration)}" if step.duration else ""
        pause = ",pause" if step.pause else ""
        mark, style = _mark(view, number)
        found.append(f"{mark}{step.weight} %{time}{pause}", style=style)
        found.append("  ")
    return found


def _mark(view: View, number: int) -> tuple[str, str]:
    status = view.status
    if status.phase is None or status.step < number:
        return _AHEAD
    if status.step > number:
        return _BEHIND
    match status.memory.outcome:
        case Outcome.PROMOTED:
            return _BEHIND
        case Outcome.ROLLED_BACK:
            return _FAILED
        case Outcome.REVERTED | Outcome.SUPERSEDED:
            return _AHEAD  # it was not judged
        case None:
            return _AHEAD if status.phase.at_rest else _BEHIND if status.phase is Phase.PROMOTING else _PRESENT
        case _:
            assert_never(status.memory.outcome)


def _split(view: View, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    long = max(5, min(LONGEST_BAR, width - 30))
    for name, percent in (("decided", view.status.weight), ("observed", view.status.observed_weight)):
        if percent is None:
            table.add_row(name, Text("-"), "")
            continue
        filled = max(1, round(long * percent / 100)) if percent else 0
        bar = Text.assemble(("█" * filled, "yellow"), ("░" * (long - filled), "green"))
        table.add_row(name, bar, Text(f"{percent} % canary"))
    return Group(table, "")


def _checks(view: View, width: int) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("CHECK", "VALUE", "LIMIT", "REQUESTS", "VERDICT"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    if width >= NARROW:
        table.add_column("", no_wrap=True, overflow="crop")
    builtins = {check.name: check.builtin for check in view.plan.checks} if view.plan else {}
    for check in view.status.checks:
        row = _check(check, builtins.get(check.name))
        values = view.traces.get(check.name, ())
        table.add_row(*row, *([Text(sparkline(values[-(width - NARROW + 1) :]))] if width >= NARROW else []))
    return Group(table, "") if view.status.checks else Text("no check was evaluated yet\n", style="dim")


def _check(check: CheckResult, builtin: Builtin | None) -> Sequence[Text]:
    verdict = Text(check.verdict.value, style=VERDICT_STYLE.get(check.verdict.value, "yellow"))
    requests = "-" if check.requests is None else str(check.requests)
    return (
        plain(check.name),
        Text(shown(builtin, check.value)),
        Text(shown(builtin, check.limit)),
        Text(requests),
        verdict,
    )


def sparkline(values: Sequence[float]) -> str:
    """Return values as a row of bars between the least and the greatest of them; equal ones are all low."""
    if not values:
        return ""
    least, most = min(values), max(values)
    span = most - least
    return "".join(BARS[round((value - least) / span * (len(BARS) - 1))] if span else BARS[0] for value in values)


def _pods(view: View) -> RenderableType:
    lines: list[Text] = []
    for name, primary in (("primary", True), ("candidate", False)):
        pods = [pod for pod in view.pods if pod.primary is primary]
        ready = sum(pod.ready for pod in pods)
        lines.append(Text.assemble((f"{name}: ", "bold"), f"{ready} of {len(pods)} pods ready"))
        lines += [_pod(pod) for pod in pods if not pod.ready or pod.trouble or pod.going][:PODS]
    return Group(*lines, "")


def _pod(pod: Pod) -> Text:
    state = "ending" if pod.going else "ready" if pod.ready else "not ready"
    why = f": {pod.trouble}" if pod.trouble else ""
    return Text(f"  {pod.name} {state}{why}", style="red" if pod.trouble else "dim", no_wrap=True, overflow="ellipsis")


def _events(view: View) -> RenderableType:
    lines = [Text("events", style="bold")]
    for told in view.events[-EVENTS:]:
        style = "yellow" if told.warning else ""
        lines.append(Text(f"  {event_line(told)}", style=style, no_wrap=True, overflow="ellipsis"))
    return Group(*lines)


@dataclass(slots=True)
class Lines:
    """What is told line by line: each Event once, and each change of where the rollout stands."""

    _told: set[Told] = field(default_factory=set)
    _line: str = ""

    def fresh(self, view: View) -> Iterator[str]:
        """Yield what is new since the last call."""
        for told in view.events:
            if told not in self._told:
                self._told.add(told)
                yield event_line(told)
        standing = line(view)
        if standing != self._line:
            self._line = standing
            yield f"{_clock(view.now)} {standing}"
