"""From annotated Deployments to Canaries: kept so, told when they cannot be read, taken back when opted out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from canary.controller.shim import Shim, annotation_faults
from canary.controller.tell import Teller
from canary.ports import CANARY, DEPLOYMENT, EVENT
from canary.rollout.model import Fault
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import canary, deployment, ref, settings
from tests.embedded import eventually
from tests.told import Told

pytestmark = pytest.mark.looptime

KEY = ("shop", "checkout")


class Shop:
    """A cluster with one annotated Deployment, and a shim that looks at it."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.cluster = cluster
        self.shim = Shim(cluster, Teller(cluster, Told(), cluster.clock))

    async def annotated(self, **values: str) -> None:
        """Apply the Deployment with these annotations and let the shim look."""
        self.cluster.apply(deployment(annotations=settings(**values)))
        await self.look()

    async def look(self) -> None:
        version = self.cluster.now(ref(DEPLOYMENT))["metadata"]["resourceVersion"]

        def caught_up() -> bool:
            live = self.cluster.get(ref(DEPLOYMENT))
            return live is not None and int(live["metadata"]["resourceVersion"]) >= int(version)

        await eventually(self.cluster, caught_up)
        await self.shim(KEY)

    @property
    def canary(self) -> dict[str, Any] | None:
        live = self.cluster.store.get(ref(CANARY))
        return None if live is None else dict(live)

    @property
    def events(self) -> list[tuple[str, str, str]]:
        return [
            (one["involvedObject"]["kind"], one["type"], one["reason"])
            for one in self.cluster.store.list(EVENT, "shop")
        ]


@pytest.fixture
def shop(cluster: InMemoryCluster) -> Shop:
    return Shop(cluster)


async def test_an_annotated_deployment_gets_a_canary_of_its_name(shop: Shop) -> None:
    await shop.annotated(enabled="true", steps="20,40", success_rate="95")
    live = shop.canary
    assert live is not None
    assert live["metadata"]["labels"] == {"canary.delivery/generated": "true"}
    assert "ownerReferences" not in live["metadata"]
    assert live["spec"]["targetRef"]["name"] == "checkout"
    assert [step["weight"] for step in live["spec"]["analysis"]["steps"]] == [20, 40]
    assert shop.events == []


async def test_a_deployment_without_annotations_gets_none(shop: Shop) -> None:
    await shop.annotated()
    assert shop.canary is None


async def test_changed_annotations_change_it_and_removed_ones_too(shop: Shop) -> None:
    await shop.annotated(enabled="true", progress_deadline="2m", skip_analysis="true")
    await shop.annotated(enabled="true", interval="30s")
    live = shop.canary
    assert live is not None
    assert "progressDeadline" not in live["spec"]
    assert (live["spec"]["skipAnalysis"], live["spec"]["analysis"]["interval"]) == (False, "30s")


async def test_unchanged_annotations_cost_nothing(shop: Shop) -> None:
    await shop.annotated(enabled="true")
    shop.cluster.requests.clear()
    await shop.look()
    assert shop.cluster.requests.writes == 0


async def test_somebodys_edit_of_a_generated_canary_is_put_back(shop: Shop) -> None:
    await shop.annotated(enabled="true")
    before = shop.canary
    shop.cluster.edit(ref(CANARY), {"spec": {"suspend": True}})
    await eventually(shop.cluster, lambda: (shop.cluster.get(ref(CANARY)) or {})["spec"]["suspend"])
    await shop.look()
    assert before is not None
    assert shop.canary is not None
    assert shop.canary["spec"] == before["spec"]


async def test_opting_out_deletes_it(shop: Shop) -> None:
    await shop.annotated(enabled="true")
    await shop.annotated()
    assert shop.canary is None


async def test_a_deployment_that_is_gone_keeps_it_for_the_rules_to_decide(shop: Shop) -> None:
    await shop.annotated(enabled="true")
    shop.cluster.remove(ref(DEPLOYMENT))
    await eventually(shop.cluster, lambda: shop.cluster.get(ref(DEPLOYMENT)) is None)
    await shop.shim(KEY)
    assert shop.canary is not None


async def test_invalid_annotations_keep_the_last_good_spec_and_are_told_once(shop: Shop) -> None:
    await shop.annotated(enabled="true", interval="30s")
    before = shop.canary
    await shop.annotated(enabled="true", interval="never", stepz="5")
    await asyncio.sleep(5)
    await shop.look()
    assert shop.canary == before
    assert shop.events == [("Deployment", "Warning", "InvalidSpec")]
    text = shop.cluster.store.list(EVENT, "shop")[0]["message"]
    assert "canary.delivery/interval" in text
    assert "did you mean canary.delivery/steps" in text


async def test_a_deployment_that_was_never_valid_gets_a_suspended_canary(shop: Shop) -> None:
    await shop.annotated(enabled="true", interval="never")
    live = shop.canary
    assert live is not None
    assert live["spec"] == {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
        "suspend": True,
    }
    assert shop.events == [("Deployment", "Warning", "InvalidSpec")]


async def test_mended_annotations_end_the_suspension(shop: Shop) -> None:
    await shop.annotated(enabled="true", interval="never")
    await shop.annotated(enabled="true", interval="30s")
    assert shop.canary is not None
    assert shop.canary["spec"]["suspend"] is False


async def test_a_users_own_canary_goes_first_and_the_annotations_are_ignored(shop: Shop) -> None:
    own = canary("mine")
    own["spec"]["targetRef"]["name"] = "checkout"
    shop.cluster.apply(own)
    await shop.annotated(enabled="true")
    await shop.look()
    assert shop.canary is None
    assert shop.events == [("Deployment", "Warning", "AnnotationsIgnored")]


async def test_a_canary_of_the_users_with_that_name_for_another_target_is_not_touched(shop: Shop) -> None:
    own = canary()
    own["spec"]["targetRef"]["name"] = "other"
    shop.cluster.apply(own)
    before = shop.canary
    await shop.annotated(enabled="true")
    assert shop.canary == before
    assert shop.events == [("Deployment", "Warning", "NameTaken")]


async def test_faults_of_annotations_are_faults_of_the_generated_canary_only(shop: Shop) -> None:
    await shop.annotated(enabled="true", interval="never")
    made, live = shop.canary, shop.cluster.now(ref(DEPLOYMENT))
    assert made is not None
    faults = annotation_faults(live, made)
    assert [fault.reason for fault in faults] == ["InvalidSpec"]
    assert isinstance(faults[0], Fault)
    assert annotation_faults(live, canary()) == ()
    assert annotation_faults(None, made) == ()
