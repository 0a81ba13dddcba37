"""The values of a migration: what was made, and what is to be told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One field that did not become one of ours: the object, the field's path in its spec, and what to do about it."""

    object: str
    field: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The specs of our Canaries by (namespace, name), and all remarks, each once."""

    specs: Mapping[tuple[str, str], Mapping[str, Any]]
    remarks: tuple[Remark, ...]
