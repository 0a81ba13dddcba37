"""The credentials of a kubeconfig: loaded at the start, and anew when the API server does not accept them any more.

The tokens of `exec` plugins (EKS, GKE) and of identity providers last an hour or less. Client certificates are loaded
at the start alone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import structlog
import yaml
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

from canary.errors import ConfigError

DEFAULT = "~/.kube/config"
UNREADABLE = (kube_config.ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError)
"""What the loader raises for files that are no kubeconfig: it looks at no shapes before it uses them."""
LOADED_S = 10.0
"""How long a request waits at most for the credentials to be loaded anew."""
AGAIN_S = 30.0
"""How long after one attempt the next one begins at the soonest."""

TOKEN = "BearerToken"

log = structlog.get_logger()


def chosen(kubeconfig: Path | None) -> str:
    """Return the path, or paths, of the kubeconfig. Raises ConfigError when no file is there."""
    paths = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or DEFAULT
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path):
        raise ConfigError(f"no cluster to talk to: there is no kubeconfig at {paths}; name one with --kubeconfig")
    return paths


def unreadable(paths: str, error: Exception) -> ConfigError:
    """Return what a person is told of a kubeconfig that the loader gave up on."""
    why = " ".join(str(error).split()) or type(error).__name__
    return ConfigError(f"{paths} cannot be read as a kubeconfig: {why}; name another with --kubeconfig")


async def load_kubeconfig(configuration: Configuration, kubeconfig: Path | None, context: str | None) -> Renewal:
    """Set address and credentials as a context has them, the current one by default; return how to renew these.

    Raises ConfigError when there is no kubeconfig that can be read.
    """
    name = await _load(configuration, kubeconfig, context)

    async def anew(fresh: Configuration) -> None:
        await _load(fresh, kubeconfig, name)  # of the same context, whichever is the current one by now

    return Renewal(configuration, anew)


async def _load(configuration: Configuration, kubeconfig: Path | None, context: str | None) -> str:
    """Load a context and return its name."""
    paths = chosen(kubeconfig)
    try:
        path = str(kubeconfig) if kubeconfig else None
        loader = await kube_config.load_kube_config(path, context, configuration, persist_config=False)
        return str(loader.current_context["name"])
    except UNREADABLE as error:
        raise unreadable(paths, error) from error


class Renewal:
    """Loads the token of `configuration` anew, by `load` into another one, once it is refused.

    One attempt at a time and none within AGAIN_S seconds of the last: a plugin that hangs is not started a second time.
    """

    def __init__(self, configuration: Configuration, load: Callable[[Configuration], Awaitable[None]]) -> None:
        self._configuration = configuration
        self._load = load
        self._attempt: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def __call__(self, refused: str | None) -> bool:
        """Return whether there is another token than the `refused` one, after LOADED_S seconds at the latest."""
        now = asyncio.get_running_loop().time()
        if self._token == refused and self._attempt is None and now >= self._not_before:
            self._not_before = now + AGAIN_S
            self._attempt = asyncio.create_task(self._anew(), name="credentials")
        if self._attempt is not None:
            await asyncio.wait([self._attempt], timeout=LOADED_S)
        return self._token != refused

    @property
    def _token(self) -> str | None:
        return self._configuration.api_key.get(TOKEN)

    async def _anew(self) -> None:
        fresh = Configuration()
        try:
            await self._load(fresh)
        except (ConfigError, aiohttp.ClientError) as error:
            log.warning("credentials_not_renewed", error=str(error))
            return
        finally:
            self._attempt = None
        if fresh.host == self._configuration.host and TOKEN in fresh.api_key:  # a token is for one server alone
            self._configuration.api_key[TOKEN] = fresh.api_key[TOKEN]
