"""What ConfigMaps and Secrets hold, as a hash: caches and statuses know this and never the content.

Here because the clients that fill caches and the controller that compares must hash alike. Not its job: which of them
belong to a revision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from meshes.contract import Manifest

CONTENT = "content"
"""The field in which a cached ConfigMap or Secret carries the hash of what it holds."""

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels, so that no words come about, and fit for names and label values."""

LENGTH = 10

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_KEPT = ("name", "namespace", "uid", "resourceVersion", "labels", "deletionTimestamp")
_HELD = ("data", "binaryData")


def hashed(value: Any) -> str:
    """Return the hash of a JSON value: ten characters that fit into a name; the order of keys does not matter."""
    raw = hashlib.sha256(_JSON.encode(value).encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in raw[:LENGTH])


def content_of(manifest: Manifest) -> str:
    """Return the hash of what a ConfigMap or Secret holds, be it whole or as a cache keeps it.

    It is the same for equal contents, so it is not to be shown: what is shown is hashed again with names.
    """
    kept = manifest.get(CONTENT)
    return kept if isinstance(kept, str) else hashed(held_by(manifest))


def held_by(manifest: Manifest) -> dict[str, Any]:
    """Return the fields of a whole ConfigMap or Secret that hold something."""
    return {field: manifest[field] for field in _HELD if manifest.get(field)}


def without_content(manifest: Manifest) -> Manifest:
    """Return what a cache keeps of a ConfigMap or Secret: the names, the labels, the version and the hash."""
    metadata: Mapping[str, Any] = manifest["metadata"]
    kept = {field: metadata[field] for field in _KEPT if field in metadata}
    identity = {field: manifest[field] for field in ("apiVersion", "kind") if field in manifest}
    return {**identity, "metadata": kept, CONTENT: content_of(manifest)}
