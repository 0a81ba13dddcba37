"""Questions about many workloads in one query: what is asked together, what is not, and who is told what."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from canary.controller import grouping
from canary.controller.grouping import Counted, Grouper
from canary.errors import Rejected, Unavailable
from canary.ports import Series
from meshes.contract import AppProtocol, Counters, Workload
from meshes.gateway_api import GatewayApi
from meshes.istio import Istio
from tests.controller.asked import END, MESHES, ask, growth, plainly, pod, samples, workload
from tests.controller.mesh_series import EXPORTED, istio, kuma
from tests.controller.promql_metrics import PromQL
from tests.meshes.gamma_objects import ISTIO


@pytest.mark.looptime
@pytest.mark.parametrize("protocol", AppProtocol)
@pytest.mark.parametrize("counted", Counted)
@pytest.mark.parametrize("mesh", sorted(MESHES))
async def test_every_mesh_is_asked_once_for_what_falls_due_within_a_moment(
    mesh: str, counted: Counted, protocol: AppProtocol
) -> None:
    metrics = PromQL()
    of = [workload(f"app-{number}", f"shop-{number % 2}", protocol=protocol) for number in range(20)]
    answers = await ask(metrics, [growth(one, counted, mesh=mesh) for one in of])
    assert len(metrics.asked) == 1
    assert [isinstance(answer, Exception) for answer in answers] == [False] * 20


@pytest.mark.looptime
async def test_each_workload_is_told_its_own_number() -> None:
    metrics = PromQL()
    names = [f"app-{number}" for number in range(40)]
    for number, name in enumerate(names):
        samples(metrics, name, step=number)
    answers = await ask(metrics, [growth(workload(name)) for name in names])
    assert plainly(answers) == [{(): 4.0 * number} if number else {} for number in range(40)]
    assert len(metrics.asked) == 1


@pytest.mark.looptime
async def test_every_pod_of_a_workload_of_kumas_is_counted_and_no_other() -> None:
    metrics = PromQL()
    for name, suffix, rate in (("checkout", "x2x4z", 1), ("checkout", "bcdfg", 2), ("checkout-primary", "x2x4z", 10)):
        kuma(metrics, pod(name, suffix=suffix, good=(rate,) * (END + 1)))
    kuma(metrics, pod("checkout", "eu", good=(100,) * (END + 1)))
    kuma(metrics, pod("checkout-bcdfg", good=(1000,) * (END + 1)))  # begins as a pod of checkout does
    asked = [growth(workload(name), mesh="kuma") for name in ("checkout", "checkout-primary", "checkout-bcdfg")]
    assert plainly(await ask(metrics, asked)) == [{(): 12.0}, {(): 40.0}, {(): 4000.0}]
    assert len(metrics.asked) == 1


@pytest.mark.looptime
async def test_grpc_faults_under_names_of_their_own_are_not_lost_in_a_group() -> None:
    metrics = PromQL()
    scrapes = END + 1
    for name, faults in (("checkout", 3), ("cart", 0)):
        told: dict[str, Any] = {"good": (5,) * scrapes, "faults": (faults,) * scrapes, "protocol": AppProtocol.GRPC}
        kuma(metrics, pod(name, **told))
    of = [workload(name, protocol=AppProtocol.GRPC) for name in ("checkout", "cart", "idle")]
    answers = await ask(metrics, [growth(one, Counted.BAD, mesh="kuma") for one in of])
    assert plainly(answers) == [{(): 12.0}, {}, {}]
    assert len(metrics.asked) == 1


@pytest.mark.looptime
async def test_what_falls_due_later_is_another_query() -> None:
    metrics = PromQL()
    grouper = Grouper(metrics)
    first = asyncio.create_task(grouper.growth(growth(workload("checkout"))))
    await asyncio.sleep(2 * grouping.GATHER_S)
    await grouper.growth(growth(workload("cart")))
    await first
    assert len(metrics.asked) == 2


@pytest.mark.looptime
@pytest.mark.parametrize("other", [{"end": END - 1}, {"counted": Counted.BAD}, {"mesh": "linkerd"}, {"mesh": "kuma"}])
async def test_other_moments_counters_and_metrics_are_other_queries(other: dict[str, Any]) -> None:
    metrics = PromQL()
    await ask(metrics, [growth(workload("checkout")), growth(workload("cart"), **other)])
    assert len(metrics.asked) == 2


@pytest.mark.looptime
@pytest.mark.parametrize("counted", Counted)
@pytest.mark.parametrize("mesh", sorted(MESHES))
async def test_windows_of_any_length_that_end_together_are_one_query(mesh: str, counted: Counted) -> None:
    metrics, single = PromQL(), PromQL()
    for store in (metrics, single):
        for export in EXPORTED:
            export(store, pod("checkout", good=(3,) * END, faults=(1,) * END))
    asked = [growth(workload("checkout"), counted, scrapes=scrapes, mesh=mesh) for scrapes in range(2, 12)]
    assert plainly(await ask(metrics, asked)) == plainly(await ask(single, asked, most=1))
    assert (len(metrics.asked), len(single.asked)) == (1, 10)


@pytest.mark.looptime
async def test_two_adapters_that_count_by_the_same_metrics_share_a_query() -> None:
    metrics = PromQL()
    samples(metrics, "checkout")
    samples(metrics, "cart", step=2)
    asked = [growth(workload("checkout")), growth(workload("cart"), mesh=f"gateway-api with {ISTIO}")]
    assert plainly(await ask(metrics, asked)) == [{(): 4.0}, {(): 8.0}]
    assert len(metrics.asked) == 1


class Grouped(Istio):
    """An adapter whose selectors tell workloads apart by an expression that is not read here."""

    def requests(self, workload: Workload) -> Counters:
        total = f'istio_requests_total{{destination_workload=~"(?i:{workload.deployment})",reporter="destination"}}'
        return Counters(total=total, bad=total)


@pytest.mark.looptime
async def test_what_cannot_be_told_apart_here_is_asked_by_itself() -> None:
    metrics = PromQL()
    asked = [growth(workload(name), mesh=Grouped()) for name in ("CHECKOUT", "checkout")]
    samples(metrics, "checkout")
    assert plainly(await ask(metrics, asked)) == [{(): 4.0}, {(): 4.0}]
    assert len(metrics.asked) == 2


@pytest.mark.looptime
async def test_a_mesh_that_does_not_know_its_metrics_says_so_and_hinders_no_other() -> None:
    metrics = PromQL()
    samples(metrics, "checkout")
    unknown = growth(workload("cart"), mesh=GatewayApi())
    told, found = plainly(await ask(metrics, [unknown, growth(workload("checkout"))]))
    assert "no built-in check can be asked of cart" in told
    assert found == {(): 4.0}


@pytest.mark.looptime
async def test_no_data_of_one_stays_no_data_beside_others() -> None:
    metrics = PromQL()
    samples(metrics, "checkout")
    answers = await ask(metrics, [growth(workload("checkout")), growth(workload("cart"))])
    assert answers == [[Series({}, 4.0)], []]


@pytest.mark.looptime
async def test_a_nan_of_one_stays_with_that_one() -> None:
    metrics = PromQL()
    samples(metrics, "checkout")
    odd = {"destination_workload_namespace": "shop", "destination_workload": "cart", "reporter": "destination"}
    metrics.samples("istio_requests_total", odd, 0, [math.nan] * (END + 1))
    answers = await ask(metrics, [growth(workload("checkout")), growth(workload("cart"))])
    assert plainly(answers) == [{(): 4.0}, {(): "nan"}]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("mesh", "protocol", "most"), [("istio", "http", 12), ("kuma", "http", 12), ("kuma", "grpc", 40)]
)
async def test_queries_have_bounded_length_and_all_are_answered(mesh: str, protocol: str, most: int) -> None:
    metrics = PromQL()
    long = [f"{'long-' * 9}{number}" for number in range(2 * grouping.MOST + 1)]
    for name in long:
        for export in (istio, kuma):
            export(metrics, pod(name, good=(1,) * (END + 1), protocol=AppProtocol(protocol)))
    asked = [growth(workload(name, protocol=AppProtocol(protocol)), mesh=mesh) for name in long]
    assert plainly(await ask(metrics, asked)) == [{(): 4.0}] * len(long)
    await ask(metrics, [replace(one, counted=Counted.BAD) for one in asked])
    assert max(len(promql) for promql, _ in metrics.asked) <= grouping.LONGEST
    assert 6 <= len(metrics.asked) <= most


class Strict(PromQL):
    """Refuses every query that names the odd workload."""

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        found = await super().query(promql, at)
        if "odd" in promql:
            raise Rejected("Prometheus refuses: too many samples")
        return found


@pytest.mark.looptime
async def test_one_odd_canary_blinds_no_other() -> None:
    metrics = Strict()
    for name in ("checkout", "odd", "cart"):
        samples(metrics, name)
    answers = await ask(metrics, [growth(workload(name)) for name in ("checkout", "odd", "cart")])
    assert plainly(answers) == [{(): 4.0}, "Prometheus refuses: too many samples", {(): 4.0}]


class Odd(PromQL):
    """Adds what nobody asked for to every answer."""

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        strange = [{}, {"canary_part": "7"}, {"canary_part": "x", "pod": "?"}, {"destination_workload": "other"}]
        return [*await super().query(promql, at), *(Series(labels, 1000.0) for labels in strange)]


@pytest.mark.looptime
@pytest.mark.parametrize("protocol", AppProtocol)
@pytest.mark.parametrize("mesh", ["istio", "kuma"])
async def test_what_nobody_asked_for_is_left_aside(mesh: str, protocol: AppProtocol) -> None:
    of = [workload(name, protocol=protocol) for name in ("checkout", "cart")]
    asked = [growth(one, Counted.BAD, mesh=mesh) for one in of]
    assert plainly(await ask(Odd(), asked)) == plainly(await ask(PromQL(), asked))


@pytest.mark.looptime
async def test_those_who_wait_are_told_when_the_first_is_cancelled() -> None:
    grouper = Grouper(PromQL())
    first = asyncio.create_task(grouper.growth(growth(workload("checkout"))))
    await asyncio.sleep(0)
    second = asyncio.create_task(grouper.growth(growth(workload("cart"))))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(Unavailable, match="given up"):
        await second
    assert await grouper.growth(growth(workload("cart"))) == []


@pytest.mark.looptime
async def test_the_same_question_of_two_is_asked_once_and_alone_as_a_single_query() -> None:
    asked, single = PromQL(), PromQL()
    await ask(asked, [growth(workload("checkout"))] * 2)
    await ask(single, [growth(workload("checkout"))], most=1)
    assert asked.asked == single.asked
