"""Lists in pages: bounded in their number and in bytes, whatever stands before the API server."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from canary.clients import kube_pages
from canary.clients.kube_http import Call, KubeHttp
from canary.clients.kube_pages import LARGEST_LIST, MOST_PAGES, pages
from canary.errors import Unavailable
from tests.clients.answering import Answering
from tests.clients.kube_api import pod

BYTES = 1000
PODS = Call(method="GET", path="/api/v1/pods", what="pods", query=(("fieldSelector", "x=y"),), deadline_s=7)


def endless(count: int) -> Answering:
    """An API server whose list has `count` pages, each of BYTES bytes and with one pod."""
    numbers = itertools.count(1)

    def page(call: Call) -> Any:
        call.took(BYTES)
        number = next(numbers)
        more = {"continue": f"t{number}"} if number < count else {}
        return {"apiVersion": "v1", "metadata": {"resourceVersion": str(number), **more}, "items": [pod("a", number)]}

    return Answering(page)


async def listed(http: KubeHttp) -> list[tuple[int, str]]:
    return [(len(items), version) async for items, version in pages(http, PODS, 10)]


async def test_each_page_is_asked_for_with_what_the_list_is_and_the_token_of_the_one_before() -> None:
    http = endless(3)
    assert await listed(http) == [(1, "1"), (1, "1"), (1, "1")]
    asked = [(("limit", "10"), ("fieldSelector", "x=y"))]
    assert [call.query for call in http.asked] == [
        asked[0],
        (*asked[0], ("continue", "t1")),
        (*asked[0], ("continue", "t2")),
    ]
    assert {call.deadline_s for call in http.asked} == {7}


@pytest.mark.parametrize(
    ("bound", "at", "why"),
    [("MOST_PAGES", 3, "it has more than 3 pages"), ("LARGEST_LIST", 3 * BYTES - 1, "it has more than 0 MiB")],
)
async def test_a_list_that_goes_on_and_on_is_given_up(
    monkeypatch: pytest.MonkeyPatch, bound: str, at: int, why: str
) -> None:
    monkeypatch.setattr(kube_pages, bound, at)
    http = endless(10_000)
    with pytest.raises(Unavailable, match=f"^the list of pods does not end: {why}; check what stands before"):
        await listed(http)
    assert len(http.asked) == 3


async def test_a_list_that_is_just_as_long_as_it_may_be_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_pages, "MOST_PAGES", 3)
    monkeypatch.setattr(kube_pages, "LARGEST_LIST", 3 * BYTES)
    assert len(await listed(endless(3))) == 3


def test_the_bounds_leave_room_for_the_largest_clusters() -> None:
    """150,000 pods are what Kubernetes is tested with; etcd holds 2 GiB by default."""
    assert 500 * MOST_PAGES >= 5 * 150_000
    assert LARGEST_LIST >= 2 << 30
