"""The sub-commands, each loaded only when it is called: to load the others would take longer than most commands do.

`canary --help` loads none; it lists them with the lines that stand here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "crd": ("crd", "Print the CustomResourceDefinition of the Canary resource."),
    "demo": ("demo", "Ship a good version and a bad one on this machine, with real traffic through a real Envoy."),
    "run": ("run", "Run the controller."),
    "status": ("status", "Show where canaries stand: all of a namespace in a table, or one in detail."),
    "lint": ("lint", "Find faults in manifests before they are applied; exit 1 when there is one."),
    "plan": ("plan", "Show the timeline of a rollout at its quickest: weights, pods, and when checks may first fail."),
    "wait": ("wait", "Wait until what the Deployment is now serves (exit 0), ended otherwise (1), or time is up (3)."),
    "history": ("history", "Show past rollouts, newest first, and why each ended."),
    "watch": ("watch", "Show one rollout as it happens: steps, split, checks, pods, events, and what it waits for."),
    "doctor": ("doctor", "Look at everything that the controller needs; exit 1 when something is not as it should be."),
    "promote": ("commands", "Promote the revision under test without the rest of its analysis."),
    "abort": ("commands", "Roll back: all traffic to the primary at once. Wins over everything."),
    "pause": ("commands", "Hold a rollout at its weight; its checks go on."),
    "resume": ("commands", "Let a paused rollout go on."),
    "retry": ("commands", "Give a failed revision a new rollout."),
    "release": ("commands", "Let a Deployment that is leaving serve an unproved revision."),
    "migrate": ("migrate", "Turn what another tool was told into what canary is told."),
}
"""The module of each command, in `canary.cli`, and the first line of its help; in the order of `canary --help`."""


@cache
def loaded(name: str) -> Any:
    """Return a command of `COMMANDS`, a click command."""
    app = typer.Typer()
    app.callback()(lambda: None)  # else an app of one command is that command
    import_module(f"canary.cli.{COMMANDS[name][0]}").register(app)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group.commands[name]


class Commands(TyperGroup):
    """Has a command without its flags for what only lists it, and the whole one for what calls or completes it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        for name, (_, line) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of the command that is called, the command, and the words after it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name in COMMANDS else None, rest
