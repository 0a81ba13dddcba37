"""Frozen values with other fields. A pass makes dozens, of up to fifty fields each, which was a fifth of its time.

`dataclasses.replace` runs `__init__`, which sets each field through `object.__setattr__`; here slots are copied as they
are. Not its job: checking fields. A class that does so in `__post_init__` has its values made in the usual way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value")

_NOTHING = object()
Setter = Callable[[Any, Any], None]


def replace(value: Value, /, **changes: Any) -> Value:
    """Return a dataclass's value with other fields, as `dataclasses.replace` does; the value itself when none differs.

    Raises TypeError for a field that it does not have.
    """
    kind: Any = type(value)
    slots = _slots(kind)
    if slots is None:
        return dataclasses.replace(value, **changes)  # type: ignore[type-var]
    for name, part in changes.items():
        if getattr(value, name, _NOTHING) is not part:
            break
    else:
        return value
    copy: Value = object.__new__(kind)
    for put, part in zip(slots.setters, slots.all_of(value), strict=True):
        put(copy, part)
    try:
        for name, part in changes.items():
            slots.by_name[name](copy, part)
    except KeyError as unknown:
        raise TypeError(f"{kind.__name__} has no field {unknown}") from None
    return copy


@dataclasses.dataclass(frozen=True, slots=True)
class _Slots:
    """How the slots of a class are read, all at once in order, and set."""

    all_of: Callable[[Any], tuple[Any, ...]]
    setters: tuple[Setter, ...]
    by_name: Mapping[str, Setter]


@cache
def _slots(kind: type) -> _Slots | None:
    """Return the slots of a class; None for one whose values are not copied slot by slot."""
    parts = dataclasses.fields(kind)
    checked = hasattr(kind, "__post_init__") or not all(part.init for part in parts)
    if checked or kind.__dictoffset__ or len(parts) < 2:
        return None
    by_name = {part.name: getattr(kind, part.name).__set__ for part in parts}
    return _Slots(attrgetter(*by_name), tuple(by_name.values()), by_name)
