"""Commands ask Prometheus as the controller does, with what its environment says."""

from __future__ import annotations

from pathlib import Path

from canary.cli.prometheus_access import access
from canary.clients.prometheus_http import PrometheusAccess


def test_credentials_come_from_the_environment_of_the_controller() -> None:
    environment = {
        "CANARY_PROMETHEUS_CA_FILE": "/ca.pem",
        "CANARY_PROMETHEUS_USER": "me",
        "CANARY_PROMETHEUS_PASSWORD_FILE": "/password",
    }
    assert access("http://prometheus:9090", None, environment) == PrometheusAccess(
        url="http://prometheus:9090",
        ca_file=Path("/ca.pem"),
        user="me",
        password_file=Path("/password"),
    )
    assert access("http://prometheus:9090", Path("/token"), {}) == PrometheusAccess(
        url="http://prometheus:9090", token_file=Path("/token")
    )
