"""Which changes are news: those of fields that a pass looks at."""

from __future__ import annotations

from typing import Any

import pytest

from canary.clients.trimming import trimmed
from canary.controller.haste import Haste
from canary.controller.news import News
from canary.ports import CANARY, DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET, Change, Watched
from meshes.contract import Kind, ObjectRef

METADATA = {"name": "checkout", "namespace": "shop", "uid": "1", "resourceVersion": "7", "labels": {"app": "checkout"}}
OBJECTS: dict[Kind, dict[str, Any]] = {
    DEPLOYMENT: {
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 1, "replicas": 3, "readyReplicas": 2, "conditions": [{"type": "Available"}]},
    },
    REPLICA_SET: {"spec": {"replicas": 3, "template": {}}, "status": {"replicas": 3, "conditions": []}},
    POD: {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}},
    ENDPOINT_SLICE: {"endpoints": [{"targetRef": {"name": "a"}, "conditions": {"ready": True, "serving": True}}]},
}


def event(kind: Kind, change: Change = Change.MODIFIED, **more: Any) -> Watched:
    """An event of the object with other fields, as the caches of a cluster keep it."""
    whole = {"metadata": METADATA, **OBJECTS.get(kind, {}), **more}
    return Watched(change=change, ref=ObjectRef(kind, "shop", "checkout"), manifest=trimmed(kind, whole))


def is_news(first: Watched, second: Watched) -> bool:
    """Whether the second event is, after the first, which always is."""
    news = News()
    assert news.of(first) is not None
    return news.of(second) is not None


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        *((kind, {"metadata": {**METADATA, "resourceVersion": "8"}}) for kind in OBJECTS),
        (DEPLOYMENT, {"status": {**OBJECTS[DEPLOYMENT]["status"], "availableReplicas": 2, "conditions": []}}),
        (
            DEPLOYMENT,
            {"metadata": {**METADATA, "managedFields": [{"manager": "kube-controller", "subresource": "status"}]}},
        ),
        (REPLICA_SET, {"status": {"replicas": 2, "readyReplicas": 1, "conditions": []}}),
        (
            POD,
            {
                "status": {
                    "phase": "Running",
                    "qosClass": "Burstable",
                    "conditions": OBJECTS[POD]["status"]["conditions"],
                }
            },
        ),
        (
            ENDPOINT_SLICE,
            {"endpoints": [{"targetRef": {"name": "a"}, "conditions": {"ready": True, "serving": False}}]},
        ),
    ],
)
def test_what_no_pass_looks_at_is_no_news(kind: Kind, more: dict[str, Any]) -> None:
    assert not is_news(event(kind), event(kind, **more))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        *((kind, {"metadata": {**METADATA, "labels": {}}}) for kind in OBJECTS),
        *((kind, {"metadata": {**METADATA, "deletionTimestamp": "2026-01-01T00:00:00Z"}}) for kind in OBJECTS),
        *((kind, {"metadata": {**METADATA, "uid": "2"}}) for kind in OBJECTS),
        (DEPLOYMENT, {"metadata": {**METADATA, "annotations": {"canary.delivery/command": "abort"}}}),
        (DEPLOYMENT, {"metadata": {**METADATA, "managedFields": [{"manager": "helm"}]}}),
        (DEPLOYMENT, {"spec": {"replicas": 4}}),
        *(
            (DEPLOYMENT, {"status": {**OBJECTS[DEPLOYMENT]["status"], name: 4}})
            for name in ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas")
        ),
        (REPLICA_SET, {"spec": {"replicas": 0, "template": {}}}),
        (REPLICA_SET, {"status": {"conditions": [{"type": "ReplicaFailure", "status": "True"}]}}),
        (POD, {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
        (POD, {"status": {**OBJECTS[POD]["status"], "containerStatuses": [{"name": "app", "restartCount": 1}]}}),
        (ENDPOINT_SLICE, {"endpoints": []}),
        (ENDPOINT_SLICE, {"endpoints": [{"targetRef": {"name": "a"}, "conditions": {"ready": False}}]}),
    ],
)
def test_what_a_pass_looks_at_is_news(kind: Kind, more: dict[str, Any]) -> None:
    assert is_news(event(kind), event(kind, **more))


@pytest.mark.parametrize("kind", OBJECTS)
def test_the_end_of_an_object_is_news_and_nothing_is_kept_of_it(kind: Kind) -> None:
    news = News()
    news.of(event(kind))
    assert news.of(event(kind, Change.DELETED)) is Haste.REST
    assert len(news) == 0
    assert news.of(event(kind, Change.ADDED)) is not None


def test_each_change_of_another_kind_is_news() -> None:
    assert is_news(event(CANARY), event(CANARY))
