"""What the mesh's controller says about a route in its status (Gateway API, RouteParentStatus)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from meshes.contract import Manifest, ObjectRef, Route
from meshes.gamma.grammar import CORE
from meshes.gamma.parents import hangs_on_apex, is_apex, parents_of
from meshes.gamma.versions import GRPC_ROUTE
from meshes.parts.document import items, table, whole

ACCEPTED, RESOLVED = "Accepted", "ResolvedRefs"


def controllers(live: Manifest | None) -> tuple[str, ...]:
    """Return who took the route for a Service: the names of the controllers, sorted, each once."""
    entries = items(table(table(live).get("status")).get("parents"))
    found = {
        str(table(entry).get("controllerName", ""))
        for entry in entries
        if table(table(entry).get("parentRef")).get("kind") == "Service" and _is_true(_conditions(entry), ACCEPTED)
    }
    return tuple(sorted(found))


def complaint(
    route: Route, live: Manifest, ref: ObjectRef, answers: Callable[[str], bool], *, needed: Sequence[str]
) -> str:
    """Return why the newest version of the object is not in force, "" when the mesh took it.

    `answers` says of a controllerName whether it is the mesh's, `needed` are the conditions that must be True. Of
    several controllers one that took it is enough. No answer at all is told with its likely causes: Accepted is
    written within seconds by every mesh.
    """
    home = str(table(live.get("metadata")).get("namespace", ""))
    entries = [
        entry
        for entry in items(table(live.get("status")).get("parents"))
        if is_apex(route, table(entry).get("parentRef"), home) and answers(str(table(entry).get("controllerName", "")))
    ]
    if not entries:
        return f"No mesh has answered {ref}. {_causes(route, live, ref)}"
    complaints = [list(_complaints(live, entry, needed)) for entry in entries]
    if not all(complaints):
        return ""
    return f"{ref} is not in force: {'; '.join(one for each in complaints for one in each)}."


def _complaints(live: Manifest, entry: object, needed: Sequence[str]) -> Iterator[str]:
    who = table(entry).get("controllerName", "an unnamed controller")
    generation = whole(table(live.get("metadata")).get("generation"))
    conditions = _conditions(entry)
    for kind in needed:
        condition = conditions.get(kind)
        if condition is None:
            yield f"{who} has not said {kind}"
            continue
        observed = whole(condition.get("observedGeneration"))
        # Linkerd writes none, or 0 (linkerd2 issue 14964): only a number says how old the answer is.
        if observed and generation and observed < generation:
            yield f"{who} has seen version {observed} of it, the newest is {generation}"
        elif condition.get("status") != "True":
            yield f"{who} says {kind} is {condition.get('status')}, {_reason(condition)}"


def _reason(condition: Mapping[str, Any]) -> str:
    message = str(condition.get("message") or "").strip().rstrip(".")
    return f"{condition.get('reason', 'without a reason')}: {message}" if message else str(condition.get("reason"))


def _conditions(entry: object) -> Mapping[str, Mapping[str, Any]]:
    return {str(table(one).get("type")): table(one) for one in items(table(entry).get("conditions"))}


def _is_true(conditions: Mapping[str, Mapping[str, Any]], kind: str) -> bool:
    return table(conditions.get(kind)).get("status") == "True"


def _causes(route: Route, live: Manifest, ref: ObjectRef) -> str:
    answered = sorted(
        {str(table(entry).get("controllerName")) for entry in items(table(live.get("status")).get("parents"))}
    )
    if not hangs_on_apex(route, live):
        return f"None of its parentRefs is Service {route.apex}."
    likely: Sequence[str] = (
        *([f"only {', '.join(answered)} answered, for other parents or as another mesh"] if answered else []),
        *(['its parentRef has the group "core", which only Linkerd knows: write ""'] if _says_core(live) else []),
        *(["the mesh takes no GRPCRoutes (Kuma does not)"] if ref.kind == GRPC_ROUTE else []),
        f"no mesh runs that takes routes of Services in {live.get('apiVersion')}: see which versions of the Gateway "
        "API it supports",
        f"Service {route.apex} is not in the mesh (Istio's ambient mode: it lacks the label istio.io/use-waypoint)",
    )
    return f"Likely: {'; or '.join(likely)}."


def _says_core(live: Manifest) -> bool:
    return any(table(parent).get("group") == CORE[1] for parent in parents_of(live))
