"""The scenarios of this folder, side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.control_plane import ControlPlane
from tests.api.side_by_side import Ensemble, scenes_of
from tests.api.side_by_side import ensemble as ensemble_of


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def ensemble(
    request: pytest.FixtureRequest, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ensemble]:
    folder = tmp_path_factory.mktemp("scenes")
    async with ensemble_of(plane, folder, installed=True) as it:
        it.begin(scenes_of(request.session.items, __package__ or ""))
        yield it
