"""Tracked configuration at both ends of a canary's life, and through a change of controllers."""

from __future__ import annotations

import pytest

from canary.contents import content_of
from canary.controller.copies import copy_ref
from canary.controller.references import Reference
from canary.errors import Rejected
from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, POD, Propagation
from canary.rollout.phases import Phase
from canary.sandbox.calls import Call, Verb
from meshes.contract import Manifest
from tests.builders import canary, config_map, ref, service
from tests.embedded import pods_of
from tests.scenarios.configured import Holding, configured, copies, reading
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


def leave(stage: Stage) -> None:
    stage.cluster.remove(ref(CANARY))


def name_of_copy(text: str) -> str:
    content = content_of(config_map(text=text))
    return copy_ref("shop", "checkout", Reference(CONFIG_MAP, "app-config"), content).name


def is_gone(stage: Stage) -> bool:
    return stage.cluster.store.get(ref(CANARY)) is None


async def test_config_that_changes_while_onboarding_is_given_to_the_primary(stage: Stage) -> None:
    """As with a push: until the Service is narrowed the Deployment itself serves what it reads."""
    holding = Holding(stage)
    await stage.there(config_map(text="old"), reading())
    stage.cluster.apply(canary(analysis=analysis()))
    stage.start()
    await stage.until(lambda: stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")))
    stage.cluster.apply(config_map(text="new"))
    await stage.until_phase(Phase.INITIALIZED)
    assert (holding.serving, stage.history) == (["new"] * 3, [])
    await stage.rest()
    assert list(copies(stage).values()) == ["new"]


async def test_leaving_gives_the_originals_back_and_takes_the_copies_away(stage: Stage) -> None:
    holding = await configured(stage)
    leave(stage)
    await stage.until(lambda: is_gone(stage))
    assert holding.by("checkout") == ["old"] * 3
    await stage.until(lambda: stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None)
    await stage.rest(1)
    assert (copies(stage), stage.client.demand.followed) == ({}, set())
    assert [one["metadata"]["name"] for one in stage.cluster.store.list(CONFIG_MAP, "shop")] == ["app-config"]


async def test_leaving_waits_for_the_config_that_serves(stage: Stage) -> None:
    holding = await configured(stage)
    stage.canary_traffic(bad=0.5)
    stage.cluster.apply(config_map(text="wrong"))
    await stage.until_phase(Phase.FAILED)
    leave(stage)
    await stage.rest(120)
    assert "is unproved" in stage.status.message
    assert (stage.candidate, holding.serving) == ((0, False), ["old"] * 3)
    stage.cluster.apply(config_map(text="old"))
    await stage.until(lambda: is_gone(stage))
    assert holding.by("checkout") == ["old"] * 3


async def test_release_lets_other_config_into_service(stage: Stage) -> None:
    holding = await configured(stage)
    stage.canary_traffic(bad=0.5)
    stage.cluster.apply(config_map(text="other"))
    await stage.until_phase(Phase.FAILED)
    leave(stage)
    await stage.rest()
    stage.command("release")
    await stage.until(lambda: is_gone(stage))
    assert holding.by("checkout") == ["other"] * 3


async def test_config_that_changes_while_nobody_looks_starts_again(stage: Stage) -> None:
    holding = await configured(stage)
    stage.cluster.apply(reading("2.0"))
    await stage.until_weight(20)
    stage.controllers[-1].kill()
    stage.cluster.apply(config_map(text="new"))
    await stage.rest(5)
    stage.start()
    await stage.until(lambda: stage.weight == 0)
    await stage.until_serving("2.0")
    assert stage.history == [("2.0", "superseded"), ("2.0", "promoted")]
    assert holding.serving == ["new"] * 3


async def test_another_controller_goes_on_where_the_first_was(stage: Stage) -> None:
    holding = await configured(stage)
    stage.cluster.apply(config_map(text="new"))
    await stage.until_weight(20)
    before = {pod["metadata"]["uid"] for pod in pods_of(stage.cluster, "checkout")}
    stage.controllers[-1].kill()
    stage.start()
    await stage.until_weight(50)
    assert before <= {pod["metadata"]["uid"] for pod in pods_of(stage.cluster, "checkout")}
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0]
    assert holding.serving == ["new"] * 3


