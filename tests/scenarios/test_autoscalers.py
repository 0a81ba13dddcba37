"""The user's autoscaler through a whole life: it follows what serves, never shrinks it meanwhile, and is put back."""

from __future__ import annotations

import json

import pytest

from canary.controller.names import labels_of, matches
from canary.controller.scalers import NOTE, SCALED_OBJECT
from canary.ports import CANARY, DEPLOYMENT, HPA, POD, Change, Watched
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import autoscaler, canary, ref
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


def ambiguous(cluster: InMemoryCluster, namespace: str = "shop") -> set[str]:
    """The pods that two HorizontalPodAutoscalers select: both would stop working (`AmbiguousSelector`)."""
    store = cluster.store
    names = [one["spec"]["scaleTargetRef"]["name"] for one in store.list(HPA, namespace)]
    targets = [live for name in names if (live := store.get(ref(DEPLOYMENT, name, namespace))) is not None]
    pods = store.list(POD, namespace)
    counts = {
        pod["metadata"]["name"]: sum(matches(each["spec"]["selector"], labels_of(pod)) for each in targets)
        for pod in pods
    }
    return {name for name, count in counts.items() if count > 1}


class Scaling:
    """What happens to the autoscaler `checkout`: where it points, its least size, and in which phase."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.seen: list[tuple[str, int, str]] = []
        self.ambiguous: set[str] = set()
        stage.cluster.store.listen(self._changed)

    def _changed(self, event: Watched) -> None:
        self.ambiguous |= ambiguous(self._stage.cluster)
        if event.ref == ref(HPA) and event.change is not Change.DELETED:
            if "AmbiguousSelector" in json.dumps(event.manifest.get("status", {})):
                self.ambiguous.add("as the autoscaler itself says")
            spec, phase = event.manifest["spec"], self._stage.status.phase
            entry = (spec["scaleTargetRef"]["name"], spec["minReplicas"], str(phase))
            if not self.seen or self.seen[-1][:2] != entry[:2]:
                self.seen.append(entry)


async def test_it_is_held_and_followed_through_a_whole_life(stage: Stage) -> None:
    scaling = Scaling(stage)
    await stage.there(autoscaler(least=1))
    stage.cluster.apply(canary(analysis=analysis()))
    stage.start()
    await stage.until_phase(Phase.INITIALIZED)
    await stage.rest()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest()
    stage.canary_traffic(bad=0.5)
    stage.push("3.0")
    await stage.until_phase(Phase.FAILED)
    await stage.rest()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None)
    await stage.rest()
    assert scaling.seen == [
        ("checkout", 1, "None"),
        ("checkout", 3, "Initializing"),
        ("checkout-primary", 3, "Initializing"),
        ("checkout-primary", 1, "Initialized"),
        ("checkout-primary", 3, "Progressing"),
        ("checkout-primary", 1, "Succeeded"),
        ("checkout-primary", 3, "Progressing"),
        ("checkout-primary", 1, "Failed"),
        ("checkout-primary", 3, "Succeeded"),
        ("checkout", 3, "Succeeded"),
        ("checkout", 1, "Succeeded"),
    ]
    assert scaling.ambiguous == set()
    assert NOTE not in stage.cluster.now(ref(HPA))["metadata"].get("annotations", {})


async def test_a_scaled_object_is_held_and_followed_too(stage: Stage) -> None:
    """KEDA takes no least size for 0; its own HorizontalPodAutoscaler follows the ScaledObject and is KEDA's."""
    meta = {"name": "checkout", "namespace": "shop"}
    spec = {"scaleTargetRef": {"name": "checkout"}, "maxReplicaCount": 6, "triggers": [{"type": "cpu"}]}
    theirs = {"apiVersion": "keda.sh/v1alpha1", "kind": SCALED_OBJECT.kind, "metadata": meta, "spec": spec}

    def now() -> tuple[str, int | None]:
        live = stage.cluster.now(ref(SCALED_OBJECT))["spec"]
        return live["scaleTargetRef"]["name"], live.get("minReplicaCount")

    await stage.onboarded(theirs)
    await stage.until(lambda: now() == ("checkout-primary", None))
    await stage.pushed("2.0")
    assert now() == ("checkout-primary", 3)
    await stage.until_serving("2.0")
    await stage.until(lambda: now() == ("checkout-primary", None))
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None)
    assert stage.cluster.now(ref(SCALED_OBJECT))["spec"] == spec


