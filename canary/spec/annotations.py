"""From the annotations of a Deployment to the Canary that they ask for, or to all of their faults at once.

There is one path: annotations become the spec of a Canary, and that is checked as a user's own is. Not its job: what
the keys mean (table.py), keeping the Canary (controller/shim.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from canary.rollout.values import replace
from canary.spec.faults import SpecFault, bounded, nearest, said
from canary.spec.keys import CHECK, CHECKS, PREFIX, Convert, custom_check
from canary.spec.reading import filled_in, spec_faults
from canary.spec.schema import CHECKS_MOST
from canary.spec.table import KEYS
from meshes.contract import Manifest

ENABLED = f"{PREFIX}enabled"
GENERATED = f"{PREFIX}generated"
API_VERSION = "canary.delivery/v1alpha1"
KIND = "Canary"
LONGEST_VALUE = 5000
NEAREST_FOR = 50
"""For so many unknown keys the nearest known one is looked for: it takes time, and a hostile object may have many."""


def is_enabled(deployment: Manifest) -> bool:
    """Return whether a Deployment is opted in: `enabled` is there and not "false".

    A word that is neither "true" nor "false" is a fault; it must neither begin nor end anything, and so counts as
    opted in: a Canary that is there stays, and a new one is suspended.
    """
    found = _annotations(deployment).get(ENABLED)
    return found is not None and not (isinstance(found, str) and found.strip() == "false")


def canary_from_annotations(deployment: Manifest) -> tuple[dict[str, Any] | None, tuple[SpecFault, ...]]:
    """Return the Canary that the annotations ask for, and every fault in them. None when it is not opted in.

    Its spec has every default filled in, as the API server would; it is shared, and not to be changed in place. With a
    fault the Canary has only its `targetRef` and `suspend: true`, for a Deployment that was never valid. Never raises
    for what stands in annotations.
    """
    if not is_enabled(deployment):
        return None, ()
    metadata = deployment["metadata"]
    named = tuple((field, metadata[field]) for field in ("name", "namespace") if field in metadata)
    ours = tuple((key, value) for key, value in _annotations(deployment).items() if key.startswith(PREFIX))
    if all(isinstance(value, str) for _, value in (*named, *ours)):
        return _made_once(named, ours)
    return _made(named, ours)


def _made(
    named: tuple[tuple[str, Any], ...], ours: tuple[tuple[str, Any], ...]
) -> tuple[dict[str, Any] | None, tuple[SpecFault, ...]]:
    annotations = dict(ours)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": dict(named).get("name") or ""}
    reading = _Reading({"targetRef": target})
    for key in KEYS:
        value = annotations.get(PREFIX + key.name, key.assumed)
        if value is not None and not key.name.startswith(CHECK):
            reading.read(PREFIX + key.name, value, key.path, key.convert)
    for name in islice(sorted(filter(_is_check, annotations)), CHECKS_MOST + 1):
        reading.read(name, annotations[name], CHECKS, custom_check(name.removeprefix(PREFIX + CHECK)))
    faults = bounded([*sorted(reading.faults(), key=_place), *_unknown(annotations)])
    spec = {"targetRef": target, "suspend": True} if faults else filled_in(reading.spec)
    labels = {GENERATED: "true"}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {**dict(named), "labels": labels},
        "spec": spec,
    }, faults


_made_once = lru_cache(maxsize=4096)(_made)  # the same few annotations are looked at in every pass


def _annotations(deployment: Manifest) -> Mapping[str, Any]:
    found = (deployment.get("metadata") or {}).get("annotations")
    return {str(key): value for key, value in found.items()} if isinstance(found, Mapping) else {}


_PLACES = {PREFIX + key.name: at for at, key in enumerate(KEYS)}


def _place(fault: SpecFault) -> tuple[int, str]:
    """Faults come in the order of the table, those of checks of the user's own after all others."""
    return _PLACES.get(fault.key, len(_PLACES)), fault.key


def _is_check(name: str) -> bool:
    return name.startswith(PREFIX + CHECK)


def _unknown(annotations: Mapping[str, Any]) -> Iterator[SpecFault]:
    known = [key.name for key in KEYS]
    ours = (name.removeprefix(PREFIX) for name in annotations if name.startswith(PREFIX) and not _is_check(name))
    for count, name in enumerate(sorted(name for name in ours if name not in known)):
        near = nearest(name, known) if count < NEAREST_FOR else ""
        allowed = "a known key" if near else f"one of {', '.join(known)}"
        found = said(annotations[PREFIX + name])
        yield SpecFault(key=PREFIX + name, found=found, allowed=allowed, nearest=PREFIX + near if near else "")


class _Reading:
    """Gathers the spec, key by key, and remembers which key each part of it came from."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = {**spec, "analysis": {"checks": []}}
        self._checks: list[Any] = self.spec["analysis"]["checks"]
        self._faults: list[SpecFault] = []
        self._keys = {"spec.targetRef.name": "metadata.name", "spec.analysis.checks": f"{PREFIX}{CHECK}NAME"}

    def read(self, key: str, value: Any, path: tuple[str, ...], convert: Convert) -> None:
        """Put the converted value where it belongs; the value as it is when it cannot be converted."""
        try:
            converted = convert(_text(value))
        except ValueError as error:
            self._faults.append(SpecFault(key=key, found=said(value), allowed=str(error)))
            converted = None if path == CHECKS else said(value)
        if path == CHECKS:
            if converted is not None:
                self._keys[f"spec.analysis.checks[{len(self._checks)}]"] = key
                self._checks.append(converted)
        elif path:
            self._keys["spec." + ".".join(path)] = key
            inner = self.spec
            for field in path[:-1]:
                inner = inner.setdefault(field, {})
            inner[path[-1]] = converted

    def faults(self) -> Iterator[SpecFault]:
        """Yield what no converter took, and then what the spec as a whole has against it, said of keys."""
        yield from self._faults
        told = {fault.key for fault in self._faults}
        for fault in spec_faults({"spec": self.spec}):
            key = self._key_of(fault.key)
            if key not in told:
                allowed = fault.allowed.replace("stepWeight", "step-weight").replace("maxWeight", "max-weight")
                yield replace(fault, key=key, allowed=allowed, nearest="")

    def _key_of(self, path: str) -> str:
        while path not in self._keys:
            shorter = path[: max(path.rfind("."), path.rfind("["))] if "." in path else ""
            if not shorter:
                return path
            path = shorter
        return self._keys[path]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text, which YAML needs in quotes")
    if len(value) > LONGEST_VALUE:
        raise ValueError(f"a text of at most {LONGEST_VALUE} characters")
    return value.strip()
