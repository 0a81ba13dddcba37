"""Routes of the Gateway API on a real API server, with the CRDs of two releases: what is sent is what is read back."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from canary.clients.kube import KubeCluster, kube_cluster
from canary.clients.kube_http import Call, KubeHttp, connect
from canary.controller.patches import route_patch
from canary.errors import Rejected
from canary.ports import CANARY, NAMESPACE, ref_of
from canary.sandbox.defaults import defaulted
from canary.sandbox.kinds import GRPC_ROUTE, HTTP_ROUTE
from meshes.contract import Kind, Manifest, Mesh, Route
from meshes.gateway_api import GatewayApi
from meshes.linkerd import Linkerd
from tests.api.control_plane import ControlPlane
from tests.api.installing import CRDS, redefine
from tests.api.people import People, closed
from tests.meshes.gamma_objects import EDGE, GRPC, GRPC_EDGE, HTTP, answered
from tests.meshes.test_gamma_golden import GOLDEN, OLD, USERS, USERS_GRPC
from tests.yaml_files import document

pytestmark = pytest.mark.xdist_group("api")

KINDS = (HTTP_ROUTE, GRPC_ROUTE)
NEW, OLDER = "gateway-api", "older/gateway-api-v1.2.1"
FILES = sorted(
    path for mesh in ("linkerd", "gateway-api") for path in (GOLDEN / mesh).glob("*.yaml") if OLD not in path.stem
)
ADAPTERS: tuple[Mesh, ...] = (Linkerd(), GatewayApi())
WITHIN_S = 30.0


@dataclass(slots=True)
class Routes:
    """A namespace in which routes are written through the controller's own client. `knows_names`: rules have names."""

    cluster: KubeCluster
    people: People
    namespace: str
    knows_names: bool

    def here(self, route: Route) -> Route:
        return replace(route, namespace=self.namespace, served=self.cluster.served(self.kind(route)))

    def kind(self, route: Route) -> Kind:
        return GatewayApi().route_kind(route)

    def moved(self, manifest: Manifest, name: str = "") -> dict[str, Any]:
        metadata = {**manifest["metadata"], "namespace": self.namespace}
        return {**manifest, "metadata": {**metadata, "name": name or metadata["name"]}}

    async def write(self, adapter: Mesh, route: Route, weight: int, live: Manifest) -> Manifest:
        """Write a weight as the controller does; return the object, unchanged when there is nothing to write."""
        patch = route_patch(live, adapter.render(route, weight, live))
        if not patch:
            return live
        version = live["metadata"]["resourceVersion"]
        return await self.cluster.patch(ref_of(live), patch, resource_version=version)


