"""Who we say we are to Prometheus. Files are read at each request, because Kubernetes replaces those of a Secret."""

from __future__ import annotations

from pathlib import Path

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from canary.clients.retry import NotSoon

_TOKEN = "--prometheus-token-file"
_PASSWORD = "--prometheus-password-file"


class Nobody(AuthBase):
    """Adds nothing. Without any auth `requests` would send what it finds in ~/.netrc."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


class TokenFile(AuthBase):
    """Signs with the bearer token in a file; raises `NotSoon` when there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        token = _content(self._path, "token", _TOKEN).strip()
        if not token or not token.isascii() or any(c.isspace() for c in token):
            raise NotSoon(f"the token file for Prometheus, {self._path}, does not hold one token; check {_TOKEN}")
        r.headers["Authorization"] = f"Bearer {token}"
        return r


class PasswordFile(AuthBase):
    """Signs with a user and the password in a file, whose last line break does not count; raises `NotSoon` when there
    is none."""

    def __init__(self, user: str, path: Path) -> None:
        self._user = user
        self._path = path

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        password = _content(self._path, "password", _PASSWORD).removesuffix("\n").removesuffix("\r")
        if not password:
            raise NotSoon(f"the password file for Prometheus, {self._path}, is empty; check {_PASSWORD}")
        return basic(self._user, password)(r)


def basic(user: str, password: str) -> HTTPBasicAuth:
    """Return basic authentication in UTF-8 (RFC 7617); by itself `requests` would take Latin-1 and fail on the rest."""
    return HTTPBasicAuth(user.encode(), password.encode())


def _content(path: Path, what: str, flag: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        why = err.strerror if isinstance(err, OSError) else "it is not UTF-8"
        raise NotSoon(f"the {what} file for Prometheus, {path}, cannot be read: {why}; check {flag}") from err
