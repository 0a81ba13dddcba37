"""An annotated Deployment, as far as the annotations are concerned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "canary.delivery/"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}


def deployment(annotations: Mapping[str, Any], *, name: str = "checkout") -> dict[str, Any]:
    """Return a Deployment that is opted in and has these annotations, written without the prefix."""
    keys = {"enabled": "true", **annotations}
    metadata = {"name": name, "namespace": "shop", "annotations": {PREFIX + key: keys[key] for key in keys}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
