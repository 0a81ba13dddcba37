"""How commands come to Prometheus: by their flags, and with the controller's own settings from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from canary.clients.prometheus_http import PrometheusAccess


def access(url: str, token_file: Path | None, environment: Mapping[str, str]) -> PrometheusAccess:
    """Return where Prometheus is and who asks: CA, user and password are those of `canary run` in the environment."""

    def file(name: str) -> Path | None:
        found = environment.get(f"CANARY_PROMETHEUS_{name}")
        return Path(found) if found else None

    return PrometheusAccess(
        url=url,
        token_file=token_file,
        ca_file=file("CA_FILE"),
        user=environment.get("CANARY_PROMETHEUS_USER", ""),
        password=environment.get("CANARY_PROMETHEUS_PASSWORD", ""),
        password_file=file("PASSWORD_FILE"),
    )
