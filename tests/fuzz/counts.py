"""How many examples each property is given, and how many it was."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings

from canary.errors import CanaryError

EXAMPLES = int(os.environ.get("CANARY_FUZZ", "0"))
FEW = 60
TRIED: Counter[str] = Counter()
"""Examples by property, of this process; reports carry them to where they are added up."""
PROPERTY = "examples"
"""The name of a report's property that has the count."""

_T = TypeVar("_T")
_Test = TypeVar("_Test", bound=Callable[..., None])

_few = settings(max_examples=FEW)
_many = settings(
    max_examples=max(1, EXAMPLES), derandomize=False, deadline=None, suppress_health_check=list(HealthCheck)
)


def fuzzed(test: _Test) -> _Test:
    """Mark a property (under `@given`) as one of the suite's; its examples are counted."""
    inner = test.hypothesis.inner_test  # type: ignore[attr-defined]

    @functools.wraps(inner)
    def counted(*args: Any, **kwargs: Any) -> None:
        TRIED[test.__name__] += 1
        inner(*args, **kwargs)

    test.hypothesis.inner_test = counted  # type: ignore[attr-defined]
    quiet = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # of long values in a failure
    # urllib3 leaves the socket of an answer whose head it refuses to the garbage collector.
    left = "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    unclosed = pytest.mark.filterwarnings(left)
    return cast(_Test, unclosed(quiet((_many if EXAMPLES else _few)(test))))


def outcome(call: Callable[[], _T]) -> _T | CanaryError:
    """Return what `call` returns, or the error of our family that it raises; all others are not caught."""
    try:
        return call()
    except CanaryError as error:
        return error
