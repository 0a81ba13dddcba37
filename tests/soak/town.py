"""The cluster of the soak: what people apply in it, and what they see of each canary. One that left is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, EVENT, SERVICE, Change, Watched
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.slack_workspace import Workspace
from tests.bench.world import World
from tests.builders import NAMESPACE, canary, config_map, deployment, ref, service, settings

STEPS, INTERVAL = "50", "5s"
MESSAGES = 1000
"""Messages that the stand-in for Slack keeps: more than wait to be brought up to date."""


class LateError(Exception):
    """Something did not come within its time; the message says what is there instead."""


@dataclass(slots=True)
class _Seen:
    status: Mapping[str, Any] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Town:
    """Everything is by the canary's name. `annotated`: the canary is asked for on its Deployment, not by itself."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.world = World(cluster, 0)
        self._cluster = cluster
        self._seen: dict[str, _Seen] = {}
        cluster.store.listen(self._noticed)

    def _noticed(self, event: Watched) -> None:
        seen = self._seen.get(event.ref.name) if event.ref.kind == CANARY else None
        if seen is not None:
            there = event.change is not Change.DELETED
            seen.status = (event.manifest.get("status") or {}) if there else {}
            seen.changed.set()

    # --- what people do ----------------------------------------------------------------------------------------------

    def come(self, name: str, tag: str, *, annotated: bool) -> None:
        """Apply what belongs to a canary: ConfigMap, Service, Deployment, and the Canary unless it is annotated."""
        self._seen[name] = _Seen()
        self.configure(name, "first")
        self._cluster.apply(service(name))
        self.push(name, tag, annotated=annotated)
        self._cluster.edit(ref(DEPLOYMENT, name), {"spec": {"replicas": 1}})
        if not annotated:
            check = {"name": "success-rate", "builtin": "success-rate", "min": 99}
            analysis = {"interval": INTERVAL, "steps": [{"weight": int(STEPS)}], "checks": [check]}
            self._cluster.apply(canary(name, analysis=analysis))

    def configure(self, name: str, text: str) -> None:
        """Change the configuration that the pods read."""
        self._cluster.apply(config_map(f"{name}-config", text=text))

    def push(self, name: str, tag: str, *, annotated: bool) -> None:
        """Apply the Deployment with an image."""
        asked = settings(enabled="true", replicas="1", interval=INTERVAL, steps=STEPS) if annotated else {}
        env = [{"configMapRef": {"name": f"{name}-config"}}]
        container = {"name": "app", "image": f"registry.example/app:{tag}", "envFrom": env}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        self._cluster.apply(deployment(name, replicas=None, template=template, annotations=asked))

    def fail(self, name: str, share: float) -> None:
        """From now on this share of the requests to the candidate fails."""
        self.world.metrics.set(name, bad=share)

    async def abort(self, name: str) -> None:
        await self.world.abort([name])

    async def crash(self, name: str) -> None:
        await self.world.crash([name])

    def leave(self, name: str, stable: str, *, annotated: bool) -> None:
        """Opt out, or delete the Canary, with the version that serves: an unproved one would keep it from leaving."""
        self.push(name, stable, annotated=False)
        if not annotated:
            self._cluster.remove(ref(CANARY, name))

    def clear(self, name: str) -> None:
        """Delete what is left, and forget that it was there."""
        for kind, own in ((DEPLOYMENT, name), (SERVICE, name), (CONFIG_MAP, f"{name}-config")):
            self._cluster.remove(ref(kind, own))
        self.world.forget(name)
        del self._seen[name]

    # --- what people see ---------------------------------------------------------------------------------------------

    def status(self, name: str) -> Mapping[str, Any]:
        """The status of a canary, empty when there is none."""
        return self._seen[name].status

    async def until(self, name: str, holds: Callable[[Mapping[str, Any]], object], what: str, within_s: float) -> None:
        """Wait until something holds of the status. Raises LateError."""
        seen = self._seen[name]
        try:
            async with asyncio.timeout(within_s):
                while not holds(seen.status):
                    seen.changed.clear()
                    await seen.changed.wait()
        except TimeoutError:
            told = {key: seen.status.get(key) for key in ("phase", "weight", "message")}
            raise LateError(f"{name} without {what} after {within_s:g} s: {told}") from None

    def sweep(self, slack: Workspace) -> None:
        """Take away what others would clean up: old Events, and old messages in Slack."""
        for event in self._cluster.store.list(EVENT, NAMESPACE):
            self._cluster.remove(ref(EVENT, event["metadata"]["name"]))
        slack.calls.clear()
        del slack.messages[:-MESSAGES]
