"""The credentials of the Pod that this runs in: its ServiceAccount's token, read anew as it is rotated, and the CA."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import incluster_config

from canary.errors import ConfigError, Unavailable

TOKEN_S = 60.0
"""So old may a token be before its file is read again. The kubelet rotates it many minutes before it ends."""


def load_pod(configuration: Configuration) -> None:
    """Set address, CA and token as the Pod has them. Raises ConfigError when they are missing or unreadable.

    From then on each request may raise Unavailable: while the token's file is missing, empty or no token.
    """
    try:
        kube_config.load_incluster_config(configuration, try_refresh_token=False)
    except (kube_config.ConfigException, OSError, ValueError) as error:
        raise ConfigError(f"no credentials in this Pod: {error}; mount a ServiceAccount's token") from error
    hook = _refreshing(Path(incluster_config.SERVICE_TOKEN_FILENAME))
    configuration.refresh_api_key_hook = hook  # type: ignore[assignment]  # the library's class says None alone


def _refreshing(file: Path) -> Callable[[Configuration], None]:
    """Return what the library calls before each request. Its own raises errors of its own when the file is empty."""
    read_at: float | None = None

    def refresh(configuration: Configuration) -> None:
        nonlocal read_at
        now = time.monotonic()
        if read_at is None or now - read_at >= TOKEN_S:
            configuration.api_key["BearerToken"] = f"Bearer {token_in(file)}"
            read_at = now

    return refresh


def token_in(file: Path) -> str:
    """Return the token in a file, without blanks around it. Raises Unavailable when there is none; never shows it."""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not in ASCII"
        raise Unavailable(
            f"the ServiceAccount's token at {file} cannot be read: {why}; see that it is mounted"
        ) from error
    if not token or not token.isprintable() or " " in token:
        raise Unavailable(f"the file {file} holds no token of a ServiceAccount; see that it is mounted whole")
    return token
