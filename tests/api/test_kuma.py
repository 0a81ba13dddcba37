"""Every object that is rendered for Kuma, written to a real API server with the CRDs of the releases that know it.

One cluster that is upgraded: 2.7, 2.14, and 3.0, for which the tests have a cut-down schema of their own. What is read
back is what was sent; what a release does not know is an error that names the field, never a route that means less.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.clients.kube import KubeCluster, kube_cluster
from canary.clients.kube_http import Call, KubeHttp, connect
from canary.clients.scope import Scope
from canary.controller.patches import route_patch
from canary.errors import NotFound, Rejected
from canary.ports import CANARY, DEPLOYMENT, NAMESPACE, SERVICE, ref_of
from canary.sandbox.kinds import MESH, MESH_HTTP_ROUTE
from meshes.contract import Manifest, Route
from meshes.kuma import Kuma
from meshes.kuma.names import Form
from meshes.kuma.references import KIND
from tests.api.control_plane import ControlPlane
from tests.api.installing import CRDS, define, redefine
from tests.api.people import People, closed
from tests.meshes.kuma_objects import CATCH_ALL, FORMS, rule
from tests.meshes.kuma_objects import backend as shop_backend
from tests.meshes.kuma_objects import route as shop_route
from tests.meshes.kuma_surroundings import KUMA_3_0
from tests.yaml_files import document

pytestmark = pytest.mark.xdist_group("api")

ADAPTER = Kuma()
WEIGHTS = (0, 10, 50, 100, 0)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATIENCE_S = 60
RELEASES = {
    "2.7": ("older/kuma-2.7.5", ("Everywhere",), Form.LEGACY),
    "2.14, MeshServices off": ("kuma", ("", "Disabled"), Form.LEGACY),
    "2.14, MeshServices on": ("kuma", ("Everywhere", "Exclusive"), Form.MESHSERVICE),
    "3.0": ("", ("",), Form.LABELS),
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A real API server, the controller's caches over it, and a namespace of the test's own."""

    http: KubeHttp
    people: People
    cluster: KubeCluster
    namespace: str

    async def release(self, folder: str, mode: str) -> None:
        """Install the CRDs of a release, or upgrade to them, and set the mode of the Mesh; wait for the caches."""
        schema: Any = None
        for name in ("meshes", "meshhttproutes"):
            path = Path(os.environ[CRDS]) / (folder or "kuma") / f"{name}.kuma.io.yaml"
            wanted: Any = document(path)
            if not folder and name == "meshhttproutes":
                wanted["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = KUMA_3_0
            schema = wanted["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            if self.cluster.served(MESH if name == "meshes" else MESH_HTTP_ROUTE):
                await redefine(self.http, wanted)
            else:
                await define(self.http, wanted)
        target = schema["properties"]["spec"]["properties"]["to"]["items"]["properties"]["targetRef"]["properties"]
        await self.until(lambda: bool(self.cluster.served(MESH) and self.cluster.served(MESH_HTTP_ROUTE)))
        await self.until(
            lambda: all(
                self.cluster.has_field(MESH_HTTP_ROUTE, "v1alpha1", f"spec.to[].targetRef.{name}") is (name in target)
                for name in ("name", "namespace", "labels")
            )
        )
        await self.people.know(MESH, MESH_HTTP_ROUTE)
        spec = {"meshServices": {"mode": mode} if mode else None}
        mesh = {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "default"}, "spec": spec}
        made = await self.people.apply(mesh)
        version = made["metadata"]["resourceVersion"]
        await self.until(lambda: self._mesh_version() == version)

    def _mesh_version(self) -> str:
        found = self.cluster.list(MESH)
        return str(found[0]["metadata"]["resourceVersion"]) if found else ""

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.05)

    def asked(self, form: str = "auto", user_route: str | None = None) -> Route:
        """The route as the controller makes it, resolved with what its caches hold."""
        asked = replace(shop_route(), namespace=self.namespace, user_route=user_route, options={"kuma-form": form})
        return ADAPTER.resolve(replace(asked, served=self.cluster.served(MESH_HTTP_ROUTE)), self.cluster)

    async def written(self, wanted: Manifest, live: Manifest | None) -> Manifest:
        """Write it as the controller does; return what the API server has then."""
        if live is None:
            return await self.cluster.create(wanted)
        patch, version = route_patch(live, wanted), live["metadata"]["resourceVersion"]
        return await self.cluster.patch(ref_of(live), patch, resource_version=version) if patch else live


