"""What the controller needs from the outside world: Protocols that it owns, implemented by `clients` and `sandbox`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from canary.index import Index, Selection
from canary.rollout.model import Thread
from meshes.contract import Kind, Manifest, ObjectRef

DEPLOYMENT = Kind("apps", "Deployment")
REPLICA_SET = Kind("apps", "ReplicaSet")
CONTROLLER_REVISION = Kind("apps", "ControllerRevision")
POD = Kind("", "Pod")
SERVICE = Kind("", "Service")
CONFIG_MAP = Kind("", "ConfigMap")
CLAIM = Kind("", "PersistentVolumeClaim")
SECRET = Kind("", "Secret")
EVENT = Kind("", "Event")
NAMESPACE = Kind("", "Namespace")
ENDPOINT_SLICE = Kind("discovery.k8s.io", "EndpointSlice")
HPA = Kind("autoscaling", "HorizontalPodAutoscaler")
LEASE = Kind("coordination.k8s.io", "Lease")
CANARY = Kind("canary.delivery", "Canary")


class Propagation(StrEnum):
    """What the API server does with the objects that an object owns, when it is deleted."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


class Change(StrEnum):
    """What a watch says happened."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One change of one watched object; `manifest` is its last known state (for DELETED the one it had)."""

    change: Change
    ref: ObjectRef
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Following:
    """How far a cache is that was asked for by `follow`: `filled`, or why it is not (yet "" when nothing failed)."""

    filled: bool
    failure: str = ""


class Cluster(Protocol):
    """The Kubernetes API with caches that watches keep fresh. Manifests are never changed in place.

    Every call that goes out has a deadline of its own and raises `Unavailable`, `Conflict`, `AlreadyExists`,
    `NotFound` or `Rejected`. What a write returns is in the cache before the call returns.
    """

    def get(self, ref: ObjectRef) -> Manifest | None:
        """Return the object from the cache, None when there is none. Costs no request. The kind must be watched."""

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        """Return the cached objects of a kind, of one namespace or of all (""), that carry all of `labels`."""

    def find(self, index: Index, *keys: Hashable) -> Sequence[Manifest]:
        """Return the cached objects that stand under all of these keys, at least one, by namespace and name."""

    def subscribe(self, listener: Callable[[Watched], None]) -> None:
        """Call `listener` on the event loop for each change, and once for each object that is there already."""

    def follow(self, kind: Kind, namespace: str) -> Following:
        """Watch the ConfigMaps or Secrets of a namespace from now on: their hashes (canary.contents), not contents."""

    def unfollow(self, kind: Kind, namespace: str) -> None:
        """Watch them no more and forget them, without an event."""

    def served(self, kind: Kind) -> tuple[str, ...]:
        """Return the API versions that the cluster serves for a kind, newest first; empty when it does not know it."""

    def watches(self, kind: Kind, namespace: str) -> bool:
        """Return whether the cache holds the objects of that kind and namespace."""

    def has_field(self, kind: Kind, version: str, path: str) -> bool | None:
        """Return whether a custom resource's schema knows a field (`spec.to[].targetRef.name`), None if unknown."""

    async def read(self, ref: ObjectRef) -> Manifest | None:
        """Return the object from the API server itself, None when there is none."""

    async def refresh(self, selection: Selection) -> None:
        """Bring the cache up to what the API server itself has of these objects, with one request for all of them."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create the object; `apiVersion` may be left out where the kind is known, discovery fills it in."""

    async def patch(self, ref: ObjectRef, patch: Manifest, *, resource_version: str, subresource: str = "") -> Manifest:
        """Apply a JSON merge patch (RFC 7386) if the object still has `resource_version`, else raise `Conflict`; with
        "" if it has the `metadata.uid` of the patch, else raise `Rejected`: for what may be written at any time.
        Lists are replaced whole; None removes a key; `subresource` is "" or "status"; fields not taken: `Rejected`."""

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str, propagation: Propagation = Propagation.BACKGROUND
    ) -> None:
        """Delete the object if uid and resourceVersion still match, else raise `Conflict`; gone already is success."""


class Clock(Protocol):
    """The API server's time."""

    def now(self) -> datetime:
        """Return the API server's time (UTC), never earlier than what it returned before."""


@dataclass(frozen=True, slots=True)
class Series:
    """One sample of an instant query's answer: its labels without `__name__`, and its value (may be NaN or Inf)."""

    labels: Mapping[str, str]
    value: float


