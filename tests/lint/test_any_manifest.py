"""Whatever stands in a file, lint tells something or nothing, and never fails itself."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from canary.lint.bundle import Settings
from canary.lint.model import Document
from canary.lint.rules import findings
from canary.rollout.model import Timing
from tests.lint.test_faults import CASES

WHOLE = [list(yaml.safe_load_all(case.text)) for case in CASES.values()]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.just([]), st.just({}), st.just([None, 3, {}, []])
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in [(*path, key), *places(one, (*path, key))]]


@st.composite
def broken(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The manifests of a mistake, with junk in one or two places."""
    manifests: list[Any] = copy.deepcopy(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 2))):
        *path, last = draw(st.sampled_from(places(manifests)))
        inner = manifests
        for key in path:
            inner = inner[key]
        inner[last] = copy.deepcopy(draw(JUNK))
    return [one for one in manifests if isinstance(one, dict) and isinstance(one.get("metadata"), dict)]


@given(broken(), st.sampled_from(["istio", "linkerd", "kuma", "gateway-api"]))
def test_any_manifest_is_answered(manifests: list[dict[str, Any]], mesh: str) -> None:
    documents = [Document(file="f", manifest=one, lines={}) for one in manifests]
    for finding in findings(documents, Settings(mesh=mesh, timing=Timing())):
        assert "\n" not in finding.text
