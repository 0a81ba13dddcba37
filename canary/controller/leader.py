"""Which of several controllers works: our own elector over the Lease API (coordination.k8s.io/v1).

Time is this process's monotonic clock alone: a lease of somebody else has run out when its record did not change for
its whole duration as seen from here, so skewed clocks elect nobody twice. Every request has a time-out far below the
deadline. A lost lease ends the work at once, and `Guarded` refuses writes even before that is noticed by anyone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from canary.errors import CanaryError, Conflict, NotFound, Unavailable
from canary.index import Index, Selection
from canary.ports import LEASE, Clock, Cluster, Following, Propagation, Watched
from meshes.contract import Kind, Manifest, ObjectRef

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The times of an election in seconds: how long a lease lasts unrenewed, by when the leader must have renewed it,
    how often it tries, and how long one request may take. `lease_s > renew_s > retry_s`."""

    lease_s: float = 15.0
    renew_s: float = 10.0
    retry_s: float = 2.0
    request_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    holder: str = ""
    transitions: int = 0
    renewed: str = ""
    duration_s: float = 0.0
    resource_version: str = ""
    uid: str = ""


class Elector:
    """Takes part in one election. `identity` is this process's name, unlike any other's."""

    def __init__(
        self, cluster: Cluster, clock: Clock, *, lease: tuple[str, str], identity: str, terms: Terms | None = None
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ref = ObjectRef(LEASE, *lease)
        self._identity = identity
        self._terms = terms or Terms()
        self._seen = _Record()
        self._seen_at = 0.0
        self._renewed_at: float | None = None

    def holds(self) -> bool:
        """Return whether this process may write now: it renewed the lease within the renew deadline."""
        return self._renewed_at is not None and _monotonic() < self._renewed_at + self._terms.renew_s

    @property
    def lease_age_s(self) -> float | None:
        """How long ago the lease was renewed, in seconds; None when it is not held."""
        return None if self._renewed_at is None else _monotonic() - self._renewed_at

    @property
    def transitions(self) -> int:
        """How often the lease has changed hands, as its record says; 0 before it was read."""
        return self._seen.transitions

    async def lead(self, work: Callable[[str], Awaitable[None]]) -> None:
        """Wait for the lease, then run `work(epoch)` until the lease is lost; then return.

        Whoever lost it should end and be started anew: nothing that was read before may be acted on. The epoch names
        this leadership, unlike any before it, and is a valid label value. A cancelled elector ends the work first and
        then releases the lease, so that another takes over without waiting.
        """
        try:
            await self._acquire()
            log.info("leadership_won", lease=str(self._ref), transitions=self._seen.transitions)
            await self._work_while_leading(work)
            log.error("leadership_lost", lease=str(self._ref))
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._terms.request_s):
                    if await self._try():
                        return
            except Conflict:
                pass  # somebody else was faster; look again
            except (CanaryError, TimeoutError) as failure:
                log.warning("lease_not_reached", lease=str(self._ref), error=str(failure) or "timed out")
            await asyncio.sleep(self._terms.retry_s)

    async def _try(self) -> bool:
        asked_at = _monotonic()
        live = await self._cluster.read(self._ref)
        if live is None:
            made = await self._cluster.create(self._manifest(_Record(holder=self._identity, transitions=1)))
            return self._taken(made, asked_at)
        record = _record(live)
        if replace(record, resource_version="") != replace(self._seen, resource_version=""):
            self._seen_at = asked_at
        self._seen = record
        ours = record.holder == self._identity
        if not ours and record.holder and _monotonic() < self._seen_at + (record.duration_s or self._terms.lease_s):
            return False
        wanted = _Record(holder=self._identity, transitions=record.transitions + 1)
        body = {"spec": self._manifest(wanted)["spec"]}
        return self._taken(
            await self._cluster.patch(self._ref, body, resource_version=record.resource_version), asked_at
        )

    def _taken(self, lease: Manifest, asked_at: float) -> bool:
        self._seen, self._seen_at, self._renewed_at = _record(lease), asked_at, asked_at
        return True

    async def _work_while_leading(self, work: Callable[[str], Awaitable[None]]) -> None:
        # The count begins anew when somebody deletes the Lease; its uid does not come again.
        epoch = f"{self._seen.transitions}-{self._seen.uid.partition('-')[0]}"
        working = asyncio.ensure_future(work(epoch))
        renewing = asyncio.create_task(self._renew(), name="renew lease")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._renewed_at = None if renewing.done() else self._renewed_at
            for task in (working, renewing):
                task.cancel()
            await asyncio.wait({working, renewing})
        if working.done() and not working.cancelled():
            working.result()  # a fault of the work ends the process rather than being led on

    async def _renew(self) -> None:
        """Renew until that fails for the whole renew deadline, or somebody else holds the lease."""
        while self.holds():
            await asyncio.sleep(self._terms.retry_s)
            asked_at = _monotonic()
            try:
                async with asyncio.timeout(self._terms.request_s):
                    wanted = _Record(holder=self._identity, transitions=self._seen.transitions)
                    body = {"spec": self._manifest(wanted)["spec"]}
                    lease = await self._cluster.patch(self._ref, body, resource_version=self._seen.resource_version)
                    self._taken(lease, asked_at)
            except (Conflict, NotFound):
                if not await self._still_ours():
                    return
            except (CanaryError, TimeoutError) as failure:
                log.warning("lease_not_renewed", lease=str(self._ref), error=str(failure) or "timed out")

    async def _still_ours(self) -> bool:
        """Return whether a refused renewal was only that somebody touched the object, or an unknown outcome of ours."""
        try:
            async with asyncio.timeout(self._terms.request_s):
                live = await self._cluster.read(self._ref)
        except (CanaryError, TimeoutError):
            return True  # not known; the deadline decides
        record = _record(live) if live is not None else _Record()
        if record.holder != self._identity or record.transitions != self._seen.transitions:
            return False
        self._seen = record
        return True

    async def _release(self) -> None:
        if not self.holds():
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(self._terms.request_s):
                try:
                    await self._give_up()
                except Conflict:  # a renewal that was cut off may have arrived
                    if await self._still_ours():
                        await self._give_up()
            log.info("leadership_released", lease=str(self._ref))
        except (CanaryError, TimeoutError) as failure:
            log.warning("lease_not_released", lease=str(self._ref), error=str(failure) or "timed out")

    async def _give_up(self) -> None:
        body = {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}
        await self._cluster.patch(self._ref, body, resource_version=self._seen.resource_version)

    def _manifest(self, record: _Record) -> dict[str, Any]:
        stamp = _micro_time(self._clock.now())
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._ref.name, "namespace": self._ref.namespace},
            "spec": {
                "holderIdentity": record.holder,
                "leaseTransitions": record.transitions,
                "leaseDurationSeconds": int(self._terms.lease_s),
                "renewTime": stamp,
            },
        }


