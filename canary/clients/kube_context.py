"""Which namespace a person means who names none: that of the kubeconfig's context. Not its job: credentials."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config as kube_config

from canary.errors import ConfigError

FALLBACK = "default"
IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT = "~/.kube/config"
UNREADABLE = (kube_config.ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError)
"""What the loader raises for files that are no kubeconfig: it looks at no shapes before it uses them."""


def default_namespace(kubeconfig: Path | None = None, context: str | None = None) -> str:
    """Return the namespace of a context (the current one by default), inside a Pod the Pod's, else `default`.

    The kubeconfig is chosen as `kube_http.connect` chooses it. Raises ConfigError when there is none that can be read,
    or when it has no such context.
    """
    if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        return IN_POD.read_text(encoding="utf-8").strip() if IN_POD.is_file() else FALLBACK
    chosen = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or DEFAULT
    if not any(Path(path).expanduser().is_file() for path in chosen.split(os.pathsep) if path):
        raise ConfigError(f"no cluster to talk to: there is no kubeconfig at {chosen}; name one with --kubeconfig")
    try:
        contexts, current = kube_config.list_kube_config_contexts(str(Path(chosen).expanduser()))
        named = [entry for entry in contexts if entry["name"] == context] if context else [current]
    except UNREADABLE as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{chosen} cannot be read as a kubeconfig: {why}; name another with --kubeconfig") from error
    if not named:
        known = ", ".join(str(entry["name"]) for entry in contexts)
        raise ConfigError(f"{chosen} has no context {context!r}; --context may be one of {known}")
    return _namespace_of(named[0])


def _namespace_of(entry: Any) -> str:
    return str((entry or {}).get("context", {}).get("namespace") or FALLBACK)
