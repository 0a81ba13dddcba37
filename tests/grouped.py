"""Keeps the tests of an `xdist_group` on one worker.

pytest-xdist 3.8 writes the group into `Item._nodeid`, which pytest 9.2 reads no more: every test would go to whichever
worker is free, both would start what its group shares, and tests that need a thing to themselves would meet others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """End the id of each grouped test with `@GROUP`, by which the scheduler of --dist=loadgroup goes."""
    if not config.getoption("loadgroup", default=False):
        return
    for item in items:
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
        ending = f"@{'_'.join(groups)}"
        if groups and not item.nodeid.endswith(ending):
            inner: Any = item
            inner._id = type(inner._id).parse(f"{item.nodeid}{ending}")
