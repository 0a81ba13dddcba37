"""The table of annotation keys: what each is called, where its value goes in the Canary's spec, what is allowed.

The reference page is printed from it, the reading loop in annotations.py runs over it; nothing is said twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from canary.rollout.model import CommandName, NoData, TrackConfig
from canary.spec.plan import SHORTEST_INTERVAL
from canary.spec.steps import parse_steps
from canary.spec.units import parse_duration, parse_percent, parse_whole
from meshes.contract import AppProtocol

PREFIX = "canary.delivery/"
CHECK = "check."
KUMA_FORMS = ("auto", "legacy", "meshservice", "labels")

Convert = Callable[[str], Any]
"""Return the value as the Canary's spec has it, or raise ValueError with what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One annotation. `path` is where its value goes below `spec`, empty for what annotations.py deals with itself.

    `default` and `doc` are for people; `example` is a value that is allowed.
    """

    name: str
    path: tuple[str, ...] = ()
    convert: Convert
    default: str
    doc: str
    example: str
    group: str


def _duration(least: timedelta = timedelta(milliseconds=1)) -> Convert:
    def convert(text: str) -> str:
        parse_duration(text, least=least)
        return text.strip()

    return convert


def _whole(least: int, most: int) -> Convert:
    return lambda text: parse_whole(text, least=least, most=most)


def _one_of(*words: str) -> Convert:
    def convert(text: str) -> str:
        if text.strip() not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text.strip()

    return convert


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError('"true" or "false"')
    return text == "true"


def _name(longest: int = 63) -> Convert:
    def convert(text: str) -> str:
        if len(text) > longest or not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", text):
            raise ValueError(f"a name of lower-case letters, digits and dashes, at most {longest} long")
        return text

    return convert


def _port(text: str) -> int | str:
    if text.isascii() and text.isdigit():
        return parse_whole(text, least=1, most=65535)
    if len(text) > 15 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text):
        raise ValueError("a port's number from 1 to 65535, or its name")
    return text


def _success_rate(text: str) -> float | None:
    if text.strip() == "off":
        return None
    try:
        return parse_percent(text)
    except ValueError as error:
        raise ValueError(f'{error}, or "off"') from error


def _short_text(text: str) -> str:
    if not text.isprintable() or len(text) > 100:
        raise ValueError("at most 100 characters, all of them printable")
    return text


_WHO, _HOW, _CHECKS, _OBJECTS, _TOLD = (
    "What is under canary",
    "How a rollout goes",
    "Checks",
    "Objects around it",
    "Telling and commanding",
)

KEYS: tuple[Key, ...] = (
    Key(name="enabled", convert=_truth, default="-", example="true", group=_WHO,
        doc="Opts the Deployment in. The only key that is required."),
    Key(name="mesh", path=("mesh",), convert=_name(), default="the controller's --mesh", example="istio", group=_WHO,
        doc="The adapter that shifts the traffic."),
    Key(name="suspend", path=("suspend",), convert=_truth, default="false", example="true", group=_WHO,
        doc="Start and advance nothing. What protects traffic still acts, and so does `abort`."),
    Key(name="steps", path=("analysis", "steps"), convert=parse_steps, default="5,10,25,50", example="5,10@5m,pause,50",
        group=_HOW, doc="Rising weights in percent, each with an optional time; `pause` holds until `resume`."),
    Key(name="step-weight", path=("analysis", "stepWeight"), convert=_whole(1, 100), default="-", example="10",
        group=_HOW, doc="The linear form instead of `steps`: rise by this much at a time."),
    Key(name="max-weight", path=("analysis", "maxWeight"), convert=_whole(1, 100), default="50", example="60",
        group=_HOW, doc="The linear form: the last weight. Only with `step-weight`."),
    Key(name="interval", path=("analysis", "interval"), convert=_duration(SHORTEST_INTERVAL), default="1m",
        example="30s", group=_HOW, doc="How long a step lasts, and between two evaluations. At least 5s."),
    Key(name="progress-deadline", path=("progressDeadline",), convert=_duration(),
        default="the Deployment's progressDeadlineSeconds, else 10m", example="5m", group=_HOW,
        doc="How long pods may take to become ready."),
    Key(name="skip-analysis", path=("skipAnalysis",), convert=_truth, default="false", example="true", group=_HOW,
        doc="Promote as soon as the pods are ready."),
    Key(name="max-failures", path=("analysis", "maxFailures"), convert=_whole(1, 1000), default="3", example="2",
        group=_CHECKS, doc="Failed evaluations in one rollout that bring the rollback."),
    Key(name="success-rate", convert=_success_rate, default="99", example="99.5", group=_CHECKS,
        doc="Least percentage of requests that succeed, or `off`."),
    Key(name="latency-p50", convert=_duration(), default="off", example="100ms", group=_CHECKS,
        doc="Longest time that half of the requests take."),
    Key(name="latency-p95", convert=_duration(), default="off", example="300ms", group=_CHECKS,
        doc="Longest time that 95 % of the requests take."),
    Key(name="latency-p99", convert=_duration(), default="off", example="500ms", group=_CHECKS,
        doc="Longest time that 99 % of the requests take."),
    Key(name="min-requests", path=("analysis", "minRequests"), convert=_whole(1, 1_000_000), default="10",
        example="50", group=_CHECKS, doc="Fewer requests since the step began give no verdict."),
    Key(name="no-data-timeout", path=("analysis", "noDataTimeout"), convert=_duration(), default="10m", example="30m",
        group=_CHECKS, doc="How long too few requests may last."),
    Key(name="no-data", path=("analysis", "noData"), convert=_one_of(*NoData), default="rollback", example="hold",
        group=_CHECKS, doc="What follows then: `rollback`, `promote` or `hold`."),
    Key(name="service", path=("service", "name"), convert=_name(), default="the Deployment's name", example="checkout",
        group=_OBJECTS, doc="The Service that clients call. Made by the controller if there is none."),
    Key(name="port", path=("service", "port"), convert=_port,
        default="the Service's only port, or its one http*/grpc* port; else the only container port", example="http",
        group=_OBJECTS, doc="Its port, number or name."),
    Key(name="protocol", path=("service", "protocol"), convert=_one_of(*AppProtocol),
        default="from appProtocol or the port's name, else http", example="grpc", group=_OBJECTS,
        doc="What it speaks: `http` or `grpc`."),
    Key(name="route", path=("route", "name"), convert=_name(253), default="none: the controller makes its own",
        example="checkout", group=_OBJECTS,
        doc="A route object of yours in which the split is kept. Everything else in it stays."),
    Key(name="kuma-form", path=("kumaForm",), convert=_one_of(*KUMA_FORMS), default="auto", example="legacy",
        group=_OBJECTS, doc="Which form of MeshHTTPRoute Kuma understands; found out by itself."),
    Key(name="replicas", path=("replicas",), convert=_whole(0, 100_000), default="its size at onboarding", example="4",
        group=_OBJECTS, doc="Size of the primary where no autoscaler sets it. 0 stops it."),
    Key(name="track-config", path=("trackConfig",), convert=_one_of(*TrackConfig), default="configmaps",
        example="none", group=_OBJECTS, doc="Which references belong to a revision: `configmaps`, `all` or `none`."),
    Key(name="slack-channel", path=("notify", "slackChannel"), convert=_short_text, default="the controller's",
        example="#shop", group=_TOLD, doc="Where its messages go."),
    Key(name="slack-mention", path=("notify", "slackMention"), convert=_short_text, default="the controller's",
        example="@oncall", group=_TOLD, doc="Whom a failure mentions."),
    Key(name="command", convert=_one_of(*CommandName), default="-", example="abort", group=_TOLD,
        doc="A command, carried out once and then removed."),
)  # fmt: skip
"""Every key but `check.NAME`, in the order of the reference page."""
