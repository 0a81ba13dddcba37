"""One control plane for all tests of a worker; a harness in a namespace of its own for each, or an ensemble of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.control_plane import ControlPlane, assets_folder, control_plane
from tests.api.harness import Harness, harness
from tests.api.installing import CRDS, install
from tests.api.side_by_side import Ensemble, scenes_of
from tests.api.side_by_side import ensemble as open_ensemble

ISTIO = "istio/virtualservices.networking.istio.io.yaml"
GATEWAY_API = tuple(f"gateway-api/{kind}.gateway.networking.k8s.io.yaml" for kind in ("httproutes", "grpcroutes"))


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """A control plane with the CRDs of canary, of Istio and of the Gateway API."""
    assets, crds = assets_folder(), os.environ.get(CRDS, "")
    if assets is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver and kube-controller-manager")
    if not crds:
        pytest.skip(f"{CRDS} names no folder with the CRDs of the meshes")
    with control_plane(assets) as running:
        install(running, *(Path(crds) / name for name in (ISTIO, *GATEWAY_API)))
        yield running


@pytest.fixture
async def at_work(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Harness]:
    """A namespace in which pods run, requests are counted, and controllers can be started."""
    async with harness(plane, tmp_path) as it:
        yield it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ensemble(
    request: pytest.FixtureRequest, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ensemble]:
    """The scenarios of a module, side by side. A module that says `INSTALLED = True` has one controller for all."""
    module = request.module
    installed = getattr(module, "INSTALLED", False)
    async with open_ensemble(plane, tmp_path_factory.mktemp("scenes"), installed=installed) as it:
        for name, play in scenes_of(request.session.items, module.__name__).items():
            it.begin(name, play)
        yield it