@pytest.fixture(scope="module")
def upgraded(plane: ControlPlane) -> Iterator[ControlPlane]:
    """The cluster; each test upgrades the CRDs to the release that it wants, and the last leaves none behind."""

    async def leave() -> None:
        http = await connect(plane.kubeconfig)
        for name in ("meshes.kuma.io", "meshhttproutes.kuma.io"):
            await gone(http, name)
        await closed(http)

    yield plane
    asyncio.run(leave())


@pytest.fixture
async def it(upgraded: ControlPlane) -> AsyncIterator[Cluster]:
    http = await connect(upgraded.kubeconfig)
    people, namespace = People(http), f"kuma-{secrets.token_hex(3)}"
    await people.know(NAMESPACE, DEPLOYMENT, SERVICE)
    labels = {"kuma-system": {"kuma.io/system-namespace": "true"}, namespace: {"kuma.io/sidecar-injection": "enabled"}}
    for name, own in labels.items():
        await people.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}})
    port = {"name": "http", "port": 8080, "appProtocol": "http", "protocol": "TCP"}
    meta = {"name": "checkout", "namespace": namespace}
    await people.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [port]}})
    kinds = {CANARY, DEPLOYMENT, NAMESPACE, SERVICE, *ADAPTER.kinds()}
    try:
        async with kube_cluster(http, kinds) as cluster:
            yield Cluster(http, people, cluster, namespace)
    finally:
        await closed(http)


async def gone(http: KubeHttp, name: str) -> None:
    """Delete a CRD and wait until it is gone: others install theirs anew."""
    path = f"{DEFINITIONS}/{name}"
    with suppress(NotFound):
        await http.send(Call(method="DELETE", path=path, what=name, deadline_s=60))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await http.send(Call(method="GET", path=path, what=name))
                await asyncio.sleep(0.1)


def wanted_part(live: Manifest) -> Any:
    """What anybody wanted of an object, without what the API server keeps about it."""
    kept = ("name", "namespace", "labels", "annotations")
    metadata = {key: live["metadata"][key] for key in kept if live["metadata"].get(key)}
    return {**live, "metadata": metadata}


def users_route(form: Form, it: Cluster, home: str) -> dict[str, Any]:
    """A user's own route, as written: no weight, which the API server fills in."""
    text = (
        yaml.safe_dump(shop_backend(form)).replace("_shop_", f"_{it.namespace}_").replace(": shop", f": {it.namespace}")
    )
    backend = yaml.safe_load(text)
    header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-by", "value": "shop"}]}}
    tester = {"headers": [{"name": "x-tester", "value": "yes"}], "path": CATCH_ALL["path"]}
    target = {key: value for key, value in backend.items() if key != "port"}
    to = {"targetRef": target, "rules": [rule(matches=[tester]), rule(backend, filters=[header])]}
    meta = {"name": "edge", "namespace": home, "labels": {"kuma.io/mesh": "default", "team": "shop"}}
    spec = {
        "targetRef": {"kind": "Mesh"},
        "to": [{"targetRef": {"kind": KIND, **_other(target)}, "rules": [rule()]}, to],
    }
    return {"apiVersion": "kuma.io/v1alpha1", "kind": "MeshHTTPRoute", "metadata": meta, "spec": spec}


def _other(target: dict[str, Any]) -> dict[str, Any]:
    labels = target.get("labels")
    return (
        {"labels": {**labels, "kuma.io/display-name": "reviews"}} if labels else {**target, "name": "reviews_a_svc_80"}
    )


