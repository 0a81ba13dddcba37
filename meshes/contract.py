"""All that the author of a mesh adapter needs: the Mesh protocol and the values that pass through it.

An adapter is pure: it turns manifests into manifests and names into PromQL. It does no I/O, keeps no state and
imports nothing but this module, what adapters share (`meshes.parts`) and the standard library. The controller reads and
writes the objects.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

Manifest = Mapping[str, Any]
"""A Kubernetes object as plain JSON. It is never changed in place."""


class AppProtocol(StrEnum):
    """What the apex Service's port speaks."""

    HTTP = "http"
    GRPC = "grpc"


class Kind(NamedTuple):
    """A kind of Kubernetes object without its version: `Kind("", "Service")`, `Kind("apps", "Deployment")`.

    A tuple, as is ObjectRef: caches make, hash and compare thousands of both a second.
    """

    group: str
    kind: str

    def __str__(self) -> str:
        """`Deployment.apps`, as kubectl writes it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


class ObjectRef(NamedTuple):
    """One object: its kind, its namespace ("" for cluster-scoped kinds) and its name."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        """`VirtualService.networking.istio.io shop/checkout`."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What an adapter must know to find and write the route of one canary.

    `apex` and `canary` are Services of `namespace`; the apex selects the primary's pods. `port` is the apex's port
    number, `port_name` its name ("" when it has none). `user_route` is the name of the user's own route object
    (annotation `route`), None when the controller makes its own, named like the apex. `served` holds the API
    versions that the cluster serves for the adapter's route kind ("v1", "v1beta1"), newest first.
    `options` are the settings that only one mesh has (`kuma-form`), and what `Resolving.resolve` found out.
    """

    namespace: str
    target: str
    apex: str
    canary: str
    port: int
    port_name: str
    protocol: AppProtocol
    user_route: str | None
    served: tuple[str, ...]
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The split as read back from a live route object.

    `weight` is the canary's share in percent (0..100), None when the object is missing or does not hold a split that
    can be read. `accepted` is true when the mesh took the newest version of the object, or has no way to say; it is
    false for a missing object and for one that is not ours to write. `because` says in one sentence each why the
    weight is None and why the object is not accepted, "" otherwise.
    """

    weight: int | None
    accepted: bool
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Whose requests a query counts: one Deployment's pods.

    Names may hold any character: an adapter quotes them so that none can leave its PromQL string.

    `deployment` is its name, `pods` an RE2 expression (anchored, as PromQL anchors it) that matches exactly its pods.
    `service` is the Service that the mesh sends its requests through (the apex or the canary Service), `port` its port
    and `port_name` that port's name ("" for none). `pod_port` is the port of the pods behind it, None where unknown.
    `route` is the live route object, None when there is none: an adapter for several meshes reads from it which of them
    answers.
    """

    namespace: str
    deployment: str
    service: str
    pods: str
    port: int
    protocol: AppProtocol
    port_name: str = ""
    pod_port: int | None = None
    route: Manifest | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Two PromQL instant-vector selectors of counters, without range and offset: `bad` is a part of `total`.

    The controller turns them into increases over the window that it judges. A missing `bad` series beside a present
    `total` means that none failed. `also_total` and `also_bad` are further selectors, of requests and of failed ones,
    for meshes that count them under several metric names; of the same kind no two count one request.

    Selectors of one shape (one metric name, matchers of the same labels) are asked about in one query. Write one
    matcher a label, and what tells workloads apart with `=`, or with `=~` and no groups or flags in the expression;
    any other selector is asked about by itself, which gives the same answers at a higher load.
    """

    total: str
    bad: str
    also_total: tuple[str, ...] = ()
    also_bad: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A classic histogram of request durations.

    `bucket` is a PromQL instant-vector selector of its `_bucket` counters without a matcher on `le`. `unit_ms` is the
    number of milliseconds in its unit (1 or 1000). `edges` are the mesh's usual bucket edges in milliseconds, rising;
    they serve messages and lint only, a verdict uses the edges that the live series have. `bucket` is asked about
    together with others as the selectors of `Counters` are.
    """

    bucket: str
    unit_ms: int
    edges: tuple[float, ...]


class RouteError(Exception):
    """The live objects do not allow what is asked; the message names the object and the remedy.

    `reason` is a CamelCase word for conditions and events, such as `RouteConflict`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Mesh(Protocol):
    """One mesh. An adapter is a class without constructor arguments whose methods are pure.

    Laws that hold for every route, split and live object (`observe`, `render` of the same route):
    `observe(route, render(route, w, live)).weight == w` for w > 0 and, for w == 0, reads 0; rendering twice changes
    nothing; what is not ours in `live` comes back as it was; the two weights are never both 0 and add up to 100.
    """

    name: str
    """The name users write in the annotation `mesh`."""

    def route_kind(self, route: Route) -> Kind:
        """Return the kind of the route object, which depends on the protocol for some meshes."""

    def kinds(self) -> tuple[Kind, ...]:
        """Return every kind that the adapter reads or writes, for watches and rights."""

    def route_ref(self, route: Route) -> ObjectRef:
        """Return the object that holds the split: the user's own route, or ours."""

    def observe(self, route: Route, live: Manifest | None) -> Seen:
        """Return the split that the live object holds, and whether the mesh accepted it."""

    def render(self, route: Route, weight: int, live: Manifest | None) -> Manifest:
        """Return the whole object that gives the canary `weight` percent (0..100).

        `live` is the object as it is, None when there is none. Fields, labels and entries that are not ours come
        back as they were. Without a user route, weight 0 still names both backends. With a user route, weight 0
        means at rest: what `restore` returns. Raises RouteError when the live object does not allow it.
        What cannot be read back from a split (a weight that the user wrote) may be noted in the object itself, in an
        annotation `canary.delivery/...` that goes when the split goes. An object of ours in another namespace than the
        route's bears that one in the label `canary.delivery/namespace`.
        """

    def restore(self, route: Route, live: Manifest) -> Manifest | None:
        """Return the user's own route as the user had it; None when the object is ours and is to be deleted.

        An object that is neither ours nor named by the user comes back as it is: it is not to be deleted.
        """

    def conflict(self, route: Route, others: Sequence[Manifest]) -> RouteError | None:
        """Return why the split would not take effect: another route for the same host, an object that overrides it.

        `others` are live objects of any of `kinds`, of every namespace; the route itself may be among them and is no
        conflict with itself. None when nothing stands in the way.
        """

    def requests(self, workload: Workload) -> Counters:
        """Return the counters of requests and of those among them that failed (5xx, gRPC server faults).

        Raises RouteError when it is not known by which metrics the workload's requests are counted.
        """

    def latency(self, workload: Workload) -> Histogram:
        """Return the histogram of request durations, as the server side saw them; raises as `requests` does."""


