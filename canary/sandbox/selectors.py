"""Label selectors (matchLabels and matchExpressions) as the API server reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.errors import Rejected


def carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether `labels` hold every pair of `wanted`; an empty `wanted` is held by all."""
    return all(labels.get(key) == value for key, value in wanted.items())


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches; None matches nothing, {} everything."""
    if selector is None:
        return False
    return carries(labels, selector.get("matchLabels") or {}) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def is_empty(selector: Mapping[str, Any] | None) -> bool:
    """Whether the selector asks for nothing."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise Rejected(f'matchExpressions: {other!r} is not a valid label selector operator (key "{key}")')
