"""Every YAML block is read by a YAML reader, and what is canary's in it is free of faults."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from canary.lint.bundle import Settings
from canary.lint.model import Level
from canary.lint.reading import read
from canary.lint.rules import findings
from canary.rollout.model import Timing
from canary.spec.annotations import canary_from_annotations
from canary.spec.reading import spec_faults
from tests.docs.pages import Block, blocks

BLOCKS = blocks("yaml")


def documents(block: Block) -> list[Any]:
    return [one for one in yaml.safe_load_all(block.text) if one is not None]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_yaml_in_which_no_key_stands_twice(block: Block) -> None:
    assert documents(block)
    assert read(block.text, "block").findings == []


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_what_canary_reads_in_a_block_has_no_fault(block: Block) -> None:
    for found in documents(block):
        annotations = (found.get("metadata") or {}).get("annotations") or {}
        ours = {key: value for key, value in annotations.items() if key.startswith("canary.delivery/")}
        opted_in = {"canary.delivery/enabled": "true", **ours}
        _, faults = canary_from_annotations({"metadata": {"name": "checkout", "annotations": opted_in}})
        assert faults == ()
        if found.get("kind", "Canary") == "Canary" and "spec" in found:
            assert spec_faults({"spec": {"targetRef": {"name": "checkout"}, **found["spec"]}}) == ()


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_whole_objects_of_a_block_are_clean_for_lint(block: Block) -> None:
    found = findings(tuple(read(block.text, "block").documents), Settings(mesh="istio", timing=Timing()))
    assert [one.text for one in found if one.level is Level.FAULT] == []
