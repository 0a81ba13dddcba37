"""Which mesh took a route, by the name that its controller writes into the status, and whose metrics that means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meshes.contract import Counters, Histogram, Manifest, RouteError, Workload
from meshes.gamma.status import controllers
from meshes.parts import istio_metrics, kuma_metrics, linkerd_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """One mesh: its name, what its controllers' names begin with, and its metrics."""

    name: str
    controllers: str
    counters: Callable[[Workload], Counters]
    durations: Callable[[Workload], Histogram]


KNOWN = (
    Implementation(
        name="istio",
        controllers="istio.io/",
        counters=istio_metrics.counters,
        durations=istio_metrics.durations,
    ),
    Implementation(
        name="kuma",
        controllers="gateways.kuma.io/",
        counters=kuma_metrics.counters,
        durations=kuma_metrics.durations,
    ),
    Implementation(
        name="linkerd",
        controllers="linkerd.io/",
        counters=linkerd_metrics.counters,
        durations=linkerd_metrics.durations,
    ),
)
"""The meshes whose metrics are known. They call themselves `istio.io/gateway-controller`,
`gateways.kuma.io/controller` and `linkerd.io/policy-controller`."""


def is_linkerds(live: Manifest | None) -> bool:
    """Say whether Linkerd took a route, which then tells nobody of a later version that it does not take."""
    return any(name.startswith("linkerd.io/") for name in controllers(live))


def metrics_for(workload: Workload) -> Implementation:
    """Return the one known mesh that took the workload's route.

    Raises RouteError (`MetricsUnknown`) while no mesh has, when only unknown ones have, and when several known have.
    """
    took = controllers(workload.route)
    known = [one for one in KNOWN if any(name.startswith(one.controllers) for name in took)]
    if len(known) == 1:
        return known[0]
    own = "name checks of your own with canary.delivery/check.NAME and switch the built-in ones off "
    own += "(canary.delivery/success-rate: off)"
    if known:
        names = " and ".join(one.name for one in known)
        why = f"both {names} took its route; choose one with the annotation canary.delivery/mesh"
    elif took:
        why = f"its route was taken by {', '.join(took)}, whose metrics are not known (known are "
        why += f"{', '.join(one.name for one in KNOWN)}); {own}"
    else:
        why = "no mesh has taken its route yet, and which one does tells whose metrics are to be asked"
    raise RouteError("MetricsUnknown", f"no built-in check can be asked of {workload.service}: {why}")
