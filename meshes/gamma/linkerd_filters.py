"""Filters that Linkerd does not know: with one of them it goes on using the route's previous version, and says nothing.

Its policy controller logs "Failed to convert route" then, and the status stays Accepted. So a route with such a filter
is never sent, and one that has it counts as not accepted. From an object of ours they are taken out: with what somebody
put there no weight would take effect any more, 0 neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from meshes.contract import Manifest, ObjectRef, Route, RouteError, Seen
from meshes.gamma.grammar import GRAMMAR
from meshes.parts.document import items, table
from meshes.parts.ownership import identity_of

KNOWN = {
    "HTTPRoute": ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"),
    "GRPCRoute": ("RequestHeaderModifier", "ResponseHeaderModifier"),
}
"""What the policy controller converts (linkerd2, policy-controller/k8s/index/src/outbound/{http,grpc}.rs)."""


def fault(live: Manifest, ref: ObjectRef) -> str:
    """Return why Linkerd does not take the object as it is, "" when it does."""
    found = list(_unknown(live, KNOWN[ref.kind.kind]))
    if not found:
        return ""
    return (
        f"{ref} has what Linkerd does not support, {', '.join(found)}: Linkerd keeps using the version before it and "
        "its status stays Accepted. Take it out."
    )


def seen_with(seen: Seen, live: Manifest | None, ref: ObjectRef) -> Seen:
    """Return what was read of a route that Linkerd took, not accepted where it does not take it as it is."""
    refused = fault(live, ref) if live is not None else ""
    if not refused:
        return seen
    return replace(seen, accepted=False, because=" ".join(part for part in (seen.because, refused) if part))


def sent(route: Route, weight: int, rendered: Manifest, ref: ObjectRef) -> Manifest:
    """Return what is to be written. Raises RouteError for a rise in a user's route that Linkerd does not take."""
    if route.user_route is None:
        return _taken_out(rendered, ref)
    refused = fault(rendered, ref)
    # The way back is never barred: what takes traffic from the canary is in force as soon as the filter is gone.
    if weight and refused:
        raise RouteError("RouteUnusable", refused)
    return rendered


def _taken_out(ours: Manifest, ref: ObjectRef) -> Manifest:
    """Return an object of ours as Linkerd takes it: without such filters in our rule, the first.

    A further rule that has one goes whole: Linkerd never took it, and without the filter it would mean something else.
    """
    known = KNOWN[ref.kind.kind]
    own, *others = GRAMMAR.entries_of(ours)
    backends = [_without(item, known) for item in GRAMMAR.items_of(own)]
    rule = GRAMMAR.with_items(_without(own, known), backends)
    return GRAMMAR.with_entries(ours, [rule, *(other for other in others if not any(_in_rule(2, other, known)))])


def find(others: Sequence[Manifest], ref: ObjectRef) -> RouteError | None:
    """Return what is wrong with the object that `ref` names, where it is among the others."""
    for other in others:
        group = str(other.get("apiVersion", "")).rpartition("/")[0]
        if (group, other.get("kind"), *identity_of(other)) == (ref.kind.group, ref.kind.kind, ref.namespace, ref.name):
            found = fault(other, ref)
            return RouteError("RouteUnusable", found) if found else None
    return None


def _unknown(live: Manifest, known: Sequence[str]) -> Iterator[str]:
    for number, rule in enumerate(GRAMMAR.entries_of(live), start=1):
        yield from _in_rule(number, rule, known)


def _in_rule(number: int, rule: object, known: Sequence[str]) -> Iterator[str]:
    for place, holder in ((f"rule {number}", rule), *_backends(number, rule)):
        for one in items(table(holder).get("filters")):
            if table(one).get("type") not in known:
                yield f"the filter {table(one).get('type')} of {place}"


def _without(holder: Mapping[str, Any], known: Sequence[str]) -> Mapping[str, Any]:
    filters = items(holder.get("filters"))
    kept = [one for one in filters if table(one).get("type") in known]
    if len(kept) == len(filters):
        return holder
    rest = {key: value for key, value in holder.items() if key != "filters"}
    return {**rest, "filters": kept} if kept else rest


def _backends(number: int, rule: object) -> Iterator[tuple[str, object]]:
    for item in GRAMMAR.items_of(rule):
        yield f"rule {number}, backend {GRAMMAR.shown(item)}", item
