"""On a real control plane a controller is killed at each kind of effect of a canary's life; the life ends as it must.

Lives are led side by side, each in a namespace of its own with controllers and a proxy of its own. Minutes, so only
`make test-faults` does it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from canary.ports import CONFIG_MAP, DEPLOYMENT, HPA, SECRET
from canary.rollout.phases import Phase
from tests.api.configured import copied, read, read_by, reading
from tests.api.endings import gave_back
from tests.api.harness import Harness, hold_as_before
from tests.api.installing import granted
from tests.api.proxy import kubeconfig_through, proxy
from tests.api.side_by_side import scene
from tests.builders import autoscaler, config_map
from tests.faults.kills import Killing, Moment, Victim
from tests.faults.table import ON_A_CONTROL_PLANE, TALE, tale

pytestmark = pytest.mark.xdist_group("api-faults")

Life = Callable[[Harness, Victim], Awaitable[None]]
PATIENCE_S = 280.0
READS = frozenset({"get", "list", "watch"})
WRITES = ("create", "patch", "delete")
EVERYWHERE = frozenset({"create events", "patch leases"})
SHARED = EVERYWHERE | {"create configmaps", "patch horizontalpodautoscalers checkout", "patch replicasets"}
"""What there is in more than one life, by the same code: one or two of them, which LIVES says, are enough."""


async def there(it: Harness, **annotations: str) -> None:
    """Come to rest with version 1.0, which reads a ConfigMap and a Secret and has an autoscaler."""
    await read(it)
    await it.people.apply(config_map("newer-config", namespace=it.namespace, text="new"))
    made = autoscaler(namespace=it.namespace)
    spec = {key: value for key, value in made["spec"].items() if key != "metrics"}
    await it.people.apply({**made, "apiVersion": "autoscaling/v1", "spec": spec})
    await it.people.apply(reading(it, track_config="all", **annotations))
    await it.until_phase(Phase.INITIALIZED)


async def push(it: Harness, **annotations: str) -> None:
    """Push version 2.0, which reads another ConfigMap."""
    await it.people.apply(reading(it, "2.0", "newer-config", track_config="all", **annotations))


def scaled(it: Harness) -> tuple[str, int]:
    """What the autoscaler scales, and its least size."""
    live = it.live(HPA)
    assert live is not None
    return live["spec"]["scaleTargetRef"]["name"], live["spec"]["minReplicas"]


async def assert_reads_copies_of(it: Harness, config: str) -> None:
    """Assert that the primary reads copies, and that they are there with what the version has read."""
    name, token = read_by(it, "checkout-primary")
    assert (await copied(it, CONFIG_MAP))[name] == {"text": config}
    assert token in await copied(it, SECRET)


async def onboarding(it: Harness, victim: Victim) -> None:
    victim.armed = True
    victim.start()
    await there(it)
    await it.until(lambda: scaled(it) == ("checkout-primary", 2))
    victim.spare()
    await hold_as_before(it)
    await assert_reads_copies_of(it, "old")
    assert set(it.weights) == {0}


async def promotion(it: Harness, victim: Victim) -> None:
    victim.start()
    await there(it)
    victim.armed = True
    await push(it)
    await it.until(lambda: it.status.phase is Phase.SUCCEEDED and it.serving() == ("2.0", 3) and it.size() == 0)
    await it.until(lambda: scaled(it) == ("checkout-primary", 2))
    victim.spare()
    await assert_reads_copies_of(it, "new")
    assert it.weights == [0, 50, 0]


async def rollback(it: Harness, victim: Victim) -> None:
    victim.start()
    await there(it, max_failures="1")
    it.metrics.set("checkout", bad=0.04)
    victim.armed = True
    await push(it, max_failures="1")
    await it.until(lambda: it.status.phase is Phase.FAILED and it.size() == 0)
    await it.until(lambda: scaled(it) == ("checkout-primary", 2))
    victim.spare()
    assert it.weights == [0, 50, 0]
    await hold_as_before(it)
    await assert_reads_copies_of(it, "old")


async def leaving(it: Harness, victim: Victim) -> None:
    victim.start()
    await there(it)
    victim.armed = True
    await it.annotate(it.ref(DEPLOYMENT), enabled=None)
    await gave_back(it, "1.0")
    victim.spare()
    assert (await copied(it, CONFIG_MAP), await copied(it, SECRET)) == ({}, {})
    assert scaled(it) == ("checkout", 2)


LIVES: dict[Life, frozenset[str]] = {
    onboarding: frozenset(
        {
            "create canaries",
            "create configmaps",
            "create controllerrevisions",
            "create deployments",
            "create leases",
            "create secrets",
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
            "patch horizontalpodautoscalers checkout",
            "patch replicasets",
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
            "delete configmaps",
            "delete controllerrevisions",
            "delete deployments -primary",
            "delete secrets",
            "delete services -canary",
            "delete virtualservices checkout",
            "patch canaries checkout",
            "patch canaries/status checkout",
            "patch deployments -primary",
            "patch deployments checkout",
            "patch horizontalpodautoscalers checkout",
            "patch services checkout",
        }
    ),
}
"""Each life with the effects that a controller is killed at in it, at least."""

OTHER_ROUTES = ("httproutes", "grpcroutes", "meshhttproutes")
NOT_KILLED_AT = {
    **{(verb, kind): "a VirtualService" for kind in OTHER_ROUTES for verb in WRITES},
    ("patch", "scaledobjects"): "a HorizontalPodAutoscaler",
}
"""Writes at which nobody is killed here, with what stands for them: the same code of the controller does both."""


async def killed(it: Harness, life: Life, moment: Moment) -> None:
    """Lead one life under controllers that are killed at each kind of effect in it."""
    it.patience_s = PATIENCE_S
    killing = Killing()
    async with proxy(it.plane.url, killing) as url:
        through = kubeconfig_through(url, it.plane.folder / "controller.kubeconfig", it.folder / "through.kubeconfig")
        victim = killing.victims[it.namespace] = Victim(it, moment, through, SHARED - LIVES[life])
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


def test_a_controller_is_killed_at_every_write_that_it_has_the_right_to() -> None:
    killed_at = {tuple(effect.split()[:2]) for effects in LIVES.values() for effect in effects}
    allowed = {(verb, resource) for _, resource, verb in granted() if verb not in READS}
    assert killed_at == allowed - NOT_KILLED_AT.keys()
    assert NOT_KILLED_AT.keys() <= allowed
