"""A list in pages, as one sitting of the API server: followed by its continue tokens, and never without end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from canary.clients.kube_http import Call, KubeHttp
from canary.clients.kube_shape import items_in, place_in
from canary.errors import Unavailable

MOST_PAGES = 2000
"""Of one list: a million objects, or a hundred thousand ConfigMaps."""
LARGEST_LIST = 2 * 1024 * 1024 * 1024
"""Of all pages of one list, in bytes as they were sent: as much as etcd holds unless somebody raises its limit."""


async def pages(http: KubeHttp, call: Call, limit: int) -> AsyncGenerator[tuple[list[dict[str, Any]], str], None]:
    """Yield the objects of each page of a list, with the resourceVersion of the first page.

    From that version a watch misses nothing, even where a page is of a later one. `call` is the list without its
    paging, `limit` how many objects a page may have. Raises what the requests raise, Expired among it when the rest of
    the list is not kept any more, and Unavailable for a list that does not end: a continue token that was followed
    before, more pages than MOST_PAGES, more bytes than LARGEST_LIST.
    """
    token, version, size = "", "", 0
    followed: set[str] = set()

    def took(read: int) -> None:
        nonlocal size
        size += read

    while True:
        place = (("continue", token),) if token else ()
        page = await http.send(replace(call, query=(("limit", str(limit)), *call.query, *place), took=took))
        items = items_in(page, call.what)
        said, token = place_in(page, call.what)
        version = version or said
        yield items, version
        if not token:
            return
        followed_before = token in followed
        followed.add(token)
        if followed_before:
            raise _endless(call, "a continue token comes again")
        if len(followed) >= MOST_PAGES:
            raise _endless(call, f"it has more than {MOST_PAGES} pages")
        if size > LARGEST_LIST:
            raise _endless(call, f"it has more than {LARGEST_LIST >> 20} MiB")


def _endless(call: Call, why: str) -> Unavailable:
    return Unavailable(f"the list of {call.what} does not end: {why}; check what stands before the API server")
