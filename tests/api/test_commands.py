"""The commands of the command line against the real controller on a real control plane."""

from __future__ import annotations

import pytest

from canary.cli.canaries import Canaries, Where, canaries
from canary.cli.commands import Order, give
from canary.cli.status import as_json
from canary.errors import CanaryError
from canary.rollout.model import CommandName
from canary.rollout.phases import Phase
from canary.spec.units import parse_duration
from tests.api.harness import Harness

pytestmark = pytest.mark.xdist_group("api")


async def command(cluster: Canaries, name: CommandName) -> str:
    return (await give(cluster, Order(name="checkout", command=name, patience=parse_duration("60s")))).text


async def refusal(cluster: Canaries, name: CommandName) -> str:
    with pytest.raises(CanaryError) as refused:
        await command(cluster, name)
    return str(refused.value).removeprefix(f"{cluster.namespace}/checkout: ")


async def test_a_rollout_is_paused_resumed_aborted_and_tried_again(at_work: Harness) -> None:
    await at_work.onboarded(steps="20,40@10m")
    where = Where(kubeconfig=at_work.plane.kubeconfig, namespace=at_work.namespace)
    async with canaries(where) as cluster:
        assert await refusal(cluster, CommandName.PAUSE) == "`pause` is refused: no rollout runs"

        await at_work.push("2.0", steps="20,40@10m")
        await at_work.until_weight(20)
        prefix = f"{at_work.namespace}/checkout: "
        assert (await command(cluster, CommandName.PAUSE)).startswith(f"{prefix}`pause` is carried out. Paused: ")
        assert await refusal(cluster, CommandName.PAUSE) == "`pause` is refused: it is paused already"
        answer = await command(cluster, CommandName.RESUME)
        assert answer.startswith(f"{prefix}`resume` is carried out. Progressing: ")

        answer = await command(cluster, CommandName.ABORT)
        assert answer.startswith(f"{prefix}`abort` is carried out. RollingBack: ")
        shown = as_json(await cluster.read("checkout"))["status"]
        assert (shown["weight"], shown["lastCommand"]["name"], shown["lastCommand"]["by"]) == (0, "abort", "canary-cli")

        await at_work.until_phase(Phase.FAILED)
        assert (await command(cluster, CommandName.RETRY)).startswith(f"{prefix}`retry` is carried out. ")
        await at_work.until_phase(Phase.PROGRESSING)
