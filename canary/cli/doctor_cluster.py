"""What `canary doctor` asks of the API server: its version, our CRD, who leads, and the kinds of the mesh."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from canary.app import LEASE_NAME, mesh_named
from canary.cli.diagnosis import Diagnosis, failed, passed, skipped
from canary.clients.discovery import Discovery
from canary.clients.kube_http import Call, KubeHttp
from canary.errors import CanaryError, ConfigError, NotFound, Rejected
from canary.spec.crd import GROUP, PLURAL, VERSION, crd
from meshes.contract import AppProtocol, Route

OLDEST = (1, 20)
APPLY_CRD = "apply manifests/install/crd.yaml (`canary crd | kubectl apply -f -`)"
LOOK = "see `kubectl get pods -n {namespace}` and the log of the controller"


async def api(http: KubeHttp) -> Diagnosis:
    """The API server answers, and is of a version that canary knows."""
    try:
        answer = await http.send(Call(method="GET", path="/version", what="the version"))
        version = (int(answer["major"]), int(str(answer["minor"]).rstrip("+")))
    except CanaryError as error:
        return failed("api", str(error), "check the kubeconfig, the network and the credentials")
    except (KeyError, TypeError, ValueError):
        return failed("api", f"{http.host} does not answer as Kubernetes does", "check the address in the kubeconfig")
    text = f"Kubernetes {answer.get('gitVersion', '')} at {http.host}"
    if version < OLDEST:
        return failed("api", text, f"canary needs Kubernetes {OLDEST[0]}.{OLDEST[1]} or newer")
    return passed("api", text)


async def our_crd(http: KubeHttp) -> Diagnosis:
    """Our CRD is installed, serves our version, and has the schema that this command knows."""
    wanted = crd()
    name = wanted["metadata"]["name"]
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
    try:
        live = await http.send(Call(method="GET", path=path, what=f"CRD {name}"))
    except NotFound:
        return failed("crd", f"CRD {name} is not installed", APPLY_CRD)
    except Rejected:
        return await _served(http)
    except CanaryError as error:
        return skipped("crd", str(error))
    versions = {each["name"]: each for each in live["spec"]["versions"]}
    found = versions.get(VERSION)
    if found is None or not found.get("served"):
        served = ", ".join(label for label, each in versions.items() if each.get("served"))
        return failed("crd", f"CRD {name} serves {served or 'nothing'}, not {VERSION}", APPLY_CRD)
    if found["schema"] != wanted["spec"]["versions"][0]["schema"]:
        text = f"CRD {name} has another schema than this version of canary"
        return failed("crd", text, f"{APPLY_CRD}; if the controller is newer, use its `canary`")
    return passed("crd", f"CRD {name}, {VERSION}")


async def _served(http: KubeHttp) -> Diagnosis:
    """Return what one may see who may not read CRDs."""
    try:
        await http.send(Call(method="GET", path=f"/apis/{GROUP}/{VERSION}", what=f"API group {GROUP}"))
    except NotFound:
        return failed("crd", f"{GROUP}/{VERSION} is not served", APPLY_CRD)
    except CanaryError as error:
        return skipped("crd", str(error))
    return passed("crd", f"{PLURAL}.{GROUP}, {VERSION} is served; its schema may not be read with these rights")


async def leader(http: KubeHttp, namespace: str) -> Diagnosis:
    """Somebody holds the lease and renews it."""
    where = f"Lease {namespace}/{LEASE_NAME}"
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE_NAME}"
    try:
        lease = await http.send(Call(method="GET", path=path, what=where))
    except NotFound:
        return failed("leader", f"there is no {where}: no controller ever led", _start(namespace))
    except CanaryError as error:
        return skipped("leader", str(error), "ask with rights to read Leases there, or name another --lease-namespace")
    spec: dict[str, Any] = lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        return failed("leader", f"{where} is held by nobody", _start(namespace))
    age = (http.clock.now() - datetime.fromisoformat(str(renewed))).total_seconds()
    if age > float(spec.get("leaseDurationSeconds") or 0):
        text = f"{where}: {holder} renewed it {age:.0f} s ago and leads no more"
        return failed("leader", text, LOOK.format(namespace=namespace))
    return passed("leader", f"{holder} leads, renewed {max(0.0, age):.0f} s ago")


def _start(namespace: str) -> str:
    return f"install the controller (manifests/install), or {LOOK.format(namespace=namespace)}"


async def mesh(http: KubeHttp, name: str) -> Diagnosis:
    """The kind of route that the mesh's adapter writes for HTTP is served; that for gRPC is told where it is not."""
    try:
        adapter = mesh_named(name)
    except ConfigError as error:
        return failed("mesh", str(error), "name the mesh that is installed with --mesh")
    needed, wanted = (adapter.route_kind(_route(protocol)) for protocol in (AppProtocol.HTTP, AppProtocol.GRPC))
    kinds = dict.fromkeys((needed, wanted, *adapter.kinds()))
    discovery = Discovery(http)
    try:
        await discovery.refresh(set(kinds))
    except CanaryError as error:
        return skipped("mesh", str(error))
    if not discovery.served(needed):
        text = f"the cluster does not serve {needed}, in which {name} has the split"
        return failed("mesh", text, f"install {name} and its CRDs, or name the mesh that is installed with --mesh")
    served = [f"{kind} {discovery.served(kind)[0]}" for kind in kinds if discovery.served(kind)]
    note = "" if discovery.served(wanted) else f"; gRPC cannot be split: {wanted} is not served"
    return passed("mesh", f"{name}: {', '.join(served)}{note}")


def _route(protocol: AppProtocol) -> Route:
    """Return any route of that protocol, to ask of which kind it is."""
    return Route(
        namespace="x",
        target="x",
        apex="x",
        canary="x-canary",
        port=80,
        port_name="",
        protocol=protocol,
        user_route=None,
        served=(),
        options={},
    )
