"""What cached objects share, and that sharing changes nothing that is read."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from canary.clients.kube_cache import Cache
from canary.clients.sharing import FEW, RECENT, Sharing
from canary.ports import DEPLOYMENT, REPLICA_SET
from meshes.contract import Manifest, ObjectRef
from tests.builders import deployment

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | st.text("ab1", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=12,
)
MANIFESTS = st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind"]), VALUES)


def as_json(manifest: Manifest) -> str:
    return json.dumps(manifest)


def put(cache: Cache, manifest: dict[str, Any], version: int, **spec: Any) -> Manifest:
    """Have the cache take a Deployment as it would be parsed, and return what it keeps."""
    whole = deepcopy(manifest)
    whole["metadata"] |= {"resourceVersion": str(version), "uid": f"u-{whole['metadata']['name']}"}
    whole["spec"] |= spec
    cache.put(DEPLOYMENT, whole)
    kept = cache.get(ObjectRef(DEPLOYMENT, whole["metadata"]["namespace"], whole["metadata"]["name"]))
    assert kept is not None
    return kept


@given(st.lists(MANIFESTS, min_size=1, max_size=6), st.integers(1, 40))
def test_what_is_shared_is_equal_to_the_byte_however_few_parts_are_known(several: list[Any], recent: int) -> None:
    sharing = Sharing(recent)
    assert [as_json(sharing.shared(one, None)) for one in several] == [as_json(one) for one in several]


@given(MANIFESTS, MANIFESTS)
def test_what_comes_after_another_is_equal_to_what_was_sent(first: Manifest, second: Manifest) -> None:
    sharing = Sharing()
    before = sharing.shared(first, None)
    assert sharing.shared(second, before) == second
    assert as_json(before) == as_json(first)


def test_a_part_that_did_not_change_stays_the_object_that_it_was() -> None:
    cache, app = Cache(), deployment("app")
    before = put(cache, app, 1)
    after = put(cache, app, 2, replicas=7)
    assert after["spec"]["template"] is before["spec"]["template"]
    assert (before["spec"].get("replicas"), after["spec"]["replicas"]) == (app["spec"].get("replicas"), 7)


def test_what_did_not_change_beside_what_did_stays_the_object_that_it_was() -> None:
    cache, app = Cache(), deployment("app")
    told = [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}]
    writers = [{"manager": "kubectl", "time": "1"}, {"manager": "canary-controller", "time": "2"}]
    app["metadata"] |= {"annotations": {"team": "shop"}, "managedFields": writers}
    before = put(cache, {**app, "status": {"conditions": told, "replicas": 1}}, 1)
    app["metadata"]["managedFields"] = [{**writers[1], "time": "3"}, writers[0]]
    after = put(cache, {**app, "status": {"conditions": [{**told[0], "status": "False"}, told[1]], "replicas": 2}}, 2)

    assert after["spec"] is before["spec"]
    for field in ("labels", "annotations", "uid"):
        assert after["metadata"][field] is before["metadata"][field]
    assert after["metadata"]["managedFields"][1] is before["metadata"]["managedFields"][0]
    assert after["status"]["conditions"][1] is before["status"]["conditions"][1]
    assert after["status"]["conditions"][0] == {"type": "Available", "status": "False"}
    assert (before["status"]["replicas"], after["status"]["replicas"]) == (1, 2)


def test_a_long_list_that_changed_is_taken_as_it_came() -> None:
    sharing, many = Sharing(), [{"number": number} for number in range(FEW + 1)]
    before = sharing.shared({"status": {"nodes": deepcopy(many)}}, None)
    after = sharing.shared({"status": {"nodes": (came := [*many[1:], {"number": -1}])}}, before)
    assert after["status"]["nodes"] is came


def test_two_objects_have_one_pod_spec_between_them() -> None:
    cache, app = Cache(), deployment("app")
    kept = put(cache, app, 1)
    meta = {"namespace": "shop", "name": "app-1", "uid": "u2", "resourceVersion": "3"}
    labels = {"metadata": {"labels": {"pod-template-hash": "1"}}}
    template = {**deepcopy(app["spec"]["template"]), **labels}
    cache.put(
        REPLICA_SET, {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": {"template": template}}
    )
    of_set = cache.get(ObjectRef(REPLICA_SET, "shop", "app-1"))
    assert of_set is not None
    assert of_set["spec"]["template"]["spec"] is kept["spec"]["template"]["spec"]


def test_no_more_parts_are_known_than_were_met_of_late() -> None:
    sharing = Sharing()
    first = sharing.shared({"spec": {"a": "first"}}, None)
    for number in range(3 * RECENT):
        sharing.shared({"spec": {"a": str(number)}}, None)
    assert sharing.shared({"spec": {"a": "first"}}, None)["spec"] is not first["spec"]
    assert len(sharing) <= 2 * RECENT
