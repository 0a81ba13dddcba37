"""The status of the Canary resource as pydantic models, for the CRD alone: status.py writes and reads the values.

Words are plain strings there, not enumerations: a controller that is newer than the CRD must be able to write.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from canary.rollout.model import CommandName, Outcome, Result, Truth
from canary.rollout.phases import Phase


def _one_of(words: type[StrEnum]) -> str:
    return f"One of {', '.join(words)}."


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Part(BaseModel):
    """A part of the status, names in camelCase."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class CheckShown(Part):
    """The newest evaluation of one check."""

    name: str = Field(description="Its name in the spec.")
    value: float | None = Field(None, description="In the unit of the limit: percent, seconds, or the query's own.")
    limit: float | None = Field(None, description="What the value is held against: at least, or at most.")
    requests: int | None = Field(None, description="How many requests it looked at.")
    verdict: str | None = Field(None, description=_one_of(Result))
    message: str | None = Field(None, description="Why: the value, the limit and the requests in words.")
    at: Time | None = Field(None, description="When it was evaluated.")


class CommandShown(Part):
    """The newest command that was carried out."""

    name: str = Field(description=_one_of(CommandName))
    revision: str | None = Field(None, description="The revision that it was about.")
    at: Time | None = Field(None, description="When it was carried out.")
    by: str | None = Field(None, description="The field manager that set it.")


class RolloutShown(Part):
    """A rollout that has ended."""

    revision: str = Field(description="The revision that was under test.")
    image: str | None = Field(None, description="The image of its first container.")
    outcome: str = Field(description=_one_of(Outcome))
    message: str | None = Field(None, description="Why it ended so.")
    started_at: Time | None = Field(None, description="When it began.")
    ended_at: Time | None = Field(None, description="When it ended.")
    highest_weight: int | None = Field(None, description="The largest share that it had, in percent.")


class ConditionShown(Part):
    """A condition, as Kubernetes has them."""

    type: str = Field(description="Ready, Promoted or Contested; others are left as they are.")
    status: str = Field(description=_one_of(Truth))
    reason: str | None = Field(None, description="One word for why, for programs.")
    message: str | None = Field(None, description="The same in a sentence, for people.")
    last_transition_time: Time | None = Field(None, description="When its status changed for the last time.")


class SlackShown(Part):
    """The newest rollout's message in Slack."""

    channel: str | None = Field(None, description="The channel's id.")
    ts: str | None = Field(None, description="The message's id in the channel.")
    waiting: int | None = Field(None, description="How many messages wait to be sent.")


class CanaryStatus(Part):
    """What is so, and what the controller must remember to go on after a restart. Only the controller writes it."""

    phase: str | None = Field(None, description=_one_of(Phase))
    weight: int | None = Field(None, description="Percent at the canary, as decided.")
    observed_weight: int | None = Field(None, description="Percent at the canary, as read back from the mesh.")
    step: int | None = Field(None, description="The present step; the first is 0, -1 stands before it.")
    revision: str | None = Field(None, description="Under test or last tested.")
    stable_revision: str | None = Field(None, description="What serves.")
    target_generation: int | None = Field(
        None, description="The highest generation of the Deployment that was seen to be revision or stableRevision."
    )
    failed_checks: int | None = Field(None, description="Failed evaluations in this rollout.")
    checks: tuple[CheckShown, ...] | None = Field(None, description="The newest evaluation of each check.")
    message: str | None = Field(None, description="What it waits for, or why it ended.")
    waits_until: Time | None = Field(
        None, description="When that wait is over, or the patience with it; missing when no moment is known."
    )
    started_at: Time | None = Field(None, description="When the newest rollout began.")
    last_transition_time: Time | None = Field(None, description="When the phase changed for the last time.")
    observed_generation: int | None = Field(None, description="The newest generation of this Canary that was read.")
    last_command: CommandShown | None = None
    history: tuple[RolloutShown, ...] | None = Field(None, description="The last rollouts.")
    conditions: (
        Annotated[
            tuple[ConditionShown, ...],
            Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
        ]
        | None
    ) = Field(
        None,
        description="Ready and Promoted, as `kubectl wait` reads them; Contested while fields are set back.",
    )
    slack: SlackShown | None = None
    version: int | None = Field(None, description="Of the status's form; an older controller reads no newer one.")
    memory: dict[str, Any] | None = Field(
        None,
        description="What the controller remembers.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
