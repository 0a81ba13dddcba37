"""What `canary doctor` asks of Prometheus: that it answers, that it has the mesh's metrics, how often it scrapes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from canary.app import mesh_named
from canary.cli.diagnosis import Diagnosis, failed, passed, skipped
from canary.errors import CanaryError
from canary.ports import Metrics, Series
from canary.spec.units import format_duration
from meshes.contract import AppProtocol, RouteError, Workload

OVER = timedelta(minutes=5)
TOLERATED = 1.25
"""How much longer than told the scrape interval may seem: a scrape may be late or fail."""
OTHER_MESH = "name the mesh that takes the routes with --mesh to have its metrics looked at"
_METRIC = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|__name__=~?\"(?P<pattern>[^\"]*)\"")


def metric_names(mesh: str) -> tuple[str, ...]:
    """Return PromQL selectors of the metrics that the mesh's adapter asks for: requests, and durations."""
    adapter = mesh_named(mesh)
    workload = Workload(
        namespace="x", deployment="x", service="x", pods="x", port=80, protocol=AppProtocol.HTTP, pod_port=80
    )
    found = (_METRIC.search(text) for text in (adapter.requests(workload).total, adapter.latency(workload).bucket))
    return tuple(_selector(match) for match in found if match is not None)


def _selector(match: re.Match[str]) -> str:
    return match["name"] or f'{{__name__=~"{match["pattern"]}"}}'


async def metrics(prometheus: Metrics, mesh: str) -> Diagnosis:
    """There are series of the mesh's metrics."""
    try:
        names = metric_names(mesh)
        counts = [await _number(prometheus, f"count({name})") for name in names]
    except (CanaryError, RouteError) as error:
        return skipped("metrics", str(error), OTHER_MESH if isinstance(error, RouteError) else "")
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    if missing:
        text = f"Prometheus has no series of {' and '.join(missing)}"
        remedy = f"have it scrape the proxies of {mesh}; with no request since the start there are none either"
        return failed("metrics", text, remedy)
    shown = (f"{count:g} series of {name}" for name, count in zip(names, counts, strict=True))
    return passed("metrics", ", ".join(shown))


async def scrapes(prometheus: Metrics, mesh: str, told: timedelta) -> Diagnosis:
    """Prometheus scrapes the mesh as often as the controller is told."""
    try:
        name = metric_names(mesh)[0]
        most = await _number(prometheus, f"max(count_over_time({name}[{format_duration(OVER)}]))")
    except (CanaryError, RouteError) as error:
        return skipped("scrape-interval", str(error), OTHER_MESH if isinstance(error, RouteError) else "")
    if not most:
        return skipped("scrape-interval", f"Prometheus has no samples of {name} from the last {format_duration(OVER)}")
    seen = timedelta(seconds=round(OVER.total_seconds() / most))
    text = f"{name} is scraped about every {format_duration(seen)}, the controller is told {format_duration(told)}"
    if seen > told * TOLERATED:
        return failed("scrape-interval", text, f"start the controller with --scrape-interval {format_duration(seen)}")
    return passed("scrape-interval", text)


async def _number(prometheus: Metrics, promql: str) -> float:
    """Return the one number of an answer, 0 for none."""
    series: Sequence[Series] = await prometheus.query(promql, datetime.now(UTC))
    return series[0].value if series and math.isfinite(series[0].value) else 0.0
