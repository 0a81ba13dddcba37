"""Which objects belong to a revision and in which forms, what is missing, and whose name is taken."""

from __future__ import annotations

from typing import Any

import pytest

from canary.contents import content_of
from canary.controller.copies import copy_ref
from canary.controller.references import Reference, references
from canary.ports import CONFIG_MAP, SECRET
from canary.rollout.phases import Phase
from canary.sandbox.calls import Verb
from tests.builders import canary, config_map, ref, secret
from tests.embedded import ready_images
from tests.scenarios.configured import Holding, configured, copies, reading
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime

ENV = {"name": "TEXT", "valueFrom": {"configMapKeyRef": {"name": "app-config", "key": "text"}}}
SECRETIVE: dict[str, Any] = {
    "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "app-secret", "key": "text"}}}]
}
OPTIONAL: dict[str, Any] = {"envFrom": [{"configMapRef": {"name": "app-config", "optional": True}}]}


def volume(**source: Any) -> list[dict[str, Any]]:
    return [{"name": "config", **source}]


@pytest.mark.parametrize(
    "deployed",
    [
        reading(env=[ENV]),
        reading(volumes=volume(configMap={"name": "app-config"})),
        reading(volumes=volume(configMap={"name": "app-config", "items": [{"key": "other", "path": "o"}]})),
        reading(volumes=volume(projected={"sources": [{"configMap": {"name": "app-config"}}]})),
        reading(
            volumes=volume(configMap={"name": "app-config"}),
            volumeMounts=[{"name": "config", "mountPath": "/etc/app.conf", "subPath": "text"}],
        ),
    ],
    ids=["env", "volume", "items", "projected", "subPath"],
)
async def test_each_way_of_reading_it_is_tracked(stage: Stage, deployed: dict[str, Any]) -> None:
    holding = await configured(stage, deployed)
    stage.cluster.apply(config_map(text="new"))
    await stage.until_weight(20)
    assert (holding.by("checkout"), holding.serving) == (["new"], ["old"] * 3)
    await stage.until(lambda: holding.serving == ["new"] * 3)


async def test_an_immutable_one_of_a_mebibyte_with_the_longest_name(stage: Stage) -> None:
    holding = Holding(stage)
    name, big = "c" * 253, "x" * (1024 * 1024 - 10)
    await stage.cluster.create({**config_map(name, text=big), "immutable": True})
    await stage.onboarded(reading(envFrom=[{"configMapRef": {"name": name}}]))
    assert holding.serving == [big] * 3
    [copy] = copies(stage)
    assert (len(copy), copies(stage)[copy] == big) == (253, True)
    stage.cluster.remove(ref(CONFIG_MAP, name))
    stage.cluster.apply({**config_map(name, text="small"), "immutable": True})
    await stage.until(lambda: holding.serving == ["small"] * 3)


async def test_an_optional_one_that_comes_is_a_change(stage: Stage) -> None:
    holding = Holding(stage)
    await stage.onboarded(reading(**OPTIONAL))
    assert (holding.serving, copies(stage)) == ([""] * 3, {})
    stage.cluster.apply(config_map(text="new"))
    await stage.until_weight(20)
    assert (holding.by("checkout"), holding.serving) == (["new"], [""] * 3)
    await stage.until(lambda: holding.serving == ["new"] * 3)


async def test_a_missing_one_is_named_and_nothing_starts(stage: Stage) -> None:
    holding = await configured(stage)
    deployed = reading("2.0", envFrom=[{"configMapRef": {"name": name}} for name in ("app-config", "extra")])
    stage.cluster.apply(deployed)
    await stage.rest(120)
    assert (stage.status.phase, stage.candidate, stage.weight) == (Phase.INITIALIZED, (0, False), 0)
    assert "ConfigMap shop/extra, which Deployment checkout needs, is not there" in stage.status.message
    assert "ConfigMissing" in stage.reasons
    stage.cluster.apply(config_map("extra", text="there"))
    await stage.until_serving("2.0")
    assert holding.serving == ["there old"] * 3 or holding.serving == ["old there"] * 3


async def test_one_that_is_taken_away_in_mid_rollout_stops_it(stage: Stage) -> None:
    holding = await configured(stage)
    stage.cluster.apply(reading("2.0"))
    await stage.until_weight(20)
    stage.cluster.remove(ref(CONFIG_MAP, "app-config"))
    await stage.rest(120)
    assert (stage.status.phase, stage.weight, stage.candidate) == (Phase.PROGRESSING, 0, (0, False))
    assert "ConfigMap shop/app-config" in stage.status.message
    stage.cluster.apply(config_map(text="old"))
    await stage.until_serving("2.0")
    assert (holding.serving, stage.history) == (["old"] * 3, [("2.0", "promoted")])


