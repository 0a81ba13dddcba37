"""Lives of a canary while something applies the user's manifests every few seconds, and what must come of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from canary.errors import Conflict
from canary.ports import HPA, SERVICE
from canary.rollout.phases import Phase
from meshes.contract import Manifest
from tests.api.gitops import EVERY_S, Tool, Written, apply, counting, manifests, names, syncing
from tests.api.harness import Harness
from tests.builders import service

NARROW = {"app": "checkout", "canary.delivery/role": "primary", "canary.delivery/target": "checkout"}


async def promoted_under(it: Harness, tool: Tool) -> Written:
    """A version is promoted; replicas and the autoscaler's target are named."""
    await apply(it.people, tool, manifests(it, "1.0"))
    await it.until_phase(Phase.INITIALIZED)
    with counting(it) as written:
        await ended_under(it, tool, manifests(it, "2.0"), Phase.SUCCEEDED)
    assert it.serving() == ("2.0", 3)
    assert set(it.weights) == {0, 50}
    await ends_bounded(it, written)
    return written


async def rolled_back_under(it: Harness, tool: Tool) -> Written:
    """A version that fails is rolled back; replicas and the autoscaler's target are named."""
    await apply(it.people, tool, manifests(it, "1.0", max_failures="1"))
    await it.until_phase(Phase.INITIALIZED)
    it.metrics.set("checkout", bad=0.04)
    with counting(it) as written:
        await ended_under(it, tool, manifests(it, "2.0", max_failures="1"), Phase.FAILED)
    assert (it.serving(), it.weight) == (("1.0", 3), 0)
    assert set(it.weights) == {0, 50}
    await ends_bounded(it, written)
    return written


async def ended_under(it: Harness, tool: Tool, git: list[Manifest], phase: Phase) -> None:
    """A rollout ends so while all is applied; where the tool replaces a selector, once it is told not to."""
    async with syncing(it, tool, git):
        await it.until(lambda: it.status.phase is phase or names(it, "spec.selector", "Service", tool.value))
    *others, _ = git
    async with syncing(it, tool, others):
        await it.until_phase(phase)
        await until_named(it, tool)


async def until_named(it: Harness, tool: Tool) -> None:
    await it.until(lambda: names(it, "spec.replicas", "Deployment", tool.value))
    await it.until(lambda: names(it, "spec.scaleTargetRef", "HorizontalPodAutoscaler", tool.value))


async def ends_bounded(it: Harness, written: Written) -> None:
    """The fields are the controller's once nobody applies any more; it wrote no more than it may."""
    written.assert_bounded()
    await it.until(lambda: selector(it) == NARROW)
    async with asyncio.timeout(it.patience_s):
        while await aim(it) != "checkout-primary":  # noqa: ASYNC110 - the view does not watch autoscalers
            await asyncio.sleep(0.2)


async def widened_under(it: Harness, *, lasts_s: float = 10) -> Written:
    """While a selector is replaced every few seconds nothing is promoted, and who does it is named; then it goes on.

    `lasts_s` is for how many seconds it is replaced once that was said.
    """
    await it.there()
    with counting(it) as written:
        async with replacing(it, "kubectl"):
            await it.push("2.0")
            await it.until(lambda: names(it, "spec.selector", "Service", "kubectl"))
            await asyncio.sleep(lasts_s)
            assert it.serving() == ("1.0", 3)
            assert it.status.history == ()
    written.assert_bounded()
    await it.until(lambda: it.status.phase is Phase.SUCCEEDED and it.serving() == ("2.0", 3) and it.size() == 0)
    assert selector(it) == NARROW
    return written


@asynccontextmanager
async def replacing(it: Harness, by: str) -> AsyncIterator[None]:
    """Replace the Service's selector by the one of before, as server-side apply does where it is atomic.

    Twice as often as else, so that no weight can be judged between even where a busy machine misses every other time.
    """
    without: dict[str, str | None] = {key: None for key in NARROW if key.startswith("canary.delivery/")}
    patch = {"spec": {"selector": {**service()["spec"]["selector"], **without}}}

    async def replace() -> None:
        while True:
            with suppress(Conflict):  # the controller was quicker; tools try again
                await it.people.patch(it.ref(SERVICE), patch, by)
            await asyncio.sleep(EVERY_S / 2)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(replace(), name=by)
        yield
        task.cancel()


async def aim(it: Harness) -> str:
    """Where the autoscaler points."""
    [live] = await it.people.listed(HPA, it.namespace)
    return str(live["spec"]["scaleTargetRef"]["name"])


def selector(it: Harness) -> dict[str, str]:
    live = it.live(SERVICE)
    return dict(live["spec"]["selector"]) if live is not None else {}
