"""The law of grouping: the answers are those of the single queries, with every mesh and whatever the series."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.controller import grouping
from canary.controller.grouping import Counted, Growth
from meshes.contract import AppProtocol
from tests.controller.asked import END, HASHES, MESHES, ask, growth, plainly, workload
from tests.controller.mesh_series import EXPORTED, RESET, Pod
from tests.controller.promql_metrics import PromQL

NAMES = ("checkout", "checkout-primary", "check", "checkout-bcdfg")
"""Some begin as others do, one looks like another one's pods."""
NAMESPACES = ("shop", "shop-2")
SCRAPED = st.lists(
    st.tuples(*[st.sampled_from((0, 0, 1, 2, 7, RESET))] * 4),
    min_size=1,
    max_size=END + 1,
)


def any_pod(name: str, pin: str, suffix: str, scraped: Sequence[tuple[int, ...]], more: dict[str, Any]) -> Pod:
    answers: dict[str, Any] = dict(zip(("good", "faults", "errors", "slow"), zip(*scraped, strict=True), strict=True))
    return Pod(workload=name, name=f"{name}-{pin}-{suffix}", **answers | more)


MORE = st.fixed_dictionaries(
    {
        "first": st.integers(0, END),
        "namespace": st.sampled_from(NAMESPACES),
        "protocol": st.sampled_from(AppProtocol),
        "listener": st.sampled_from(
            ("localhost_8080", "localhost_9090", "self_inbound_dp_http", "self_inbound_dp_8080")
        ),
    }
)
PODS = st.lists(
    st.builds(
        any_pod,
        st.sampled_from(NAMES),
        st.sampled_from(HASHES),
        st.sampled_from(("x2x4z", "bcdfg")),
        SCRAPED,
        MORE,
    ),
    max_size=8,
    unique_by=lambda one: (one.namespace, one.name),
)
WORKLOADS = st.builds(
    workload,
    st.sampled_from(NAMES),
    st.sampled_from(NAMESPACES),
    pin=st.sampled_from(("", *HASHES)),
    protocol=st.sampled_from(AppProtocol),
    pod_port=st.sampled_from((8080, 9090, None)),
    port_name=st.sampled_from(("http", "")),
)
ASKED = st.lists(
    st.builds(
        growth,
        WORKLOADS,
        st.sampled_from(Counted),
        scrapes=st.sampled_from((2, 4, 8)),
        mesh=st.sampled_from(sorted(MESHES)),
    ),
    min_size=1,
    max_size=16,
)


def stored(pods: Sequence[Pod]) -> PromQL:
    """What Prometheus has of these pods, as each mesh exports it."""
    metrics = PromQL()
    for export in EXPORTED:
        for each in pods:
            export(metrics, each)
    return metrics


def kinds(asked: Sequence[Growth]) -> int:
    """How many queries these questions need: one for each metric, protocol, and what is counted."""
    counted = [(one.mesh.requests(one.workload).total.partition("{")[0], one) for one in asked]
    return len({(metric, one.counted, one.workload.protocol) for metric, one in counted})


@settings(max_examples=200, deadline=None)
@given(pods=PODS, asked=ASKED)
def test_grouped_answers_are_those_of_the_single_queries(pods: list[Pod], asked: list[Growth]) -> None:
    async def both() -> None:
        grouped, single = stored(pods), stored(pods)
        together, alone = await ask(grouped, asked), await ask(single, asked, most=1)
        assert plainly(together) == plainly(alone)
        assert len(single.asked) == len(asked)
        assert len(grouped.asked) <= kinds(asked)

    gather, grouping.GATHER_S = grouping.GATHER_S, 0.0
    try:
        asyncio.run(both())
    finally:
        grouping.GATHER_S = gather
