"""The values that the rules work on: what is wanted (Plan), remembered (Status), true now (World), decided (Decision).

All are frozen. Units are in the types: times are aware UTC datetimes, durations timedeltas, weights whole percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from canary.rollout.phases import Phase
from meshes.contract import AppProtocol, Seen

# --- Plan: what the user wants -------------------------------------------------------------------------------------


class NoData(StrEnum):
    """What follows when too few requests came for longer than the patience."""

    ROLLBACK = "rollback"
    PROMOTE = "promote"
    HOLD = "hold"


class TrackConfig(StrEnum):
    """Which references of the pod template belong to a revision."""

    CONFIG_MAPS = "configmaps"
    ALL = "all"
    NONE = "none"


class Builtin(StrEnum):
    """The checks that every mesh adapter can answer."""

    SUCCESS_RATE = "success-rate"
    LATENCY_P50 = "latency-p50"
    LATENCY_P95 = "latency-p95"
    LATENCY_P99 = "latency-p99"

    @property
    def quantile(self) -> float | None:
        """0.5, 0.95 or 0.99 for a latency check, None for the success rate."""
        return {"latency-p50": 0.5, "latency-p95": 0.95, "latency-p99": 0.99}.get(self.value)


class Limit(StrEnum):
    """On which side of the limit a value passes; equal passes on both."""

    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. `builtin` or `query` is set. `limit` is percent for the success rate, seconds for a latency."""

    name: str
    builtin: Builtin | None = None
    query: str = ""
    side: Limit = Limit.MIN
    limit: float

    @property
    def allowed_bad_share(self) -> float:
        """The share of requests (0..1) that a built-in check allows to be bad."""
        if self.builtin is None:
            return 0.0
        quantile = self.builtin.quantile
        return 1 - self.limit / 100 if quantile is None else 1 - quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: the canary's weight in percent (1..100), its own duration or None for the interval, whether it pauses.

    A `pause` in the list of steps marks the step before it: it holds there, once its time is over and its evaluation
    passed, until `resume`.
    """

    weight: int
    duration: timedelta | None = None
    pause: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """The apex Service: its name, its port as number or name (None: to be found), its protocol (None: to be found)."""

    name: str
    port: int | str | None = None
    protocol: AppProtocol | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The controller's own settings that the rules need."""

    settle: timedelta = timedelta(seconds=10)
    drain: timedelta = timedelta(seconds=15)
    scrape: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the Canary's spec says, units resolved and defaults filled in, with the controller's timing."""

    namespace: str
    name: str
    target: str
    mesh: str
    service: ServicePlan
    steps: tuple[Step, ...]
    interval: timedelta
    max_failures: int
    min_requests: int
    no_data_timeout: timedelta
    no_data: NoData
    checks: tuple[Check, ...]
    progress_deadline: timedelta | None
    replicas: int | None
    track_config: TrackConfig
    route: str | None = None
    kuma_form: str = "auto"
    skip_analysis: bool = False
    suspend: bool = False
    slack_channel: str = ""
    slack_mention: str = ""
    timing: Timing = Timing()


# --- Status: what is remembered ------------------------------------------------------------------------------------


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
    """The newest evaluation of a check as shown: value and limit in the check's own unit, requests in its window."""

    name: str
    value: float | None
    limit: float
    requests: int | None
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
    """The newest command that was carried out or refused; `by` is the field manager that set it."""

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
class Memory:
    """What the rules must remember beyond what people see. Times are when the controller saw the thing, None if not."""

    stage: Stage = Stage.REST
    epoch: str = ""
    """Stamped on objects (ROLLOUT invariant 6)."""
    told: Mapping[str, datetime] = field(default_factory=dict)
    """What was said once and is not to be said again soon, by reason."""
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
    primary_ready: int = 0
    promoted_size: int = 0
    """The primary's size when the promotion began."""
    narrowed_at: datetime | None = None
    wide_since: datetime | None = None
    widened: tuple[datetime, ...] = ()
    """When somebody widened the apex, newest last, of one day."""
    resets: tuple[datetime, ...] = ()
    """When somebody set replicas at rest, newest last, of ten minutes."""
    reset_generation: int = 0

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
    started_at: datetime | None = None
    last_transition_at: datetime | None = None
    highest_weight: int = 0
    observed_generation: int = 0
    last_command: LastCommand | None = None
    history: tuple[Past, ...] = ()
    conditions: tuple[Condition, ...] = ()
    version: int = 1
    memory: Memory = Memory()


