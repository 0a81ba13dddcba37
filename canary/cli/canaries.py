"""Reads Canaries and hands commands to them over single API requests. Not its job: what is printed, and watching."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from canary.cli.options import Where, dns_name
from canary.clients.kube_context import default_namespace
from canary.clients.kube_http import MERGE_PATCH, Call, KubeHttp, connect
from canary.errors import CanaryError, NotFound, Rejected
from canary.logs import LogFormat, set_up
from canary.rollout.model import CommandName
from canary.rollout.reasons import Reason
from canary.spec.crd import GROUP, PLURAL, VERSION

COMMAND = f"{GROUP}/command"
FIELD_MANAGER = "canary-cli"
"""Who `status.lastCommand.by` says it was."""

COMPLETED_WITHIN_S = 3.0
"""How long a shell that completes may wait for names."""


class Canaries:
    """The Canaries of one namespace of one cluster. Make it with `canaries`."""

    def __init__(self, http: KubeHttp, namespace: str) -> None:
        self.namespace = namespace
        self._http = http

    async def listed(self, *, everywhere: bool = False) -> Sequence[Mapping[str, Any]]:
        """Return the Canaries of the namespace, or of all, by namespace and name. Raises Rejected without the CRD."""
        path = f"/apis/{GROUP}/{VERSION}/{PLURAL}" if everywhere else self._path()
        where = "all namespaces" if everywhere else f"namespace {self.namespace}"
        try:
            answer = await self._send(Call(method="GET", path=path, what=f"the Canaries of {where}"))
        except NotFound as error:
            raise self._no_crd() from error
        items: list[Mapping[str, Any]] = answer["items"]
        return sorted(items, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))

    async def read(self, name: str) -> Mapping[str, Any]:
        """Return one Canary. Raises NotFound with the names of those that are there."""
        try:
            found: Mapping[str, Any] = await self._send(
                Call(method="GET", path=self._path(name), what=self._named(name))
            )
        except NotFound as error:
            raise await self._missing(name) from error
        return found

    async def command(self, name: str, command: CommandName) -> None:
        """Leave a command for the controller. Raises NotFound with the names of the Canaries that are there."""
        body = {"metadata": {"annotations": {COMMAND: command.value}}}
        call = Call(
            method="PATCH",
            path=self._path(name),
            what=self._named(name),
            query=(("fieldManager", FIELD_MANAGER),),
            body=body,
            content_type=MERGE_PATCH,
        )
        try:
            await self._send(call)
        except NotFound as error:
            raise await self._missing(name) from error

    async def refusals(self, name: str) -> Mapping[str, str]:
        """Return the refusals of commands that are remembered: the uid of each Event, and its text."""
        about = f"involvedObject.kind=Canary,involvedObject.name={name},reason={Reason.COMMAND_REFUSED.value}"
        path = f"/api/v1/namespaces/{self.namespace}/events"
        what = f"the Events of {self._named(name)}"
        answer = await self._send(Call(method="GET", path=path, what=what, query=(("fieldSelector", about),)))
        return {item["metadata"]["uid"]: str(item.get("message", "")) for item in answer["items"]}

    async def _send(self, call: Call) -> Any:
        try:
            return await self._http.send(call)
        except Rejected as error:
            text, forbidden, _ = str(error).partition("; the ServiceAccount lacks")
            if not forbidden:
                raise
            remedy = "ask for the role `view`, or `edit` to command, in that namespace"
            raise Rejected(f"{text}; you lack this right: {remedy}") from error

    def _path(self, name: str = "") -> str:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}"
        return f"{path}/{name}" if name else path

    def _named(self, name: str) -> str:
        return f"Canary {self.namespace}/{name}"

    async def _missing(self, name: str) -> CanaryError:
        there = [str(one["metadata"]["name"]) for one in await self.listed()]
        known = f"there are {', '.join(there)}" if there else f"namespace {self.namespace} has none; -n names another"
        return NotFound(f"there is no {self._named(name)}: {known}")

    def _no_crd(self) -> Rejected:
        return Rejected(f"{self._http.host} serves no Canary: apply manifests/crd.yaml (`canary crd` prints it)")


@asynccontextmanager
async def canaries(where: Where) -> AsyncIterator[Canaries]:
    """Connect to a cluster until the block ends. Raises ConfigError when there is no kubeconfig that can be used."""
    namespace = where.namespace or default_namespace(where.kubeconfig, where.context)
    http = await connect(where.kubeconfig, where.context)
    try:
        yield Canaries(http, namespace)
    finally:
        await http.close()


def completed(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the Canaries that begin so, for a shell that completes; none where they cannot be read.

    The cluster is the one that the flags before the name say.
    """
    flags = context.params
    where = Where(
        kubeconfig=Path(flags["kubeconfig"]) if flags.get("kubeconfig") else None,
        context=flags.get("context"),
        namespace=flags.get("namespace"),
    )
    set_up(LogFormat.CONSOLE, level=logging.CRITICAL)
    try:
        names = asyncio.run(_names(where))
    except Exception:  # noqa: BLE001 - whatever is wrong: a command line that is being written is no place to say so
        return []
    return [name for name in names if name.startswith(incomplete)]


async def _names(where: Where) -> list[str]:
    async with asyncio.timeout(COMPLETED_WITHIN_S), canaries(where) as cluster:
        return [str(one["metadata"]["name"]) for one in await cluster.listed()]


NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", callback=dns_name, autocompletion=completed, help="The Canary.")
]
AnyNameArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", callback=dns_name, autocompletion=completed, help="The Canary; all by default."),
]
