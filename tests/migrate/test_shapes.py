"""What stands where a provider is to stand may have any shape."""

from __future__ import annotations

from typing import Any

import pytest

from tests.migrate.test_flagger import BASE, LAG, made, put


@pytest.mark.parametrize("other", ["istio", 3, ["istio"], {"a": 1}, None])
def test_a_provider_of_another_shape_is_answered(other: Any) -> None:
    found = made(canary=put(BASE, "provider", [other]), template=put(LAG, "provider", other))
    assert "spec.provider" in {one.field for one in found.remarks}
    told = [one.text for one in found.remarks if one.field == "spec.analysis.metrics[0]"]
    assert told == ["lag: its MetricTemplate asks None: canary asks Prometheus only"]
