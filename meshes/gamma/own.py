"""The route that the controller makes: wholly ours, but what others add where it does no harm stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshes.contract import Kind, Manifest, ObjectRef, Route, RouteError
from meshes.gamma import parents
from meshes.gamma.grammar import GRAMMAR, unconditional
from meshes.gamma.versions import HTTP_ROUTE
from meshes.parts.document import items, table
from meshes.parts.ownership import our_metadata
from meshes.parts.sharing import Share, Side, share

_EVERY_PATH = {"path": {"type": "PathPrefix", "value": "/"}}
"""What the API server writes into an HTTPRoute's rule without matches; a GRPCRoute's stays without."""

MOST_RULES, MOST_MATCHES = 16, 128
"""In one object, matches of all rules together; the API server refuses more (the CRDs of both kinds)."""

_DIVERTING = ("RequestRedirect",)
"""Filters that send requests elsewhere than to the backends. The API server refuses a rule that has both."""


def render(route: Route, weight: int, live: Manifest, *, ref: ObjectRef) -> Manifest:
    """Return our object with the split. `live` is an empty one (apiVersion and kind only) when there is none.

    Ours are the parent, the hosts (none, so all) and the rule for every request, but for what does not touch the split
    (timeouts, filters that do not redirect). Rules that match more narrowly stay: they win over ours wherever they
    stand. All that the API server would fill in is written, so that what is read back is what was sent.
    Raises RouteError (`RouteUnusable`) when the rules of others leave no room for ours.
    """
    if full := _full(route, live):
        raise RouteError("RouteUnusable", f"{ref} {full}")
    spec = {key: value for key, value in table(live.get("spec")).items() if key != "hostnames"}
    spec["parentRefs"] = [{"group": "", "kind": "Service", "name": route.apex, "port": route.port}]
    spec["rules"] = _rules(route, weight, items(spec.get("rules")), ref.kind)
    return {**live, "metadata": our_metadata(route, live, ref), "spec": spec}


def read(route: Route, live: Manifest, *, ref: ObjectRef) -> Share:
    """Return the share that the object gives the canary; None when requests to the apex may not come by it."""
    found = _read(route, live)
    because = f"{ref} holds no split that can be read: {found.because}." if found.because else ""
    return Share(percent=found.percent, because=because)


def _read(route: Route, live: Manifest) -> Share:
    if why := parents.fault(route, live):
        return Share(percent=None, because=why)
    if table(live.get("spec")).get("hostnames"):
        return Share(percent=None, because="its hostnames limit it to some requests")
    for rule in GRAMMAR.entries_of(live):
        if unconditional(rule):
            if any(_diverts(holder) for holder in (rule, *GRAMMAR.items_of(rule))):
                return Share(percent=None, because="its rule for every request redirects")
            return share(route, rule, GRAMMAR)
    rules = GRAMMAR.entries_of(live)
    sent_to = {GRAMMAR.side(route, item) for rule in rules for item in GRAMMAR.items_of(rule)}
    if Side.CANARY not in sent_to and _full(route, live):
        # Nothing can be written, and what takes the canary's traffic away is not to wait for it.
        return Share(percent=0)
    return Share(percent=None, because="it has no rule for every request")


def _full(route: Route, live: Manifest) -> str:
    """Return why our rule finds no room in an object that it is not in, "" when there is some, or it is in it."""
    rules = GRAMMAR.entries_of(live)
    matches = sum(len(items(table(rule).get("matches"))) for rule in rules)
    if _place(route, rules) is not None or (len(rules) < MOST_RULES and matches < MOST_MATCHES):
        return ""
    most = f"{len(rules)} rules" if len(rules) >= MOST_RULES else f"{matches} matches in its rules"
    return (
        f"has {most} of others and not the one that splits, and may have no more: at most {MOST_RULES} rules and "
        f"{MOST_MATCHES} matches. Take one out, or move some into a route of their own: the routes of a Service are "
        "merged."
    )


def _rules(route: Route, weight: int, live: Sequence[Any], kind: Kind) -> list[Any]:
    place = _place(route, live)
    was = table(live[place]) if place is not None else table(None)
    rule = {key: value for key, value in _undiverted(was).items() if key != "matches"}
    if kind == HTTP_ROUTE:
        rule["matches"] = [_EVERY_PATH]
    rule["backendRefs"] = _backends(route, weight, items(was.get("backendRefs")))
    # Of two rules that match alike the first is used.
    return [rule, *(other for index, other in enumerate(live) if index != place)]


def _place(route: Route, live: Sequence[Any]) -> int | None:
    """Return the index of our rule: the first for every request, else one that has our two backends."""
    ours = sorted((Side.APEX, Side.CANARY))
    for index, rule in enumerate(live):
        if unconditional(rule):
            return index
    for index, rule in enumerate(live):
        if sorted(GRAMMAR.side(route, item) for item in GRAMMAR.items_of(rule)) == ours:
            return index
    return None


def _backends(route: Route, weight: int, live: Sequence[Any]) -> list[Mapping[str, Any]]:
    was = {GRAMMAR.side(route, item): item for item in live}
    wanted = ((Side.APEX, route.apex, 100 - weight), (Side.CANARY, route.canary, weight))
    return [
        {
            **_undiverted(was.get(whom, {})),
            "group": "",
            "kind": "Service",
            "name": name,
            "port": route.port,
            "weight": part,
        }
        for whom, name, part in wanted
    ]


def _diverts(holder: object) -> bool:
    return any(table(one).get("type") in _DIVERTING for one in items(table(holder).get("filters")))


def _undiverted(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a rule or a backend without filters that redirect."""
    if not _diverts(holder):
        return holder
    filters = [one for one in items(holder["filters"]) if table(one).get("type") not in _DIVERTING]
    rest = {key: value for key, value in holder.items() if key != "filters"}
    return {**rest, "filters": filters} if filters else rest
