"""`canary doctor` against a real control plane with each right of the controller taken away in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from canary.cli.diagnosis import State
from canary.cli.doctor_rights import SECRETS, Right, documents, rights
from canary.clients.kube_http import MERGE_PATCH, Call, KubeHttp, connect
from tests.api.control_plane import ControlPlane
from tests.api.people import People
from tests.api.test_doctor_table import (
    ACCOUNT,
    JSON,
    ROLES,
    Around,
    around,
    assert_fails,
    services,
    states,
)
from tests.api.test_manifests import credentials, for_account, http, namespaces, people

__all__ = ["around", "http", "namespaces", "people", "services"]

pytestmark = pytest.mark.xdist_group("api")


RULES = [
    (f"{one['kind'].lower()}s", one["metadata"]["name"], at)
    for one in documents()
    if one["kind"] in ("ClusterRole", "Role")
    for at in range(len(one["rules"]))
]


@asynccontextmanager
async def without_rule(http: KubeHttp, plural: str, name: str, at: int) -> AsyncIterator[JSON]:
    """Take one rule out of a role until the block ends; yield the rule."""
    where = "/namespaces/canary-system" if plural == "roles" else ""
    path = f"{ROLES}{where}/{plural}/{name}"
    before = (await http.send(Call(method="GET", path=path, what="the role")))["rules"]
    await put_rules(http, path, [rule for number, rule in enumerate(before) if number != at])
    await until_it_is(http, before[at], where, State.FAILED)
    try:
        yield before[at]
    finally:
        await put_rules(http, path, before)
        await until_it_is(http, before[at], where, State.PASSED)


async def until_it_is(http: KubeHttp, rule: JSON, where: str, state: State) -> None:
    """Wait until the API server judges by the role as it is now: it learns of a change by a watch."""
    one = Right(
        verb=rule["verbs"][0],
        group=rule["apiGroups"][0],
        resource=rule["resources"][0],
        namespace=where.rpartition("/")[2],
        name=rule.get("resourceNames", [""])[0],
    )
    async with asyncio.timeout(60):
        while not await is_so(http, one, state):  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.05)


async def is_so(http: KubeHttp, right: Right, state: State) -> bool:
    found = [one.state for one in await rights(http, (right,), ACCOUNT)]
    return (found == [State.PASSED]) is (state is State.PASSED)


async def put_rules(http: KubeHttp, path: str, rules: list[JSON]) -> None:
    body = {"rules": rules}
    await http.send(Call(method="PATCH", path=path, what="the role", body=body, content_type=MERGE_PATCH))


@pytest.mark.parametrize(("plural", "name", "at"), RULES)
async def test_each_right_that_is_taken_away_is_named(
    plane: ControlPlane, around: Around, plural: str, name: str, at: int
) -> None:
    http = await connect(plane.kubeconfig)
    try:
        async with without_rule(http, plural, name, at) as rule:
            status, told = await around.diagnosed()
    finally:
        await http.close()
    if rule["resources"] == [SECRETS]:
        assert (status, states(told, of="failed"), states(told, of="skipped")) == (0, [], [SECRETS]), told
        assert "track-config: all" in told[SECRETS][1]
        return
    assert_fails((status, told), "rights", "rights are missing: ", "apply manifests/install/rights.yaml")
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            kind = f"{resource}.{group}" if group else resource
            assert [verb for verb in rule["verbs"] if f"{verb} {kind}" not in told["rights"][1]] == []


async def test_a_controller_of_one_namespace_is_asked_for_its_rights_there(
    plane: ControlPlane, around: Around, people: People, http: KubeHttp
) -> None:
    """As in its pod: the environment alone says where it works, and who asks is who it is."""
    await people.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "one-of-many"}})
    for one in for_account("one-of-many", "one-of-many"):
        await people.apply(one)
    around.kubeconfig = await credentials(plane, http, "one-of-many")
    around.flags = ["--as", ""]
    around.environment = {"CANARY_NAMESPACE": "one-of-many"}
    assert (await around.diagnosed())[0] == 0
    around.environment = {"CANARY_NAMESPACE": "one-of-many default"}
    text = "list deployments.apps in default, watch deployments.apps in default"
    assert_fails(await around.diagnosed(), "rights", text, "manifests/install-namespaced")
    around.environment = {"CANARY_NAMESPACE": "one-of-many", "CANARY_ROUTE_NAMESPACE": "kuma-system"}
    text = "7 of 92 rights are missing: list meshhttproutes.kuma.io in kuma-system"
    assert_fails(await around.diagnosed(), "rights", text, "manifests/install-namespaced")
