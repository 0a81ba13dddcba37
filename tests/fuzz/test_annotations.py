"""Random annotations, near the real ones and far from them: a plan or faults, told in bounded words everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from canary.clients.slack_message import render
from canary.controller.shim import annotation_faults, faults_text
from canary.controller.tell import LONGEST_NOTE, event
from canary.ports import Notification
from canary.rollout.model import Condition, Notice, Status, Timing, Truth
from canary.sandbox.slack_limits import fault as refused_by_slack
from canary.spec.annotations import canary_from_annotations
from canary.spec.plan import plan_from
from canary.spec.status import LONGEST_MESSAGE, status_from_json, status_to_json
from canary.spec.table import KEYS
from tests.fuzz.counts import fuzzed
from tests.fuzz.values import ODD, TEXTS
from tests.spec.deployments import deployment

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = [key.name for key in KEYS]


@st.composite
def near(draw: st.DrawFn) -> str:
    """A known key with a slip of the pen in it."""
    name = draw(st.sampled_from(NAMES))
    at = draw(st.integers(0, len(name) - 1))
    slip = draw(st.sampled_from(["", "-", "_", ".", "x", name[at] * 2, name[at].upper()]))
    return name[:at] + slip + name[at + 1 :]


KEY = st.one_of(
    st.sampled_from(NAMES), near(), TEXTS, TEXTS.map("check.{}".format), st.just("check.a"), st.just("check.")
)
PIECES = st.sampled_from(["5", "50%", "10@5m", "pause", ",", "99", "500ms", "1m", "true", "off", "<= 1", "sum(a)", " "])
VALUE = st.one_of(st.sampled_from([key.example for key in KEYS]), st.lists(PIECES, max_size=9).map("".join), TEXTS, ODD)
ANNOTATIONS = st.one_of(
    st.dictionaries(KEY, VALUE, max_size=8), st.integers(0, 200).map(lambda count: {f"k{n}": "v" for n in range(count)})
)


@fuzzed
@given(ANNOTATIONS)
def test_any_annotations_are_a_plan_or_faults_in_bounded_words(annotations: dict[str, Any]) -> None:
    target = deployment({**annotations, "enabled": "true"})
    canary, faults = canary_from_annotations(target)
    assert canary is not None
    plan = plan_from(canary, timing=Timing(), default_mesh="istio")
    assert (len(plan.checks), len(plan.steps)) <= (100, 101)
    assert len(json.dumps(canary, default=str)) < 200_000
    if faults:
        assert_told(target, faults_text(faults))
    for fault in annotation_faults(target, canary):
        assert fault.message == faults_text(faults)


def assert_told(target: dict[str, Any], text: str) -> None:
    """The text is one line that fits into a status, an Event and a message to Slack, and is UTF-8."""
    assert text.encode().decode().isprintable()
    assert len(text) < 100_000
    ready = Condition(type="Ready", status=Truth.FALSE, reason="InvalidSpec", message=text, since=NOW)
    stored = status_to_json(Status(message=text, conditions=(ready,)))
    assert status_from_json(stored).message == text[:LONGEST_MESSAGE]
    assert len(json.dumps(stored)) < 4 * LONGEST_MESSAGE + 1000
    target["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    notice = Notice(reason="InvalidSpec", text=text, warning=True)
    assert len(event(target, notice, NOW)["message"]) <= LONGEST_NOTE
    assert refused_by_slack(render(notification(text)).body()) == ""


def notification(text: str, **more: Any) -> Notification:
    told: dict[str, Any] = {"namespace": "shop", "canary": "checkout", "reason": "InvalidSpec", "text": text, **more}
    return Notification(**{"failure": True, "facts": {}, **told})


@fuzzed
@given(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=30), st.lists(TEXTS, min_size=4, max_size=4), st.booleans())
def test_any_notice_is_an_event_and_a_message_that_slack_takes(
    text: str, facts: dict[str, str], names: list[str], failure: bool
) -> None:
    reason, mention, namespace, canary = names
    told = notification(text, reason=reason, facts=facts, namespace=namespace, canary=canary, failure=failure)
    body = render(told, mention=mention).body()
    assert refused_by_slack(body) == ""
    assert "<!channel>" not in json.dumps({**body, "text": ""})
    notice = Notice(reason="Fault", text=text)
    subject = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": canary, "namespace": namespace, "uid": "u", "resourceVersion": "1"},
    }  # fmt: skip
    made = event(subject, notice, NOW)
    assert len(made["message"]) <= LONGEST_NOTE
    assert len(made["metadata"]["name"]) <= 253
