"""The configuration that belongs to a revision: which objects, what they hold as a hash, and whom a change concerns.

Known from caches that are asked for where some canary needs them, and nowhere else. Contents are not here: they are
read when they are stored (`copies`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from canary.contents import content_of, hashed
from canary.controller.copies import CopyRefused, copies_in, copy_ref
from canary.controller.due import Key
from canary.controller.names import is_ours, uid_of
from canary.controller.references import KINDS, Reference, references
from canary.errors import CanaryError
from canary.ports import POD, SECRET, Change, Cluster, Watched
from canary.rollout.model import Fault, Plan, Revision, Status, TrackConfig
from canary.rollout.values import replace
from meshes.contract import Kind, Manifest, ObjectRef

WHILE_FILLING = timedelta(milliseconds=100)
"""How long a pass waits for the caches of its config, which it is the first to ask for."""

WHILE_UNREADABLE = timedelta(seconds=10)
"""How long a canary waits to see whether its config can be read by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The tracked configuration of a target as it is now.

    `held` has the hash of each object's content, "" for an optional one that is not there. `digest` is the hash of it
    all, "" when nothing is tracked, None while it is not known: `faults` say why. `again_in` is when to ask again since
    no event will tell, None for never; `filling`: the caches are on their way. `older` are the pods, by uid, that were
    there when this process saw it change: they may hold what was before.
    """

    held: Mapping[Reference, str] = field(default_factory=dict)
    digest: str | None = ""
    faults: tuple[Fault, ...] = ()
    again_in: timedelta | None = None
    followed: frozenset[Kind] = frozenset()
    older: frozenset[str] = frozenset()

    @property
    def filling(self) -> bool:
        """True while nothing can be said because the caches are being filled."""
        return self.again_in == WHILE_FILLING

    def of(self, revision: Revision, status: Status) -> Revision:
        """Return the revision with its config. While that is not known, it is taken to be as it was: faults hold all
        that would follow from another."""
        if self.digest is not None:
            return replace(revision, config=self.digest)
        known = (status.revision, status.stable)
        same = next((one for one in known if one is not None and one.digest == revision.digest), None)
        return replace(revision, config=same.config) if same is not None else revision


NOTHING = Config()


class Configs:
    """What every canary tracks. Remembered in this process alone; told anew by each pass."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._tracked: dict[Key, frozenset[ObjectRef]] = {}
        self._contents: dict[ObjectRef, str] = {}
        self._older: dict[Key, frozenset[str]] = {}
        self._refused: dict[Key, str] = {}
        self._concerned: dict[ObjectRef, set[Key]] = defaultdict(set)
        self._follows: dict[Key, frozenset[tuple[Kind, str]]] = {}
        self._followers: dict[tuple[Kind, str], set[Key]] = defaultdict(set)

    def look(self, key: Key, plan: Plan, target: Manifest | None) -> Config:
        """Return the config of a target, and wake `key` from now on when it changes; none for no target."""
        if target is None:
            return NOTHING
        wanted = references(target["spec"]["template"], KINDS[plan.track_config])
        kinds = frozenset(one.kind for one in wanted)
        self._follow(key, frozenset((kind, plan.namespace) for kind in kinds))
        states = {kind: self._cluster.follow(kind, plan.namespace) for kind in sorted(kinds)}
        failures = {kind: one.failure for kind, one in states.items() if one.failure and not one.filled}
        filling = any(not one.filled and not one.failure for one in states.values())
        held = {one: self._content(ObjectRef(one.kind, plan.namespace, one.name)) for one in wanted}
        known = [one for one in wanted if states[one.kind].filled]
        self._track(key, {ObjectRef(one.kind, plan.namespace, one.name): held[one] for one in known})
        unknown = () if filling else (*_unreadable(plan, failures), *_missing(plan, held, failures))
        return Config(
            held=held,
            digest=None if filling or unknown else _digest(plan, held),
            faults=(*unknown, *self._taken(plan, held), *self._uncopied(key)),
            again_in=WHILE_FILLING if filling else WHILE_UNREADABLE if failures else None,
            followed=kinds - frozenset(failures),
            older=self._older.get(key, frozenset()),
        )

    def forget(self, key: Key) -> None:
        """Follow nothing any more for a canary that is gone."""
        self._track(key, {})
        self._follow(key, frozenset())
        self._older.pop(key, None)
        self._refused.pop(key, None)

    def ended(self, key: Key, failure: CanaryError | None) -> None:
        """Note how the writes of a pass ended: a copy that was refused is told by the next pass."""
        if isinstance(failure, CopyRefused):
            self._refused[key] = str(failure)
        elif failure is None:
            self._refused.pop(key, None)

    def _uncopied(self, key: Key) -> Iterator[Fault]:
        if key in self._refused:
            yield Fault(reason="ConfigNotCopied", message=self._refused[key])

    def concerned(self, event: Watched) -> Iterator[Key]:
        """Yield the canaries that track the object, if it holds something else than it did before."""
        content = "" if event.change is Change.DELETED else content_of(event.manifest)
        if self._contents.get(event.ref, content) == content:
            return
        self._contents[event.ref] = content
        there = frozenset(uid_of(pod) for pod in self._cluster.list(POD, event.ref.namespace))
        for key in tuple(self._concerned[event.ref]):
            self._older[key] = there
            yield key

    def _content(self, ref: ObjectRef) -> str:
        live = self._cluster.get(ref)
        return content_of(live) if live is not None else ""

    def _track(self, key: Key, contents: Mapping[ObjectRef, str]) -> None:
        before = self._tracked.pop(key, frozenset())
        if contents:
            self._tracked[key] = frozenset(contents)
        for ref, content in contents.items():
            self._concerned[ref].add(key)
            self._contents[ref] = content
        for ref in before - contents.keys():
            self._concerned[ref].discard(key)
            if not self._concerned[ref]:
                del self._concerned[ref], self._contents[ref]

    def _follow(self, key: Key, wanted: frozenset[tuple[Kind, str]]) -> None:
        """Note what the canary needs; what nobody needs any more is watched no more."""
        before = self._follows.pop(key, frozenset())
        if wanted:
            self._follows[key] = wanted
        for where in wanted:
            self._followers[where].add(key)
        for where in before - wanted:
            self._followers[where].discard(key)
            if not self._followers[where]:
                del self._followers[where]
                self._cluster.unfollow(*where)

    def _taken(self, plan: Plan, held: Mapping[Reference, str]) -> Iterator[Fault]:
        for one, content in held.items():
            ref = copy_ref(plan.namespace, plan.target, one, content)
            taken = self._cluster.get(ref) if content else None
            if taken is not None and not (is_ours(taken, plan.target) and content_of(taken) == content):
                message = f"{ref} is there already and not a copy of this controller; rename or delete it"
                yield Fault(reason="NameTaken", message=message)


