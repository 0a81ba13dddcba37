"""The route object of one canary, whosever it is: what every adapter for GAMMA does with it."""

from __future__ import annotations

from collections.abc import Callable

from meshes.contract import Manifest, ObjectRef, Route, Seen
from meshes.gamma import own, parents
from meshes.gamma.grammar import GRAMMAR
from meshes.gamma.status import ACCEPTED, RESOLVED, complaint
from meshes.gamma.versions import api_version, kind_of
from meshes.parts.ownership import is_ours, missing_users_route, taken
from meshes.parts.sharing import Share
from meshes.parts.users_route import UsersRoute


def ref_of(route: Route) -> ObjectRef:
    """Return the object that holds the split."""
    return ObjectRef(kind_of(route), route.namespace, route.user_route or route.apex)


def observe(route: Route, live: Manifest | None, answers: Callable[[str], bool]) -> Seen:
    """Return what the live object says; `answers` tells which controller's word counts, by its controllerName."""
    ref = ref_of(route)
    if live is None:
        return Seen(weight=None, accepted=False, because=f"{ref} is missing.")
    if route.user_route is None and not is_ours(route, live):
        return Seen(weight=None, accepted=False, because=str(taken(ref)))
    found = own.read(route, live, ref=ref) if route.user_route is None else _users_share(route, live, ref)
    # A backend that is missing is answered by errors and keeps nothing else from being in force. Where the canary gets
    # nothing it must not hold up the way back: it may be the canary's Service, or a backend of the user's elsewhere.
    needed = (ACCEPTED,) if found.percent == 0 else (ACCEPTED, RESOLVED)
    refused = complaint(route, live, ref, answers, needed=needed)
    because = " ".join(reason for reason in (found.because, refused) if reason)
    return Seen(weight=found.percent, accepted=not refused, because=because)


def _users_share(route: Route, live: Manifest, ref: ObjectRef) -> Share:
    if why := parents.fault(route, live):
        return Share(percent=None, because=f"{ref} splits nothing: {why}.")
    return _users(route, ref).read(live)


def render(route: Route, weight: int, live: Manifest | None) -> Manifest:
    """Return the whole object with the split, as `Mesh.render` says."""
    if not 0 <= weight <= 100:
        raise ValueError(f"a weight is 0..100 percent, not {weight}")
    ref = ref_of(route)
    version = api_version(route, live, ref)
    if route.user_route is not None:
        if live is None:
            raise missing_users_route(route, ref)
        return _users(route, ref).render(weight, live)
    if live is not None and not is_ours(route, live):
        raise taken(ref)
    return own.render(route, weight, {**(live or {}), "apiVersion": version, "kind": ref.kind.kind}, ref=ref)


def restore(route: Route, live: Manifest) -> Manifest | None:
    """Return the user's route as it was, or None for ours, as `Mesh.restore` says."""
    if route.user_route is None:
        return None if is_ours(route, live) else live
    return _users(route, ref_of(route)).restore(live)


def _users(route: Route, ref: ObjectRef) -> UsersRoute:
    return UsersRoute(route=route, ref=ref, grammar=GRAMMAR)
