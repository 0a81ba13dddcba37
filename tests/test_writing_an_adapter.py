"""The adapter in docs/writing-an-adapter.md is one: it loads, keeps the laws, and its queries parse."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import promql_parser
import pytest

from canary.controller.selectors import read
from meshes import registry
from meshes.conformance import AdapterLaws
from meshes.contract import RouteError, Workload

PAGE = Path(__file__).resolve().parents[1] / "docs" / "writing-an-adapter.md"
ADAPTER, LAWS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
TESTS = sorted(name for name in dir(AdapterLaws) if name.startswith("test_"))


@pytest.fixture
def page() -> Iterator[dict[str, Any]]:
    """The names of the page's second program, which imports the first as `acme_mesh`."""
    module = ModuleType("acme_mesh")
    exec(compile(ADAPTER, "acme_mesh.py", "exec"), module.__dict__)
    sys.modules["acme_mesh"] = module
    names: dict[str, Any] = {"__name__": "laws_of_acme", "Acme": None}
    exec(compile(LAWS, "test_acme.py", "exec"), names)
    yield names
    del sys.modules["acme_mesh"]


@pytest.mark.parametrize("law", TESTS)
def test_the_pages_adapter_keeps_the_laws(page: dict[str, Any], law: str) -> None:
    getattr(page["TestAcmeLaws"](), law)()


def test_the_page_shows_all_methods_that_an_adapter_needs(page: dict[str, Any]) -> None:
    assert [name for name in registry.METHODS if not callable(getattr(page["Acme"](), name, None))] == []


def test_the_pages_queries_parse_and_its_conflicts_are_told(page: dict[str, Any]) -> None:
    adapter, route = page["Acme"](), page["CHECKOUT"]
    workload = Workload(
        namespace="shop",
        deployment='odd"name',
        service="checkout",
        pods=".*",
        port=8080,
        protocol=route.protocol,
    )
    counters = adapter.requests(workload)
    for selector in (counters.total, counters.bad, adapter.latency(workload).bucket):
        assert isinstance(promql_parser.parse(selector), promql_parser.VectorSelector)
    theirs = {"metadata": {"namespace": "shop", "name": "theirs"}, "spec": {"service": "checkout"}}
    assert isinstance(adapter.conflict(route, [theirs]), RouteError)


def test_the_pages_selectors_are_of_one_shape_whatever_the_names(page: dict[str, Any]) -> None:
    adapter, protocol = page["Acme"](), page["CHECKOUT"].protocol
    names = (("shop", "checkout"), ("eu", 'odd"name'), ("a.b|c", "(d)*"))
    workloads = [
        Workload(namespace=space, deployment=name, service=name, pods=".*", port=8080, protocol=protocol)
        for space, name in names
    ]
    counters, histograms = map(adapter.requests, workloads), map(adapter.latency, workloads)
    told = [(one.total, one.bad, other.bucket) for one, other in zip(counters, histograms, strict=True)]
    for selectors in zip(*told, strict=True):
        found = [read(selector) for selector in selectors]
        assert len({one.shape for one in found if one is not None}) == 1
        assert None not in found


def test_the_laws_catch_a_mistake_in_the_pages_adapter(page: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    right = page["Acme"].render
    monkeypatch.setattr(
        page["Acme"], "render", lambda self, route, weight, live: right(self, route, 100 - weight, live)
    )
    with pytest.raises(AssertionError, match="read back from"):
        page["TestAcmeLaws"]().test_what_was_written_is_read_back()
