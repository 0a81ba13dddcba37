"""Many canaries at once, and canaries of the same name in two namespaces: none is in the way of another."""

from __future__ import annotations

import pytest

from canary.controller.names import COMMAND, annotations_of
from canary.ports import CANARY
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.builders import deployment, ref, settings
from tests.embedded import ready_images
from tests.scenarios.many import at_once, onboarded, status, until_all, watched
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime

MANY = 10
"""`make test-faults` rolls out fifty at once, `make bench` a hundred."""


async def test_rollouts_at_once_each_end_as_they_should(stage: Stage) -> None:
    await at_once(stage, MANY)


async def test_two_namespaces_with_the_same_names_do_not_touch_each_other(stage: Stage) -> None:
    watches = watched(stage, ["checkout"], "default")
    await onboarded(stage, ["checkout"], "shop", "default")
    stage.metrics.set("shop/checkout", bad=0.5)
    for namespace in ("shop", "default"):
        stage.cluster.apply(deployment(image=image("2.0"), replicas=None, namespace=namespace))
    await stage.until(lambda: status(stage, "checkout").phase is Phase.FAILED)
    await stage.until(lambda: status(stage, "checkout", "default").phase is Phase.SUCCEEDED)
    assert ready_images(stage.cluster, "checkout-primary", "shop") == [image("1.0")] * 3
    assert ready_images(stage.cluster, "checkout-primary", "default") == [image("2.0")] * 3
    assert [found for watch in watches for found in watch.found] == []


async def test_commands_are_answered_once_every_canary_had_its_pass(stage: Stage) -> None:
    names = [f"app-{number}" for number in range(8)]
    watches = watched(stage, names)
    await onboarded(stage, names, "shop")
    for name in names:
        stage.cluster.apply(deployment(name, image=image("2.0", name), replicas=None))
    await until_all(stage, lambda: all(status(stage, name).weight for name in names))
    stage.client.requests.clear()
    for name in names:
        stage.cluster.edit(ref(CANARY, name), {"metadata": {"annotations": settings(command="abort")}})
    await until_all(stage, lambda: all(status(stage, name).phase is Phase.FAILED for name in names))
    calls = [call for call in stage.client.requests.log if call.ref.name in names]
    splits = [calls.index(next(call for call in calls if call.ref == ref(VIRTUAL_SERVICE, name))) for name in names]
    answers = [
        index for index, call in enumerate(calls) if call.ref.kind == CANARY and not call.subresource
    ]  # each has one, and it is the annotation that goes
    assert len(answers) == len(names)
    assert sum(split < min(answers) for split in splits) >= len(names) - 1
    assert all(annotations_of(stage.cluster.now(ref(CANARY, name))).get(COMMAND) is None for name in names)
    assert [found for watch in watches for found in watch.found] == []
