"""One request to the Kubernetes API: credentials, a deadline, typed errors, JSON. No caches, no retries.

Built on the `kubernetes` package for configuration and credentials; its models are not used, since turning big answers
into them is slow and they know no beta versions.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from canary.clients.counted import counted
from canary.clients.kube_pod import load_pod
from canary.clients.kubeconfig import load_kubeconfig
from canary.clients.parsed import cut, parsed, seconds, whole
from canary.errors import AlreadyExists, CanaryError, ConfigError, Conflict, NotFound, Rejected, Unavailable
from canary.ports import OnRequest, Peer, ignore_request

DEADLINE_S = 10.0
LARGEST_ANSWER = 128 * 1024 * 1024
"""A page of ConfigMaps that are as long as they may be has half of it."""
LONGEST_MESSAGE = 1000
"""Of what the API server says; a webhook in it may repeat a whole object."""
MERGE_PATCH = "application/merge-patch+json"


class Expired(Rejected):
    """A version, or the rest of a list, that the API server does not keep any more (HTTP 410): list anew."""


def ignore_size(_: int) -> None:
    """Nobody asked how large an answer was."""


class ServerClock:
    """The API server's time, read off the Date header of its answers; between them it goes on by the monotonic clock.

    The header has whole seconds, so a difference of up to 1.5 s changes nothing.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._latest = datetime.min.replace(tzinfo=UTC)

    def seen(self, date: str | None) -> None:
        """Take the Date header of an answer that has just arrived; one that does not parse is ignored."""
        try:
            stamp = _seconds_of(date or "") + 0.5
        except ValueError:
            return
        offset = stamp - time.monotonic()
        if self._offset is None or abs(offset - self._offset) > 1.5:
            self._offset = offset

    def now(self) -> datetime:
        """Return the API server's time, never earlier than before; this machine's until the first answer."""
        if self._offset is None:
            return datetime.now(UTC)
        self._latest = max(self._latest, datetime.fromtimestamp(time.monotonic() + self._offset, UTC))
        return self._latest


@lru_cache(maxsize=4)
def _seconds_of(date: str) -> float:
    """Return the time that a Date header says; many answers of one second say the same. Raises ValueError."""
    return parsedate_to_datetime(date).timestamp()


@lru_cache(maxsize=256)
def _asked(query: tuple[tuple[str, str], ...]) -> str:
    """Return a query as it stands in a URL, with its question mark."""
    return f"?{urlencode(query, quote_via=quote)}" if query else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: method, path, query, body; `what` names the object in errors.

    It ends within `deadline_s` seconds, answer and all; `took` is told how many bytes the answer had.
    """

    method: str
    path: str
    what: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    content_type: str = "application/json"
    deadline_s: float = DEADLINE_S
    took: Callable[[int], None] = ignore_size


Renew = Callable[[str | None], Awaitable[bool]]
"""Given the token that was refused: returns whether there is another by now."""


async def _no_other(_: str | None) -> bool:
    return False


class KubeHttp:
    """Sends calls to one API server. Use `connect` to make one, and close it."""

    def __init__(
        self,
        api: ApiClient,
        clock: ServerClock,
        on_request: OnRequest = ignore_request,
        renew: Renew = _no_other,
    ) -> None:
        self._api = api
        self.clock = clock
        self._on_request = on_request
        self._renew = renew

    @property
    def host(self) -> str:
        """The address of the API server."""
        return str(self._api.configuration.host)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def send(self, call: Call) -> Any:
        """Send one call and return its JSON. Raises the typed errors of canary.errors; a write that timed out or was
        cut has `outcome_unknown`."""
        limits = aiohttp.ClientTimeout(total=call.deadline_s)
        try:
            with counted(self._on_request, Peer.KUBERNETES, *_what(call, stream=False)) as request:
                response = await self._request(call, limits)
                try:
                    raw = await whole(response.content.iter_any(), LARGEST_ANSWER, call.what)
                finally:
                    response.release()
                request.answered(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(call, error) from error
        call.took(len(raw))
        return self._answer(call, response, raw)

    @asynccontextmanager
    async def stream(self, call: Call, *, silence_s: float) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a streaming answer (a watch).

        Reading raises TimeoutError after `silence_s` seconds without a byte, ConnectionError when it is cut.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=DEADLINE_S, sock_read=silence_s)
        try:
            with counted(self._on_request, Peer.KUBERNETES, *_what(call, stream=True)) as request:
                response = await self._request(call, limits)
                request.answered(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(call, error) from error
        try:
            if response.status != 200:
                self._answer(call, response, await whole(response.content.iter_any(), LARGEST_ANSWER, call.what))
            yield response.content
        except TimeoutError:
            raise
        except aiohttp.ClientError as error:
            raise ConnectionResetError(f"{call.what}: the API server cut the answer") from error
        finally:
            response.close()

    async def _request(self, call: Call, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Send a call; once more when its credentials are refused, so that nothing was done, and there are others."""
        response, shown = await self._sent(call, limits)
        if response.status != 401:
            return response
        try:
            renewed = await self._renew(shown)
        except BaseException:
            response.close()
            raise
        if not renewed:
            return response
        response.release()
        return (await self._sent(call, limits))[0]

    async def _sent(self, call: Call, limits: aiohttp.ClientTimeout) -> tuple[aiohttp.ClientResponse, str | None]:
        """Send a call once; return its answer, and the token that it showed."""
        headers = {"Accept": "application/json", "Content-Type": call.content_type, **self._api.default_headers}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], call.path, call.method, None)
        url = f"{self.host}{call.path}{_asked(call.query)}"
        body = dict(call.body) if call.body is not None else None  # plain JSON: there are no models to look for in it
        answer = await self._api.call_api(call.method, url, headers, body, _request_timeout=limits)
        self.clock.seen(answer.response.headers.get("Date"))
        return answer.response, headers.get("authorization")

    def _answer(self, call: Call, response: aiohttp.ClientResponse, raw: bytes) -> Any:
        try:
            answer = parsed(raw)
        except ValueError as error:
            if response.status < 400:
                raise Unavailable(f"{call.what}: the API server's answer is no JSON", outcome_unknown=True) from error
            answer = {"message": raw[:200].decode(errors="replace")}
        if response.status < 400:
            return answer
        raise _error(call, response, answer)

    def _unreachable(self, call: Call, error: Exception) -> Unavailable:
        why = cut(" ".join(str(error).split())) or type(error).__name__
        return Unavailable(
            f"{call.method} {call.what}: the API server at {self.host} did not answer: {why};"
            " check that it runs, and the address",
            outcome_unknown=call.method != "GET",
        )


