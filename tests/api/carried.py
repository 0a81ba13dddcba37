"""Whether the canary's weight was carried by ready pods at every moment, by what the API server told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from canary.ports import DEPLOYMENT, ENDPOINT_SLICE, POD, Cluster, Watched
from canary.rollout.weights import capacity
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import ObjectRef
from tests.api.apex import Apex

PROMISED_S = 1.0
"""Within this time of the event a loss that the controller did not cause is answered (ROLLOUT section 2)."""

BUSY_S = 4.0
"""What a machine may add to that on which ten scenarios, their controllers and a control plane share two processors."""

WHERE = (ENDPOINT_SLICE, POD, VIRTUAL_SERVICE, DEPLOYMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A time in seconds for which too few ready pods stood behind a weight, None while it lasts."""

    what: str
    lasted: float | None

    def __str__(self) -> str:
        return f"{self.what}, for {'ever' if self.lasted is None else f'{self.lasted:.2f} s'}"


class Carried:
    """Watches the weight of the canary `checkout` and the ready endpoints of its Service; `clock` counts seconds.

    What is needed is what the primary's size asked for when the weight was last changed, or asks for now if that is
    less: when the primary grows the weight stays, and the candidate follows (ROLLOUT section 5).
    """

    def __init__(
        self,
        view: Cluster,
        namespace: str,
        weight: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view, self._namespace = view, namespace
        self._weight_now, self._clock = weight, clock
        self._behind = Apex(view, namespace, "checkout-canary")
        self._weight = self._need = 0
        self._since: tuple[float, str] | None = None
        self._lacks: list[Lack] = []

    def note(self, event: Watched) -> None:
        """Look again after a change of the route, of a Deployment, a slice or a pod."""
        if event.ref.namespace == self._namespace and event.ref.kind in WHERE:
            self._look(f"after {event.change} of {event.ref}")

    def ready(self) -> list[str]:
        """The pods that the canary's share of the requests reaches now, by name."""
        return self._behind.ready()

    @property
    def lacks(self) -> list[Lack]:
        """Every time at which a weight was not carried, the watches' own delays among them; oldest first."""
        lasting = [] if self._since is None else [Lack(what=self._since[1], lasted=None)]
        return [*self._lacks, *lasting]

    @property
    def late(self) -> list[Lack]:
        """Those that lasted longer than is promised."""
        return [each for each in self.lacks if each.lasted is None or each.lasted > PROMISED_S]

    def assert_answered(self, report: str = "") -> None:
        """Fail when clients found too few pods behind the weight for longer than is promised of an idle machine."""
        wrong = [each for each in self.late if each.lasted is None or each.lasted > PROMISED_S + BUSY_S]
        if wrong:
            raise AssertionError("\n".join([*map(str, wrong), report]))

    @contextmanager
    def blind(self) -> Iterator[None]:
        """Overlook what must happen in the block."""
        before = list(self._lacks)
        yield
        self._lacks, self._since = before, None
        self._look("after what was overlooked")

    def _look(self, when: str) -> None:
        weight, size = self._weight_now() or 0, self._size()
        if weight != self._weight:
            self._weight, self._need = weight, capacity(size, weight) if weight else 0
        need = min(self._need, capacity(size, weight)) if weight else 0
        ready = len(self._behind.ready()) if weight else 0
        now = self._clock()
        if ready < need and self._since is None:
            self._since = now, f"weight {weight} with {ready} of {need} ready pods {when}"
        elif ready >= need and self._since is not None:
            began, what = self._since
            self._lacks.append(Lack(what=what, lasted=now - began))
            self._since = None

    def _size(self) -> int:
        """The size of what serves; while there is none, one pod of the canary's is the least."""
        live = self._view.get(ObjectRef(DEPLOYMENT, self._namespace, "checkout-primary"))
        return int(live["spec"]["replicas"]) if live is not None else 1
