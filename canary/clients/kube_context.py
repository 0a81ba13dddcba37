"""Which namespace a person means who names none: that of the kubeconfig's context. Not its job: credentials."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kubernetes.aio import config as kube_config

from canary.clients.kubeconfig import UNREADABLE, chosen, unreadable
from canary.errors import ConfigError

FALLBACK = "default"
IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def default_namespace(kubeconfig: Path | None = None, context: str | None = None) -> str:
    """Return the namespace of a context (the current one by default), inside a Pod the Pod's, else `default`.

    The kubeconfig is chosen as `kube_http.connect` chooses it. Raises ConfigError when there is none that can be read,
    or when it has no such context.
    """
    if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        return IN_POD.read_text(encoding="utf-8").strip() if IN_POD.is_file() else FALLBACK
    paths = chosen(kubeconfig)
    try:
        contexts, current = kube_config.list_kube_config_contexts(str(Path(paths).expanduser()))
        named = [entry for entry in contexts if entry["name"] == context] if context else [current]
    except UNREADABLE as error:
        raise unreadable(paths, error) from error
    if not named:
        known = ", ".join(str(entry["name"]) for entry in contexts)
        raise ConfigError(f"{paths} has no context {context!r}; --context may be one of {known}")
    return _namespace_of(named[0])


def _namespace_of(entry: Any) -> str:
    return str((entry or {}).get("context", {}).get("namespace") or FALLBACK)
