"""What is remembered between passes: the Status, and what it is made of. All values are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from canary.rollout.letters import Telling
from canary.rollout.phases import Phase
from canary.rollout.plan import Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One version of the candidate.

    `digest` hashes the pod template without `kubectl.kubernetes.io/restartedAt`; `config` hashes its tracked config,
    "" when there is none; `restarted_at` is that annotation, "" when absent. `pin` is the `pod-template-hash` of the
    ReplicaSet whose template equals the Deployment's, "" as long as it is not known. `image` is for people.
    """

    digest: str
    config: str = ""
    restarted_at: str = ""
    pin: str = ""
    image: str = ""

    @property
    def key(self) -> str:
        """What makes two revisions the same: template and config, not the restart and not the pin."""
        return f"{self.digest}-{self.config}" if self.config else self.digest

    @property
    def shown(self) -> str:
        """`HASH` or `HASH-CONFIGHASH`, as people see it; the digest while the pin is unknown."""
        head = self.pin or self.digest
        return f"{head}-{self.config}" if self.config else head

    @property
    def named(self) -> str:
        """The same for a sentence: no hash while the pin is unknown, since people would meet it under another soon."""
        if self.pin:
            return self.shown
        return f"another version ({self.image})" if self.image else "another version"


class Result(StrEnum):
    """What one evaluation of one check said."""

    PASSED = "passed"
    FAILED = "failed"
    THIN = "thin"
    NO_DATA = "no-data"
    ERROR = "error"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The newest evaluation of a check as shown: value and limit in the check's own unit, requests in its window.

    None is the default, so that it is not stored: the API server drops a null from a list, and it would not be read
    back.
    """

    name: str
    value: float | None = None
    limit: float
    requests: int | None = None
    verdict: Result
    at: datetime
    because: str = ""


class CommandName(StrEnum):
    """What a person can command."""

    PROMOTE = "promote"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCommand:
    """The newest command that was carried out; `by` is the field manager that set it."""

    name: CommandName
    revision: str
    at: datetime
    by: str


class Outcome(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    REVERTED = "reverted"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One finished rollout, for the history."""

    revision: str
    image: str
    outcome: Outcome
    message: str
    started_at: datetime
    ended_at: datetime
    highest_weight: int


class Truth(StrEnum):
    """The status of a Kubernetes condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A Kubernetes condition of the Canary: `Ready` or `Promoted`."""

    type: str
    status: Truth
    reason: str
    message: str
    since: datetime