async def test_one_that_git_resets_in_mid_rollout_is_put_back_and_still_held(stage: Stage) -> None:
    scaling = Scaling(stage)
    await stage.onboarded(autoscaler(least=2))
    await stage.pushed("2.0")
    stage.cluster.replace(autoscaler(least=2))
    await stage.until(lambda: scaling.seen[-1][:2] == ("checkout-primary", 3))
    await stage.until_serving("2.0")
    await stage.until(lambda: scaling.seen[-1][:2] == ("checkout-primary", 2))
    assert scaling.ambiguous == set()


async def test_a_scaled_object_that_git_resets_in_mid_rollout_is_put_back_and_still_held(stage: Stage) -> None:
    meta = {"name": "checkout", "namespace": "shop"}
    spec = {"scaleTargetRef": {"name": "checkout"}, "minReplicaCount": 1, "triggers": [{"type": "cpu"}]}
    theirs = {"apiVersion": "keda.sh/v1alpha1", "kind": SCALED_OBJECT.kind, "metadata": meta, "spec": spec}

    def now() -> tuple[str, int]:
        live = stage.cluster.now(ref(SCALED_OBJECT))["spec"]
        return live["scaleTargetRef"]["name"], live["minReplicaCount"]

    await stage.onboarded(theirs)
    await stage.pushed("2.0")
    stage.forget()
    for _ in range(3):
        stage.cluster.replace(theirs)
        await stage.until(lambda: now() == ("checkout-primary", 3), within=1)
        await stage.rest(5)
    assert stage.reasons[-1] == "AutoscalerContested"
    assert "ScaledObject checkout was pointed away" in stage.told.notes[-1].text
    await stage.until_serving("2.0")
    await stage.until(lambda: now() == ("checkout-primary", 1))


async def test_a_least_size_that_people_set_in_mid_rollout_is_theirs_at_the_end(stage: Stage) -> None:
    scaling = Scaling(stage)
    await stage.onboarded(autoscaler(least=1))
    await stage.pushed("2.0")
    stage.cluster.edit(ref(HPA), {"spec": {"minReplicas": 2}})
    await stage.until(lambda: scaling.seen[-1][:2] == ("checkout-primary", 3))
    await stage.until_serving("2.0")
    await stage.until(lambda: scaling.seen[-1][:2] == ("checkout-primary", 2))


async def test_a_least_size_over_the_primarys_that_people_set_in_mid_rollout_is_in_force_at_once(stage: Stage) -> None:
    scaling = Scaling(stage)
    await stage.onboarded(autoscaler(least=1))
    await stage.pushed("2.0")
    stage.cluster.edit(ref(HPA), {"spec": {"minReplicas": 5}})
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest()
    assert [least for _, least, _ in scaling.seen] == [1, 3, 3, 1, 3, 5]


async def test_what_it_grew_to_in_mid_rollout_is_its_own_to_take_back(stage: Stage) -> None:
    scaling = Scaling(stage)
    await stage.onboarded(autoscaler(least=1, most=10))
    await stage.pushed("2.0")
    for size in (10, 6):
        stage.cluster.edit(ref(DEPLOYMENT, "checkout-primary"), {"spec": {"replicas": size}}, "kube-controller-manager")
        await stage.rest(15)
        assert (scaling.seen[-1][:2], stage.primary["spec"]["replicas"]) == (("checkout-primary", 3), size)
    await stage.until_phase(Phase.PROMOTING)
    await stage.rest(1)
    assert scaling.seen[-1][:2] == ("checkout-primary", 6), "a promotion ends with no fewer pods than it began with"
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.until(lambda: scaling.seen[-1][:2] == ("checkout-primary", 1))
    assert stage.primary["spec"]["replicas"] == 6


async def test_a_controller_that_dies_between_leaves_nothing_held(stage: Stage) -> None:
    """What was held and what it was stand on the autoscaler itself, in one write: no crash parts them."""
    scaling = Scaling(stage)
    await stage.onboarded(autoscaler(least=1))
    await stage.pushed("2.0")
    assert scaling.seen[-1][:2] == ("checkout-primary", 3)
    stage.controllers[-1].kill()
    stage.start()
    stage.push("1.0")
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.until(lambda: scaling.seen[-1][:2] == ("checkout-primary", 1))


async def test_a_second_one_would_be_noticed(stage: Stage) -> None:
    await stage.onboarded(autoscaler(least=2))
    assert ambiguous(stage.cluster) == set()
    stage.cluster.apply(autoscaler("other", target="checkout-primary"))
    assert len(ambiguous(stage.cluster)) == 3
    await stage.until(lambda: "AutoscalerConflict" in stage.reasons)