ANY = "*"
"""Stands for every Service (`Claiming`)."""


@runtime_checkable
class Claiming(Protocol):
    """What an adapter may offer so that not every object is looked at for every route. Optional.

    Law: `conflict(route, others)` is the same with only those of `others` that may route the apex, and the one that
    `route_ref` names. A change of another object then wakes no canary either.
    """

    def services(self, manifest: Manifest) -> Collection[str]:
        """Return the names, without namespaces, of the Services whose requests a live object of `kinds` may route.

        `ANY` among them when it may route those of any Service. It never raises, whatever is in the object.
        """


def claiming(mesh: Mesh) -> Claiming | None:
    """Return the mesh as one that tells whose requests an object may route, None for one that does not."""
    return cast(Claiming, mesh) if _offers(type(mesh), Claiming) else None


@cache
def _offers(adapter: type, optional: type) -> bool:
    """Return whether an adapter has what is optional; asked of its class, once: each look at a Protocol is slow."""
    return issubclass(adapter, optional)


class Surroundings(Protocol):
    """What an adapter may look at beside its route: the cluster as the caches have it. Looking costs no request."""

    def get(self, ref: ObjectRef) -> Manifest | None:
        """Return an object, None when there is none."""

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        """Return the objects of a kind, of one namespace or of all (""), that carry all of `labels`."""

    def watches(self, kind: Kind, namespace: str) -> bool:
        """Return whether objects of that kind and namespace are looked at at all: not so means unknown, not absent."""

    def has_field(self, kind: Kind, version: str, path: str) -> bool | None:
        """Return whether the schema of a custom resource knows a field, such as `spec.to[].targetRef.name`.

        A schema that prunes nothing knows every field; None when the schema cannot be read.
        """


@runtime_checkable
class Resolving(Protocol):
    """A mesh whose route depends on more than the user says: on installed versions, on other objects. Optional."""

    def resolve(self, route: Route, around: Surroundings) -> Route:
        """Return the route with what was found out noted in its `options`; every other method takes that route.

        It never raises: what cannot be found out is noted, so that `conflict` and `render` refuse by name, while a
        route that is there already can still be read, drained and taken away.
        """


def resolved(mesh: Mesh, route: Route, around: Surroundings) -> Route:
    """Return the route as the mesh resolves it, unchanged for one that has nothing to find out."""
    return cast(Resolving, mesh).resolve(route, around) if _offers(type(mesh), Resolving) else route


@runtime_checkable
class Declaring(Protocol):
    """A mesh that must be told by a Service what its port speaks, or does not split it. Optional."""

    def app_protocol(self, protocol: AppProtocol) -> str:
        """Return the `appProtocol` of the Services that the controller makes."""


def declared(mesh: Mesh, protocol: AppProtocol) -> str:
    """Return the `appProtocol` for Services that the controller makes, "" where none is needed."""
    return cast(Declaring, mesh).app_protocol(protocol) if _offers(type(mesh), Declaring) else ""
