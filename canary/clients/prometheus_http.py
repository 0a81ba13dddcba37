"""One HTTP exchange with Prometheus: who we are, how long and how large it may be, and what its answer means.

`prometheus-api-client` accepts a `requests.Session`; this one reads the answer before the package does, because the
package drops the result's type and the warnings, follows a login page, and waits and reads without bounds. The pool of
threads, retries and the values are `prometheus.py`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
import structlog
import urllib3
from requests.auth import AuthBase

from canary.clients.counted import counted
from canary.clients.parsed import cut, parsed, seconds
from canary.clients.prometheus_auth import Nobody, PasswordFile, TokenFile, basic
from canary.clients.retry import NotSoon
from canary.errors import ConfigError, Rejected, Unavailable
from canary.ports import OnRequest, Peer, ignore_request

_log = structlog.get_logger(__name__)

MAX_ANSWER = 8 * 1024 * 1024
LONG_QUERY = 2000
MOST_WARNINGS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusAccess:
    """Where Prometheus is and who asks.

    `url` may have a path prefix and `user:password@`. `token_file` holds a bearer token and is read at each request,
    because Kubernetes replaces it; so is `password_file`. `user` is "" for none, and may be "user:password". `connect`
    and `answer` are the seconds that a connection and a whole answer may take.
    """

    url: str = field(repr=False)
    token_file: Path | None = None
    ca_file: Path | None = None
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    connect: float = 3.0
    answer: float = 5.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"{self.shown!r} is no URL of Prometheus: write --prometheus-url like http://prometheus.monitoring:9090"
            )
        if parts.query or parts.fragment:
            raise ConfigError(f"the URL of Prometheus, {self.shown}, has a query or fragment: give host and path only")
        if self.token_file and (self.user or parts.username):
            raise ConfigError("both --prometheus-token-file and --prometheus-user are set: choose one")
        self._check_passwords()

    def _check_passwords(self) -> None:
        parts = urlsplit(self.url)
        if (self.password or self.password_file) and not (self.user or parts.username):
            raise ConfigError("there is a password for Prometheus but no user: set --prometheus-user")
        given = (":" in self.user, bool(self.password), self.password_file is not None, parts.password is not None)
        if sum(given) > 1:
            raise ConfigError(
                "the password of Prometheus is set more than once: choose one of CANARY_PROMETHEUS_PASSWORD,"
                " --prometheus-password-file, --prometheus-user USER:PASSWORD and the URL"
            )

    @property
    def shown(self) -> str:
        """The URL without credentials, for messages and for requests."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))

    def auth(self) -> AuthBase:
        """Return what signs each request; it adds nothing when there are no credentials."""
        if self.token_file:
            return TokenFile(self.token_file)
        parts = urlsplit(self.url)
        user, _, password = self.user.partition(":")
        if parts.username is not None:
            user, password = unquote(parts.username), unquote(parts.password or "")
        if self.password_file:
            return PasswordFile(user, self.password_file)
        return basic(user, self.password or password) if user else Nobody()


class PrometheusSession(requests.Session):
    """A session whose `request` returns only successful answers that hold a vector or a scalar; it raises the rest.

    Faults of the set-up are `NotSoon`: a token file may come back, a password may be mended.
    """

    def __init__(self, access: PrometheusAccess, on_request: OnRequest = ignore_request) -> None:
        super().__init__()
        self._access = access
        self._on_request = on_request
        self.auth = access.auth()
        self.verify = str(access.ca_file) if access.ca_file else True
        self.headers["Accept"] = "application/json"
        self.headers["Accept-Encoding"] = "identity"

    def request(self, method: str | bytes, url: str | bytes, *_: Any, **kwargs: Any) -> requests.Response:
        """Ask within the access's limits; raises `Unavailable` or `Rejected`."""
        params = kwargs.pop("params", None) or {}
        access, long = self._access, len(params.get("query", "")) > LONG_QUERY
        try:
            answer, body = self._exchange("POST" if long else "GET", url, params)
        except requests.exceptions.SSLError as err:
            raise NotSoon(
                f"Prometheus at {access.shown} shows a certificate that is not trusted ({_root(err)}): set"
                " --prometheus-ca-file to the CA that signed it"
            ) from err
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as err:
            raise _slow(access.shown) from err
        except urllib3.exceptions.HTTPError as err:
            raise Unavailable(
                f"the answer of Prometheus at {access.shown} broke off ({_root(err)}): check its proxy"
            ) from err
        except requests.RequestException as err:
            raise Unavailable(
                f"Prometheus at {access.shown} cannot be reached ({_root(err)}): check that it runs, and the address"
            ) from err
        except OSError as err:
            raise NotSoon(f"the CA file for Prometheus, {access.ca_file}, cannot be used: {_root(err)}") from err
        return _judged(answer, body, params, access.shown)

    def _exchange(self, method: str, url: str | bytes, params: Mapping[str, str]) -> tuple[requests.Response, bytes]:
        """Return the answer and its body; what goes wrong is raised as it is."""
        access, until = self._access, time.monotonic() + self._access.answer
        with (
            counted(self._on_request, Peer.PROMETHEUS, "query", "query") as request,
            super().request(
                method,
                url,
                params=params if method == "GET" else None,
                data=params if method == "POST" else None,
                auth=self.auth,
                timeout=(access.connect, access.answer),
                allow_redirects=False,
                stream=True,
                verify=self.verify,
            ) as answer,
        ):
            body = _read(answer, until, access.shown)
            request.answered(answer.status_code)
            return answer, body


