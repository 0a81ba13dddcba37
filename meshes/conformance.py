"""The laws of an adapter as plain assertions: an adapter's author subclasses `AdapterLaws` and runs it with pytest.

It holds for every mesh. Golden files, the mesh's own odd shapes and its queries are each adapter's own tests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from meshes.contract import Manifest, Mesh, Route, RouteError

WEIGHTS = (0, 1, 10, 50, 99, 100)
FOREIGN = "example.com/foreign"


class AdapterLaws(ABC):
    """What holds for every route, split and live object. Say what is asked below; `test_...` are the laws."""

    @abstractmethod
    def adapter(self) -> Mesh:
        """Return the adapter."""

    @abstractmethod
    def own_routes(self) -> Iterable[Route]:
        """Return routes without a user route: one of each protocol, version and option that matters."""

    @abstractmethod
    def user_routes(self) -> Iterable[tuple[Route, Manifest]]:
        """Return routes with a user route, each with the user's object at rest, as odd as users write them."""

    @abstractmethod
    def written(self, route: Route, manifest: Manifest) -> tuple[int, int]:
        """Return the weights that the object has for the apex and for the canary, read without the adapter."""

    def test_what_was_written_is_read_back(self) -> None:
        """`observe` of what `render` returns is the weight that was asked for."""
        for route, live in self._lives():
            for weight in WEIGHTS:
                seen = self.adapter().observe(route, self._rendered(route, weight, live))
                _same(seen.weight, weight, f"read back from {_named(route, live)}")

    def test_the_two_weights_add_up_to_100(self) -> None:
        """Both are written and their sum is 100, so they are never both 0. At rest a user's route may hold one."""
        for route, live in self._lives():
            for weight in WEIGHTS:
                if weight or route.user_route is None:
                    weights = self.written(route, self._rendered(route, weight, live))
                    _same(weights, (100 - weight, weight), f"weights in {_named(route, live)}")

    def test_rendering_twice_changes_nothing(self) -> None:
        """Nothing is written when what is there is what is wanted."""
        for route, live in self._lives():
            for weight in WEIGHTS:
                once = self._rendered(route, weight, live)
                _same(self._rendered(route, weight, once), once, f"{weight} twice in {_named(route, live)}")

    def test_the_way_to_a_weight_does_not_matter(self) -> None:
        """From any weight to any other gives the same object as straight there."""
        for route, live in self._lives():
            for weight in WEIGHTS:
                straight = self._rendered(route, weight, live)
                for first in WEIGHTS:
                    round_about = self._rendered(route, weight, self._rendered(route, first, live))
                    _same(round_about, straight, f"{first} then {weight} in {_named(route, live)}")

    def test_a_users_route_is_at_rest_as_it_was(self) -> None:
        """After a rollout nothing of it is left, by weight 0 and by leaving."""
        for route, live in self.user_routes():
            _same(self._rendered(route, 0, live), live, f"at rest without a rollout, {_named(route, live)}")
            for weight in WEIGHTS:
                split = self._rendered(route, weight, live)
                _same(self._rendered(route, 0, split), live, f"at rest after {weight}, {_named(route, live)}")
                _same(self.adapter().restore(route, split), live, f"restored after {weight}, {_named(route, live)}")

    def test_our_own_route_goes_when_we_leave(self) -> None:
        """An object that is ours is to be deleted."""
        for route in self.own_routes():
            _same(self.adapter().restore(route, self._rendered(route, 10, None)), None, f"{route} left behind")

    def test_what_others_add_stays(self) -> None:
        """Labels, annotations, finalizers and unknown fields that others put on the object come back unchanged."""
        for route, live in self._lives():
            added = _with_foreign(self._rendered(route, 10, live))
            for weight in WEIGHTS:
                after = self._rendered(route, weight, added)
                _same(_foreign(after), _foreign(added), f"foreign fields of {_named(route, live)}")

    def test_the_live_object_is_never_changed_in_place(self) -> None:
        """What the cache holds is shared."""
        for route, live in self._lives():
            for weight in WEIGHTS:
                given = self._rendered(route, 50, live)
                before = deepcopy(given)
                self._rendered(route, weight, given)
                self.adapter().observe(route, given)
                self.adapter().restore(route, given)
                _same(given, before, f"the object given for {_named(route, live)}")

    def test_the_object_is_the_one_that_was_named(self) -> None:
        """`render` writes the object that `route_ref` names, of a kind that is watched, in a version that is served."""
        for route, live in self._lives():
            ref = self.adapter().route_ref(route)
            manifest = self._rendered(route, 10, live)
            group, _, version = str(manifest["apiVersion"]).rpartition("/")
            metadata = manifest["metadata"]
            found = (group, manifest["kind"], metadata.get("namespace", ""), metadata["name"])
            _same(found, (ref.kind.group, ref.kind.kind, ref.namespace, ref.name), "the object's identity")
            assert ref.kind in self.adapter().kinds(), f"{ref.kind} is not among the kinds that are watched"
            assert ref.kind == self.adapter().route_kind(route), f"{ref.kind} is not the kind of {route}"
            assert version in route.served, f"{version} is not served; served are {route.served}"

    def test_a_version_that_is_not_served_is_refused(self) -> None:
        """No version, or only unknown ones: a RouteError that says so, never an object that the cluster prunes."""
        for route, live in self._lives():
            for served in ((), ("v0unknown",)):
                refusal = self._refusal(replace(route, served=served), live)
                assert refusal is not None, f"served {served}: nothing refused {_named(route, live)}"
                assert refusal.reason, "a RouteError has a reason"
                assert str(refusal), "a RouteError has a message"

    def test_a_missing_route_has_no_weight(self) -> None:
        """Nobody may take a route that is not there for one at weight 0."""
        for route, _ in self._lives():
            seen = self.adapter().observe(route, None)
            _same((seen.weight, seen.accepted), (None, False), f"{route} is missing")
            assert seen.because, "a weight that is None has a reason"

    def test_a_users_route_that_is_missing_is_not_made(self) -> None:
        """Only the user can write it."""
        for route, _ in self.user_routes():
            refusal = self._refusal(route, None)
            assert refusal is not None, f"{route}: an object was made in the user's place"
            assert str(route.user_route) in str(refusal), "the message names the object"

    def test_the_route_is_no_conflict_with_itself(self) -> None:
        """`conflict` may be given every object of the cluster."""
        for route, live in self._lives():
            for weight in (0, 10):
                found = self.adapter().conflict(route, [self._rendered(route, weight, live)])
                _same(found, None, f"a conflict of {_named(route, live)} with itself")

    def _lives(self) -> Iterator[tuple[Route, Manifest | None]]:
        for route in self.own_routes():
            yield route, None
        yield from self.user_routes()

    def _rendered(self, route: Route, weight: int, live: Manifest | None) -> Manifest:
        return self.adapter().render(route, weight, live)

    def _refusal(self, route: Route, live: Manifest | None) -> RouteError | None:
        try:
            self._rendered(route, 10, live)
        except RouteError as err:
            return err
        return None


