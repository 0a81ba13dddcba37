"""`canary wait` against a real control plane."""

from __future__ import annotations

from datetime import timedelta

from canary.cli.awaited import Aim, Standing
from canary.cli.following import following, named
from canary.cli.options import Where
from canary.cli.wait import Wait, until_ended
from canary.ports import CANARY, DEPLOYMENT
from tests.api.harness import Harness


async def waited(it: Harness, within_s: float = 120, said: list[str] | None = None, name: str = "checkout") -> Standing:
    where = Where(kubeconfig=it.plane.kubeconfig, namespace=it.namespace)
    patience = timedelta(seconds=within_s)
    async with following(where, (named(CANARY, name), named(DEPLOYMENT, name))) as followed:
        lines = said if said is not None else []
        return await until_ended(followed, Wait(name=name, aim=Aim(), timeout=patience), lines.append)