# --- World: what is true now ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with pods: the most restarts of one container, since when images cannot be pulled, and the words.

    `because` names pod, container and reason, or the ReplicaSet's ReplicaFailure (a quota); "" when all is well.
    """

    restarts: int = 0
    pull_error_since: datetime | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The user's Deployment.

    `revision` is that of its present template (its pin is "" while no ReplicaSet of that template was seen).
    `replicas` and `paused` are of its spec. `pods` counts all its pods that are not gone, `other_pods` those among
    them that are not of the present template's ReplicaSet. `ready` counts ready pods of `Status.revision.pin` that the
    canary Service's EndpointSlices list too; while onboarding and leaving, ready pods of the present template.
    `settled` is true when its Deployment controller has caught up and no roll is under way.
    """

    generation: int
    revision: Revision
    replicas: int
    paused: bool
    pods: int
    other_pods: int
    ready: int
    settled: bool
    progress_deadline: timedelta
    trouble: Trouble = Trouble()


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """The controller's Deployment `-primary`.

    `key` is the revision that it was given, `restarted_at` its restart annotation. `ready` counts ready pods of its
    present template. `rolled_out`: its Deployment controller caught up, and all wanted pods are of the present
    template and ready, and no other is left. `foreground` tells a foreground deletion from any other.
    """

    key: str
    restarted_at: str
    replicas: int
    ready: int
    rolled_out: bool
    deleting: bool = False
    foreground: bool = False
    trouble: Trouble = Trouble()


@dataclass(frozen=True, slots=True, kw_only=True)
class Apex:
    """The apex and the other Services that match the target's pods.

    `narrow`: the selectors of all of them select the primary alone. `primary_only`: their EndpointSlices list ready
    pods of the primary and no other pod.
    """

    exists: bool
    narrow: bool
    primary_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """The user's HorizontalPodAutoscaler or ScaledObject: whether it points at the primary, and its least size."""

    at_primary: bool
    floor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that waits on the Canary or the Deployment. `with_template`: it came together with a template change.

    `name` is None for a word that is no command; `text` is what was written. `id` tells one setting of the annotation
    from the next (the time of its managedFields entry), so that none is carried out twice or passed over; "" if unknown.
    """

    name: CommandName | None
    text: str
    by: str
    with_template: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why this canary cannot be served as asked: a CamelCase reason (`RouteConflict`, `InvalidSpec`) and a sentence."""

    reason: str
    message: str


class Side(StrEnum):
    """Whose requests a question is about."""

    CANARY = "canary"
    PRIMARY = "primary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing to ask Prometheus: a check of one side over the window from `start` to `end`."""

    check: str
    side: Side
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The answer to a built-in check: requests and the bad ones among them; None when there is no series at all.

    `quantile` is the latency quantile in seconds, shown beside the verdict; None for the success rate or when unknown.
    """

    total: float | None
    bad: float
    quantile: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The answer to a check of the user's own: its one sample; None when the query has no sample."""

    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """No usable answer: Prometheus is down, or said NaN, Inf, several samples, a histogram without its bucket."""

    because: str


Answer = Counts | Value | NoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is true now, as far as the caches know.

    `target`, `primary`: None when the Deployment is not there. `canary_pin` is the hash that the canary Service
    selects, "" when it pins none, None when there is no such Service. `stored` are the keys of the revisions that are
    stored. `autoscaler` is None when the user has none. `leaving`: the Canary is being deleted or is opted out.
    `faults` are what observation found; `answers` hold what was asked by `questions()`.
    """

    target: Target | None
    primary: Primary | None
    split: Seen
    apex: Apex
    canary_pin: str | None
    stored: frozenset[str]
    generation: int = 1
    autoscaler: Autoscaler | None = None
    command: Command | None = None
    leaving: bool = False
    namespace_terminating: bool = False
    faults: tuple[Fault, ...] = ()
    answers: Mapping[Question, Answer] = field(default_factory=dict)


# --- Decision: what is to be true next -----------------------------------------------------------------------------


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
    """What `-primary` is to be: made from the stored revision `key`; `replicas` None leaves them as they are."""

    key: str
    restarted_at: str
    replicas: int | None


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
    `release_primary`: the finalizer of a `-primary` that is being deleted is to be taken away.
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
    `because` is one sentence: the log line, the condition's message and a test's assertion are the same words.
    `drop_command`: the command's annotation is to be removed.
    """

    status: Status
    weight: int | None
    wanted: Wanted
    notices: tuple[Notice, ...] = ()
    again_in: timedelta | None = None
    because: str
    drop_command: bool = False
