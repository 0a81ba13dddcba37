"""The cache of watched objects: what is taken, what is too old, and what is gone and stays so."""

from __future__ import annotations

from typing import Any

from canary.clients.kube_cache import Cache
from canary.clients.trimming import CRD, trimmed
from canary.contents import content_of, without_content
from canary.ports import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    Change,
    Watched,
)
from meshes.contract import Kind, ObjectRef

ONE = ObjectRef(CONFIG_MAP, "shop", "one")


def one(version: int, uid: str = "u1", **data: str) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": "one", "uid": uid, "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def listening(cache: Cache) -> list[tuple[Change, str]]:
    heard: list[tuple[Change, str]] = []

    def listen(event: Watched) -> None:
        heard.append((event.change, event.manifest["metadata"]["resourceVersion"]))

    cache.subscribe(listen)
    return heard


def test_versions_are_compared_as_numbers_and_older_ones_are_not_taken() -> None:
    cache = Cache()
    heard = listening(cache)
    for version in (9, 10, 9, 10):
        cache.put(CONFIG_MAP, one(version))
    assert heard == [(Change.ADDED, "9"), (Change.MODIFIED, "10")]


def test_an_answer_that_comes_after_the_end_of_its_object_does_not_bring_it_back() -> None:
    cache = Cache()
    heard = listening(cache)
    cache.put(CONFIG_MAP, one(1))
    cache.drop(CONFIG_MAP, one(3))
    cache.put(CONFIG_MAP, one(2))
    assert (cache.get(ONE), heard) == (None, [(Change.ADDED, "1"), (Change.DELETED, "1")])


def test_an_object_that_came_in_the_place_of_another_outlives_the_others_end() -> None:
    cache = Cache()
    cache.put(CONFIG_MAP, one(1))
    cache.put(CONFIG_MAP, one(5, uid="u2"))
    cache.drop(CONFIG_MAP, one(4))
    assert cache.get(ONE) == without_content(one(5, uid="u2"))


def test_what_a_list_does_not_have_is_gone_but_not_what_was_made_after_it() -> None:
    cache = Cache()
    heard = listening(cache)
    cache.put(CONFIG_MAP, one(7))
    cache.replace(CONFIG_MAP, "", [], "6")
    assert cache.get(ONE) == without_content(one(7))
    cache.replace(CONFIG_MAP, "another", [], "8")
    assert cache.get(ONE) == without_content(one(7))
    cache.replace(CONFIG_MAP, "shop", [], "8")
    assert (cache.get(ONE), heard) == (None, [(Change.ADDED, "7"), (Change.DELETED, "7")])


def test_who_listens_later_is_told_what_is_there() -> None:
    cache = Cache()
    cache.put(CONFIG_MAP, one(7))
    assert listening(cache) == [(Change.ADDED, "7")]


def test_what_nobody_reads_is_not_kept() -> None:
    meta = {"namespace": "shop", "name": "one", "uid": "u1", "resourceVersion": "1"}
    pod = {"metadata": {**meta, "managedFields": [1], "annotations": {"a": "b"}}, "spec": {}, "status": {"phase": "x"}}
    assert trimmed(POD, pod) == {"metadata": meta, "status": {"phase": "x"}}
    writer = {"manager": "alice", "time": "2026-01-01T00:00:00Z"}
    entry = {**writer, "operation": "Update", "fieldsV1": {"f:spec": {}}}
    service = {"metadata": {**meta, "managedFields": [entry]}, "spec": {}}
    assert trimmed(SERVICE, service) == {"metadata": {**meta, "managedFields": [writer]}, "spec": {}}
    hush = {"kind": "Secret", "metadata": {**meta, "annotations": {"last-applied": "hush"}}, "data": {"a": "hush"}}
    assert trimmed(SECRET, hush) == {"kind": "Secret", "metadata": meta, "content": content_of(hush)}
    crd = {"metadata": meta, "spec": {"group": "g", "versions": [{"name": "v1", "served": True, "schema": {}}]}}
    assert trimmed(CRD, crd) == {
        "metadata": meta,
        "spec": {"group": "g", "versions": [{"name": "v1", "served": True}]},
    }


