"""Commands by annotation: on the Canary or the Deployment, by whom, and which came with a template."""

from __future__ import annotations

import pytest

from canary.controller.commands import command_on
from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.model import Command, CommandName, Revision, Status
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from meshes.contract import Kind, Manifest
from tests.builders import canary, deployment, ref, settings

pytestmark = pytest.mark.looptime

TESTED = Status(phase=Phase.PROGRESSING, revision=Revision(digest="new"), stable=Revision(digest="old"))


def found(cluster: InMemoryCluster, key: str = "new", status: Status = TESTED) -> tuple[Command | None, str]:
    """The command that waits, and the kind of the object that bears it."""
    command, holder = command_on(cluster.now(ref(CANARY)), cluster.now(ref(DEPLOYMENT)), status, key)
    return command, str(holder["kind"]) if holder is not None else ""


@pytest.fixture
def cluster(cluster: InMemoryCluster) -> InMemoryCluster:
    cluster.apply(deployment())
    cluster.apply(canary())
    return cluster


def annotate(cluster: InMemoryCluster, kind: Kind, word: str, manager: str = "kubectl-annotate") -> None:
    cluster.edit(ref(kind), {"metadata": {"annotations": settings(command=word)}}, manager=manager)


async def test_without_an_annotation_there_is_no_command(cluster: InMemoryCluster) -> None:
    assert found(cluster) == (None, "")


async def test_one_on_the_canary_with_who_set_it(cluster: InMemoryCluster) -> None:
    annotate(cluster, CANARY, "abort", "canary-cli")
    assert found(cluster) == (Command(name=CommandName.ABORT, text="abort", by="canary-cli"), "Canary")


async def test_one_on_the_deployment(cluster: InMemoryCluster) -> None:
    annotate(cluster, DEPLOYMENT, "pause")
    assert found(cluster) == (Command(name=CommandName.PAUSE, text="pause", by="kubectl-annotate"), "Deployment")


async def test_the_canarys_goes_first(cluster: InMemoryCluster) -> None:
    annotate(cluster, DEPLOYMENT, "pause")
    annotate(cluster, CANARY, "abort")
    assert found(cluster)[1] == "Canary"


async def test_a_word_that_is_no_command_is_passed_on_cut(cluster: InMemoryCluster) -> None:
    annotate(cluster, CANARY, "promot" * 20)
    command, _ = found(cluster)
    assert command == Command(name=None, text=("promot" * 20)[:40], by="kubectl-annotate")


def undo(cluster: InMemoryCluster) -> Manifest:
    """Bring back an older template together with the annotations of its time, as `kubectl rollout undo` does."""
    template = deployment(image="registry.example/checkout:0.9")["spec"]["template"]
    patch = {"metadata": {"annotations": settings(command="promote")}, "spec": {"template": template}}
    return cluster.edit(ref(DEPLOYMENT), patch, manager="kubectl-rollout")


async def test_one_that_an_undo_brought_back_came_with_its_template(cluster: InMemoryCluster) -> None:
    undo(cluster)
    command, _ = found(cluster, key="older")
    assert command == Command(name=CommandName.PROMOTE, text="promote", by="kubectl-rollout", with_template=True)


async def test_one_by_hand_beside_a_template_that_waits_did_not_come_with_it(cluster: InMemoryCluster) -> None:
    annotate(cluster, DEPLOYMENT, "abort")
    command, _ = found(cluster, key="newer")
    assert command == Command(name=CommandName.ABORT, text="abort", by="kubectl-annotate")


async def test_a_template_that_is_under_test_already_did_not_come_with_the_command(cluster: InMemoryCluster) -> None:
    undo(cluster)
    command, _ = found(cluster, key="new")
    assert command is not None
    assert not command.with_template


@pytest.mark.parametrize(
    ("phase", "key", "with_template"),
    [
        (Phase.SUCCEEDED, "old", False),
        (Phase.SUCCEEDED, "new", True),
        (Phase.FAILED, "new", False),
        (Phase.FAILED, "old", True),
        (Phase.PAUSED, "old", True),
    ],
)
async def test_what_counts_as_seen_depends_on_what_the_deployment_was_last_answered_for(
    cluster: InMemoryCluster, phase: Phase, key: str, with_template: bool
) -> None:
    undo(cluster)
    status = Status(phase=phase, revision=TESTED.revision, stable=TESTED.stable)
    command, _ = found(cluster, key=key, status=status)
    assert command is not None
    assert command.with_template is with_template


async def test_one_on_the_canary_comes_with_no_template_whoever_set_it(cluster: InMemoryCluster) -> None:
    live = {**cluster.now(ref(CANARY))}
    live["metadata"] = {**live["metadata"], "annotations": settings(command="abort"), "managedFields": []}
    command, _ = command_on(live, cluster.now(ref(DEPLOYMENT)), TESTED, "newer")
    assert command == Command(name=CommandName.ABORT, text="abort", by="")