class Metrics(Protocol):
    """Prometheus."""

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        """Return the instant vector (a scalar counts as one unlabelled sample) at a time; empty means no series.

        Raises `Unavailable` without an answer, `Rejected` for a refused query or an answer of another type."""


class Notifier(Protocol):
    """Where people are told. Never waits: what is to be told is handed over and sent beside the loop."""

    @property
    def lasting(self) -> bool:
        """True when what waits is to be kept in the status until a receipt says that it was told."""

    def tell(self, bulletin: Bulletin) -> None:
        """Take what there is to tell about one canary. A later bulletin replaces this one, its notices included."""

    def gave_up(self, notices: Sequence[Notification], why: str) -> None:
        """Count and log notices that found no room, unless told by now; number 0 is one that never waited."""

    def receipt(self, namespace: str, canary: str) -> Receipt | None:
        """Return what came of the telling so far, None when nothing did in this process."""

    def forget(self, namespace: str, canary: str) -> None:
        """Tell what still waits, and ask for no more passes: the Canary is gone."""

    def listen(self, wake: Callable[[str, str], None]) -> None:
        """Call `wake` with namespace and name whenever a receipt is due to be written."""

    async def idle(self) -> None:
        """Return once nothing waits that could be sent now."""


class Peer(StrEnum):
    """Whom the controller asks over the network."""

    KUBERNETES = "kubernetes"
    PROMETHEUS = "prometheus"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that was made, for counting. `verb` and `resource` are words of a small set, `code` is `2xx` to
    `5xx`, or `none` without an answer that could be used."""

    peer: Peer
    verb: str
    resource: str
    code: str
    seconds: float


OnRequest = Callable[[Request], None]
"""Called with each request that was made, from any thread; must be quick and raise nothing."""


def ignore_request(_: Request) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to people about one canary. `channel` and `mention` are "" for the controller's defaults.

    `facts` are label/value pairs, `failure` decides the colour, `mentions` whether the mention is used. With `loud` it
    is shown in the channel too. `number` rises with each of a canary; `rollout` is whose it is, "" for none.
    """

    namespace: str
    canary: str
    reason: str
    text: str
    failure: bool
    facts: Mapping[str, str]
    channel: str = ""
    mention: str = ""
    mentions: bool = False
    loud: bool = False
    number: int = 0
    rollout: str = ""
    at: datetime | None = None


class Mood(StrEnum):
    """How a rollout fares, for a colour or a sign."""

    RUNNING = "running"
    WAITING = "waiting"
    """It waits for a person, or fails and may be rolled back."""
    GOOD = "good"
    BAD = "bad"
    ENDED = "ended"
    """Neither good nor bad: reverted or superseded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One check in words, with value, limit and requests; `passed` is None when it was not judged."""

    text: str
    passed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One rollout as of now. `weight` is percent, `steps` the weights of the plan; `step` counts from 1, 0 before.

    `message` says what it waits for or why it ended, `until` until when (None: no moment is known). `commands` are what
    a person may type in answer.
    """

    namespace: str
    canary: str
    phase: str
    mood: Mood
    revision: str
    image: str
    stable: str
    weight: int
    step: int
    steps: Sequence[int]
    checks: Sequence[CheckLine]
    message: str
    until: datetime | None
    commands: Sequence[str]
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulletin:
    """All that is to be told about one canary (of this `uid`), as the status has it.

    `notices` are what waits, oldest first, those numbered `sure_from` and up made since the last bulletin: no other
    process can have told them. `cards` are by rollout; `thread` is where the newest one's message is.
    """

    namespace: str
    canary: str
    uid: str
    now: datetime
    notices: Sequence[Notification]
    sure_from: int
    cards: Mapping[str, Card]
    thread: Thread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of the telling: notices up to number `told` are done with, and where the rollout's message is now.

    `due`: it is to be written now, not with the next change. `trouble` keeps all from being told until it is mended.
    """

    told: int
    thread: Thread | None
    due: bool
    trouble: str = ""


def ref_of(manifest: Mapping[str, Any]) -> ObjectRef:
    """Return the reference of a manifest that has apiVersion, kind and a name."""
    group, _, _ = str(manifest["apiVersion"]).rpartition("/")
    meta = manifest["metadata"]
    return ObjectRef(Kind(group, manifest["kind"]), meta.get("namespace", ""), meta["name"])
