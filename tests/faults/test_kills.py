"""On a real control plane a controller is killed at each kind of effect of a canary's life; the life ends as it must.

Lives are led side by side, each in a namespace of its own with controllers of its own. Minutes, so only
`make test-faults` does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from canary.ports import DEPLOYMENT
from canary.rollout.phases import Phase
from tests.api.control_plane import ControlPlane
from tests.api.endings import gave_back
from tests.api.harness import Harness, fresh_name, hold_as_before, playing
from tests.api.proxy import kubeconfig_through, proxy
from tests.api.world import World, namespace_made, world
from tests.faults.kills import Killing, Moment, Victim
from tests.faults.table import ON_A_CONTROL_PLANE, TALE, tale

pytestmark = pytest.mark.xdist_group("api-faults")

Life = Callable[[Harness, Victim], Awaitable[None]]
PATIENCE_S = 280.0
EVERYWHERE = frozenset({"create events", "patch leases"})
"""What there is in every life; one of them is enough."""


async def onboarding(it: Harness, victim: Victim) -> None:
    victim.armed = True
    victim.start()
    await it.there()
    victim.spare()
    hold_as_before(it)
    assert set(it.weights) == {0}


async def promotion(it: Harness, victim: Victim) -> None:
    victim.start()
    await it.there()
    victim.armed = True
    await it.push("2.0")
    await it.until(lambda: it.status.phase is Phase.SUCCEEDED and it.serving() == ("2.0", 3) and it.size() == 0)
    victim.spare()
    assert it.weights == [0, 50, 0]


async def rollback(it: Harness, victim: Victim) -> None:
    victim.start()
    await it.there(max_failures="1")
    it.metrics.set("checkout", bad=0.04)
    victim.armed = True
    await it.push("2.0", max_failures="1")
    await it.until(lambda: it.status.phase is Phase.FAILED and it.size() == 0)
    victim.spare()
    assert it.weights == [0, 50, 0]
    hold_as_before(it)


async def leaving(it: Harness, victim: Victim) -> None:
    victim.start()
    await it.there()
    victim.armed = True
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await gave_back(it, "1.0")
    victim.spare()


LIVES: dict[Life, frozenset[str]] = {
    onboarding: frozenset(
        {
            "create canaries",
            "create controllerrevisions",
            "create deployments",
            "create services",
            "create virtualservices",
            "patch canaries checkout",
            "patch canaries/status checkout",
            "patch deployments checkout",
            "patch services checkout",
        }
    ),
    promotion: frozenset(
        {
            *EVERYWHERE,
            "create controllerrevisions",
            "patch canaries/status checkout",
            "patch deployments -primary",
            "patch deployments checkout",
            "patch services -canary",
            "patch virtualservices checkout",
        }
    ),
    rollback: frozenset(
        {
            "create controllerrevisions",
            "patch canaries/status checkout",
            "patch deployments checkout",
            "patch services -canary",
            "patch virtualservices checkout",
        }
    ),
    leaving: frozenset(
        {
            "delete canaries checkout",
            "delete controllerrevisions",
            "delete deployments -primary",
            "delete services -canary",
            "delete virtualservices checkout",
            "patch canaries checkout",
            "patch canaries/status checkout",
            "patch deployments -primary",
            "patch deployments checkout",
            "patch services checkout",
        }
    ),
}
"""Each life with the effects that a controller is killed at in it, at least."""


async def lead(of: World, kubeconfig: Path, killing: Killing, life: Life, moment: Moment) -> Victim:
    """Lead one life in a namespace of its own, and return who was killed in it."""
    namespace = fresh_name()
    folder = of.folder / f"{life.__name__}-{moment.name}"
    folder.mkdir()
    await namespace_made(of.http, of.people, namespace)
    with playing(of, namespace, folder) as it:
        it.patience_s = PATIENCE_S
        spared = EVERYWHERE - LIVES[life]
        victim = killing.victims[namespace] = Victim(it, moment, kubeconfig, spared)
        await life(it, victim)
        it.apex.assert_served(it.report())
    await of.clear(namespace)
    return victim


async def test_a_controller_that_is_killed_at_each_kind_of_effect_is_followed_by_one_that_ends_it(
    plane: ControlPlane, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    killing = Killing()
    async with world(plane, tmp_path, ()) as of, proxy(plane.url, killing) as url:
        kubeconfig = kubeconfig_through(url, plane.folder / "controller.kubeconfig", tmp_path / "through.kubeconfig")
        led = [(life, moment) for life in LIVES for moment in Moment]
        victims = await asyncio.gather(*(lead(of, kubeconfig, killing, *each) for each in led))
    for (life, moment), victim in zip(led, victims, strict=True):
        faults = {"killed": len(victim.killed_at)}
        record_property(TALE, tale(f"{life.__name__}, killed {moment}", faults, ON_A_CONTROL_PLANE))
        assert set(victim.killed_at) >= LIVES[life], life.__name__
