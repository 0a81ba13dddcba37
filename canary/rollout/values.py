"""Frozen values with other fields. A pass makes dozens, of up to fifty fields each, which was a fifth of its time.

`dataclasses.replace` runs `__init__`, which sets each field through `object.__setattr__`; here slots are copied as they
are, by a function that is made for each class. Not its job: checking fields. A class that does so in `__post_init__`
has its values made in the usual way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

Value = TypeVar("Value")

_NOTHING = object()


def replace(value: Value, /, **changes: Any) -> Value:
    """Return a dataclass's value with other fields, as `dataclasses.replace` does; the value itself when none differs.

    Raises TypeError for a field that it does not have.
    """
    kind: Any = type(value)
    copier = _copier(kind)
    if copier is None:
        return dataclasses.replace(value, **changes)  # type: ignore[type-var]
    for name, part in changes.items():
        if getattr(value, name, _NOTHING) is not part:
            break
    else:
        return value
    copy: Value = copier.copy(value)
    try:
        for name, part in changes.items():
            copier.setters[name](copy, part)
    except KeyError as unknown:
        raise TypeError(f"{kind.__name__} has no field {unknown}") from None
    return copy


@dataclasses.dataclass(frozen=True, slots=True)
class _Copier:
    """How the values of a class are copied, and how a field of a copy is set."""

    copy: Callable[[Any], Any]
    setters: Mapping[str, Callable[[Any, Any], None]]


@cache
def _copier(kind: type) -> _Copier | None:
    """Return how values of a class are copied; None for one whose values are not copied slot by slot."""
    parts = dataclasses.fields(kind)
    checked = hasattr(kind, "__post_init__") or not all(part.init for part in parts)
    if checked or kind.__dictoffset__ or len(parts) < 2:
        return None
    names = [part.name for part in parts]
    return _Copier(_copy_of(kind, names), {name: getattr(kind, name).__set__ for name in names})


def _copy_of(kind: type, names: Sequence[str]) -> Callable[[Any], Any]:
    """Return a function that copies a value: in the twin of its class, which lets fields be set, as plain statements.

    A frozen class lets nothing be set but through its slots one call each, seven times as slow. Field names are
    identifiers of this code, so nothing foreign is compiled.
    """
    own = getattr(kind, "__slots__", ())
    loose = {"__slots__": own, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    twin = type(kind.__name__, kind.__bases__, loose)
    lines = [
        "def copy(value):",
        " made = new(twin)",
        *(f" made.{name} = value.{name}" for name in names),
        " made.__class__ = kind",
        " return made",
    ]
    scope: dict[str, Any] = {"new": object.__new__, "twin": twin, "kind": kind}
    exec("\n".join(lines), scope)
    made: Callable[[Any], Any] = scope["copy"]
    return made
