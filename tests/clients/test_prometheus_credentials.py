"""Who we are to Prometheus, and that no message tells it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.errors import ConfigError, Unavailable
from tests.clients.certificate import certificate_in, serving
from tests.clients.raw_server import raw_server, saying, vector

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def sent(access: PrometheusAccess, times: int = 1) -> None:
    async with Prometheus(access) as prometheus:
        for _ in range(times):
            await prometheus.query("m", AT)


async def test_a_token_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with (
        raw_server(vector()) as server,
        Prometheus(PrometheusAccess(url=server.url, token_file=file)) as prometheus,
    ):
        for token in ("first\n", "second\n"):
            file.write_text(token)
            await prometheus.query("m", AT)
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "does not hold one token"),
        ("two words", "does not hold one token"),
        ("two\nlines", "does not hold one token"),
    ],
)
async def test_a_token_file_without_a_token_is_named_and_nothing_is_sent(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    async with raw_server(vector()) as server:
        with pytest.raises(Unavailable) as caught:
            await sent(PrometheusAccess(url=server.url, token_file=file))
    message = f"the token file for Prometheus, {file}, {reason}; check --prometheus-token-file"
    assert (str(caught.value), server.asked) == (message, [])


@pytest.mark.parametrize(
    ("user", "password", "in_url"),
    [("me:se:cret", "", ""), ("me", "se:cret", ""), ("", "", "me:se%3Acret@")],
)
async def test_a_user_and_password_are_sent_wherever_they_were_written(user: str, password: str, in_url: str) -> None:
    async with raw_server(vector()) as server:
        url = server.url.replace("://", f"://{in_url}")
        await sent(PrometheusAccess(url=url, user=user, password=password))
    expected = "Basic " + base64.b64encode(b"me:se:cret").decode()
    assert [asked.headers["authorization"] for asked in server.asked] == [expected]


async def test_without_credentials_none_are_sent_not_even_from_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with raw_server(vector()) as server:
        await sent(PrometheusAccess(url=server.url))
    assert ["authorization" in asked.headers for asked in server.asked] == [False]


@pytest.mark.parametrize("credentials", [{}, {"user": "me:secret"}, {"user": "me", "password": "secret"}], ids=str)
async def test_no_message_shows_the_password(credentials: dict[str, str]) -> None:
    async with raw_server(saying("", status="401 Unauthorized")) as server:
        url = server.url if credentials else server.url.replace("://", "://me:secret@")
        access = PrometheusAccess(url=url, **credentials)  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as caught:
            await sent(access)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(access)
    assert server.url in str(caught.value)


async def test_a_password_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "password"
    async with (
        raw_server(vector()) as server,
        Prometheus(PrometheusAccess(url=server.url, user="me", password_file=file)) as prometheus,
    ):
        for password in ("se:cret ", "пароль\n"):
            file.write_text(password, encoding="utf-8")
            await prometheus.query("m", AT)
    expected = ["Basic " + base64.b64encode(f"me:{each}".encode()).decode() for each in ("se:cret ", "пароль")]
    assert [asked.headers["authorization"] for asked in server.asked] == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory;"),
        (b"\n", "is empty;"),
        (b"\xff", "cannot be read: it is not"),
    ],
)
async def test_a_password_file_without_a_password_is_named_and_nothing_is_sent(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    async with raw_server(vector()) as server:
        with pytest.raises(Unavailable, match=f"^the password file for Prometheus, {file}, {reason}.*-password-file$"):
            await sent(PrometheusAccess(url=server.url, user="me", password_file=file))
    assert server.asked == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"url": "prometheus:9090"}, "is no URL of Prometheus"),
        ({"url": "ftp://prometheus"}, "is no URL of Prometheus"),
        ({"url": "http://"}, "is no URL of Prometheus"),
        ({"url": "http://p:9090/?x=1"}, "has a query or fragment"),
        ({"url": "http://p:9090", "token_file": Path("t"), "user": "me"}, "choose one"),
        ({"url": "http://me@p:9090", "token_file": Path("t")}, "choose one"),
        ({"url": "http://p:9090", "password": "secret"}, "no user: set --prometheus-user"),
        ({"url": "http://p:9090", "password_file": Path("p")}, "no user: set --prometheus-user"),
        ({"url": "http://p:9090", "user": "me:x", "password": "y"}, "more than once: choose one"),
        ({"url": "http://me:x@p:9090", "password_file": Path("p")}, "more than once: choose one"),
        ({"url": "http://p:9090", "user": "me", "password": "y", "password_file": Path("p")}, "more than once"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        PrometheusAccess(**settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls"))


async def test_a_ca_file_makes_its_certificates_trusted_and_without_it_they_are_not(certificate: Path) -> None:
    async with raw_server(vector(), tls=serving(certificate)) as server:
        await sent(PrometheusAccess(url=server.url, ca_file=certificate))
        with pytest.raises(Unavailable) as caught:
            await sent(PrometheusAccess(url=server.url))
    assert str(caught.value) == (
        f"Prometheus at {server.url} shows a certificate that is not trusted (self-signed certificate): set"
        " --prometheus-ca-file to the CA that signed it"
    )


async def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.crt"
    with pytest.raises(Unavailable, match=f"the CA file for Prometheus, {missing}, cannot be used"):
        await sent(PrometheusAccess(url="https://127.0.0.1:1", ca_file=missing))
