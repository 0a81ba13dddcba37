"""What the user wants: the Plan, units resolved and defaults filled in. All values are frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from canary.rollout.values import replace
from meshes.contract import AppProtocol


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
class Objects:
    """The part of a plan that says which objects are worked with; a change of it is taken at rest."""

    target: str
    mesh: str
    service: ServicePlan
    route: str | None = None
    kuma_form: str = "auto"


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

    @property
    def objects(self) -> Objects:
        """Which objects are worked with."""
        return Objects(
            target=self.target, mesh=self.mesh, service=self.service, route=self.route, kuma_form=self.kuma_form
        )

    def with_objects(self, objects: Objects) -> Plan:
        """Return the plan for other objects."""
        return replace(
            self,
            target=objects.target,
            mesh=objects.mesh,
            service=objects.service,
            route=objects.route,
            kuma_form=objects.kuma_form,
        )
