"""What the in-memory API server makes of server-side apply with force, which is Flux's way."""

from __future__ import annotations

import pytest

from canary.ports import CONFIG_MAP, DEPLOYMENT, SERVICE
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.managed import manager_of
from tests.builders import config_map, deployment, ref, service

pytestmark = pytest.mark.looptime

FLUX = "kustomize-controller"
OURS = {"canary.delivery/role": "primary", "canary.delivery/target": "checkout"}


async def test_an_atomic_map_is_replaced_as_a_whole_and_others_are_merged(cluster: InMemoryCluster) -> None:
    cluster.apply(service())
    cluster.edit(ref(SERVICE), {"spec": {"selector": OURS}, "metadata": {"labels": {"theirs": "stays"}}})
    forced = cluster.apply_by_force(service(), FLUX)
    assert forced["spec"]["selector"] == service()["spec"]["selector"]
    assert forced["metadata"]["labels"]["theirs"] == "stays"
    assert manager_of(forced, "spec", "selector") == FLUX


async def test_what_was_never_applied_so_stays_and_what_is_no_longer_applied_goes(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=None))
    cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 3}})
    assert cluster.apply_by_force(deployment(replicas=None), FLUX)["spec"]["replicas"] == 3
    assert cluster.apply_by_force(deployment(replicas=5), FLUX)["spec"]["replicas"] == 5
    assert cluster.apply_by_force(deployment(replicas=None), FLUX)["spec"]["replicas"] == 1, "the default"


async def test_applying_the_same_again_changes_nothing_and_what_is_not_there_is_made(cluster: InMemoryCluster) -> None:
    made = cluster.apply_by_force(config_map(text="one"), FLUX)
    assert cluster.apply_by_force(config_map(text="one"), FLUX) == made
    assert cluster.now(ref(CONFIG_MAP, made["metadata"]["name"]))["data"] == made["data"]
