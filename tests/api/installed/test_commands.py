"""Each command of the command line, a process of its own, against the real controller on a real control plane."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.phases import Phase
from tests.api.harness import Harness, hold_as_before
from tests.api.side_by_side import scene

pytestmark = pytest.mark.xdist_group("api-scenes")

HELD = "20@5m,40"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said, without the name of the Canary before it."""

    code: int
    out: str
    error: str


async def canary(it: Harness, *words: str) -> Said:
    """Run `canary WORDS` as somebody who may do all."""
    where = ("--kubeconfig", str(it.plane.kubeconfig), "-n", it.namespace)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "canary", *words, *where, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = (each.decode().strip() for each in await process.communicate())
    named = f"{it.namespace}/checkout: "
    return Said(process.returncode or 0, out.removeprefix(named), error.removeprefix(f"canary: {named}"))


async def command(it: Harness, word: str) -> Said:
    return await canary(it, word, "checkout", "--timeout", "60s")


async def carried_out(it: Harness, word: str) -> str:
    """Give a command that is carried out; return what is told after that."""
    said = await command(it, word)
    assert (said.code, said.error) == (0, ""), it.report()
    assert said.out.startswith(f"`{word}` is carried out. ")
    return said.out.removeprefix(f"`{word}` is carried out. ")


async def shown(it: Harness) -> dict[str, Any]:
    """What `canary status -o json` prints of the status."""
    said = await canary(it, "status", "checkout", "-o", "json")
    status: dict[str, Any] = json.loads(said.out)["status"]
    return status


async def held(it: Harness) -> None:
    """Version 2.0 is at 20 % and stays there for five minutes."""
    await it.there(steps=HELD)
    await it.push("2.0", steps=HELD)
    await it.until_weight(20)


@scene
async def test_a_rollout_is_paused_resumed_aborted_and_tried_again(it: Harness) -> None:
    await it.there(steps=HELD)
    assert await command(it, "pause") == Said(1, "", "`pause` is refused: no rollout runs")
    await it.push("2.0", steps=HELD)
    await it.until_weight(20)
    assert (await carried_out(it, "pause")).startswith("Paused: ")
    assert await command(it, "pause") == Said(1, "", "`pause` is refused: it is paused already")
    assert (await carried_out(it, "resume")).startswith("Progressing: ")
    assert (await carried_out(it, "abort")).startswith("RollingBack: ")
    status = await shown(it)
    assert (status["weight"], status["lastCommand"]["name"], status["lastCommand"]["by"]) == (0, "abort", "canary-cli")
    await it.until_phase(Phase.FAILED)
    await hold_as_before(it)
    await carried_out(it, "retry")
    await it.until_weight(20)
    assert it.phases[2:] == ["Progressing", "Paused", "Progressing", "RollingBack", "Failed", "Progressing"]


@scene
async def test_a_rollout_is_promoted_without_the_rest_of_its_analysis(it: Harness) -> None:
    await held(it)
    await carried_out(it, "promote")
    await it.until_phase(Phase.SUCCEEDED)
    assert (it.serving(), it.size(), it.weights) == (("2.0", 3), 0, [0, 20, 0])


@scene
async def test_a_version_that_is_unproved_is_released_into_service(it: Harness) -> None:
    await held(it)
    assert await command(it, "release") == Said(1, "", "`release` is refused: the Canary is not leaving")
    await it.annotate(it.ref(DEPLOYMENT), enabled="false")
    await it.people.delete(it.ref(CANARY))
    await it.until(lambda: it.live(CANARY) is None or "is unproved" in it.status.message)
    assert (it.serving(), it.weight) == (("1.0", 3), 0)
    await carried_out(it, "release")
    await it.until(lambda: it.live(CANARY) is None)
    await it.until(lambda: it.serving("checkout") == ("2.0", 3))


@scene
async def test_a_command_to_a_canary_that_is_not_there_names_those_that_are(it: Harness) -> None:
    await it.there()
    said = await canary(it, "abort", "chekout")
    assert (said.code, "checkout" in said.error) == (1, True)