@pytest.mark.parametrize("release", RELEASES)
async def test_what_is_rendered_is_taken_and_read_back_as_it_was_sent(it: Cluster, release: str) -> None:
    folder, modes, form = RELEASES[release]
    for mode in modes:
        await it.release(folder, mode)
        route = it.asked()
        assert (route.options["kuma-form"], ADAPTER.conflict(route, [])) == (form, None)
        live: Manifest | None = None
        for weight in WEIGHTS:
            rendered = ADAPTER.render(route, weight, live)
            live = await it.written(rendered, live)
            assert wanted_part(live) == wanted_part(rendered)
            assert ADAPTER.observe(route, live).weight == weight
            assert ADAPTER.render(route, weight, live) == live
        assert live is not None
        meta = live["metadata"]
        ref = ADAPTER.route_ref(route)
        await it.cluster.delete(ref, uid=meta["uid"], resource_version=meta["resourceVersion"])


@pytest.mark.parametrize("release", RELEASES)
async def test_a_users_route_is_afterwards_as_the_api_server_had_it(it: Cluster, release: str) -> None:
    folder, modes, form = RELEASES[release]
    await it.release(folder, modes[0])
    home = "kuma-system" if form is Form.LEGACY else it.namespace
    before = await it.people.apply(users_route(form, it, home))
    await it.until(lambda: it.cluster.get(ADAPTER.route_ref(it.asked(user_route="edge"))))
    route = it.asked(user_route="edge")
    live = before
    for weight in (*WEIGHTS, 25, 0):
        rendered = ADAPTER.render(route, weight, live)
        live = await it.written(rendered, live)
        assert wanted_part(live) == wanted_part(rendered)
        assert ADAPTER.observe(route, live).weight == weight
    assert wanted_part(live) == wanted_part(before)
    await it.people.delete(ADAPTER.route_ref(route))


@pytest.mark.parametrize(
    ("folder", "form", "lost"),
    [
        ("older/kuma-2.7.5", Form.MESHSERVICE, "targetRef.namespace"),
        ("older/kuma-2.7.5", Form.LABELS, "targetRef.labels"),
        ("", Form.LEGACY, "targetRef.name"),
        ("", Form.MESHSERVICE, "targetRef.name"),
    ],
)
async def test_what_a_release_would_prune_is_refused_before_it_is_written_and_after(
    it: Cluster, folder: str, form: Form, lost: str
) -> None:
    await it.release(folder, "")
    error = ADAPTER.conflict(it.asked(form), [])
    assert error is not None
    assert lost in str(error)
    # Written nevertheless, the API server drops the field without a word.
    forced = replace(shop_route(form, home=it.namespace), namespace=it.namespace)
    with pytest.raises(Rejected, match=f"did not keep .*{lost}"):
        await it.cluster.create(ADAPTER.render(forced, 10, None))


async def test_a_controller_of_one_namespace_sees_routes_where_they_lie_once_it_is_told(it: Cluster) -> None:
    await it.release("kuma", "")
    route, kinds = it.asked(), frozenset(ADAPTER.kinds())
    watched = {CANARY, DEPLOYMENT, NAMESPACE, SERVICE, *kinds}
    await it.written(ADAPTER.render(route, 5, None), None)
    async with kube_cluster(it.http, watched, [it.namespace]) as narrow:
        error = ADAPTER.conflict(ADAPTER.resolve(route, narrow), [])
        assert error is not None
        assert error.reason == "NamespaceNotWatched"
    scope = Scope(namespaces=(it.namespace,), routes=kinds, route_namespaces=("kuma-system",))
    async with kube_cluster(it.http, watched, scope) as told:
        assert ADAPTER.conflict(ADAPTER.resolve(route, told), told.list(MESH_HTTP_ROUTE)) is None
        assert told.get(ADAPTER.route_ref(route)) is not None
        assert not told.watches(SERVICE, "kuma-system")
    await it.people.delete(ADAPTER.route_ref(route))


def test_every_form_has_a_release() -> None:
    assert {form for _, _, form in RELEASES.values()} == set(FORMS)


async def test_the_route_of_the_example_is_taken_and_all_of_it_is_kept(it: Cluster) -> None:
    await it.release("kuma", "Everywhere")
    example = Path(__file__).parents[2] / "manifests" / "examples" / "kuma" / "cart-with-own-route.yaml"
    (route,) = (one for one in yaml.safe_load_all(example.read_text()) if one["kind"] == "MeshHTTPRoute")
    kept = await it.people.apply({**route, "metadata": {**route["metadata"], "namespace": it.namespace}})
    assert kept["spec"] == route["spec"]
