"""Keeps Python's collector from looking again and again at what stays: the modules, and the thousands of tests."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Leave what was made until the first test out of all later collections."""
    gc.collect()
    gc.freeze()
