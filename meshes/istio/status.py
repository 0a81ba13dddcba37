"""What istiod says about a VirtualService in its status, which it writes only where analysis is switched on.

The condition `Reconciled` of older versions is not waited for: it counts proxies, and one that hangs anywhere in the
mesh would hold a rollback for ever. Settling takes its place.
"""

from __future__ import annotations

from meshes.contract import Manifest, ObjectRef
from meshes.parts.document import items, table, whole

# The name in today's JSON, the one in the documentation, and the number of the enum AnalysisMessageBase.Level.
_ERROR = ("ERROR", "Error", 3)

_LONGEST = 20
"""Digits of a number that is read; Python refuses to read thousands."""


def complaint(live: Manifest, ref: ObjectRef) -> str:
    """Return the errors that Istio's analysis found in the newest version of the object, "" when it found none.

    A status that speaks of an older generation says nothing: istiod writes none when it has nothing new to tell.
    """
    status = table(live.get("status"))
    observed = _number(status.get("observedGeneration"))
    generation = _number(table(live.get("metadata")).get("generation"))
    if observed is not None and generation is not None and observed < generation:
        return ""
    errors = [_described(message) for message in items(status.get("validationMessages")) if _is_error(message)]
    return f"Istio's analysis finds errors in {ref}: {', '.join(errors)}." if errors else ""


def _is_error(message: object) -> bool:
    return table(message).get("level") in _ERROR


def _described(message: object) -> str:
    kind = table(table(message).get("type"))
    code = kind.get("code") or table(message).get("code") or "an error without a code"
    return f"{code} ({kind['name']})" if kind.get("name") else str(code)


def _number(value: object) -> int | None:
    """Return a generation, which protobuf's JSON writes as a string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST:
        return int(value)
    return whole(value)
