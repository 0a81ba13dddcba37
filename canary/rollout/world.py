"""What is true now, as far as the caches know: the World, questions to Prometheus and their answers. All frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from canary.rollout.status import CommandName, Revision
from meshes.contract import Seen

SOMEBODY = "somebody"
"""Who wrote a field where the API server does not tell."""


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
    `stale` counts those of its pods that were there when the tracked config was last seen to change.
    `settled` is true when its Deployment controller has caught up and no roll is under way.
    `sized_by` set the replicas, as far as the API server tells.
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
    stale: int = 0
    trouble: Trouble = Trouble()
    sized_by: str = SOMEBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """The controller's Deployment `-primary`.

    `key` is the revision that it was given, `restarted_at` its restart annotation. `ready` counts ready pods of its
    present template. `rolled_out`: its Deployment controller caught up, and all wanted pods are of the present
    template and ready, and no other is left. `foreground` and `orphaned` tell how it is being deleted: its pods go at
    once; or its ReplicaSet has no owner, or will have none; `freed` when that is done. With `left_alone` none but the
    next `-primary` adopts an orphan of it, whose pods go on; else the user's Deployment takes it for an old one of its
    own. `min_ready` is how long its pods are ready before the next one is replaced (`minReadySeconds`).
    """

    key: str
    restarted_at: str
    replicas: int
    ready: int
    rolled_out: bool
    deleting: bool = False
    foreground: bool = False
    orphaned: bool = False
    freed: bool = False
    left_alone: bool = False
    min_ready: timedelta = timedelta(0)
    trouble: Trouble = Trouble()


@dataclass(frozen=True, slots=True, kw_only=True)
class Apex:
    """The apex and the other Services that match the target's pods.

    `narrow`: the selectors of all of them select the primary alone. `primary_only`: the EndpointSlices of the apex, and
    of each other that selects one, list ready pods of the primary, and none lists another pod; `no_other`: none lists
    another pod, but maybe none at all. `wide` names the first that is not narrow, "" for none; `widened_by` set its
    selector, as far as the API server tells. `unlisted` names the one that leads somewhere, but not to each ready pod
    of the target's present template; "" for none, and while `narrow`.
    """

    exists: bool
    narrow: bool
    primary_only: bool
    no_other: bool = False
    wide: str = ""
    widened_by: str = SOMEBODY
    unlisted: str = ""

    @property
    def leads_nowhere(self) -> bool:
        """Whether requests find nobody: neither the candidate, nor a ready pod of the primary."""
        return self.narrow and self.no_other and not self.primary_only


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """The user's HorizontalPodAutoscaler or ScaledObject: whether it points at the primary, and its least size.

    `name` is kind and name; `aimed_by` set where it points, as far as the API server tells. `sleeps`: it takes what it
    scales to 0 itself and up again; any other does nothing as long as that is at 0.
    """

    at_primary: bool
    floor: int
    sleeps: bool = False
    name: str = "the autoscaler"
    aimed_by: str = SOMEBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that waits on the Canary or the Deployment. `with_template`: it came together with a template change.

    `name` is None for a word that is no command; `text` is what was written. `id` tells one setting of the annotation
    from the next (the time of its managedFields entry), so that none is carried out twice or passed over; "" unknown.
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
    `no_split`: there is no route, nor can one of ours be made, so that all requests go to the apex.
    `faults` are what observation found; `answers` hold what was asked by `questions()`. Not `spec_known`: the spec
    cannot be worked with, nor was there ever one that could, so nothing is known of what to look at. `jumped_at` is
    when the clock jumped ahead last, None when it did not: less was seen of what began before than its times say.
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
    no_split: bool = False
    spec_known: bool = True
    faults: tuple[Fault, ...] = ()
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    jumped_at: datetime | None = None
