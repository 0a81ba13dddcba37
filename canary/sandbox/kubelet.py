"""A kubelet for embedded clusters: brings pods to a runtime and tells the API server how they do.

It uses nothing but the Cluster port, so that it can serve a real API server without nodes too. There a pod that is
bound to no node is deleted at once; a finalizer of the kubelet's own keeps it until it has really ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

from canary.errors import Conflict, NotFound, Unavailable
from canary.ports import POD, Change, Clock, Cluster, Watched
from canary.sandbox.pod_status import PodState, addresses, evicted, pod_status
from canary.sandbox.runtime import Attentive, ImageUnpullable, PodCrashed, Runtime
from meshes.contract import Manifest, ObjectRef

FINALIZER = "sandbox.canary.delivery/kubelet"
BACKOFF = 10.0
BACKOFF_LIMIT = 300.0
"""Seconds before a second restart or pull; each further one waits twice as long, up to the limit."""
NOT_YET = 1.0
"""Seconds after which a pod that is not ready yet is shown as running."""
_RETRY = 0.5

_Make = Callable[[Manifest], dict[str, Any]]


class Kubelet:
    """Runs every pod of the cluster. Use it with `async with`, or call `start` and `close`."""

    def __init__(self, cluster: Cluster, runtime: Runtime, clock: Clock) -> None:
        self._cluster = cluster
        self._runtime = runtime
        self._clock = clock
        self._addresses = addresses()
        self._pods: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Take up the pods that are there and those to come."""
        self._cluster.subscribe(self._notice)

    async def close(self) -> None:
        """Leave all pods as they are; raises what went wrong in one of them."""
        tasks = [*self._pods.values(), *self._ending.values()]
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    def evict(self, ref: ObjectRef, message: str = "The node was low on resource: memory.") -> None:
        """End a pod as a node under pressure does: it stays as an object, phase Failed, reason Evicted."""
        pod = self._cluster.get(ref)
        if pod is None:
            raise NotFound(f"{ref} is not there")
        self._end(pod, self._evict(ref, pod, message))

    def _notice(self, event: Watched) -> None:
        if event.ref.kind != POD:
            return
        pod, uid = event.manifest, event.manifest["metadata"]["uid"]
        if event.change is Change.DELETED:
            if uid in self._pods:
                self._end(pod, self._runtime.stop(pod))
        elif "deletionTimestamp" in pod["metadata"]:
            if FINALIZER in (pod["metadata"].get("finalizers") or ()) and uid not in self._ending:
                self._end(pod, self._release(event.ref, pod))
        elif uid not in self._pods and uid not in self._ending and not _is_over(pod):
            self._pods[uid] = asyncio.create_task(self._run(event.ref, pod))

    def _end(self, pod: Manifest, how: Coroutine[Any, Any, None]) -> None:
        uid = pod["metadata"]["uid"]
        running = self._pods.pop(uid, None)
        if running is not None:
            running.cancel()
        self._ending[uid] = asyncio.create_task(self._after(running, how))
        self._ending[uid].add_done_callback(lambda task: self._ended(uid, task, how))

    def _ended(self, uid: str, task: asyncio.Task[None], how: Coroutine[Any, Any, None]) -> None:
        how.close()  # a task that is cancelled before it began awaits nothing
        if not task.cancelled() and task.exception() is None:
            self._ending.pop(uid, None)

    async def _after(self, running: asyncio.Task[None] | None, how: Coroutine[Any, Any, None]) -> None:
        if running is not None:
            await asyncio.wait([running])
        await how

    async def _release(self, ref: ObjectRef, pod: Manifest) -> None:
        await self._runtime.stop(pod)
        await self._patch(ref, pod, _without_finalizer, "")

    async def _evict(self, ref: ObjectRef, pod: Manifest, message: str) -> None:
        await self._patch(ref, pod, lambda live: {"status": evicted(live, message, self._clock.now())}, "status")
        await self._runtime.stop(pod)
        await self._patch(ref, pod, _without_finalizer, "")

    async def _run(self, ref: ObjectRef, pod: Manifest) -> None:
        """Run the pod until it is cancelled: start it, tell of it, and start it again whenever it ends."""
        if not await self._patch(ref, pod, _with_finalizer, ""):
            return
        state = PodState(ip=next(self._addresses))
        await self._tell(ref, pod, state)
        pulls = 0
        while True:
            try:
                live = self._cluster.get(ref) or pod
                await self._started(ref, pod, live, state)
                state = state.ready()
                await self._tell(ref, pod, state)
                await self._end_of(live)
            except PodCrashed:
                pass
            except ImageUnpullable as failed:
                state = state.waiting("ErrImagePull", str(failed))
                await self._tell(ref, pod, state)
                await asyncio.sleep(NOT_YET)
                await self._tell(ref, pod, state.waiting("ImagePullBackOff", str(failed)))
                await asyncio.sleep(_backoff(pulls))
                pulls += 1
                continue
            state = await self._backed_off(ref, pod, state)

    async def _started(self, ref: ObjectRef, pod: Manifest, live: Manifest, state: PodState) -> None:
        starting = asyncio.create_task(self._runtime.start(live))
        try:
            done, _ = await asyncio.wait([starting], timeout=NOT_YET)
            if not done:
                await self._tell(ref, pod, state.running())
            await starting
        finally:
            starting.cancel()

    async def _end_of(self, pod: Manifest) -> None:
        if isinstance(self._runtime, Attentive):
            await self._runtime.ended(pod)
        else:
            await asyncio.Event().wait()

    async def _backed_off(self, ref: ObjectRef, pod: Manifest, state: PodState) -> PodState:
        """Tell of the crash, wait as long as the number of restarts asks, and return the restarted state."""
        if state.restarts:
            await self._tell(ref, pod, state.waiting("CrashLoopBackOff", "back-off restarting failed container"))
            await asyncio.sleep(_backoff(state.restarts - 1))
        state = state.restarted()
        await self._tell(ref, pod, state)
        return state

    async def _tell(self, ref: ObjectRef, pod: Manifest, state: PodState) -> None:
        await self._patch(ref, pod, lambda live: {"status": pod_status(live, state, self._clock.now())}, "status")

    async def _patch(self, ref: ObjectRef, pod: Manifest, make: _Make, subresource: str) -> bool:
        """Write what `make` says of the live pod, until it is written; false when that pod is gone."""
        live = self._cluster.get(ref)
        while live is not None and live["metadata"]["uid"] == pod["metadata"]["uid"]:
            version, patch = live["metadata"]["resourceVersion"], make(live)
            try:
                await self._cluster.patch(ref, patch, resource_version=version, subresource=subresource)
            except NotFound:
                return False
            except (Conflict, Unavailable):
                await asyncio.sleep(_RETRY)
                live = await self._read(ref, live)
            else:
                return True
        return False

    async def _read(self, ref: ObjectRef, known: Manifest) -> Manifest | None:
        try:
            return await self._cluster.read(ref)
        except Unavailable:
            return known


def _is_over(pod: Manifest) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def _backoff(before: int) -> float:
    return float(min(BACKOFF * 2**before, BACKOFF_LIMIT))


def _with_finalizer(pod: Manifest) -> dict[str, Any]:
    return {"metadata": {"finalizers": sorted({*(pod["metadata"].get("finalizers") or ()), FINALIZER})}}


def _without_finalizer(pod: Manifest) -> dict[str, Any]:
    return {"metadata": {"finalizers": [each for each in pod["metadata"].get("finalizers") or () if each != FINALIZER]}}
