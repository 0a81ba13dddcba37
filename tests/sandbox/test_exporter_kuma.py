"""What a pod exports, against a real Envoy that is set up as Kuma's sidecars are and had the same requests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.sandbox.exporter_kuma import ENVOY_EDGES_MS
from canary.sandbox.exporters import exporter
from canary.sandbox.identity import identity
from canary.sandbox.ledger import Ledger, Outcome
from tests.sandbox.dataplane import HOST, pod
from tests.sandbox.kuma_sidecar import Series, sidecar, told

WHO = replace(identity(pod("checkout", "abc12", "10.0.0.1")), port=8080)
HTTP = [Outcome(HOST, code) for code in (200, 200, 200, 404, 500, 503)]
GRPC = [Outcome(HOST, 200, status) for status in (0, 0, 0, 5, 14, 14, 2)]


def exported(outcomes: list[Outcome]) -> Series:
    ledger = Ledger(ENVOY_EDGES_MS)
    for outcome in outcomes:
        ledger.add(outcome, 1.0)
    return told("\n".join(exporter("kuma").lines(WHO, ledger)))


def counters(series: Series) -> Series:
    """Without the durations, whose values no two runs share."""
    return {key: value for key, value in series.items() if "rq_time" not in dict(key)["__name__"]}


@pytest.mark.parametrize(
    "outcomes", [HTTP, GRPC, [*HTTP, *GRPC], [Outcome(HOST, 500)]], ids=["http", "grpc", "both", "one"]
)
async def test_names_labels_values_and_buckets_are_envoys(outcomes: list[Outcome]) -> None:
    async with sidecar() as envoy:
        for outcome in outcomes:
            await envoy.ask(outcome)
        real = await envoy.metrics()
    ours = exported(outcomes)
    assert counters(ours) == counters(real)
    assert {key for key in ours if "rq_time" in dict(key)["__name__"]} == {
        key for key in real if "rq_time" in dict(key)["__name__"]
    }


def test_nothing_is_exported_before_the_first_request() -> None:
    assert list(exporter("kuma").lines(WHO, Ledger(ENVOY_EDGES_MS))) == []


def test_what_the_pod_asks_of_others_is_counted_elsewhere() -> None:
    ledger = Ledger(ENVOY_EDGES_MS)
    ledger.add(Outcome(HOST, 500), 1.0)
    text = "\n".join(exporter("kuma").lines(WHO, ledger))
    assert (
        'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="ledger_shop_svc_9000"} 1'
        in text
    )


def test_the_target_has_the_labels_of_its_dataplane_and_of_its_pod() -> None:
    labels = exporter("kuma").target(WHO)
    assert labels["kuma_io_services"] == ",checkout-canary_shop_svc_8080,"
    assert (labels["namespace"], labels["pod"], labels["mesh"]) == ("shop", WHO.name, "default")
    primary = exporter("kuma").target(replace(WHO, workload="checkout-primary"))
    assert primary["kuma_io_services"] == ",checkout_shop_svc_8080,"