def _read(answer: requests.Response, until: float, url: str) -> bytes:
    """Return the body. The socket's time-out holds for each read only, so a dripping answer is stopped here."""
    body = bytearray()
    while chunk := answer.raw.read1(65536):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise NotSoon(f"the answer of Prometheus at {url} is over {MAX_ANSWER >> 20} MiB: narrow the query")
        if time.monotonic() > until:
            raise _slow(url)
    return bytes(body)


def _slow(url: str) -> Unavailable:
    return Unavailable(f"Prometheus at {url} did not answer in time: check its load, and the cost of the query")


def _judged(answer: requests.Response, body: bytes, params: Mapping[str, str], url: str) -> requests.Response:
    """Return a response that the package can read, if the answer is a success and of a type that can be used."""
    match answer.status_code:
        case 401 | 403:
            raise NotSoon(
                f"Prometheus at {url} refuses our credentials (HTTP {answer.status_code}): check"
                " --prometheus-token-file or --prometheus-user"
            )
        case 429 | 408 | 425:
            raise Unavailable(
                f"Prometheus at {url} asks to wait (HTTP {answer.status_code}): lower the load",
                retry_after=seconds(answer.headers.get("Retry-After")),
            )
        case status if 300 <= status < 400:
            where = cut(answer.headers.get("Location", "").partition("?")[0].rpartition("@")[2])
            raise NotSoon(f"Prometheus at {url} redirects to {where!r}: set --prometheus-url to its own address")
    said = _parsed(body)
    if said is None or said.get("status") not in ("success", "error"):
        raise _nonsense(answer, url)
    if said["status"] == "error" or answer.status_code != 200:
        raise _refusal(answer, said, params, url)
    _check_type(said.get("data"), params, url)
    warnings = said.get("warnings")
    for warning in warnings[:MOST_WARNINGS] if isinstance(warnings, list) else ():
        _log.warning("prometheus_warned", url=url, warning=cut(str(warning)), query=cut(params.get("query", "")))
    good = requests.Response()
    good.status_code = 200
    good.raw = io.BytesIO(body)
    return good


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        said = parsed(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _nonsense(answer: requests.Response, url: str) -> Unavailable:
    kind = cut(answer.headers.get("Content-Type", "no content type").partition(";")[0], 100)
    what = f"(HTTP {answer.status_code}, {kind})"
    if answer.status_code >= 500:
        return Unavailable(f"Prometheus at {url} failed {what}: check it and what stands before it")
    if answer.status_code == 200 and "json" in kind:
        return Unavailable(f"the answer of Prometheus at {url} is cut short or broken {what}: check its proxy")
    return NotSoon(
        f"what answers at {url} is not Prometheus's API {what}: check host, port and path prefix of --prometheus-url"
    )


def _refusal(answer: requests.Response, said: Mapping[str, Any], params: Mapping[str, str], url: str) -> Exception:
    """Sort by errorType: https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview."""
    reason = f"{cut(str(said.get('errorType', 'error')), 50)}: {cut(str(said.get('error', '')), 500)}"
    if answer.status_code in (400, 422) or said.get("errorType") in ("bad_data", "execution"):
        return Rejected(f"Prometheus at {url} refuses the query `{cut(params.get('query', ''))}`: {reason}")
    if answer.status_code == 404:
        return NotSoon(f"Prometheus at {url} does not know its own API ({reason}): check --prometheus-url")
    return Unavailable(
        f"Prometheus at {url} failed ({reason}): check its health",
        retry_after=seconds(answer.headers.get("Retry-After")),
    )


def _check_type(data: Any, params: Mapping[str, str], url: str) -> None:
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind in ("matrix", "string"):
        raise Rejected(
            f"Prometheus at {url} answers the query `{cut(params.get('query', ''))}` with a {kind}: a check needs one"
            " number, so take away the outer range or put a function around it"
        )
    if kind not in ("vector", "scalar") or not isinstance(data.get("result"), list):
        raise NotSoon(f"the answer of Prometheus at {url} has no result of a known type: check what stands before it")


def _root(err: BaseException) -> str:
    """Return the innermost reason: the outer ones repeat the URL with its whole query."""
    while (inner := err.__cause__ or err.__context__) is not None:
        err = inner
    said = getattr(err, "verify_message", None) or getattr(err, "strerror", None) or str(err) or type(err).__name__
    return cut(str(said))
