"""Prometheus as the controller's `Metrics`: one instant query at a time, with bounds on time, threads and size.

What an answer means is decided in `prometheus_http.py`, when to try again in `retry.py`, what the numbers mean in
`rollout`. `prometheus-api-client` blocks, so it runs in a pool of threads of its own: in the loop's default pool hung
queries would hold up name look-ups.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from prometheus_api_client.prometheus_connect import PrometheusConnect
from urllib3.util.retry import Retry

from canary.clients.parsed import cut
from canary.clients.prometheus_http import PrometheusAccess, PrometheusSession
from canary.clients.retry import QUICK, NotSoon, Patience, retrying
from canary.errors import ConfigError, Rejected, Unavailable
from canary.ports import OnRequest, Series, ignore_request

THREADS = 8


class Prometheus:
    """The `Metrics` port over HTTP. Many queries may be under way; those over `THREADS` wait their turn."""

    def __init__(
        self, access: PrometheusAccess, *, patience: Patience = QUICK, on_request: OnRequest = ignore_request
    ) -> None:
        self._access = access
        self._on_request = on_request
        self._patience = patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="prometheus")
        self._of_thread = threading.local()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Take no more queries; those under way end by themselves within their time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        return await self._ask(promql, {"time": f"{at.timestamp():.3f}"})

    async def check(self) -> None:
        """Return if Prometheus answers a query that needs no data.

        Raises `ConfigError` when the settings must be wrong (credentials, certificate, address), `Unavailable` when it
        may come up by itself.
        """
        try:
            answer = await self._ask("vector(1)", {})
        except (NotSoon, Rejected) as err:
            raise ConfigError(str(err)) from err
        if [series.value for series in answer] != [1.0]:
            raise ConfigError(f"what answers at {self._access.shown} does not compute like Prometheus: check the URL")

    async def _ask(self, promql: str, params: dict[str, str]) -> Sequence[Series]:
        async def once() -> list[Any]:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._custom_query, promql, params)

        within = self._patience.within.total_seconds()
        try:
            async with asyncio.timeout(within):
                result = await retrying(once, self._patience)
        except TimeoutError as err:
            raise Unavailable(
                f"Prometheus at {self._access.shown} did not answer within {within:g} s:"
                " check its load, and the cost of the query"
            ) from err
        return _series(result, self._access.shown)

    def _custom_query(self, promql: str, params: dict[str, str]) -> list[Any]:
        """Run in a thread. Each thread has its own session: requests does not promise that one may be shared."""
        connect: PrometheusConnect | None = getattr(self._of_thread, "connect", None)
        if connect is None:
            session = PrometheusSession(self._access, self._on_request)
            # No retries of urllib3's own, and (`read`) its time-outs as they are, not as failed retries.
            connect = PrometheusConnect(self._access.shown, session=session, retry=Retry(0, read=False))
            self._of_thread.connect = connect
        answer: list[Any] = connect.custom_query(promql, params=params)
        return answer


def _series(result: list[Any], url: str) -> Sequence[Series]:
    """Turn a vector, or a scalar `[time, "value"]`, into samples."""
    try:
        if result and not isinstance(result[0], dict):
            return [Series({}, float(result[1]))]
        return [_one(entry, url) for entry in result]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as err:
        raise NotSoon(f"a sample in the answer of Prometheus at {url} has an unknown form ({cut(repr(err))})") from err


def _one(entry: dict[str, Any], url: str) -> Series:
    if "histogram" in entry:
        raise Rejected(
            f"Prometheus at {url} answers with a native histogram: a check needs a number, so put histogram_count,"
            " histogram_sum or histogram_quantile around it"
        )
    labels = {name: str(value) for name, value in entry["metric"].items() if name != "__name__"}
    return Series(labels, float(entry["value"][1]))