@pytest.fixture(scope="module", params=[NEW, OLDER], ids=["newest", "v1.2.1"])
def release(plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """The release whose CRDs are in force, one after the other: the server works for seconds at each change."""
    asyncio.run(_release(plane, request.param))
    yield request.param
    asyncio.run(_release(plane, NEW))


@pytest.fixture
async def routes(plane: ControlPlane, release: str) -> AsyncIterator[Routes]:
    http = await connect(plane.kubeconfig)
    try:
        people = People(http)
        await people.know(NAMESPACE, *KINDS)
        namespace = f"r-{secrets.token_hex(4)}"
        await people.apply({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": namespace}})
        async with kube_cluster(http, (CANARY, *KINDS), [namespace]) as cluster:
            yield Routes(cluster, people, namespace, knows_names=release == NEW)
    finally:
        await closed(http)


async def _release(plane: ControlPlane, folder: str) -> None:
    """Put the CRDs of a release in force, unless they are."""
    http = await connect(plane.kubeconfig)
    try:
        people = People(http)
        await people.know(*KINDS)
        if await _in_force(http, people, folder):
            return
        for kind in KINDS:
            await redefine(http, _crd(folder, kind))
        async with asyncio.timeout(WITHIN_S):
            while not await _in_force(http, people, folder):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.5)
    finally:
        await closed(http)


async def _in_force(http: KubeHttp, people: People, folder: str) -> bool:
    """Return whether a release is in force: only since 1.4 have rules had names, older ones prune them."""
    probe = _named_rule("default", f"probe-{secrets.token_hex(3)}")
    path = people.path(ref_of({**probe, "metadata": {**probe["metadata"], "name": ""}}))
    made = await http.send(Call(method="POST", path=path, what="a probe", body=probe, query=(("dryRun", "All"),)))
    return ("name" in made["spec"]["rules"][0]) == (folder == NEW)


def _crd(folder: str, kind: Kind) -> dict[str, Any]:
    file = Path(os.environ[CRDS]) / folder / f"{kind.kind.lower()}s.{kind.group}.yaml"
    definition: dict[str, Any] = document(file)
    return definition


def _named_rule(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"rules": [{"name": "canary", "backendRefs": [{"name": "checkout", "port": 8080}]}]},
    }


def as_sent(made: Manifest) -> dict[str, Any]:
    """Return what people see of an object."""
    metadata = {key: made["metadata"].get(key) or {} for key in ("labels", "annotations")}
    return {"metadata": metadata, "spec": made["spec"]}


def with_defaults(manifest: Mapping[str, Any]) -> dict[str, Any]:
    kind = {each.kind: each for each in KINDS}[manifest["kind"]]
    return as_sent(defaulted(kind, dict(manifest)))


async def test_every_golden_object_is_taken_and_read_back_as_it_was_sent(routes: Routes) -> None:
    for number, file in enumerate(FILES):
        sent = routes.moved(document(file), f"golden-{number}")
        made = await routes.cluster.create(sent)
        assert as_sent(made) == with_defaults(sent), file
        if "user" not in file.stem:
            assert made["spec"] == sent["spec"], f"{file}: the server filled something in"
        read = await routes.cluster.read(ref_of(made))
        assert read is not None
        assert as_sent(read) == as_sent(made)


async def test_our_own_route_takes_every_weight_and_is_written_only_when_it_changes(routes: Routes) -> None:
    for number, (adapter, route) in enumerate(itertools.product(ADAPTERS, (HTTP, GRPC))):
        here = replace(routes.here(route), target=f"own-{number}", apex=f"own-{number}")
        live = await routes.cluster.create(adapter.render(here, 0, None))
        for weight in (0, 10, 50, 100, 0):
            live = await routes.write(adapter, here, weight, live)
            assert adapter.observe(here, live).weight == weight
            assert route_patch(live, adapter.render(here, weight, live)) == {}


async def test_a_users_route_is_equal_before_and_after_and_but_for_the_split_during_a_rollout(routes: Routes) -> None:
    cases = itertools.product(ADAPTERS, ((EDGE, USERS), (GRPC_EDGE, USERS_GRPC)))
    for number, (adapter, (route, users)) in enumerate(cases):
        here = replace(routes.here(route), user_route=f"edge-{number}")
        live = before = await routes.cluster.create(routes.moved(users, f"edge-{number}"))
        for weight in (10, 50, 100):
            live = await routes.write(adapter, here, weight, live)
            assert adapter.observe(here, live).weight == weight
            kept = [{**rule, "backendRefs": None} for rule in live["spec"]["rules"]]
            assert kept == [{**rule, "backendRefs": None} for rule in before["spec"]["rules"]]
            assert live["spec"]["rules"][0] == before["spec"]["rules"][0]
            assert {**live["spec"], "rules": None} == {**before["spec"], "rules": None}
        after = await routes.write(adapter, here, 0, live)
        assert as_sent(after) == as_sent(before)


async def test_the_server_keeps_a_meshs_word_and_what_it_prunes_is_an_error(routes: Routes) -> None:
    here = routes.here(HTTP)
    live = await routes.cluster.create(Linkerd().render(here, 10, None))
    assert not Linkerd().observe(here, live).accepted
    told = answered(live)["status"]
    for parent in told["parents"]:
        for condition in parent["conditions"]:
            condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    version = live["metadata"]["resourceVersion"]
    live = await routes.cluster.patch(ref_of(live), {"status": told}, resource_version=version, subresource="status")
    assert Linkerd().observe(here, live).accepted
    named = _named_rule(routes.namespace, "named")
    if routes.knows_names:
        assert (await routes.cluster.create(named))["spec"]["rules"][0]["name"] == "canary"
    else:
        with pytest.raises(Rejected, match=r"did not keep \.spec\.rules\[0\]\.name"):
            await routes.cluster.create(named)
