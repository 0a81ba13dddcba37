"""What is looked up is what a look at everything finds, and a pass looks at no more when there are more canaries."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.app import Outside, control
from canary.clients.slack import LogNotifier
from canary.controller.indexes import deployments_matching, pods_selected, services_selecting
from canary.controller.names import is_selected, labels_of, matches, template_labels
from canary.index import Index
from canary.ports import CANARY, DEPLOYMENT, POD, SERVICE
from canary.sandbox.client import Client
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.simulated import SimulatedRuntime
from canary.settings import Settings
from meshes.contract import Kind, Manifest, ObjectRef
from tests.builders import canary, deployment, ref, service
from tests.scenarios.metrics import FakeMetrics

LABELS = st.dictionaries(st.sampled_from(("app", "team", "tier")), st.sampled_from("xy"), min_size=1)


@given(templates=st.lists(LABELS, max_size=6), selectors=st.lists(LABELS, max_size=6), asked=LABELS)
def test_selectors_find_what_a_look_at_everything_finds(
    templates: list[dict[str, str]], selectors: list[dict[str, str]], asked: dict[str, str]
) -> None:
    async def compare() -> None:
        cluster = InMemoryCluster()
        for number, labels in enumerate(templates):
            body = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
            cluster.apply(deployment(f"app-{number}", selector={"matchLabels": labels}, template=body))
            metadata = {"name": f"pod-{number}", "namespace": "shop", "labels": labels}
            cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body["spec"]})
        for number, selector in enumerate(selectors):
            cluster.apply(service(f"service-{number}", selector=selector))
        await asyncio.sleep(0)
        client = cluster.client("other")
        services, pods = client.list(SERVICE, "shop"), client.list(POD, "shop")
        assert services_selecting(client, "shop", asked) == [
            one for one in services if is_selected(one["spec"]["selector"], asked)
        ]
        wanted = [one for one in pods if is_selected(asked, labels_of(one))]
        assert pods_selected(client, "shop", asked) == wanted
        by: dict[str, Any]
        for by in ({"matchLabels": asked}, {"matchExpressions": [{"key": "app", "operator": "Exists"}]}):
            found = [one for one in client.list(DEPLOYMENT, "shop") if matches(by, template_labels(one))]
            assert deployments_matching(client, "shop", by) == found
        cluster.close()

    asyncio.run(compare())


class Counting(Client):
    """A client that counts the objects that it hands out."""

    looked_at = 0

    def get(self, ref: ObjectRef) -> Manifest | None:
        self.looked_at += 1
        return super().get(ref)

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        found = super().list(kind, namespace, labels)
        self.looked_at += len(found)
        return found

    def find(self, index: Index, *keys: Hashable) -> Sequence[Manifest]:
        found = super().find(index, *keys)
        self.looked_at += len(found)
        return found


async def looked_at(canaries: int) -> int:
    """How many objects the controller looks at for a rollout of one canary up to its first weight."""
    cluster = InMemoryCluster()
    async with Kubelet(cluster.client("kubelet"), SimulatedRuntime(), cluster.clock):
        client = Counting(cluster.store, "canary-controller")
        outside = Outside(
            cluster=client, metrics=FakeMetrics(cluster.clock), notifier=LogNotifier(), clock=cluster.clock
        )
        controller = asyncio.create_task(control(outside, Settings(settle=timedelta(seconds=2)), epoch="one"))
        analysis = {"interval": "1h", "steps": [{"weight": 20}]}
        for name in (f"app-{number}" for number in range(canaries)):
            cluster.apply(deployment(name, replicas=None))
            cluster.edit(ref(DEPLOYMENT, name), {"spec": {"replicas": 1}})
            cluster.apply(service(name))
            cluster.apply(canary(name, analysis=analysis))
        await asyncio.sleep(120)
        client.looked_at = 0
        cluster.apply(deployment("app-0", replicas=None, image="registry.example/app:2.0"))
        await asyncio.sleep(20)
        status: Any = cluster.now(ref(CANARY, "app-0"))["status"]
        assert (status["phase"], status["weight"]) == ("Progressing", 20)
        controller.cancel()
        await asyncio.gather(controller, return_exceptions=True)
    cluster.close()
    return client.looked_at


@pytest.mark.looptime
async def test_a_rollout_looks_at_no_more_objects_when_there_are_more_canaries_beside_it() -> None:
    few, many = await looked_at(2), await looked_at(20)
    assert 0 < many <= 1.1 * few
