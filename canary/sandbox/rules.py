"""The rules by which a proxy of a mesh chooses a backend for a request: what `routing` makes and Envoy is given.

Values only; which route objects they come from is each mesh's own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from meshes.contract import Kind, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One destination of a rule: a Service's port, which may not exist, and its part of the sum of weights (> 0)."""

    namespace: str
    service: str
    port: int
    weight: int = 1


class How(StrEnum):
    """How a text is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Text:
    """A comparison of one text; a regular expression matches the whole."""

    how: How
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a request must have: all of it. A path of None is any path; header names are in lower case."""

    path: Text | None = None
    headers: Mapping[str, Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a proxy tries again (0 never), and on which of Envoy's `retry_on` conditions."""

    attempts: int
    on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: it holds for a request that one of `matches` fits, or for every request when there are none.

    `retries` of None are the mesh's own; `timeout` is in seconds, None for no limit. `answer` is the status by which
    the proxy itself answers a rule without backends, `missing` the one for the share of a Service that does not exist
    (a Service without endpoints is answered 503).
    """

    matches: tuple[Match, ...] = ()
    backends: tuple[Backend, ...]
    retries: Retries | None = None
    timeout: float | None = None
    answer: int | None = None
    missing: int = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Apex:
    """The port of a Service that a client calls."""

    namespace: str
    service: str
    port: int
    http: bool

    @property
    def host(self) -> str:
        """The full name under which clients call it."""
        return f"{self.service}.{self.namespace}.svc.cluster.local"


Ports = Callable[[str, str], Sequence[int]]
"""The ports of the Service of a namespace and a name; empty when there is no such Service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """How one mesh routes: the kinds of its route objects, its own retries, and the function that reads the objects.

    `rules` takes the apex, the objects of `kinds` in any order, and the ports of Services. It returns None when no
    object speaks of the apex, and raises `ConfigError` for an object that the mesh, or this sandbox, would not take.
    `answer` takes a route object with all others and the Services, and returns the status that the mesh's controller
    writes into it, None for none; without it the mesh says nothing.
    With `detects` the proxies find out by themselves what a port speaks, whatever it is called.
    `installed` are the objects that come with the mesh, `joined` the labels of a namespace whose pods are in it.
    """

    kinds: tuple[Kind, ...]
    retries: Retries
    detects: bool = False
    installed: tuple[Manifest, ...] = ()
    joined: Mapping[str, str] = field(default_factory=dict)
    rules: Callable[[Apex, Sequence[Manifest], Ports], tuple[Rule, ...] | None]
    answer: Callable[[Manifest, Sequence[Manifest]], Mapping[str, Any] | None] | None = None
