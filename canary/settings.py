"""What the controller is told at its start, from flags and the environment, checked once.

Not its job: what users annotate.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from canary.logs import LogFormat
from canary.rollout.model import Timing


class Settings(BaseModel):
    """The settings of `canary run`; each is a flag and an environment variable with the prefix `CANARY_`.

    `namespaces` empty means all; `route_namespaces` are further ones in which a mesh wants its routes. `metrics_port` 0
    means any free port. Secrets come from the environment alone, since everybody on a machine sees flags:
    `prometheus_password` from `CANARY_PROMETHEUS_PASSWORD`, Slack's from `SLACK_BOT_TOKEN` or `SLACK_WEBHOOK_URL`.
    `slack_api_url` (`SLACK_API_URL`) is another address of Slack's API, for stand-ins and proxies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mesh: str = "istio"
    prometheus_url: str = "http://prometheus:9090"
    prometheus_token_file: Path | None = None
    prometheus_ca_file: Path | None = None
    prometheus_user: SecretStr | None = None
    prometheus_password: SecretStr | None = None
    prometheus_password_file: Path | None = None
    scrape_interval: timedelta = timedelta(seconds=15)
    namespaces: tuple[str, ...] = ()
    route_namespaces: tuple[str, ...] = ()
    slack_channel: str = ""
    slack_mention: str = ""
    slack_bot_token: SecretStr | None = None
    slack_webhook_url: SecretStr | None = None
    slack_api_url: str = "https://slack.com/api/"
    leader_elect: bool = True
    settle: timedelta = timedelta(seconds=10)
    drain: timedelta = timedelta(seconds=15)
    lease_namespace: str = "canary-system"
    metrics_port: int = 8080
    log_format: LogFormat = LogFormat.JSON

    @field_validator("scrape_interval")
    @classmethod
    def _some_time(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= timedelta(minutes=10):
            raise ValueError("the scrape interval must lie between 1s and 10m")
        return value

    @field_validator("settle", "drain")
    @classmethod
    def _not_too_long(cls, value: timedelta) -> timedelta:
        if not timedelta(0) <= value <= timedelta(minutes=10):
            raise ValueError("it must lie between 0s and 10m")
        return value

    @field_validator("metrics_port")
    @classmethod
    def _a_port(cls, value: int) -> int:
        if not 0 <= value <= 65535:
            raise ValueError(f"it must be a port from 0 (any free one) to 65535, found {value}")
        return value

    @field_validator("prometheus_url", "slack_api_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            shown = value.rpartition("@")[2]  # what stands before may be a password
            raise ValueError(f"it must be an address such as http://prometheus:9090, found {shown!r}")
        return value

    @property
    def timing(self) -> Timing:
        """The part that the rules need."""
        return Timing(settle=self.settle, drain=self.drain, scrape=self.scrape_interval)
