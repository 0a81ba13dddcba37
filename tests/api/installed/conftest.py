"""The scenarios of this folder, side by side."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from canary.clients.kube_http import connect
from tests.api.control_plane import ControlPlane
from tests.api.installing import CRDS, ensure
from tests.api.people import closed
from tests.api.side_by_side import Ensemble, scenes_of
from tests.api.side_by_side import ensemble as ensemble_of


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def ensemble(
    request: pytest.FixtureRequest, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ensemble]:
    await _kuma(plane)
    folder = tmp_path_factory.mktemp("scenes")
    async with ensemble_of(plane, folder, installed=True) as it:
        it.begin(scenes_of(request.session.items, __package__ or ""))
        yield it


async def _kuma(plane: ControlPlane) -> None:
    """See that Kuma's kinds are there: other tests take them away."""
    http = await connect(plane.kubeconfig)
    try:
        for file in sorted((Path(os.environ[CRDS]) / "kuma").glob("*.yaml")):
            await ensure(http, yaml.safe_load(file.read_text(encoding="utf-8")))
    finally:
        await closed(http)