def is_intact(cluster: Cluster, config: Config, stored: Manifest) -> bool:
    """Return whether the copies of a stored revision are there, as far as caches can tell."""
    return not any(_lost(cluster, config, stored))


def config_faults(cluster: Cluster, config: Config, stored: Iterable[Manifest]) -> Iterator[Fault]:
    """Yield what is wrong with the config, and the copies of stored revisions that somebody deleted."""
    yield from config.faults
    for ref in sorted({ref for one in stored for ref in _lost(cluster, config, one)}):
        message = f"{ref}, to which a stored revision refers, was deleted; it is made again if its original still "
        yield Fault(reason="ConfigLost", message=f"{message}holds the same, else a new rollout mends it")


def _lost(cluster: Cluster, config: Config, stored: Manifest) -> Iterator[ObjectRef]:
    return (ref for ref in copies_in(stored) if ref.kind in config.followed and cluster.get(ref) is None)


def _digest(plan: Plan, held: Mapping[Reference, str]) -> str:
    """Hash names and contents; the target's name with them, so that equal Secrets of two do not show as equal."""
    told = [[str(one.kind), one.name, content] for one, content in held.items()]
    return hashed([plan.namespace, plan.target, told]) if told else ""


def _unreadable(plan: Plan, failures: Mapping[Kind, str]) -> Iterator[Fault]:
    for kind, failure in failures.items():
        other = TrackConfig.CONFIG_MAPS if kind == SECRET else TrackConfig.NONE
        message = (
            f"{kind}s in {plan.namespace} cannot be watched ({failure}); give the controller the right to get, list "
            f"and watch them, or set canary.delivery/track-config to {other}"
        )
        yield Fault(reason="ConfigUnreadable", message=message)


def _missing(plan: Plan, held: Mapping[Reference, str], failures: Mapping[Kind, str]) -> Iterator[Fault]:
    for one, content in held.items():
        if not content and not one.optional and one.kind not in failures:
            message = f"{one.kind} {plan.namespace}/{one.name}, which Deployment {plan.target} needs, is not there; "
            yield Fault(reason="ConfigMissing", message=f"{message}create it, or mark the reference optional")