async def test_secrets_are_followed_only_where_they_are_tracked(stage: Stage) -> None:
    holding = Holding(stage)
    await stage.onboarded(secret(text="hush"), config_map(text="old"), reading(**SECRETIVE))
    stage.cluster.apply(secret(text="changed"))
    await stage.rest()
    assert stage.status.phase is Phase.INITIALIZED
    assert (stage.client.demand.followed, copies(stage)) == (set(), {})
    assert [call for call in stage.client.requests.log if call.ref.kind in (SECRET, CONFIG_MAP)] == []
    stage.edit_spec(trackConfig="all")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.client.demand.followed == {(SECRET, "shop")}
    assert (holding.serving, list(copies(stage).values())) == (["changed"] * 3, ["Y2hhbmdlZA=="])
    stage.cluster.apply(secret(text="again"))
    await stage.until(lambda: holding.serving == ["again"] * 3)
    assert "again" not in str(stage.status)
    stage.edit_spec(trackConfig="none")
    await stage.until(lambda: len(stage.history) == 3)
    await stage.rest()
    assert (stage.client.demand.followed, copies(stage)) == (set(), {})


async def test_without_the_right_to_secrets_that_canary_says_so(stage: Stage) -> None:
    await stage.there(secret(text="hush"), reading(**SECRETIVE))
    controller = stage.start(prepare=lambda client: client.demand.forbidden.add(SECRET))
    stage.cluster.apply(canary(trackConfig="all"))
    await stage.rest(60)
    assert "Secrets in shop cannot be watched" in stage.status.message
    assert "canary.delivery/track-config to configmaps" in stage.status.message
    assert (stage.ready_condition.status.value, len(ready_images(stage.cluster))) == ("False", 3)
    controller.client.demand.forbidden.clear()
    await stage.until_phase(Phase.INITIALIZED)


async def test_a_name_that_is_taken_is_told_and_nothing_is_overwritten(stage: Stage) -> None:
    holding = await configured(stage)
    content = content_of(config_map(text="new"))
    taken = copy_ref("shop", "checkout", Reference(CONFIG_MAP, "app-config"), content)
    stage.cluster.apply(config_map(taken.name, text="mine"))
    stage.cluster.apply(config_map(text="new"))
    await stage.rest(120)
    assert f"{taken} is there already and not a copy of this controller" in stage.status.message
    assert stage.cluster.now(taken)["data"] == {"text": "mine"}
    assert (stage.candidate, holding.serving) == ((0, False), ["old"] * 3)


async def test_a_copy_that_somebody_deletes_is_made_again(stage: Stage) -> None:
    await configured(stage)
    [name] = copies(stage)
    stage.cluster.remove(ref(CONFIG_MAP, name))
    await stage.until(lambda: copies(stage) == {name: "old"})
    assert "ConfigLost" in stage.reasons


async def test_config_that_nobody_tracks_wakes_nobody(stage: Stage) -> None:
    await configured(stage)
    await stage.rest()
    passes = len([entry for entry in stage.logs if entry["event"] == "reconciled"])
    stage.client.requests.clear()
    stage.cluster.apply(config_map("elsewhere", text="1"))
    for number in range(20):
        stage.cluster.edit(ref(CONFIG_MAP, "elsewhere"), {"data": {"text": f"{number}"}})
        stage.cluster.edit(ref(CONFIG_MAP, "app-config"), {"metadata": {"annotations": {"leader": f"{number}"}}})
        await stage.rest(1)
    assert len([entry for entry in stage.logs if entry["event"] == "reconciled"]) == passes
    assert (stage.client.requests.reads, stage.client.requests.writes) == (0, 0)


async def test_reading_contents_costs_one_read_for_each_that_is_copied(stage: Stage) -> None:
    await configured(stage)
    stage.client.requests.clear()
    stage.cluster.apply(config_map(text="new"))
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.client.requests.counts[Verb.READ, CONFIG_MAP] == 1
    assert stage.client.requests.reads == 1
    assert references(stage.target["spec"]["template"], (CONFIG_MAP,)) == (Reference(CONFIG_MAP, "app-config"),)