class Stage(StrEnum):
    """Where within a phase a rollout stands; what it means in each phase is said in decide.py."""

    REST = "rest"
    CLEARING = "clearing"
    """Weight 0 is wanted; then the drain; then candidate at 0 replicas and the hold away."""
    PREPARING = "preparing"
    """The revision is stored, pinned, held and scaled up; then its pods become ready and settle."""
    STEPPING = "stepping"
    """The canary carries the weight of its step."""
    RECOVERING = "recovering"
    """An environment verdict: weight 0, pods kept, until the primary passes again."""
    REPLACING = "replacing"
    """A deleted `-primary`: the candidate takes over before it goes and is made again."""
    LEAVING = "leaving"
    """The candidate takes over for good; then all that the controller made goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A field that somebody keeps setting back: which, of which object, by whom, and when that was last noted."""

    field: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the rules must remember beyond what people see. Times are when the controller saw the thing, None if not."""

    stage: Stage = Stage.REST
    objects: Objects | None = None
    """The objects that are in force; in mid-rollout a change of them waits."""
    spec: str = ""
    """The spec that was last good, as JSON; "" for a Canary that annotations make. The rules do not read it."""
    epoch: str = ""
    """Stamped on objects (ROLLOUT invariant 6)."""
    told: Mapping[str, datetime] = field(default_factory=dict)
    """What was said once and is not to be said again soon, by reason; faults by reason and a hash of their words."""
    repeats: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    """When commands that changed nothing were answered, and pauses and resumes carried out, newest last, by manager."""
    pending: str = ""
    """Text and id of a command that was carried out or refused and whose annotation was not yet seen gone."""

    # The rollout as a whole
    outcome: Outcome | None = None
    """How the newest rollout ended; None while one runs."""
    why: str = ""
    """The sentence that says why it ended."""
    environment_count: int = 0
    recovering_since: datetime | None = None
    promote_asked: bool = False
    retry: str = ""
    """The key of the failed revision that is to be tried again."""

    # The candidate
    hold: bool = False
    """`spec.paused` of the user's Deployment is ours; recorded before it is written, dropped once seen away."""
    candidate: int = 0
    """How many pods the candidate was given in this rollout; it never shrinks while it runs."""
    ready: int = 0
    """How many of its pods were ready in the last pass."""
    waiting_since: datetime | None = None
    """Since when fewer pods are ready than wanted: the last scale-up or loss. Of the primary while promoting."""
    ready_at: datetime | None = None
    losses: int = 0
    """How often its pods stopped being ready or held since the last verdict, or since they were so for long."""
    unsteady_since: datetime | None = None
    """When they did so first."""

    # The split
    weight_at: datetime | None = None
    """When the mesh was first seen to accept the present weight (0 too: the drain counts from here)."""
    effective_at: datetime | None = None
    """When the present weight took effect (accepted and settled); a step's time and its windows count from here."""
    step_weight: int = 0
    """The weight of the present step when it began: tells edited steps."""
    ceiling: int | None = None
    """The highest weight while paused."""
    paused_by_command: bool = False
    pause_done: bool = False
    """The `pause` of the present step was resumed."""

    # Evaluations of the present weight; times are ends of windows
    evaluated_at: datetime | None = None
    passed_at: datetime | None = None
    failed_at: datetime | None = None
    no_data_since: datetime | None = None
    error_told_at: datetime | None = None

    # The primary and the apex
    size: int | None = None
    """The primary's size where no autoscaler sets it; None while one does."""
    scaled: int = 0
    """The size other than 0 that it had last under an autoscaler; 0 before there was one."""
    primary_ready: int = 0
    promoted_size: int = 0
    """The primary's size when the promotion began."""
    floor: int | None = None
    """The primary's size when what runs began, below which no autoscaler takes it; None at rest or without one."""
    narrowed_at: datetime | None = None
    wide_since: datetime | None = None
    widened: tuple[datetime, ...] = ()
    """When somebody widened the apex, newest last, of one day."""
    resets: tuple[datetime, ...] = ()
    """When somebody set replicas at rest, newest last, of ten minutes."""
    reset_generation: int = 0
    contested_generation: int = 0
    """The generation whose replicas are left alone."""
    aimed: bool = False
    """The autoscaler was seen at the primary, or was put back since: one that points elsewhere was set so."""
    retargeted: tuple[datetime, ...] = ()
    """When somebody pointed the autoscaler elsewhere, newest last, of one day."""
    contests: Mapping[str, Contest] = field(default_factory=dict)
    """What somebody keeps setting back, by the reason of its message; forgotten once it was quiet."""

    # Going
    target_gone_at: datetime | None = None
    left_at: datetime | None = None
    """When the apex was first seen wide while leaving, or while a deleted `-primary` is being replaced."""
    released: str = ""
    """The key of the unproved revision that `release` lets into service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that survives between two passes. `phase` is None for a Canary that was never looked at.

    `revision` is the one under test or last tested; `stable` what serves; `last_failed` the key of the revision that
    is not tried again unasked, "" for none. `step` is the index of the present step from 0, -1 before the first.
    `waits_until` is when the wait that `message` tells is over, or the patience with it, None when no moment is known.
    """

    phase: Phase | None = None
    weight: int = 0
    observed_weight: int | None = None
    step: int = -1
    revision: Revision | None = None
    stable: Revision | None = None
    last_failed: str = ""
    target_generation: int = 0
    failed_checks: int = 0
    checks: tuple[CheckResult, ...] = ()
    message: str = ""
    waits_until: datetime | None = None
    started_at: datetime | None = None
    last_transition_at: datetime | None = None
    highest_weight: int = 0
    observed_generation: int = 0
    last_command: LastCommand | None = None
    history: tuple[Past, ...] = ()
    conditions: tuple[Condition, ...] = ()
    version: int = 1
    memory: Memory = Memory()
    telling: Telling = field(default_factory=Telling)
