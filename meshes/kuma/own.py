"""The MeshHTTPRoute that the controller makes: wholly ours, but what others add where it does no harm stays.

Kuma sorts rules by how special they are: the split is the rule that takes what no other does, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshes.contract import Manifest, ObjectRef, Route
from meshes.kuma.names import (
    DEFAULT_MESH,
    GROUP,
    HOME,
    MESH_LABEL,
    ORIGIN,
    VERSION,
    Form,
    form_of,
    label,
    mesh_of,
    noted_mesh,
)
from meshes.kuma.references import KEYS, backend, form_in, is_parent, parent
from meshes.kuma.split import CATCH_ALL, MeshHTTPRouteGrammar, catches_all
from meshes.parts.document import items, table
from meshes.parts.ownership import is_ours as bears_our_labels
from meshes.parts.ownership import our_metadata
from meshes.parts.sharing import Share, Side, share

EVERYBODY = {"kind": "Mesh"}
_DIVERTING = ("RequestRedirect",)


def is_ours(route: Route, live: Manifest) -> bool:
    """Say whether the object was made for this very target: of this namespace, wherever it lies."""
    there = table(live.get("metadata")).get("namespace") == route.namespace
    return bears_our_labels(route, live) and (there or label(live, HOME) == route.namespace)


def render(route: Route, weight: int, live: Manifest, *, ref: ObjectRef) -> Manifest:
    """Return our object with the split. `live` is an empty one when there is none.

    Ours are the labels of mesh and owner, the clients that it is for (all), and the rule that takes every request, but
    for filters that do not touch the split. Other rules and entries for other Services stay.
    """
    metadata = our_metadata(route, live, ref)
    labels = {**table(metadata["labels"]), MESH_LABEL: mesh_of(route)}
    if ref.namespace != route.namespace:
        # A zone that is part of a federation takes routes in its system namespace only with their origin.
        labels |= {HOME: route.namespace, ORIGIN: "zone"}
    spec = {**table(live.get("spec")), "targetRef": EVERYBODY, "to": _to(route, weight, live, ref.namespace)}
    identity = {"apiVersion": f"{GROUP}/{VERSION}", "kind": ref.kind.kind}
    return {**live, **identity, "metadata": {**metadata, "labels": labels}, "spec": spec}


def read(route: Route, live: Manifest, *, ref: ObjectRef) -> Share:
    """Return the share that the object gives the canary; None when requests to the apex may not come by it."""
    found = _read(route, live, ref.namespace)
    because = f"{ref} holds no split that can be read: {found.because}." if found.because else ""
    return Share(percent=found.percent, because=because)


def written_form(route: Route, live: Manifest, home: str) -> Form | None:
    """Return the form in which a live object names the apex, None when it does not."""
    for to in items(table(live.get("spec")).get("to")):
        if is_parent(route, table(to).get("targetRef"), home):
            return form_in(table(to).get("targetRef"))
    return None


def reaches_everybody(spec: Mapping[str, Any]) -> bool:
    """Say whether the object is for all clients of its mesh."""
    target = spec.get("targetRef")
    return target is None or (table(target).get("kind") == "Mesh" and not table(target).get("proxyTypes"))


def _read(route: Route, live: Manifest, home: str) -> Share:
    spec = table(live.get("spec"))
    if (noted_mesh(live) or DEFAULT_MESH) != mesh_of(route):
        return Share(percent=None, because=f"it is of mesh {noted_mesh(live) or DEFAULT_MESH}, not {mesh_of(route)}")
    if not reaches_everybody(spec):
        return Share(percent=None, because="it is for some of the clients only")
    grammar = MeshHTTPRouteGrammar(route=route, home=home)
    rules = [rule for rule in grammar.entries_of(live) if catches_all(rule)]
    if len(rules) != 1:
        return Share(percent=None, because=f"{len(rules)} rules for {route.apex} take every request")
    if any(table(one).get("type") in _DIVERTING for one in items(table(rules[0].get("default")).get("filters"))):
        return Share(percent=None, because="its rule for every request redirects")
    return share(route, rules[0], grammar)


def _to(route: Route, weight: int, live: Manifest, home: str) -> list[Any]:
    """Return the entries: ours in the place of the first that named the apex, further ones of the apex in it."""
    new: list[Any] = []
    place: int | None = None
    rules: list[Any] = []
    rest: Mapping[str, Any] = {}
    for to in items(table(live.get("spec")).get("to")):
        if not is_parent(route, table(to).get("targetRef"), home):
            new.append(to)
            continue
        rules += items(to.get("rules"))
        if place is None:
            place, rest = len(new), to
    ours = {**rest, "targetRef": parent(route, form_of(route)), "rules": _rules(route, weight, rules, home)}
    new.insert(len(new) if place is None else place, ours)
    return new


def _rules(route: Route, weight: int, live: list[Any], home: str) -> list[Any]:
    was = next((table(rule) for rule in live if catches_all(rule)), table(None))
    default = table(was.get("default"))
    grammar = MeshHTTPRouteGrammar(route=route, home=home)
    backends = {grammar.side(route, item): item for item in grammar.items_of(was)}
    kept = {key: value for key, value in default.items() if key != "filters"}
    filters = [one for one in items(default.get("filters")) if table(one).get("type") not in _DIVERTING]
    split = {**kept, **({"filters": filters} if filters else {}), "backendRefs": _backends(route, weight, backends)}
    ours = {**was, "matches": [CATCH_ALL], "default": split}
    return [*(rule for rule in live if not catches_all(rule)), ours]


def _backends(route: Route, weight: int, was: Mapping[Side, Any]) -> list[dict[str, Any]]:
    wanted = ((Side.APEX, route.apex, 100 - weight), (Side.CANARY, route.canary, weight))
    form = form_of(route)
    return [
        {
            **{key: value for key, value in table(was.get(whom)).items() if key not in KEYS},
            **backend(route, form, service, part),
        }
        for whom, service, part in wanted
    ]