async def test_a_primary_that_is_made_again_reads_its_copies(stage: Stage) -> None:
    holding = await configured(stage)
    stage.canary_traffic(bad=0.5)
    stage.cluster.apply(config_map(text="wrong"))
    await stage.until_phase(Phase.FAILED)
    served = {pod["metadata"]["uid"] for pod in pods_of(stage.cluster, "checkout-primary")}
    primary, before = ref(DEPLOYMENT, "checkout-primary"), stage.primary["metadata"]["uid"]
    with stage.watch.blind():
        stage.cluster.remove(primary, Propagation.FOREGROUND)
        await stage.until(lambda: not served & {one["metadata"]["uid"] for one in stage.cluster.store.list(POD)})
        await stage.until(lambda: _uid(stage.cluster.store.get(primary)) not in ("", before))
        await stage.until(lambda: len(holding.serving) == 3)
    assert holding.serving == ["old"] * 3


def _uid(live: Manifest | None) -> str:
    return str(live["metadata"]["uid"]) if live is not None else ""


async def test_content_that_changes_as_it_is_read_is_not_stored_under_the_older_hash(stage: Stage) -> None:
    holding = await configured(stage)

    def edit(call: Call) -> None:
        if call.verb is Verb.READ and call.ref == ref(CONFIG_MAP, "app-config"):
            stage.client.before = None
            stage.cluster.apply(config_map(text="newer"))

    made: dict[str, str] = {}
    stage.cluster.store.listen(lambda _: made.update(copies(stage)))
    stage.client.before = edit
    stage.cluster.apply(config_map(text="new"))
    await stage.until(lambda: "newer" in holding.serving)
    await stage.until(lambda: stage.status.phase is Phase.SUCCEEDED)
    await stage.rest()
    assert (holding.serving, list(copies(stage).values())) == (["newer"] * 3, ["newer"])
    assert made == {name_of_copy(text): text for text in ("old", "newer")}


async def test_a_copy_that_is_refused_is_told_on_the_canary(stage: Stage) -> None:
    holding = await configured(stage)

    def refuse(call: Call) -> None:
        if call.verb is Verb.CREATE and call.ref.kind == CONFIG_MAP:
            raise Rejected("configmaps is forbidden: cannot create resource")

    stage.client.before = refuse
    stage.cluster.apply(config_map(text="new"))
    await stage.rest()
    assert "ConfigMap shop/app-config cannot be copied to app-config-" in stage.ready_condition.message
    assert "ConfigNotCopied" in stage.reasons
    assert (stage.weight, holding.serving) == (0, ["old"] * 3)
    stage.client.before = None
    await stage.until(lambda: holding.serving == ["new"] * 3)
    assert stage.ready_condition.status.value == "True"


async def test_two_canaries_that_read_the_same_have_a_copy_each(stage: Stage) -> None:
    await configured(stage)
    cart = reading()
    spec = {**cart["spec"], "selector": {"matchLabels": {"app": "cart"}}, "replicas": 3}
    spec["template"] = {**spec["template"], "metadata": {"labels": {"app": "cart"}}}
    stage.cluster.apply({**cart, "metadata": {**cart["metadata"], "name": "cart"}, "spec": spec})
    stage.cluster.apply(service("cart"))
    stage.cluster.apply(canary("cart", analysis=analysis()))
    await stage.until(lambda: "Initialized" in str(stage.cluster.now(ref(CANARY, "cart")).get("status", {})))
    mine, [theirs] = copies(stage), copies(stage, "cart")
    assert theirs not in mine
    leave(stage)
    await stage.until(lambda: is_gone(stage))
    assert (copies(stage), list(copies(stage, "cart"))) == ({}, [theirs])
