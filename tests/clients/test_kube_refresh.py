"""A part of the cache brought up to date by one list: what is asked, what is taken, what is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from canary.clients.discovery import Resource
from canary.clients.kube_cache import Cache
from canary.clients.kube_refresh import refreshed
from canary.errors import CanaryError, Unavailable
from canary.index import Selection
from canary.ports import POD, Change, Watched
from tests.clients.answering import Answering

PODS = Resource(kind=POD, plural="pods", namespaced=True, versions=("v1",))
OURS = Selection(kind=POD, namespace="shop", labels={"app": "checkout", "pod-template-hash": "abc"})


def saying(answer: Any) -> Answering:
    """An API server that gives one answer to everything."""
    return Answering(lambda _: answer)


def pod(name: str, version: int, labels: Mapping[str, str] = OURS.labels) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "labels": dict(labels)}, "spec": {}, "status": {}}


def listed(*items: dict[str, Any], version: int = 50) -> dict[str, Any]:
    bare = [{key: value for key, value in item.items() if key not in ("apiVersion", "kind")} for item in items]
    return {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": str(version)}, "items": bare}


def holding(*pods: dict[str, Any]) -> tuple[Cache, list[tuple[Change, str, str]]]:
    cache = Cache()
    for one in pods:
        cache.put(POD, one)
    heard: list[tuple[Change, str, str]] = []

    def listen(event: Watched) -> None:
        heard.append((event.change, event.ref.name, event.manifest["metadata"]["resourceVersion"]))

    cache.subscribe(listen)
    heard.clear()
    return cache, heard


async def test_what_is_newer_is_taken_what_is_not_listed_is_gone_and_others_are_left() -> None:
    cache, heard = holding(pod("a", 1), pod("b", 2), pod("other", 3, {"app": "other"}))
    http = saying(listed(pod("a", 9), pod("c", 10)))
    await refreshed(http, cache, PODS, OURS)
    assert heard == [(Change.MODIFIED, "a", "9"), (Change.ADDED, "c", "10"), (Change.DELETED, "b", "2")]
    [call] = http.asked
    assert (call.method, call.path) == ("GET", "/api/v1/namespaces/shop/pods")
    assert call.query == (("labelSelector", "app=checkout,pod-template-hash=abc"),)


async def test_an_answer_that_is_older_than_the_cache_changes_nothing() -> None:
    cache, heard = holding(pod("a", 60))
    await refreshed(saying(listed(pod("a", 9))), cache, PODS, OURS)
    assert heard == []


async def test_one_object_is_sought_by_its_name() -> None:
    cache, heard = holding(pod("a", 1), pod("b", 2))
    http = saying(listed())
    await refreshed(http, cache, PODS, Selection(kind=POD, namespace="shop", name="a"))
    assert http.asked[0].query == (("fieldSelector", "metadata.name=a"),)
    assert heard == [(Change.DELETED, "a", "1")]


async def test_one_object_that_is_sought_costs_no_look_at_those_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, heard = holding(pod("a", 1), pod("b", 2))
    monkeypatch.setattr(cache, "listed", lambda *_: pytest.fail("it looked through the namespace"))
    await refreshed(saying(listed(pod("a", 9))), cache, PODS, Selection(kind=POD, namespace="shop", name="a"))
    assert heard == [(Change.MODIFIED, "a", "9")]


async def test_an_object_that_only_lost_its_labels_comes_back_with_its_next_event() -> None:
    cache, heard = holding(pod("a", 1))
    await refreshed(saying(listed()), cache, PODS, OURS)
    cache.put(POD, pod("a", 40, {"app": "quarantined"}))
    assert heard == [(Change.DELETED, "a", "1"), (Change.ADDED, "a", "40")]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Unavailable("away"), id="no answer"),
        pytest.param({"kind": "PodList"}, id="no list"),
        pytest.param(listed(pod("a", 9)) | {"items": [{"metadata": {}}]}, id="an item without a name"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_raised_and_takes_nothing_away(answer: Any) -> None:
    cache, heard = holding(pod("a", 1))
    with pytest.raises(CanaryError):
        await refreshed(saying(answer), cache, PODS, OURS)
    assert heard == []
