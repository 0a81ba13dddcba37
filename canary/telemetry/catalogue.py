"""Every metric of the controller, once: what is exported, documented, drawn and alerted on has its row here.

Not its job: values. Labels are bounded: beside words of ours only namespace, canary and check come from users, and they
go with their canary.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The types of Prometheus that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """Who exports a metric: each process, or the one that leads, for each canary."""

    PROCESS = "Of each process"
    CANARY = "Of each canary, exported by the leader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its whole name (with `_total` for a counter), type, labels, and what it says."""

    name: str
    kind: Kind
    doc: str
    labels: tuple[str, ...] = ()
    scope: Scope = Scope.PROCESS
    buckets: tuple[float, ...] = ()


_CANARY = ("namespace", "canary")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MINUTES = (60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0, 259200.0)


def _of_canary(name: str, kind: Kind, doc: str, *labels: str) -> Metric:
    return Metric(name=name, kind=kind, doc=doc, labels=_CANARY + labels, scope=Scope.CANARY)


BUILD_INFO = Metric(
    name="canary_build_info",
    kind=Kind.GAUGE,
    labels=("version", "python"),
    doc="1, with the versions of the controller and of Python.",
)
LEADER = Metric(
    name="canary_leader", kind=Kind.GAUGE, doc="1 while this process works, 0 while it waits for the lease."
)
LEASE_AGE = Metric(
    name="canary_lease_age_seconds",
    kind=Kind.GAUGE,
    doc="How long ago this process renewed its lease; absent when it holds none.",
)
LEASE_TRANSITIONS = Metric(
    name="canary_lease_transitions",
    kind=Kind.GAUGE,
    doc="How often the lease has changed hands, as the Lease counts it; absent before it was read.",
)
QUEUE_DEPTH = Metric(
    name="canary_queue_depth",
    kind=Kind.GAUGE,
    labels=("queue",),
    doc="Keys that are due and wait for a worker; queues are passes, shims (annotations), asks (Prometheus) and tells "
    "(Events).",
)
QUEUE_AGE = Metric(
    name="canary_queue_oldest_age_seconds",
    kind=Kind.GAUGE,
    labels=("queue",),
    doc="How long the key at the head of the queue has been due; 0 when none waits.",
)
PASS_DURATION = Metric(
    name="canary_pass_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("queue",),
    buckets=_SECONDS,
    doc="How long one pass over one key took, failed ones too.",
)
PASS_ERRORS = Metric(
    name="canary_pass_errors_total",
    kind=Kind.COUNTER,
    labels=("queue", "error"),
    doc="Passes that failed and are tried again: conflict, unavailable, rejected, not_found, config, other of the "
    "controller's errors, or bug.",
)
REQUESTS = Metric(
    name="canary_requests_total",
    kind=Kind.COUNTER,
    labels=("peer", "verb", "resource", "code"),
    doc="Requests to kubernetes, prometheus and slack. code is 2xx to 5xx, or none without a usable answer; what Slack "
    "refuses counts as 4xx.",
)
REQUEST_DURATION = Metric(
    name="canary_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("peer", "verb"),
    buckets=_SECONDS,
    doc="How long a request took until its answer was read; for a watch until it began.",
)
TASKS = Metric(
    name="canary_asyncio_tasks",
    kind=Kind.GAUGE,
    doc="Tasks of the event loop that have not ended: watches, passes, messages under way. It does not grow with time.",
)
SLACK_WAITING = Metric(
    name="canary_slack_messages_waiting", kind=Kind.GAUGE, doc="Messages that Slack has not taken yet."
)
SLACK_MESSAGES = Metric(
    name="canary_slack_messages_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    doc="Messages by outcome: sent, refused by Slack for good, dropped after an hour or when too many wait.",
)
ROLLOUT_DURATION = Metric(
    name="canary_rollout_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("outcome",),
    buckets=_MINUTES,
    doc="How long the rollouts of all canaries took that ended under this leader.",
)

PHASE = _of_canary(
    "canary_phase", Kind.GAUGE, "A state set: 1 for the phase that the canary is in, 0 for each other one.", "phase"
)
READY = _of_canary(
    "canary_ready", Kind.GAUGE, "1 when the condition Ready is True; 0 also for a status that cannot be read."
)
WEIGHT = _of_canary("canary_weight_ratio", Kind.GAUGE, "The canary's share of the traffic, 0 to 1, as decided.")
OBSERVED_WEIGHT = _of_canary(
    "canary_observed_weight_ratio",
    Kind.GAUGE,
    "The same as read back from the mesh; absent while that is not known.",
)
FAILED = _of_canary("canary_failed_evaluations", Kind.GAUGE, "Failed evaluations of the newest rollout.")
STARTED = _of_canary(
    "canary_rollout_started_timestamp_seconds",
    Kind.GAUGE,
    "When the rollout under way began; absent while none is.",
)
TRANSITION = _of_canary(
    "canary_last_transition_timestamp_seconds", Kind.GAUGE, "When the phase changed for the last time."
)
ROLLOUTS = _of_canary(
    "canary_rollouts_total",
    Kind.COUNTER,
    "Rollouts that ended under this leader: promoted, rolled_back, reverted, superseded.",
    "outcome",
)
CHECK_VALUE = _of_canary(
    "canary_check_value",
    Kind.GAUGE,
    "The newest value of a check: percent of the success rate, seconds of a latency, else the query's own unit; absent "
    "without one.",
    "check",
)
CHECK_LIMIT = _of_canary("canary_check_limit", Kind.GAUGE, "The limit of a check, in the unit of its value.", "check")
CHECK_MARGIN = _of_canary(
    "canary_check_margin",
    Kind.GAUGE,
    "How far the newest value lies on the good side of the limit, in its unit; negative when it is over it.",
    "check",
)
CHECK_VERDICTS = _of_canary(
    "canary_check_verdicts_total",
    Kind.COUNTER,
    "Evaluations of a check by verdict: passed, failed, thin, no-data, error, environment.",
    "check",
    "verdict",
)

METRICS = (
    BUILD_INFO,
    LEADER,
    LEASE_AGE,
    LEASE_TRANSITIONS,
    QUEUE_DEPTH,
    QUEUE_AGE,
    PASS_DURATION,
    PASS_ERRORS,
    REQUESTS,
    REQUEST_DURATION,
    TASKS,
    SLACK_WAITING,
    SLACK_MESSAGES,
    ROLLOUT_DURATION,
    PHASE,
    READY,
    WEIGHT,
    OBSERVED_WEIGHT,
    FAILED,
    STARTED,
    TRANSITION,
    ROLLOUTS,
    CHECK_VALUE,
    CHECK_LIMIT,
    CHECK_MARGIN,
    CHECK_VERDICTS,
)
"""All of them, in the order of the reference page."""
