"""`canary doctor` on a real control plane: all is well, and then each thing is broken in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from canary.cli import doctor_cluster
from canary.cli.diagnosis import State
from canary.cli.doctor_rights import needed, rights
from canary.clients.kube_http import MERGE_PATCH, Call, KubeHttp, connect
from canary.spec.crd import crd
from tests.api.control_plane import ControlPlane
from tests.api.harness import Harness

pytestmark = pytest.mark.xdist_group("api")

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaries.canary.delivery"
ACCOUNT = "system:serviceaccount:canary-system:canary-controller"


@pytest.fixture
async def http(plane: ControlPlane) -> AsyncIterator[KubeHttp]:
    http = await connect(plane.kubeconfig)
    yield http
    await http.close()


async def test_the_api_server_and_our_crd_pass_as_they_are_installed(http: KubeHttp) -> None:
    assert (await doctor_cluster.api(http)).state is State.PASSED
    found = await doctor_cluster.our_crd(http)
    assert (found.state, found.text) == (State.PASSED, "CRD canaries.canary.delivery, v1alpha1")


async def test_a_crd_of_another_version_of_canary_is_told(http: KubeHttp) -> None:
    wanted: dict[str, Any] = crd()
    version = wanted["spec"]["versions"][0]
    properties = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    changed = {**properties, "colour": {"type": "string"}}
    version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] = changed
    await patch(http, {"spec": {"versions": [version]}})
    try:
        found = await doctor_cluster.our_crd(http)
    finally:
        await patch(http, {"spec": {"versions": crd()["spec"]["versions"]}})
    assert (found.name, found.state) == ("crd", State.FAILED)
    assert "has another schema" in found.text
    assert found.remedy.startswith("apply manifests/install/crd.yaml")


async def patch(http: KubeHttp, body: dict[str, Any]) -> None:
    call = Call(method="PATCH", path=CRD_PATH, what="the CRD", body=body, content_type=MERGE_PATCH)
    await http.send(call)


async def test_the_rights_of_the_manifests_are_enough_and_those_of_nobody_are_not(http: KubeHttp) -> None:
    wanted = needed([], "canary-system")
    [found] = await rights(http, wanted, ACCOUNT)
    assert (found.state, found.text) == (State.PASSED, f"{ACCOUNT}: all {len(wanted)} rights of the controller")
    assert [one.state for one in await rights(http, wanted, "")] == [State.PASSED]
    [nobody] = await rights(http, wanted, "system:serviceaccount:default:default")
    assert nobody.state is State.FAILED
    assert f"{len(wanted)} of {len(wanted)} rights are missing: " in nobody.text
    assert nobody.remedy.startswith("apply manifests/install/rights.yaml")


async def test_one_right_that_is_taken_away_is_named(http: KubeHttp) -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/canary-controller"
    before = await http.send(Call(method="GET", path=path, what="the ClusterRole"))
    fewer = [rule for rule in before["rules"] if "virtualservices" not in rule["resources"]]
    await put_rules(http, path, fewer)
    try:
        [found] = await rights(http, needed([], "canary-system"), ACCOUNT)
    finally:
        await put_rules(http, path, before["rules"])
    assert found.state is State.FAILED
    assert "list virtualservices.networking.istio.io, watch virtualservices.networking.istio.io" in found.text


async def put_rules(http: KubeHttp, path: str, rules: list[dict[str, Any]]) -> None:
    call = Call(method="PATCH", path=path, what="the rights", body={"rules": rules}, content_type=MERGE_PATCH)
    await http.send(call)


async def test_who_may_not_ask_about_others_is_told_so(plane: ControlPlane) -> None:
    http = await connect(plane.folder / "controller.kubeconfig")
    try:
        [found] = await rights(http, needed([], "canary-system"), ACCOUNT)
        [own] = await rights(http, needed([], "canary-system"), "")
    finally:
        await http.close()
    assert (found.state, own.state) == (State.SKIPPED, State.PASSED)


async def test_a_leader_is_told_with_its_age_and_its_absence_with_the_remedy(at_work: Harness, http: KubeHttp) -> None:
    nobody = await doctor_cluster.leader(http, at_work.namespace)
    assert (nobody.state, nobody.text) == (
        State.FAILED,
        f"there is no Lease {at_work.namespace}/canary-controller: no controller ever led",
    )
    await at_work.started()
    found = await doctor_cluster.leader(http, at_work.namespace)
    assert found.state is State.PASSED
    assert " leads, renewed " in found.text
    path = f"/apis/coordination.k8s.io/v1/namespaces/{at_work.namespace}/leases/canary-controller"
    for process in at_work.processes:
        process.close()
    old = {"spec": {"holderIdentity": "a-1", "renewTime": "2020-01-01T00:00:00.000000Z", "leaseDurationSeconds": 15}}
    await http.send(Call(method="PATCH", path=path, what="the Lease", body=old, content_type=MERGE_PATCH))
    stale = await doctor_cluster.leader(http, at_work.namespace)
    assert stale.state is State.FAILED
    assert stale.text.endswith("s ago and leads no more")
    assert f"kubectl get pods -n {at_work.namespace}" in stale.remedy


async def test_a_mesh_is_there_or_not(http: KubeHttp) -> None:
    istio = await doctor_cluster.mesh(http, "istio")
    assert (istio.state, istio.text.startswith("istio: VirtualService.networking.istio.io v")) == (State.PASSED, True)
    unknown = await doctor_cluster.mesh(http, "istoi")
    assert (unknown.state, "did you mean 'istio'?" in unknown.text) == (State.FAILED, True)
