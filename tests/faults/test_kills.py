"""On a real control plane a controller is killed at each kind of effect of a canary's life; the life ends as it must.

Lives are led side by side, each in a namespace of its own with controllers and a proxy of its own. Minutes, so only
`make test-faults` does it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from canary.ports import DEPLOYMENT
from canary.rollout.phases import Phase
from tests.api.endings import gave_back
from tests.api.harness import Harness, hold_as_before
from tests.api.proxy import kubeconfig_through, proxy
from tests.api.side_by_side import scene
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


async def killed(it: Harness, life: Life, moment: Moment) -> None:
    """Lead one life under controllers that are killed at each kind of effect in it."""
    it.patience_s = PATIENCE_S
    killing = Killing()
    async with proxy(it.plane.url, killing) as url:
        through = kubeconfig_through(url, it.plane.folder / "controller.kubeconfig", it.folder / "through.kubeconfig")
        victim = killing.victims[it.namespace] = Victim(it, moment, through, EVERYWHERE - LIVES[life])
        await life(it, victim)
        faults = {"killed": len(victim.killed_at)}
        it.notes[TALE] = tale(f"{life.__name__}, killed {moment}", faults, ON_A_CONTROL_PLANE)
        assert set(victim.killed_at) >= LIVES[life]


@scene
async def test_an_onboarding_is_ended_by_others_when_it_is_killed_before_each_answer(it: Harness) -> None:
    await killed(it, onboarding, Moment.UNTOLD)


@scene
async def test_an_onboarding_is_ended_by_others_when_it_is_killed_after_each_answer(it: Harness) -> None:
    await killed(it, onboarding, Moment.TOLD)


@scene
async def test_a_promotion_is_ended_by_others_when_it_is_killed_before_each_answer(it: Harness) -> None:
    await killed(it, promotion, Moment.UNTOLD)


@scene
async def test_a_promotion_is_ended_by_others_when_it_is_killed_after_each_answer(it: Harness) -> None:
    await killed(it, promotion, Moment.TOLD)


@scene
async def test_a_rollback_is_ended_by_others_when_it_is_killed_before_each_answer(it: Harness) -> None:
    await killed(it, rollback, Moment.UNTOLD)


@scene
async def test_a_rollback_is_ended_by_others_when_it_is_killed_after_each_answer(it: Harness) -> None:
    await killed(it, rollback, Moment.TOLD)


@scene
async def test_a_leaving_is_ended_by_others_when_it_is_killed_before_each_answer(it: Harness) -> None:
    await killed(it, leaving, Moment.UNTOLD)


@scene
async def test_a_leaving_is_ended_by_others_when_it_is_killed_after_each_answer(it: Harness) -> None:
    await killed(it, leaving, Moment.TOLD)
