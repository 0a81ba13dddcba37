"""What a pod exports in Linkerd, against the proxy's own metrics (MESHES section 2.3)."""

from __future__ import annotations

from canary.sandbox.exporter_linkerd import LINKERD_EDGES_MS
from canary.sandbox.exporters import exporter
from canary.sandbox.exposition import labels_of, samples
from canary.sandbox.identity import identity
from canary.sandbox.ledger import Ledger, Outcome
from tests.sandbox.dataplane import HOST, pod

WHO = identity(pod("checkout-primary", "abc12", "10.0.0.1"))


def counted(ledger: Ledger) -> dict[tuple[str, str, str, str], float]:
    """Return response_total by route, status code, gRPC's status and classification."""
    found = {}
    for head, value in samples("\n".join(exporter("linkerd").lines(WHO, ledger))):
        labels = labels_of(head)
        if labels["__name__"] == "response_total":
            assert labels["direction"] == "inbound"
            key = (labels["route_name"], labels["status_code"], labels.get("grpc_status", ""), labels["classification"])
            found[key] = value
    return found


def test_5xx_and_grpcs_own_faults_are_failures_in_linkerds_reading() -> None:
    ledger = Ledger(LINKERD_EDGES_MS)
    assert counted(ledger) == {}
    for outcome in (Outcome(HOST, 200), Outcome(HOST, 503), Outcome(HOST, 404)):
        ledger.add(outcome, 1.0)
    for status in (0, 2, 5, 7, 12, 14):
        ledger.add(Outcome(HOST, 200, status), 1.0)
    assert counted(ledger) == {
        ("default", "200", "", "success"): 1,
        ("default", "503", "", "failure"): 1,
        ("default", "404", "", "success"): 1,
        ("default", "200", "0", "success"): 1,
        ("default", "200", "2", "failure"): 1,
        ("default", "200", "5", "success"): 1,
        ("default", "200", "7", "failure"): 1,
        ("default", "200", "12", "success"): 1,
        ("default", "200", "14", "failure"): 1,
    }


def test_requests_are_counted_without_their_outcome() -> None:
    ledger = Ledger(LINKERD_EDGES_MS)
    for outcome in (Outcome(HOST, 200), Outcome(HOST, 200), Outcome(HOST, 503)):
        ledger.add(outcome, 1.0)
    found = dict(samples("\n".join(exporter("linkerd").lines(WHO, ledger))))
    assert [value for head, value in found.items() if head.startswith("request_total{")] == [3]


def test_probes_are_a_route_of_their_own() -> None:
    assert counted(Ledger(LINKERD_EDGES_MS, probes=9)) == {("probe", "200", "", "success"): 9}


def test_the_buckets_are_the_proxys() -> None:
    assert (len(LINKERD_EDGES_MS), LINKERD_EDGES_MS[:7], LINKERD_EDGES_MS[-1]) == (25, (1, 2, 3, 4, 5, 10, 20), 50_000)
    ledger = Ledger(LINKERD_EDGES_MS)
    ledger.add(Outcome(HOST, 200), 35.0)
    text = "\n".join(exporter("linkerd").lines(WHO, ledger))
    buckets = [
        (labels_of(head)["le"], value) for head, value in samples(text) if head.startswith("response_latency_ms_bucket")
    ]
    assert [le for le, value in buckets if value][:2] == ["40", "50"]
    assert (len(buckets), buckets[-1]) == (26, ("+Inf", 1))


def test_linkerds_prometheus_adds_the_deployment() -> None:
    assert exporter("linkerd").target(WHO) == {
        "namespace": "shop",
        "pod": "checkout-primary-abc12-1",
        "deployment": "checkout-primary",
    }
