"""What pods and EndpointSlices say: readiness from both, and what is wrong in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.controller.pods import Listed, PullErrors, is_ready, listed_behind, lists_no_other, trouble
from canary.ports import ENDPOINT_SLICE, POD
from canary.rollout.model import Trouble
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.simulated import CRASHING, UNPULLABLE, SimulatedRuntime
from tests.builders import JSON
from tests.controller.driver import NEW, onboarded, push
from tests.embedded import eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(name: str = "checkout-a", *, ready: bool = True, containers: tuple[JSON, ...] = (), **status: Any) -> JSON:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {}},
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": list(containers), **status},
    }


def waiting(reason: str, *, restarts: int = 0, name: str = "app") -> JSON:
    return {"name": name, "restartCount": restarts, "state": {"waiting": {"reason": reason}}}


def slice_of(*endpoints: JSON) -> JSON:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": ENDPOINT_SLICE.kind,
        "metadata": {"name": "one", "namespace": "shop", "labels": {"kubernetes.io/service-name": "checkout"}},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [],
    }


def test_a_pod_is_ready_when_it_says_so_and_stays() -> None:
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = [is_ready(one) for one in (pod(), pod(ready=False), leaving, pod(phase="Failed"))]
    assert found == [True, False, False, False]


@pytest.mark.looptime
async def test_ready_endpoints_are_listed_by_pod_or_address(cluster: InMemoryCluster) -> None:
    named = {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "checkout-a"}, "conditions": {}}
    cluster.apply(
        slice_of(
            named,
            {"addresses": ["10.0.0.2"], "conditions": {"ready": True}},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": False}},
            {"addresses": ["10.0.0.4"]},
        )
    )
    await eventually(cluster, lambda: cluster.list(ENDPOINT_SLICE, "shop"))
    assert listed_behind(cluster, "shop", "checkout") == Listed(frozenset({"pod/checkout-a", "10.0.0.2", "10.0.0.4"}))
    assert listed_behind(cluster, "shop", "other") == Listed(frozenset())


def test_a_service_lists_only_known_pods_or_not() -> None:
    known = [pod("a"), pod("b", podIP="10.0.0.2")]
    listed = [{"pod/a"}, {"pod/a", "10.0.0.2"}, {"pod/a", "pod/c"}, set()]
    assert [lists_no_other(Listed(frozenset(one)), known) for one in listed] == [True, True, False, True]


def test_healthy_pods_are_no_trouble() -> None:
    assert trouble([pod()], None, None) == Trouble()


def test_the_worst_container_is_named_with_its_reason() -> None:
    pods = [
        pod("checkout-a", containers=(waiting("CrashLoopBackOff", restarts=2),)),
        pod("checkout-b", containers=(waiting("CrashLoopBackOff", restarts=4, name="sidecar"),)),
    ]
    because = "pod checkout-b, container sidecar: CrashLoopBackOff, 4 restarts"
    assert trouble(pods, None, None) == Trouble(restarts=4, because=because)


def test_containers_that_are_being_made_are_no_trouble() -> None:
    assert trouble([pod(containers=(waiting("ContainerCreating"),))], None, None) == Trouble()


def test_a_quota_that_lets_no_pod_come_up_is_told_by_the_replica_set() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    owner = {"metadata": {"name": "checkout-abc"}, "status": {"conditions": [condition]}}
    assert trouble([], owner, None).because == "ReplicaSet checkout-abc: FailedCreate: exceeded quota"


def test_a_pull_error_counts_from_when_it_was_first_seen_until_it_is_over() -> None:
    errors = PullErrors()
    bad, good = pod(containers=(waiting("ErrImagePull"),)), pod(containers=(waiting("ContainerCreating"),))
    again = pod(containers=(waiting("ImagePullBackOff"),))
    later = [errors.seen([one], NOW + timedelta(seconds=at)) for at, one in enumerate((good, bad, again, good, bad))]
    assert later == [None, NOW + timedelta(seconds=1), NOW + timedelta(seconds=1), None, NOW + timedelta(seconds=4)]


def test_pods_that_are_gone_are_forgotten() -> None:
    errors = PullErrors()
    errors.seen([pod(containers=(waiting("ErrImagePull"),))], NOW)
    errors.forget_all_but([])
    assert errors.since == {}


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("behaviour", "words"), [(CRASHING, "CrashLoopBackOff"), (UNPULLABLE, "ImagePullBackOff")], ids=["crash", "pull"]
)
async def test_trouble_of_real_pods_is_seen(
    cluster: InMemoryCluster, runtime: SimulatedRuntime, behaviour: Any, words: str
) -> None:
    runtime.by_tag["2.0"] = behaviour
    driver = await onboarded(cluster)
    push(cluster, NEW)

    def seen() -> bool:
        target = driver.observe().world.target
        return target is not None and words in target.trouble.because

    await driver.until(seen, within=90)
    names = [one["metadata"]["name"] for one in cluster.list(POD, "shop") if "primary" not in one["metadata"]["name"]]
    target = driver.observe().world.target
    assert target is not None
    assert any(f"pod {name}, container app: {words}" in target.trouble.because for name in names)
