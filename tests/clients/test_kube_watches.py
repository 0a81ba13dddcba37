"""What lists and watches of the API server may do over the wire, and how they are followed all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from canary.clients import kube_cache
from tests.clients.kube_api import Api, bookmark, event, followed, page, pod, status, watching
from tests.clients.raw_server import Asked, Reply, dripping, never

SILENCE_S = 0.5
TOO_OLD = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_cache, "SILENCE_S", SILENCE_S)
    monkeypatch.setattr(kube_cache, "SHORT_S", 0.0)


def raw(content: bytes, *, chunked: bool = True) -> Reply:
    """An answer that is cut after these bytes."""

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        form = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 100000"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + form + b"\r\n\r\n" + content)
        await writer.drain()

    return reply


async def test_a_silent_watch_is_taken_for_dead_and_begun_again_where_it_was(tmp_path: Path) -> None:
    api = Api(
        [page(pod("a", 3))],
        [watching(event("ADDED", pod("b", 7))), watching(event("ADDED", pod("c", 9)))],
    )
    async with followed(tmp_path, api) as it:
        await it.until(lambda: it.has("c"))
        assert it.asked == ["list", "watch from 5", "watch from 7"]
        assert (it.has("a"), it.has("b"), it.reflector.failure) == (True, True, "")


async def test_a_watch_that_is_not_even_answered_is_begun_again_where_it_was(tmp_path: Path) -> None:
    api = Api([page()], [never, watching(event("ADDED", pod("b", 7)))])
    async with followed(tmp_path, api) as it:
        await it.until(lambda: it.has("b"))
        assert it.asked == ["list", "watch from 5", "watch from 5"]


async def test_a_watch_of_bytes_without_events_ends_when_the_server_should_have_ended_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_cache, "WATCH_S", 0)
    api = Api([page()], [dripping, watching(event("ADDED", pod("b", 7)))])
    async with followed(tmp_path, api) as it:
        await it.until(lambda: it.has("b"))
        assert it.asked[:3] == ["list", "watch from 5", "watch from 5"]


async def test_a_failure_is_over_once_a_watch_is_open(tmp_path: Path) -> None:
    held = asyncio.Event()

    async def opened(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        await watching()(asked, writer)

    async with followed(tmp_path, Api([page()], [status(503, "not now"), opened])) as it:
        await it.until(lambda: "not now" in it.reflector.failure)
        held.set()
        await it.until(lambda: it.reflector.failure == "")
        assert it.asked[:2] == ["list", "watch from 5"]
        assert it.asked.count("list") == 1


async def test_the_echo_of_what_is_known_wakes_nobody_and_moves_the_place_to_go_on_from(tmp_path: Path) -> None:
    known, newer = pod("a", 7), pod("a", 8)
    api = Api(
        [page(known)],
        [watching(event("MODIFIED", known), ends=True), watching(event("MODIFIED", newer))],
    )
    async with followed(tmp_path, api) as it:
        heard: list[str] = []
        it.cache.subscribe(lambda one: heard.append(one.manifest["metadata"]["resourceVersion"]))
        await it.until(lambda: "8" in heard)
        assert (heard, it.asked) == (["7", "8"], ["list", "watch from 5", "watch from 7"])


async def test_bookmarks_keep_a_silent_watch_and_move_the_place_that_it_goes_on_from(tmp_path: Path) -> None:
    async def marked(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await watching(bookmark(20), ends=True)(asked, writer)
        for version in range(21, 31):
            await asyncio.sleep(SILENCE_S / 5)
            writer.write(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"%d"}}}\n' % version)
            await writer.drain()

    api = Api([page()], [marked, watching(event("ADDED", pod("b", 40)))])
    async with followed(tmp_path, api) as it:
        await it.until(lambda: it.has("b"))
        assert it.asked[0] == "list"
        # on a busy machine a pause may seem long: it goes on from a bookmark all the same
        assert it.asked[1:] == ["watch from 5", f"watch from {it.asked[-1].rpartition(' ')[2]}"]
        assert int(it.asked[-1].rpartition(" ")[2]) > 20


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(raw(b'5\r\n{"typ'), id="in the middle of a chunk"),
        pytest.param(raw(b"zz\r\n"), id="what is no chunk"),
        pytest.param(raw(b'{"type":', chunked=False), id="before the length that it told"),
        pytest.param(watching(ends=True), id="at its end"),
    ],
)
async def test_a_watch_that_is_cut_is_begun_again_where_it_was(tmp_path: Path, cut: Reply) -> None:
    api = Api([page()], [cut, watching(event("ADDED", pod("b", 7)))])
    async with followed(tmp_path, api) as it:
        await it.until(lambda: it.has("b"))
        assert it.asked == ["list", "watch from 5", "watch from 5"]


@pytest.mark.parametrize("gone", [status(410, "too old"), watching(TOO_OLD)], ids=["as its answer", "as an event"])
async def test_a_version_that_is_not_kept_any_more_is_listed_anew_at_once(tmp_path: Path, gone: Reply) -> None:
    api = Api([page(pod("a", 3), pod("b", 4)), page(pod("a", 3), version=50)], [gone, watching()])
    async with followed(tmp_path, api) as it:
        await it.until(lambda: len(it.asked) == 4)
        assert it.asked == ["list", "watch from 5", "list", "watch from 50"]
        assert (it.has("a"), it.has("b"), it.reflector.failure) == (True, False, "")


async def test_410_is_a_status_and_no_word_in_a_message(tmp_path: Path) -> None:
    api = Api([page(), page(version=50)], [status(400, "pods-410 are not what 410 says"), watching()])
    with capture_logs() as logs:
        async with followed(tmp_path, api) as it:
            await it.until(lambda: len(it.asked) == 4)
    assert [entry["event"] for entry in logs] == ["watch_interrupted"]
    assert "pods-410" in logs[0]["error"]


async def test_pages_are_followed_by_their_tokens_and_watched_from_the_version_of_the_first(tmp_path: Path) -> None:
    pages = {
        "": page(pod("a", 3), more="t1"),
        "t1": page(pod("b", 4), version=6, more="t2"),
        "t2": page(pod("c", 5), version=7),
    }

    async def listed(asked: Asked, writer: asyncio.StreamWriter) -> None:
        assert asked.params["limit"] == "500"
        await pages[asked.params.get("continue", "")](asked, writer)

    async with followed(tmp_path, Api([listed])) as it:
        await it.until(lambda: len(it.asked) == 4)
        assert it.asked == ["list", "list from t1", "list from t2", "watch from 5"]
        assert [it.has(name) for name in "abc"] == [True, True, True]


async def test_a_list_whose_rest_is_not_kept_any_more_is_begun_anew(tmp_path: Path) -> None:
    api = Api([page(pod("old", 3), more="t1"), status(410, "expired", "Expired"), page(pod("a", 3), version=8)])
    async with followed(tmp_path, api) as it:
        await it.until(lambda: len(it.asked) == 4)
        assert it.asked == ["list", "list from t1", "list", "watch from 8"]
        assert (it.has("a"), it.has("old")) == (True, False)


async def test_a_list_that_comes_back_to_a_token_is_refused_and_asked_for_anew(tmp_path: Path) -> None:
    round_about = [page(pod("a", 3), more="t1"), page(pod("b", 3), more="t2"), page(pod("a", 3), more="t1")]
    api = Api([*round_about, page(pod("c", 3))])
    with capture_logs() as logs:
        async with followed(tmp_path, api) as it:
            await it.until(lambda: it.reflector.filled.is_set())
            assert it.asked[:4] == ["list", "list from t1", "list from t2", "list"]
            assert (it.has("a"), it.has("c"), it.reflector.failure) == (False, True, "")
    [told] = [entry["error"] for entry in logs if entry["event"] == "watch_interrupted"]
    assert told == (
        "the list of Pod in shop does not end: a continue token comes again; check what stands before the API server"
    )


async def test_a_page_that_never_comes_ends_at_its_deadline_and_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_cache, "LIST_S", 0.3)
    async with followed(tmp_path, Api([never, page(pod("a", 3))])) as it:
        await it.until(lambda: it.has("a"))
        assert it.asked[:2] == ["list", "list"]
