"""The spec of the Canary resource as pydantic models: its fields, their ranges and defaults.

The CRD is made from them (crd.py), and what a user wrote is read with them (reading.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from canary.rollout.model import Builtin, NoData, TrackConfig
from canary.spec.fields import AMOUNT, CHECK_NAME, LABEL, LINE, OBJECT_NAME, PORT, PROMQL, lasting, whole_number
from meshes.contract import AppProtocol

STEPS_MOST = 100
CHECKS_MOST = 20
SHORTEST_INTERVAL = timedelta(seconds=5)

Name = Annotated[str, OBJECT_NAME]
Label = Annotated[str, LABEL]
Line = Annotated[str, LINE]
Duration = Annotated[str, lasting()]
Interval = Annotated[str, lasting(SHORTEST_INTERVAL)]
Weight = Annotated[int, whole_number(1, 100)]
Amount = Annotated[int | float | str, AMOUNT]


class Part(BaseModel):
    """A part of the resource: no unknown fields, names in camelCase, types as JSON has them."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True, strict=True, allow_inf_nan=False
    )


class TargetRef(Part):
    """The Deployment that this canary is about."""

    api_version: Literal["apps/v1"] = Field("apps/v1", description="Its API version; there is one.")
    kind: Literal["Deployment"] = Field("Deployment", description="Its kind; there is one.")
    name: Name = Field(description="Its name, in the namespace of the Canary. It cannot be changed later.")


class ServiceSpec(Part):
    """The Service that clients call (the apex); made by the controller if there is none."""

    name: Label | None = Field(None, description="Its name; the Deployment's by default.")
    port: Annotated[int | str, PORT] | None = Field(
        None, description="Its port, number or name; by default its only one, or its one http or grpc port."
    )
    protocol: AppProtocol | None = Field(
        None, description="What the port speaks; by default told by appProtocol or the port's name, else http."
    )


class RouteRef(Part):
    """A route object that the user already has, in which the split is kept; everything else in it stays."""

    name: Name = Field(description="Its name, in the namespace of the Canary. Its kind is the mesh's.")


class StepSpec(Part):
    """One step of a rollout."""

    weight: Weight = Field(description="The canary's share of the requests in percent.")
    duration: Duration | None = Field(None, description="How long it lasts; the interval by default.")
    pause: bool = Field(False, description="Hold here until `resume`.")


class CheckSpec(Part):
    """One check: a built-in one, or PromQL of the user's own."""

    name: Annotated[str, CHECK_NAME] = Field(description="What it is called in the status, in messages and metrics.")
    builtin: Builtin | None = Field(None, description="The check that the mesh's metrics answer, instead of a query.")
    query: Annotated[str, PROMQL] | None = Field(
        None,
        description="PromQL that gives one sample. {{ namespace }}, {{ target }}, {{ primary }}, {{ service }}, "
        "{{ pods }}, {{ revision }} and {{ interval }} are filled in.",
    )
    min: Amount | None = Field(None, description="The value passes at or over it.")
    max: Amount | None = Field(None, description="The value passes at or under it.")


class AnalysisSpec(Part):
    """How a new version is looked at."""

    interval: Interval = Field("1m", description="How long a step lasts, and between two evaluations; at least 5s.")
    steps: Annotated[tuple[StepSpec, ...], Field(max_length=STEPS_MOST, json_schema_extra={"minItems": 1})] | None = (
        Field(None, description="The rising weights; 5, 10, 25, 50 by default.")
    )
    step_weight: Weight | None = Field(None, description="The linear form, instead of steps: rise by this much.")
    max_weight: Weight | None = Field(None, description="The linear form, instead of steps: up to this; 50 by default.")
    max_failures: Annotated[int, whole_number(1, 1000)] = Field(
        3, description="Failed evaluations in one rollout that bring the rollback."
    )
    min_requests: Annotated[int, whole_number(1, 1_000_000)] = Field(
        10, description="Fewer requests since the step began give no verdict."
    )
    no_data_timeout: Duration = Field("10m", description="How long too few requests may last.")
    no_data: NoData = Field(NoData.ROLLBACK, description="What follows when they last longer.")
    checks: Annotated[tuple[CheckSpec, ...], Field(max_length=CHECKS_MOST)] = Field(
        (CheckSpec(name="success-rate", builtin=Builtin.SUCCESS_RATE, min=99),),
        description="What a new version must pass; none: only its pods are looked at.",
    )


class NotifySpec(Part):
    """Where messages go; the controller's own settings by default."""

    slack_channel: Line = Field("", description="A channel's name or id.")
    slack_mention: Line = Field("", description="Whom a failure mentions.")


class CanarySpec(Part):
    """What is wanted."""

    target_ref: TargetRef
    mesh: Label | None = Field(None, description="The adapter's name; the controller's --mesh by default.")
    service: ServiceSpec = ServiceSpec()
    route: RouteRef | None = None
    kuma_form: Literal["auto", "legacy", "meshservice", "labels"] = Field(
        "auto", description="Which of Kuma's ways to name a backend is used."
    )
    analysis: AnalysisSpec = AnalysisSpec()
    progress_deadline: Duration | None = Field(
        None, description="How long pods may take to become ready; the Deployment's progressDeadlineSeconds by default."
    )
    replicas: Annotated[int, whole_number(0, 100_000)] | None = Field(
        None, description="Size of the primary where no autoscaler sets it; 0 stops it. Its size at onboarding."
    )
    track_config: TrackConfig = Field(
        TrackConfig.CONFIG_MAPS, description="Which configuration belongs to a version: changes of it are rolled out."
    )
    skip_analysis: bool = Field(False, description="Promote as soon as pods are ready.")
    suspend: bool = Field(False, description="Start and advance nothing.")
    notify: NotifySpec = NotifySpec()
