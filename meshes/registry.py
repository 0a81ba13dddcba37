"""Finds mesh adapters among the installed distributions, so that a new mesh needs no change of the controller.

An adapter is announced as an entry point of the group `canary.meshes`: `istio = "meshes.istio:Istio"`.
Choosing one for a canary is not done here.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from meshes.contract import Mesh

GROUP = "canary.meshes"
METHODS = tuple(sorted(name for name, value in vars(Mesh).items() if callable(value) and not name.startswith("_")))
"""What every adapter has, by name."""


class UnknownMesh(LookupError):
    """No installed distribution has an adapter of that name."""


class BrokenAdapter(Exception):
    """An adapter is announced but cannot be used; the message names the distribution that brought it."""


def names() -> tuple[str, ...]:
    """Return the names of all announced adapters, sorted; none is loaded, so a broken one is among them."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load(name: str) -> Mesh:
    """Return a new adapter. Raises `UnknownMesh` for a name that nobody announced, else `BrokenAdapter`."""
    points = tuple(entry_points(group=GROUP, name=name))
    if not points:
        raise UnknownMesh(_unknown(name))
    # An editable install can show the same line twice; two different ones are two distributions at odds.
    if len({point.value for point in points}) > 1:
        claims = ", ".join(sorted(f"{point.value} of {_distribution(point)}" for point in points))
        raise BrokenAdapter(f"the mesh adapter {name!r} is announced more than once: {claims}; remove all but one")
    return _made(points[0])


def _unknown(name: str) -> str:
    known = names()
    if not known:
        return f"no mesh adapter {name!r}: no distribution announces one under {GROUP!r}; is the package installed?"
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no mesh adapter {name!r}; installed are {', '.join(known)}{hint}"


def _made(point: EntryPoint) -> Mesh:
    where = f"the mesh adapter {point.name!r} ({point.value}) of {_distribution(point)}"
    try:
        adapter = point.load()()
    except Exception as err:  # other people's code: whatever it raises is told with its origin
        raise BrokenAdapter(f"{where} cannot be loaded: {type(err).__name__}: {err}") from err
    if missing := [method for method in METHODS if not callable(getattr(adapter, method, None))]:
        raise BrokenAdapter(f"{where} is no adapter: it lacks {', '.join(missing)}")
    if (own := getattr(adapter, "name", None)) != point.name:
        raise BrokenAdapter(f"{where} calls itself {own!r}; the two names must be equal")
    mesh: Mesh = adapter
    return mesh


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unnamed distribution"
