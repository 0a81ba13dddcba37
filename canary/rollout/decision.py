"""What is to be true next: the Decision and what it wants of each object. All values are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from canary.rollout.status import Revision, Status
from canary.rollout.world import Side


class ApexWanted(StrEnum):
    """What the Services that match the target's pods are to select."""

    LEAVE = "leave"
    NARROW = "narrow"
    WIDE = "wide"


class ScalerWanted(StrEnum):
    """Where the user's autoscaler is to point."""

    LEAVE = "leave"
    PRIMARY = "primary"
    TARGET = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWanted:
    """What the user's Deployment is to be: `replicas` None leaves them; `held` is `spec.paused`, None leaves it."""

    replicas: int | None = None
    held: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryWanted:
    """What `-primary` is to be: made from the stored revision `key`; `replicas` None leaves them as they are.

    But for 0: `awake` is the size that it is given then, None leaves that too.
    """

    key: str
    restarted_at: str
    replicas: int | None
    awake: int | None = None


class Removal(StrEnum):
    """What the controller is to take away, in the order of leaving."""

    NOTHING = "nothing"
    ROUTE = "route"
    EVERYTHING = "everything"
    """Route, canary Service, `-primary`, stored revisions; then the finalizer, and with it the Canary."""
    RELEASE = "release"
    """Only finalizers, at once: the namespace terminates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What objects are to be. None and LEAVE leave a thing as it is.

    `store` is the revision whose template is to be stored from the Deployment as it is now (it must still have that
    key); `keep` are the keys of the stored revisions that stay, None keeps all. `canary_pin` is what the canary
    Service is to select. `floor` is the least size of the autoscaler, None gives the user's own back.
    `free_primary`: the ReplicaSets of a `-primary` that is being deleted are to lose it as their owner, so that their
    pods go on; `release_primary`: its finalizer is to be taken away.
    """

    target: TargetWanted | None = None
    primary: PrimaryWanted | None = None
    apex: ApexWanted = ApexWanted.LEAVE
    canary_pin: str | None = None
    store: Revision | None = None
    keep: frozenset[str] | None = None
    scaler: ScalerWanted = ScalerWanted.LEAVE
    floor: int | None = None
    removal: Removal = Removal.NOTHING
    free_primary: bool = False
    release_primary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell: a Kubernetes Event on the Canary, on the Deployment too with `milestone`, and Slack.

    `reason` is a CamelCase word (`RolloutStarted`); `facts` are short label/value pairs with the numbers.
    """

    reason: str
    text: str
    warning: bool = False
    milestone: bool = False
    slack: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from plan, status and world.

    `weight` is the canary's share in the split, None when no route of ours is wanted at all (it is left as it is).
    `again_in` is when to look again without an event, None when only an event can change anything.
    `final`: the rules lead no further from the new status while nothing but it has changed and no time has passed.
    `because` is one sentence: the log line, the condition's message and a test's assertion are the same words.
    `drop_command`: the command's annotation is to be removed.
    `confirm` are the sides whose Deployment and pods are to be read from the API server itself before any of this is
    done, and all decided once more on what they say: it ends what it ends because of a deadline or of pods, and caches
    may be behind. Empty where nothing rests on caches alone; answers of Prometheus are never older than their pass.
    """

    status: Status
    weight: int | None
    wanted: Wanted
    notices: tuple[Notice, ...] = ()
    again_in: timedelta | None = None
    final: bool = False
    because: str
    drop_command: bool = False
    confirm: frozenset[Side] = frozenset()
