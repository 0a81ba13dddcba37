"""The Canary resource as pydantic models: what may stand in its spec, with ranges and defaults.

The CRD is made from them (crd.py), and what a user wrote is read with them (plan.py). Faults that concern several
fields, or need a parser, are found in plan.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from canary.rollout.model import Builtin, NoData, TrackConfig
from canary.spec.queries import LONGEST
from canary.spec.units import DURATION_PATTERN
from meshes.contract import AppProtocol

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
STEPS_MOST = 100
CHECKS_MOST = 20

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, min_length=2, max_length=20)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Weight = Annotated[int, Field(ge=1, le=100)]
ANY: dict[str, JsonValue] = {"x-kubernetes-preserve-unknown-fields": True}


class Part(BaseModel):
    """A part of the resource: no unknown fields, names in camelCase."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class TargetRef(Part):
    """The Deployment that this canary is about."""

    api_version: Literal["apps/v1"] = "apps/v1"
    kind: Literal["Deployment"] = "Deployment"
    name: Name


class ServiceSpec(Part):
    """The Service that clients call (the apex); made by the controller if there is none."""

    name: Name | None = Field(None, description="Its name; the Deployment's by default.")
    port: int | str | None = Field(None, description="Its port, number or name; the only or the only HTTP port.")
    protocol: AppProtocol | None = Field(None, description="http or grpc; from appProtocol or the port's name.")


class RouteRef(Part):
    """A route object of the user's own in which the split is to be kept."""

    name: Annotated[str, Field(min_length=1, max_length=253)]


class StepSpec(Part):
    """One step of a rollout."""

    weight: Weight = Field(description="The canary's share of the requests in percent.")
    duration: Duration | None = Field(None, description="How long it lasts; the interval by default.")
    pause: bool = Field(False, description="Hold here until `resume`.")


class CheckSpec(Part):
    """One check: a built-in one, or PromQL of the user's own."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    builtin: Builtin | None = None
    query: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = None
    min: float | str | None = Field(None, json_schema_extra=ANY, description="The value passes at or over it.")
    max: float | str | None = Field(None, json_schema_extra=ANY, description="The value passes at or under it.")


DEFAULT_CHECKS: list[JsonValue] = [{"name": "success-rate", "builtin": "success-rate", "min": 99}]


def _default_checks() -> list[CheckSpec]:
    return [CheckSpec(name="success-rate", builtin=Builtin.SUCCESS_RATE, min=99)]


class AnalysisSpec(Part):
    """How a new version is looked at."""

    interval: Duration = Field("1m", description="How long a step lasts, and between two evaluations; at least 5s.")
    steps: Annotated[list[StepSpec], Field(max_length=STEPS_MOST)] | None = None
    step_weight: Weight | None = Field(None, description="The linear form of steps: rise by this much.")
    max_weight: Weight | None = Field(None, description="The linear form of steps: rise to this.")
    max_failures: Annotated[int, Field(ge=1, le=1000)] = 3
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    no_data_timeout: Duration = "10m"
    no_data: NoData = NoData.ROLLBACK
    checks: Annotated[list[CheckSpec], Field(max_length=CHECKS_MOST)] = Field(
        default_factory=_default_checks, json_schema_extra={"default": DEFAULT_CHECKS}
    )


class NotifySpec(Part):
    """Where messages go; the controller's own settings by default."""

    slack_channel: Annotated[str, Field(max_length=100)] = ""
    slack_mention: Annotated[str, Field(max_length=100)] = ""


class CanarySpec(Part):
    """What is wanted."""

    target_ref: TargetRef
    mesh: Name | None = Field(None, description="The adapter; the controller's --mesh by default.")
    service: ServiceSpec = ServiceSpec()
    route: RouteRef | None = None
    kuma_form: Literal["auto", "legacy", "meshservice", "labels"] = "auto"
    analysis: AnalysisSpec = AnalysisSpec()
    progress_deadline: Duration | None = None
    replicas: Annotated[int, Field(ge=0, le=100_000)] | None = None
    track_config: TrackConfig = TrackConfig.CONFIG_MAPS
    skip_analysis: bool = False
    suspend: bool = False
    notify: NotifySpec = NotifySpec()
