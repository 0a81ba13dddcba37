"""Whether somebody has every right of manifests/install/rights.yaml, asked of the API server one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from canary.cli.diagnosis import Diagnosis, failed, passed, skipped
from canary.clients.kube_http import Call, KubeHttp
from canary.errors import CanaryError, Rejected

NAME = "rights"
AT_ONCE = 16
SHOWN = 10
IN_NAMESPACES = "canary-controller"
"""The ClusterRole that a RoleBinding may give for some namespaces only (manifests/install-namespaced)."""
SECRETS = "secrets"
WITHOUT_SECRETS = "no right on Secrets, which may be so on purpose: no canary can track them (track-config: all)"
INSTALL, OF_ROUTES = "install/rights.yaml", "install-namespaced/kuma.yaml"
"""Files of manifests/. The second has what a namespace of routes wants of a controller of some namespaces."""
PACKAGED = {INSTALL: "rights.yaml", OF_ROUTES: "rights-of-routes.yaml"}
"""Their names in an installed package, as pyproject.toml gives them."""
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One verb on one resource; `namespace` "" for all, `name` "" for any object."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""

    def __str__(self) -> str:
        """`patch deployments.apps in shop`, as people ask for it."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {kind}{named}" + (f" in {self.namespace}" if self.namespace else "")


def documents(file: str = INSTALL) -> list[Mapping[str, Any]]:
    """Return what stands in one of the two files: beside the code in an installed package, else in the source."""
    packaged = files("canary").joinpath(PACKAGED[file])
    path = Path(__file__).resolve().parents[2] / "manifests" / file
    text = packaged.read_text(encoding="utf-8") if packaged.is_file() else path.read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


def needed(namespaces: Sequence[str], lease_namespace: str, routes: Sequence[str] = ()) -> tuple[Right, ...]:
    """Return every right that the controller needs, each once.

    `namespaces` is where it works, none for all of them; `routes` is where else a mesh wants its routes, as
    `--route-namespace` says.
    """
    found: dict[Right, None] = {}
    for document in documents():
        if document["metadata"]["name"] == IN_NAMESPACES:
            found.update(dict.fromkeys(_rights(document, namespaces or [""])))
        else:
            found.update(dict.fromkeys(_rights(document, [lease_namespace if document["kind"] == "Role" else ""])))
    for document in documents(OF_ROUTES):
        found.update(dict.fromkeys(_rights(document, routes)))
    return tuple(found)


def _rights(document: Mapping[str, Any], namespaces: Sequence[str]) -> Iterator[Right]:
    """Yield what a role gives in each of the namespaces, "" for all; nothing for what is no role."""
    for rule in document.get("rules", ()) if document["kind"] in ("ClusterRole", "Role") else ():
        for group, resource, verb in product(rule["apiGroups"], rule["resources"], rule["verbs"]):
            for name, where in product(rule.get("resourceNames", [""]), namespaces):
                yield Right(verb=verb, group=group, resource=resource, namespace=where, name=name)


async def rights(http: KubeHttp, wanted: tuple[Right, ...], account: str) -> tuple[Diagnosis, ...]:
    """Return whether all rights are there: of whoever asks, or of `account`, a user's name as the API server has it.

    Those on Secrets may be taken out on purpose, which is told by itself where all of them are missing and no other is.
    """
    whose = account or "these credentials"
    room = asyncio.Semaphore(AT_ONCE)

    async def asked(right: Right) -> bool:
        async with room:
            return await _allowed(http, right, account)

    try:
        answers = await asyncio.gather(*(asked(right) for right in wanted))
    except Rejected as error:
        remedy = "ask without --as, or as somebody who may create subjectaccessreviews"
        return (skipped(NAME, f"nobody may be asked about: {error}", remedy),)
    except CanaryError as error:
        return (skipped(NAME, str(error)),)
    lacks = [right for right, allowed in zip(wanted, answers, strict=True) if not allowed]
    if not lacks:
        return (passed(NAME, f"{whose}: all {len(wanted)} rights of the controller"),)
    if lacks == [right for right in wanted if right.resource == SECRETS]:
        text = f"{whose}: all {len(wanted) - len(lacks)} rights of the controller, but those on Secrets"
        return passed(NAME, text), skipped(SECRETS, WITHOUT_SECRETS, "apply manifests/install/rights.yaml if one is to")
    missing = [str(right) for right in lacks]
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    text = f"{whose}: {len(missing)} of {len(wanted)} rights are missing: {', '.join(missing[:SHOWN])}{more}"
    remedy = "apply manifests/install/rights.yaml (with manifests/install-namespaced where it works in some only)"
    other = f"{remedy}, or ask with --as for the controller's ServiceAccount"
    return (failed(NAME, text, remedy if account else other),)


async def _allowed(http: KubeHttp, right: Right, account: str) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource.partition("/")[0],
        "subresource": right.resource.partition("/")[2],
        "namespace": right.namespace,
        "name": right.name,
    }
    kind = "SubjectAccessReview" if account else "SelfSubjectAccessReview"
    spec: dict[str, Any] = {"resourceAttributes": attributes}
    if account:
        spec |= {"user": account, "groups": _groups(account)}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    path = f"/apis/authorization.k8s.io/v1/{kind.lower()}s"
    answer = await http.send(Call(method="POST", path=path, what=f"whether one may {right}", body=body))
    return bool(answer.get("status", {}).get("allowed"))


def _groups(account: str) -> list[str]:
    """Return the groups that the API server gives to a user of that name (k8s.io/apiserver, serviceaccount)."""
    if not account.startswith(ACCOUNT):
        return ["system:authenticated"]
    namespace = account.removeprefix(ACCOUNT).partition(":")[0]
    return ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