class Guarded:
    """A Cluster whose writes are refused unless `may_write()`: what a frozen leader sends when it wakes stays here."""

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._may_write = may_write

    def get(self, ref: ObjectRef) -> Manifest | None:
        """As the cluster does."""
        return self._cluster.get(ref)

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        """As the cluster does."""
        return self._cluster.list(kind, namespace, labels)

    def find(self, index: Index, *keys: Hashable) -> Sequence[Manifest]:
        """As the cluster does."""
        return self._cluster.find(index, *keys)

    def subscribe(self, listener: Callable[[Watched], None]) -> None:
        """As the cluster does."""
        self._cluster.subscribe(listener)

    def follow(self, kind: Kind, namespace: str) -> Following:
        """As the cluster does."""
        return self._cluster.follow(kind, namespace)

    def unfollow(self, kind: Kind, namespace: str) -> None:
        """As the cluster does."""
        self._cluster.unfollow(kind, namespace)

    def served(self, kind: Kind) -> tuple[str, ...]:
        """As the cluster does."""
        return self._cluster.served(kind)

    def watches(self, kind: Kind, namespace: str) -> bool:
        """As the cluster does."""
        return self._cluster.watches(kind, namespace)

    def has_field(self, kind: Kind, version: str, path: str) -> bool | None:
        """As the cluster does."""
        return self._cluster.has_field(kind, version, path)

    async def read(self, ref: ObjectRef) -> Manifest | None:
        """As the cluster does."""
        return await self._cluster.read(ref)

    async def refresh(self, selection: Selection) -> None:
        """As the cluster does."""
        await self._cluster.refresh(selection)

    async def create(self, manifest: Manifest) -> Manifest:
        """As the cluster does; raises Unavailable when this process no longer leads."""
        self._check()
        return await self._cluster.create(manifest)

    async def patch(self, ref: ObjectRef, patch: Manifest, *, resource_version: str, subresource: str = "") -> Manifest:
        """As the cluster does; raises Unavailable when this process no longer leads."""
        self._check()
        return await self._cluster.patch(ref, patch, resource_version=resource_version, subresource=subresource)

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str, propagation: Propagation = Propagation.BACKGROUND
    ) -> None:
        """As the cluster does; raises Unavailable when this process no longer leads."""
        self._check()
        await self._cluster.delete(ref, uid=uid, resource_version=resource_version, propagation=propagation)

    def _check(self) -> None:
        if not self._may_write():
            raise Unavailable("this process no longer holds the lease; it writes nothing")


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _record(lease: Manifest) -> _Record:
    """Return what the Lease says. Raises Unavailable for one that cannot be read: then nobody can be said to lead."""
    spec, metadata = lease.get("spec") or {}, lease["metadata"]
    try:
        return _Record(
            holder=str(spec.get("holderIdentity") or ""),
            transitions=int(spec.get("leaseTransitions") or 0),
            renewed=str(spec.get("renewTime") or ""),
            duration_s=float(spec.get("leaseDurationSeconds") or 0),
            resource_version=metadata["resourceVersion"],
            uid=metadata["uid"],
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        name = f"{metadata.get('namespace')}/{metadata.get('name')}"
        raise Unavailable(f"the Lease {name[:500]} cannot be read ({type(error).__name__}): delete it") from error
