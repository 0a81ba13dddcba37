"""`canary promote|abort|pause|resume|retry|release NAME`: hands a command to the controller and prints its answer.

Not its job: whether a command makes sense. The controller knows, and says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import typer

from canary.cli.canaries import COMMAND, Canaries, NameArgument, canaries
from canary.cli.options import ContextOption, KubeconfigOption, NamespaceOption, Output, OutputOption, Where
from canary.errors import CanaryError, Unavailable
from canary.rollout.model import CommandName
from canary.spec.units import format_duration, parse_duration

LOOK_EVERY_S = 0.3

MEANING: Mapping[CommandName, str] = {
    CommandName.PROMOTE: "Promote the revision under test without the rest of its analysis.",
    CommandName.ABORT: "Roll back: all traffic to the primary at once. Wins over everything.",
    CommandName.PAUSE: "Hold a rollout at its weight; its checks go on.",
    CommandName.RESUME: "Let a paused rollout go on.",
    CommandName.RETRY: "Give a failed revision a new rollout.",
    CommandName.RELEASE: "Let a Deployment that is leaving serve an unproved revision.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is commanded of which Canary, and how long to wait for the answer; None does not wait."""

    name: str
    command: CommandName
    patience: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What became of a command: the sentence to tell, and where the canary stands, "" where no answer was awaited."""

    text: str
    answered: bool
    phase: str = ""
    message: str = ""


def register(app: typer.Typer) -> None:
    """Add the six commands to the command line."""
    for command, meaning in MEANING.items():
        app.command(name=command.value, help=meaning)(_runner(command))


def _runner(command: CommandName) -> Callable[..., None]:
    def run(  # noqa: PLR0913 - each is a flag that users know by its name
        name: NameArgument,
        timeout: Annotated[str, typer.Option("--timeout", help="How long to wait for the answer.")] = "15s",
        wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the controller's answer.")] = True,
        output: OutputOption = Output.TEXT,
        namespace: NamespaceOption = None,
        kubeconfig: KubeconfigOption = None,
        context: ContextOption = None,
    ) -> None:
        patience = _patience(timeout)
        where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
        order = Order(name=name, command=command, patience=patience if wait else None)
        namespace, given = asyncio.run(_carry_out(where, order))
        print(as_json(namespace, order, given) if output is Output.JSON else given.text)

    return run


def as_json(namespace: str, order: Order, given: Given) -> str:
    """Return what `-o json` prints."""
    standing = {"answered": given.answered, "phase": given.phase, "message": given.message}
    return json.dumps(
        {"namespace": namespace, "name": order.name, "command": order.command.value, **standing}, indent=2
    )


def _patience(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, allowed is {error}", param_hint="--timeout") from error


async def _carry_out(where: Where, order: Order) -> tuple[str, Given]:
    async with canaries(where) as cluster:
        return cluster.namespace, await give(cluster, order)


async def give(cluster: Canaries, order: Order) -> Given:
    """Hand over a command and return what to tell: the answer, or that it was handed over when nobody waits.

    Raises CanaryError with the controller's reason when it is refused, and when no answer comes in time.
    """
    name = f"{cluster.namespace}/{order.name}"
    before = await cluster.read(order.name)
    known = await cluster.refusals(order.name)
    await cluster.command(order.name, order.command)
    if order.patience is None:
        text = f"{name}: `{order.command}` is handed over; `canary status {order.name}` shows what comes of it"
        return Given(text=text, answered=False)
    try:
        async with asyncio.timeout(order.patience.total_seconds()):
            return await _answer(cluster, order, before, known)
    except TimeoutError as error:
        raise Unavailable(f"{name}: {_unanswered(order, await cluster.read(order.name))}") from error


def _unanswered(order: Order, canary: Mapping[str, Any]) -> str:
    """Return what to tell when no answer came in time."""
    assert order.patience is not None
    late = f"no answer to `{order.command}` within {format_duration(order.patience)}"
    if _waits(canary):
        return f"{late}; it waits in the annotation until a controller runs: see `kubectl get pods -n canary-system`"
    return f"{late}, but it was taken away without being carried out: see `kubectl describe canary {order.name}`"


async def _answer(cluster: Canaries, order: Order, before: Mapping[str, Any], known: Mapping[str, str]) -> Given:
    """Return the answer once the controller has carried the command out and taken it away."""
    while True:
        try:
            canary = await cluster.read(order.name)
            refused = [text for uid, text in (await cluster.refusals(order.name)).items() if uid not in known]
        except Unavailable:
            refused, canary = [], before  # asked again until the patience is over
        if refused:
            raise CanaryError(f"{cluster.namespace}/{order.name}: {refused[-1]}")
        if _is_answered(before, canary):
            status = canary["status"]
            phase, message = str(status.get("phase", "")), str(status.get("message", ""))
            text = f"{cluster.namespace}/{order.name}: `{order.command}` is carried out. {phase}: {message}"
            return Given(text=text, answered=True, phase=phase, message=message)
        await asyncio.sleep(LOOK_EVERY_S)


def _is_answered(before: Mapping[str, Any], canary: Mapping[str, Any]) -> bool:
    """Return whether a command was carried out since `before`; one that is refused leaves an Event and no record."""
    return not _waits(canary) and _last_command(canary) != _last_command(before)


def _waits(canary: Mapping[str, Any]) -> bool:
    return COMMAND in (canary["metadata"].get("annotations") or {})


def _last_command(canary: Mapping[str, Any]) -> Any:
    return (canary.get("status") or {}).get("lastCommand")