def _error(call: Call, response: aiohttp.ClientResponse, answer: Any) -> CanaryError:
    said = answer if isinstance(answer, dict) else {}
    message, reason = cut(str(said.get("message") or ""), LONGEST_MESSAGE), said.get("reason", "")
    text = f"{call.method} {call.what}: {message or cut(response.reason or '')} (HTTP {response.status})"
    match response.status:
        case 404:
            return NotFound(text)
        case 409 if reason == "AlreadyExists":
            return AlreadyExists(text)
        case 409:
            return Conflict(text)
        case 401:
            return Unavailable(f"{text}; the credentials are not accepted: see that the token is valid")
        case 403 if "being terminated" not in message:
            return Rejected(f"{text}; the ServiceAccount lacks this right: compare manifests/install")
        case 410:
            return Expired(text)
        case 429 | 500 | 502 | 503 | 504:
            wait = seconds(response.headers.get("Retry-After"))
            # with 429 nothing was tried; all else may come from a proxy, or after the API server's own time was up
            doubt = call.method != "GET" and response.status != 429
            return Unavailable(text, retry_after=wait, outcome_unknown=doubt)
        case _:
            return Rejected(text)


def _what(call: Call, stream: bool) -> tuple[str, str]:
    """Return the verb as Kubernetes' rights name it, and the plural of the kind; `discovery` where there is none."""
    parts = call.path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    rest = rest[2:] if rest[:1] == ["namespaces"] and len(rest) > 2 else rest
    if not rest:
        return "get", "discovery"
    reads = "watch" if stream else "get" if len(rest) > 1 else "list"
    verbs = {"GET": reads, "POST": "create", "PATCH": "patch", "DELETE": "delete"}
    return verbs.get(call.method, call.method.lower()), rest[0]


def _settle_session(configuration: Configuration) -> None:
    """Settle once what is the same for all requests.

    Which proxy leads to the API server, the client would ask anew in a thread for each, and for a password in ~/.netrc
    in another, both of which wait for the interpreter that the passes keep busy. Nor are cookies kept or looked for: no
    API server sets any.
    """
    address = urlsplit(configuration.host)
    if configuration.proxy is None and not proxy_bypass(address.hostname or ""):
        configuration.proxy = getproxies().get(address.scheme)
    configuration.client_session_kwargs = {"trust_env": False, "cookie_jar": aiohttp.DummyCookieJar()}


async def connect(
    kubeconfig: Path | None = None, context: str | None = None, *, on_request: OnRequest = ignore_request
) -> KubeHttp:
    """Return a client with the credentials of a kubeconfig file, else of the Pod that this runs in, else of the default
    kubeconfig. Raises ConfigError when there are none."""
    configuration = Configuration()
    renew: Renew = _no_other
    if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        load_pod(configuration)
    else:
        renew = await load_kubeconfig(configuration, kubeconfig, context)
    configuration.connection_pool_maxsize = 0  # no limit: each watch, of a kind in a namespace, holds a connection
    _settle_session(configuration)
    configuration.retries = None  # 0 would be without end: aiohttp_retry stops when attempt == attempts, from 1 on
    try:
        api = ApiClient(configuration)
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        why = cut(" ".join(str(error).split())) or type(error).__name__
        raise ConfigError(
            f"the certificates for {configuration.host} cannot be used: {why}; mend the CA or key"
        ) from error
    return KubeHttp(api, ServerClock(), on_request, renew)
