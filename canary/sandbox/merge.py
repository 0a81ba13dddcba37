"""How JSON documents are put together: merge patches, client-side apply, and what counts as the same.

Nothing here changes its arguments; results share unchanged parts with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

_NO_MAPS = frozenset((str, int, bool, float, list, tuple, type(None)))


def merge_patch(target: Any, patch: Any) -> Any:
    """Return `target` after a JSON merge patch (RFC 7386): lists are replaced whole, None removes a key.

    In the maps of a list too, which the RFC would leave alone: so do API servers (held to it by tests/api).
    """
    if not _is_map(patch):
        return without_nulls(patch)
    merged = dict(target) if _is_map(target) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def apply_patch(last: Any, wanted: Any) -> Any:
    """Return the merge patch that client-side apply sends: all that is wanted, None for what `last` alone had.

    `last` is what the same person applied before ({} at first); what others added to the live object stays.
    """
    if not isinstance(wanted, Mapping):
        return wanted
    before = last if isinstance(last, Mapping) else {}
    patch: dict[str, Any] = {key: None for key in before if key not in wanted}
    for key, value in wanted.items():
        patch[key] = apply_patch(before.get(key), value)
    return patch


def force_patch(last: Any, wanted: Mapping[str, Any], live: Any, atomic: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """Return the merge patch that comes to what server-side apply with force does.

    All that is wanted is set, what `last` alone had goes, and a map at an `atomic` path becomes just what is wanted.
    """
    patch: dict[str, Any] = apply_patch(last, wanted)
    for path in atomic:
        asked, there = patch, live
        for key in path:
            asked, there = asked.get(key) or {}, (there or {}).get(key)
        if asked:
            asked.update({key: None for key in there or () if key not in asked})
    return patch


def without_nulls(value: Any) -> Any:
    """Return a deep copy without keys whose value is None, as typed decoding drops them."""
    if type(value) is str:
        return value
    if _is_map(value):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value


def _is_map(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether it is a mapping. Nearly all values are plain ones, whose type is known sooner than an abstract class."""
    kind = type(value)
    return kind is dict or (kind not in _NO_MAPS and isinstance(value, Mapping))


def with_defaults(value: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return `value` with the keys that it lacks from `defaults`, at the top level only."""
    return {**{key: item for key, item in defaults.items() if key not in value}, **value}


def pruned(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return `value` without the fields that a structural OpenAPI schema does not know."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource"):
        return value
    if isinstance(value, Mapping):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", False)
        schemas = {key: known.get(key, others) for key in value}
        any_value = {"x-kubernetes-preserve-unknown-fields": True}
        return {
            key: pruned(value[key], any_value if each is True else each)
            for key, each in schemas.items()
            if each is not False
        }
    if isinstance(value, list):
        return [pruned(item, schema.get("items", {})) for item in value]
    return value


def not_taken(asked: Any, got: Any, path: str = "") -> str:
    """Return the path of the first field of `asked` that `got` does not hold; "" when all was taken.

    What the server adds (defaults, in list items too) is no difference, nor a false or empty value that it leaves out.
    None asks for the key to be gone, and a map may go with its last key.
    """
    if asked == got:
        return ""
    if _is_map(asked) and (got is None or _is_map(got)):
        pairs = [(asked[key], (got or {}).get(key), f"{path}.{key}" if path else str(key)) for key in asked]
    elif isinstance(asked, list | tuple) and isinstance(got, list) and len(asked) == len(got):
        pairs = [(asked[index], got[index], f"{path}[{index}]") for index in range(len(got))]
    else:
        return "" if got is None and not asked else path
    return next(filter(None, (not_taken(*pair) for pair in pairs)), "")