def test_of_what_the_cluster_makes_by_itself_stays_who_is_ready_and_what_is_wrong() -> None:
    owner = {"kind": "ReplicaSet", "name": "one", "uid": "u0", "controller": True}
    meta = {"namespace": "shop", "name": "one", "uid": "u1", "resourceVersion": "1", "ownerReferences": [owner]}
    full = {**meta, "generateName": "one-", "annotations": {"a": "b"}, "finalizers": ["x"], "managedFields": [{}]}
    ready = {"type": "Ready", "status": "True"}
    waiting = {"name": "app", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    container = {**waiting, "image": "x", "lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}
    container["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    conditions = [{**ready, "lastTransitionTime": "t"}, {"type": "Initialized", "status": "True"}]
    status = {"phase": "Running", "podIP": "1.2.3.4", "conditions": conditions, "containerStatuses": [container]}
    pod = {"kind": "Pod", "metadata": full, "spec": {"a": 1}, "status": {**status, "hostIP": "1.1.1.1"}}
    assert trimmed(POD, pod) == {
        "kind": "Pod",
        "metadata": meta,
        "status": {
            "phase": "Running",
            "podIP": "1.2.3.4",
            "conditions": [ready],
            "containerStatuses": [{**waiting, "lastState": {"terminated": {"reason": "Error"}}}],
        },
    }
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    template = {"metadata": {"labels": {"app": "one"}}, "spec": {"containers": [{"name": "app"}]}}
    made: dict[str, dict[str, Any]] = {
        "spec": {"replicas": 1, "template": template},
        "status": {"conditions": [failure]},
    }
    full_set = {"spec": {**made["spec"], "selector": {}}, "status": {**made["status"], "replicas": 1}}
    assert trimmed(REPLICA_SET, {"metadata": full, **full_set}) == {"metadata": meta, **made}
    listed = {"addresses": ["1.2.3.4", "::1"], "conditions": {"ready": True, "serving": True}, "nodeName": "n"}
    named = {**listed, "targetRef": {"kind": "Pod", "name": "one-x", "uid": "u2"}}
    slices = {"metadata": full, "addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [named, listed, {}]}
    assert trimmed(ENDPOINT_SLICE, slices) == {
        "metadata": meta,
        "endpoints": [
            {"targetRef": {"name": "one-x"}, "conditions": {"ready": True}},
            {"addresses": ["1.2.3.4"], "conditions": {"ready": True}},
            {"addresses": [], "conditions": {}},
        ],
    }


def test_of_a_route_s_crd_stays_which_fields_there_are() -> None:
    meta = {"name": "routes.g", "uid": "u1", "resourceVersion": "1"}
    schema = {
        "type": "object",
        "description": "long",
        "properties": {
            "spec": {"properties": {"to": {"type": "array", "items": {"properties": {"name": {"type": "string"}}}}}},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "map": {"additionalProperties": {"type": "string", "description": "long"}},
        },
    }
    version = {"name": "v1", "served": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "g", "names": {"kind": "Route"}, "versions": [version, {"name": "v0", "served": False}]}
    kept = trimmed(CRD, {"metadata": meta, "spec": spec}, frozenset({Kind("g", "Route")}))
    names: dict[str, object] = {
        "spec": {"properties": {"to": {"items": {"properties": {"name": {}}}}}},
        "open": {"x-kubernetes-preserve-unknown-fields": True},
        "map": {"additionalProperties": {}},
    }
    assert kept["spec"]["versions"] == [
        {"name": "v1", "served": True, "schema": {"properties": names}},
        {"name": "v0", "served": False, "schema": None},
    ]


def test_of_who_set_what_stays_what_commands_need_and_what_kubectl_applied_goes() -> None:
    command: dict[str, Any] = {
        "f:metadata": {"f:annotations": {"f:canary.delivery/command": {}, "f:other": {}}, "f:labels": {}}
    }
    entries = [
        {"manager": "kubectl", "time": "t1", "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {}}}},
        {"manager": "me", "time": "t2", "fieldsV1": {**command, "f:spec": {"f:template": {"f:spec": {}}}}},
        {"manager": "you", "time": "t3", "fieldsV1": command},
        {"manager": "git", "time": "t4", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}},
        {"manager": "net", "time": "t5", "fieldsV1": {"f:spec": {"f:selector": {"f:app": {}}, "f:ports": {}}}},
        {"manager": "hpa", "time": "t6", "fieldsV1": {"f:spec": {"f:scaleTargetRef": {"f:name": {}}}}},
    ]
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes"}
    metadata = {"name": "checkout", "managedFields": entries, "annotations": applied}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}}
    ours: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:canary.delivery/command": {}}}}
    assert trimmed(DEPLOYMENT, manifest) == {
        **manifest,
        "metadata": {
            "name": "checkout",
            "managedFields": [
                {"manager": "kubectl", "time": "t1"},
                {"manager": "me", "time": "t2", "fieldsV1": {**ours, "f:spec": {"f:template": {}}}},
                {"manager": "you", "time": "t3", "fieldsV1": ours},
                {"manager": "git", "time": "t4", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "net", "time": "t5", "fieldsV1": {"f:spec": {"f:selector": {}}}},
                {"manager": "hpa", "time": "t6", "fieldsV1": {"f:spec": {"f:scaleTargetRef": {}}}},
            ],
            "annotations": {"kept": "yes"},
        },
    }
    assert set(metadata) == {"name", "managedFields", "annotations"}
