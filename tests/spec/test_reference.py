"""The page of annotations says everything, and nothing that is not so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from canary.rollout.model import CommandName
from canary.spec.annotations import canary_from_annotations
from canary.spec.keys import Key
from canary.spec.reference import reference
from canary.spec.table import KEYS
from tests.spec.deployments import PREFIX, deployment

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = """
enabled mesh service port protocol steps step-weight max-weight interval max-failures success-rate latency-p50
latency-p95 latency-p99 min-requests no-data-timeout no-data check.NAME progress-deadline replicas track-config
route kuma-form skip-analysis suspend slack-channel slack-mention command
"""
NEEDS = {"max-weight": {"step-weight": "10"}}
"""Keys that are allowed only beside others."""

SAYS_NOTHING = ("enabled", "command")


def written(key: Key) -> dict[str, str]:
    return {**NEEDS.get(key.name, {}), key.name.replace("NAME", "lag"): key.example}


def test_the_table_has_every_key_that_is_public_once() -> None:
    assert sorted(key.name for key in KEYS) == sorted(CONTRACT.split())


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "annotations.md").read_text(encoding="utf-8") == reference(), "make docs"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_key_is_documented_in_one_row(key: Key) -> None:
    rows = [line for line in reference().splitlines() if line.startswith(f"| `{key.name}` |")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", rows[0])[1:-1]]
    assert (len(cells), all(cells)) == (5, True)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_example_is_allowed_and_says_something(key: Key) -> None:
    canary, faults = canary_from_annotations(deployment(written(key)))
    without, _ = canary_from_annotations(deployment(NEEDS.get(key.name, {})))
    assert faults == ()
    assert (canary != without) is (key.name not in SAYS_NOTHING)


@pytest.mark.parametrize("key", [key for key in KEYS if key.default not in ("-", "off") and " " not in key.default],
                         ids=lambda key: key.name)  # fmt: skip
def test_every_default_that_is_written_is_allowed(key: Key) -> None:
    _, faults = canary_from_annotations(deployment({**NEEDS.get(key.name, {}), key.name: key.default}))
    assert faults == ()


def test_every_command_is_named() -> None:
    (command,) = (key for key in KEYS if key.name == "command")
    assert re.findall(r"`(.+?)`", command.allowed) == [name.value for name in CommandName]


def test_the_example_at_the_top_has_no_fault() -> None:
    block = reference().partition("```yaml")[2].partition("```")[0]
    found = dict(re.findall(rf'{re.escape(PREFIX)}(\S+): "(.+)"', block))
    assert len(found) == 3
    assert canary_from_annotations(deployment(found))[1] == ()