def _with_foreign(manifest: Manifest) -> dict[str, Any]:
    changed: dict[str, Any] = deepcopy(dict(manifest))
    metadata = changed["metadata"]
    for field in ("labels", "annotations"):
        metadata[field] = {**metadata.get(field, {}), FOREIGN: "stays"}
    metadata["finalizers"] = [FOREIGN]
    metadata["resourceVersion"] = "7"
    changed["spec"]["foreignField"] = {"stays": [1, {"deep": None}]}
    changed["status"] = {"foreign": True}
    return changed


def _foreign(manifest: Manifest) -> Mapping[str, Any]:
    metadata = manifest["metadata"]
    return {
        "labels": metadata.get("labels", {}).get(FOREIGN),
        "annotations": metadata.get("annotations", {}).get(FOREIGN),
        "finalizers": metadata.get("finalizers"),
        "resourceVersion": metadata.get("resourceVersion"),
        "spec": manifest["spec"].get("foreignField"),
        "status": manifest.get("status"),
    }


def _named(route: Route, live: Manifest | None) -> str:
    return f"{route.namespace}/{route.user_route or route.apex} ({'ours' if live is None else live})"


def _same(found: object, wanted: object, what: str) -> None:
    # Spelled out: assertions outside of test files are not rewritten by pytest to show their values.
    assert found == wanted, f"{what}:\n  found  {found!r}\n  wanted {wanted!r}"
