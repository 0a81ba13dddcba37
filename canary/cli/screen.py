"""How the demo looks: one screen drawn from values, and the same as plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from canary.sandbox.load_counts import Answers, LoadSample
from canary.sandbox.story import Outcome

BAR = 40
"""Columns of a split bar."""

PHASE_STYLE = {
    "Progressing": "yellow",
    "Promoting": "cyan",
    "Succeeded": "green",
    "RollingBack": "red",
    "Failed": "red",
}


@dataclass(slots=True, kw_only=True)
class View:
    """What there is to show. `sample` is of the last second or two, `total` of all the time."""

    mesh: str
    title: str = ""
    elapsed_s: float = 0.0
    status: dict[str, Any] = field(default_factory=dict)
    sample: LoadSample = field(default_factory=LoadSample)
    total: LoadSample = field(default_factory=LoadSample)
    said: Sequence[str] = ()
    slack: Sequence[str] = ()


def side_answers(view: View) -> tuple[Answers, Answers]:
    """Return the recent answers of the primary and of the candidate (or the user's own pods before the start)."""
    names = sorted({source.workload for source in view.sample.answers})
    primary = next((name for name in names if name.endswith("-primary")), "")
    candidate = next((name for name in names if name != primary), "")
    sample = view.sample
    return (
        sample.answers_of(workload=primary) if primary else Answers(),
        sample.answers_of(workload=candidate) if candidate else Answers(),
    )


def measured_percent(view: View) -> float:
    """Return the candidate's share of the recent requests in percent, 0 without requests."""
    primary, candidate = side_answers(view)
    both = primary.requests + candidate.requests
    return 100 * candidate.requests / both if both else 0.0


def render(view: View) -> RenderableType:
    """Return the whole screen."""
    return Group(_head(view), _split(view), _sides(view), _checks(view), _messages(view), _log(view))


def plain(view: View) -> str:
    """Return where things stand as one line."""
    primary, candidate = side_answers(view)
    return (
        f"{view.elapsed_s:6.1f} s  {view.status.get('phase', '-'):12} "
        f"split decided {view.status.get('weight', 0):3d} % measured {measured_percent(view):5.1f} %  "
        f"primary {_rate(primary)} {_p99(primary)}  candidate {_rate(candidate)} {_p99(candidate)}  "
        f"lost {view.total.lost}"
    )


def _head(view: View) -> RenderableType:
    phase = str(view.status.get("phase", "-"))
    text = Text.assemble(
        ("canary demo", "bold"),
        f"  mesh {view.mesh}  {view.elapsed_s:5.1f} s  phase ",
        (phase, PHASE_STYLE.get(phase, "bold")),
        f"  step {int(view.status.get('step', -1)) + 1}",
    )
    message = Text(str(view.status.get("message", "")), style="italic", overflow="ellipsis", no_wrap=True)
    return Panel(Group(text, message), border_style=PHASE_STYLE.get(phase, "blue"))


def _split(view: View) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for name, percent in (("decided", float(view.status.get("weight", 0))), ("measured", measured_percent(view))):
        filled = round(BAR * percent / 100)
        bar = Text("█" * filled, style="yellow") + Text("█" * (BAR - filled), style="green")
        table.add_row(f"split {name}", bar, Text(f"{percent:5.1f} % candidate", style="yellow"))
    return table


def _sides(view: View) -> RenderableType:
    table = Table(expand=False, box=None, header_style="bold")
    for column in ("", "requests/s", "success", "p99"):
        table.add_column(column, justify="left" if not column else "right")
    for name, answers in zip(("primary", "candidate"), side_answers(view), strict=True):
        seconds = max(view.sample.seconds, 0.1)
        table.add_row(name, f"{answers.requests / seconds:.0f}", _rate(answers), _p99(answers))
    lost = Text(f"lost requests {view.total.lost}", style="red" if view.total.lost else "green")
    return Group(table, lost)


def _rate(answers: Answers) -> str:
    if not answers.requests:
        return "     -"
    return f"{100 * (answers.requests - answers.failed) / answers.requests:5.1f}%"


def _p99(answers: Answers) -> str:
    value = answers.latency_ms(0.99)
    return "    - ms" if value is None else f"{value:5.0f} ms"


def _checks(view: View) -> RenderableType:
    table = Table(box=None, header_style="bold", title_justify="left")
    for column in ("check", "value", "limit", "requests", "verdict"):
        table.add_column(column, justify="left" if column in ("check", "verdict") else "right")
    for check in view.status.get("checks", ()):
        verdict = str(check.get("verdict", ""))
        style = {"passed": "green", "failed": "red"}.get(verdict, "yellow")
        value = check.get("value")
        shown = "-" if value is None else f"{value:.4g}"
        requests = str(check.get("requests", "-"))
        table.add_row(check["name"], shown, f"{check['limit']:g}", requests, Text(verdict, style=style))
    return table


def _messages(view: View) -> RenderableType:
    lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in view.slack[-6:]]
    return Panel(Group(*lines), title="Slack", title_align="left", height=8)


def _log(view: View) -> RenderableType:
    lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in view.said[-5:]]
    return Panel(Group(*lines), title="what happened", title_align="left", height=7)


def summary(outcome: Outcome) -> RenderableType:
    """Return how the demo ended, a few lines for each rollout."""
    lines = [Text(f"\ncanary on {outcome.mesh}", style="bold")]
    for rollout in outcome.rollouts:
        ended = rollout.outcome.replace("_", " ")
        lines.append(Text(f"{rollout.version.tag}, {rollout.version.what.partition(':')[0]}: {ended}", style="bold"))
        after = rollout.seconds_to_zero
        quick = "" if after is None else f"; weight 0 came {after:.1f} s after the first failure"
        lines.append(
            Text(f"  {rollout.duration_s:.0f} s, {rollout.requests} requests, {rollout.failed_requests} failed{quick}")
        )
        splits = ", ".join(f"{split.weight} % ({split.percent:.1f} % of {split.requests})" for split in rollout.splits)
        lines.append(Text(f"  split decided (measured): {splits}"))
    lines.append(Text(f"lost requests: {outcome.lost_requests}"))
    lines += [Text(f"not as it should be: {fault}", style="bold red") for fault in outcome.faults()]
    if not outcome.faults():
        lines.append(Text("both rollouts ended as they should", style="bold green"))
    return Group(*lines)
