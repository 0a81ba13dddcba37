"""What is read from a cluster (`kubectl get all -o yaml | canary lint -`) is judged by what people wrote of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from canary.controller.names import EPOCH, MANAGED_BY, MANAGER
from canary.lint.bundle import Settings
from canary.lint.files import gathered
from canary.lint.model import Level
from canary.lint.rules import findings
from canary.ports import CANARY, CONTROLLER_REVISION, DEPLOYMENT, POD, REPLICA_SET, SERVICE
from canary.rollout.model import Timing
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.builders import JSON, deployment, ref, settings
from tests.scenarios.conftest import pytest_pyfunc_call, stage
from tests.scenarios.stage import Stage

__all__ = ["pytest_pyfunc_call", "stage"]

KINDS = (CANARY, CONTROLLER_REVISION, DEPLOYMENT, POD, REPLICA_SET, SERVICE, VIRTUAL_SERVICE)


def linted(objects: Sequence[JSON], folder: Path) -> list[str]:
    """The rules of all faults and warnings."""
    file = folder / "all.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [*objects]}), encoding="utf-8")
    found = findings(gathered([str(file)]).documents, Settings(mesh="istio", timing=Timing()))
    return [one.rule for one in found if one.level is not Level.NOTE]


def all_of(stage: Stage) -> list[JSON]:
    return [dict(one) for kind in KINDS for one in stage.cluster.store.list(kind, "shop")]


@pytest.mark.looptime
async def test_a_rollout_that_runs_has_no_findings_but_what_people_wrote(stage: Stage, tmp_path: Path) -> None:
    enabled = settings(enabled="true", steps="20,50")
    await stage.there(deployment(replicas=3, annotations=enabled))
    before = all_of(stage)
    assert linted(before, tmp_path) == []
    stage.start()
    await stage.until(lambda: stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is not None)
    await stage.rest(60)
    stage.push("2.0", annotations=enabled)
    await stage.until_weight(20)
    running = all_of(stage)
    assert (stage.target["spec"]["paused"], len(running) > len(before)) == (True, True)
    assert linted(running, tmp_path) == []
    stage.cluster.edit(ref(DEPLOYMENT), {"metadata": {"annotations": settings(stpes="5")}})
    assert linted(all_of(stage), tmp_path) == ["spec"]


@pytest.mark.looptime
async def test_a_deployment_that_a_person_paused_before_is_told_there_too(stage: Stage, tmp_path: Path) -> None:
    await stage.there(deployment(replicas=3, annotations=settings(enabled="true")))
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"paused": True}})
    assert linted(all_of(stage), tmp_path) == ["paused"]


NOT_LIVE: JSON = {"uid": None}


def wrong(**metadata: object) -> JSON:
    """A Deployment with a fault in its annotations, and more in its metadata."""
    made = deployment(annotations=settings(enabled="true", stpes="5"))
    return {**made, "metadata": {**made["metadata"], "uid": "1", **metadata}}


def owner(**more: bool) -> JSON:
    return {"apiVersion": "v1", "kind": "Application", "name": "shop", "uid": "2", **more}


@pytest.mark.parametrize(
    ("metadata", "looked_at"),
    [
        ({}, True),
        ({"ownerReferences": [owner(controller=True)]}, False),
        ({"ownerReferences": [owner(controller=False)]}, True),
        ({"ownerReferences": [owner()]}, True),
        ({"labels": {MANAGED_BY: MANAGER}}, False),
        ({"ownerReferences": [owner(controller=True)], **NOT_LIVE}, True),
        ({"labels": {MANAGED_BY: MANAGER}, **NOT_LIVE}, True),
    ],
)
def test_only_what_a_controller_made_in_a_cluster_is_left_out(metadata: JSON, looked_at: bool, tmp_path: Path) -> None:
    assert ("spec" in linted([wrong(**metadata)], tmp_path)) is looked_at


def test_a_pause_in_a_file_is_told_whatever_labels_it_was_saved_with(tmp_path: Path) -> None:
    saved = deployment(annotations=settings(enabled="true"))
    saved["metadata"]["labels"] = {**saved["metadata"].get("labels", {}), EPOCH: "1"}
    saved["metadata"].pop("uid", None)
    saved["spec"]["paused"] = True
    assert "paused" in linted([saved], tmp_path)
