"""How Canaries look as text: a table of many, the details of one. Manifests in, drawings out.

What stands in a status was in part written by users and by other programs, so it is shown as plain text only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from canary.cli.unready import with_fault_as_stored
from canary.cli.values import shown
from canary.rollout.model import Builtin

PHASE_STYLE: Mapping[str, str] = {
    "Progressing": "yellow",
    "Paused": "yellow",
    "Promoting": "cyan",
    "Succeeded": "green",
    "RollingBack": "red",
    "Failed": "red",
}
VERDICT_STYLE: Mapping[str, str] = {"passed": "green", "failed": "red"}
NOTHING = "-"
WIDE = 4000
"""Columns where there is no terminal, so that nothing is cut for the next program."""


def console() -> Console:
    """Return standard output as a person's terminal has it, or as wide as anything where there is none."""
    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=WIDE)


def overview(canaries: Iterable[Mapping[str, Any]], *, with_namespace: bool) -> RenderableType:
    """Return one line for each Canary."""
    lines = table(*(["NAMESPACE"] if with_namespace else []), "NAME", "PHASE", "WEIGHT", "STEP", "REVISION", "MESSAGE")
    for canary in canaries:
        status = canary.get("status") or {}
        names = [canary["metadata"]["namespace"]] if with_namespace else []
        cells = [*names, canary["metadata"]["name"]]
        rest = [_weight(status), _step(canary), status.get("revision"), with_fault_as_stored(status)]
        lines.add_row(*map(plain, cells), _phase(status), *map(plain, rest))
    return lines


def details(canary: Mapping[str, Any]) -> RenderableType:
    """Return all that there is to know of one Canary."""
    status = canary.get("status") or {}
    parts: list[RenderableType] = [_facts(canary, status)]
    for title, drawn in (
        ("Checks", _checks(canary, status.get("checks") or ())),
        ("Conditions", _conditions(status.get("conditions") or ())),
        ("History", _history(status.get("history") or ())),
    ):
        parts += [Text(f"\n{title}", style="bold"), Padding(drawn, (0, 0, 0, 2), expand=False)]
    return Group(*parts)


def plain(value: object) -> Text:
    """Return a value as text without styles or control characters; `-` for nothing."""
    text = NOTHING if value is None or value == "" else str(value)
    return Text("".join(letter if letter.isprintable() else " " for letter in text))


def _facts(canary: Mapping[str, Any], status: Mapping[str, Any]) -> RenderableType:
    metadata, spec = canary["metadata"], canary.get("spec") or {}
    command = status.get("lastCommand") or {}
    told = f"{command.get('name')} by {command.get('by')} at {command.get('at')}" if command else None
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in (
        ("Canary", f"{metadata['namespace']}/{metadata['name']}"),
        ("Deployment", (spec.get("targetRef") or {}).get("name")),
        ("Phase", _phase(status)),
        ("Weight", _weight(status)),
        ("Step", _step(canary)),
        ("Revision", status.get("revision")),
        ("Stable revision", status.get("stableRevision")),
        ("Failed checks", status.get("failedChecks")),
        ("Started", status.get("startedAt")),
        ("Last command", told),
        ("Message", status.get("message")),
        *([("Waits until", status["waitsUntil"])] if status.get("waitsUntil") else []),
    ):
        table.add_row(Text(f"{name}:"), value if isinstance(value, Text) else plain(value))
    return table


def _phase(status: Mapping[str, Any]) -> Text:
    phase = plain(status.get("phase"))
    phase.stylize(PHASE_STYLE.get(phase.plain, ""))
    return phase


def _weight(status: Mapping[str, Any]) -> str | None:
    """Return the share that was decided, and the one that the mesh has when that is another."""
    decided, observed = status.get("weight"), status.get("observedWeight")
    if decided is None:
        return None
    return f"{decided} %" if observed in (None, decided) else f"{decided} % (the mesh has {observed} %)"


def _step(canary: Mapping[str, Any]) -> str | None:
    """Return the present step, counted from 1, and of how many where the spec lists them."""
    step = (canary.get("status") or {}).get("step")
    steps = ((canary.get("spec") or {}).get("analysis") or {}).get("steps")
    if not isinstance(step, int) or step < 0:
        return None
    return f"{step + 1} of {len(steps)}" if steps else f"{step + 1}"


def _checks(canary: Mapping[str, Any], checks: Sequence[Mapping[str, Any]]) -> RenderableType:
    written = ((canary.get("spec") or {}).get("analysis") or {}).get("checks") or ()
    builtins = {one.get("name"): one.get("builtin") for one in written}
    drawn = []
    for check in checks:
        verdict = plain(check.get("verdict"))
        verdict.stylize(VERDICT_STYLE.get(verdict.plain, "yellow"))
        builtin = builtins.get(check.get("name"))
        value, limit = (_number(builtin, check.get(part)) for part in ("value", "limit"))
        numbers = f"{value}, limit {limit}"
        facts = (numbers, f"{check.get('requests', NOTHING)} requests", check.get("at"))
        drawn.append(_told([plain(check.get("name")), verdict, *map(plain, facts)], check.get("message")))
    return Group(*drawn) if drawn else plain(None)


def _conditions(conditions: Sequence[Mapping[str, Any]]) -> RenderableType:
    drawn = []
    for one in conditions:
        facts = (
            f"{one.get('type')} is {one.get('status')}",
            one.get("reason"),
            f"since {one.get('lastTransitionTime')}",
        )
        drawn.append(_told([*map(plain, facts)], one.get("message")))
    return Group(*drawn) if drawn else plain(None)


def _history(history: Sequence[Mapping[str, Any]]) -> RenderableType:
    drawn = []
    for past in history:
        facts = (
            past.get("revision"),
            past.get("outcome"),
            f"at most {past.get('highestWeight', NOTHING)} %",
            f"{past.get('startedAt', NOTHING)} to {past.get('endedAt', NOTHING)}",
            past.get("image"),
        )
        drawn.append(_told([*map(plain, facts)], past.get("message")))
    return Group(*drawn) if drawn else plain(None)


def _told(facts: Sequence[Text], message: object) -> RenderableType:
    """Return facts on one line and the sentence under it, which columns would leave no room for."""
    line = Text("  ").join(facts)
    return Group(line, Padding(plain(message), (0, 0, 0, 2), expand=False)) if message else line


def _number(builtin: object, value: object) -> str:
    measured = next((one for one in Builtin if one.value == builtin), None)
    return shown(measured, value) if isinstance(value, int | float) else NOTHING


def table(*columns: str) -> Table:
    """Return an empty table without lines, whose column MESSAGE alone is wrapped on a narrow terminal."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        drawn.add_column(column, no_wrap=column != "MESSAGE", overflow="fold")
    return drawn
