"""One control plane for all tests of a worker, and a harness in a namespace of its own for each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.control_plane import ControlPlane, assets_folder, control_plane
from tests.api.harness import Harness, harness
from tests.api.installing import CRDS, install

MESHES = ("gateway-api", "istio", "kuma", "linkerd")
"""The folders with the CRDs of the meshes. Kuma's come and go later: each test of it has its own release."""


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """A control plane with the CRDs of canary and of the meshes."""
    assets, crds = assets_folder(), os.environ.get(CRDS, "")
    if assets is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver and kube-controller-manager")
    if not crds:
        pytest.skip(f"{CRDS} names no folder with the CRDs of the meshes")
    with control_plane(assets) as running:
        install(running, *(file for name in MESHES for file in sorted((Path(crds) / name).glob("*.yaml"))))
        yield running


@pytest.fixture
async def at_work(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Harness]:
    """A namespace in which pods run, requests are counted, and controllers can be started."""
    async with harness(plane, tmp_path) as it:
        yield it
