"""Adapters are found among installed distributions; each way in which one can be broken names its origin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshes import registry
from meshes.istio import Istio


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python looks for distributions and modules in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("planted"):
            del sys.modules[name]


def plant(site: Path, line: str, source: str = "", distribution: str = "canary-meshes-acme") -> None:
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[canary.meshes]\n{line}\n")
    (site / "planted.py").write_text(source)


def test_the_adapters_of_this_project_are_announced() -> None:
    assert "istio" in registry.names()
    assert isinstance(registry.load("istio"), Istio)


def test_an_adapter_of_another_distribution_is_found(site: Path) -> None:
    plant(site, "acme = planted:Acme", 'from meshes.istio import Istio\n\nclass Acme(Istio):\n    name = "acme"\n')
    assert "acme" in registry.names()
    assert registry.load("acme").name == "acme"


def test_an_unknown_name_says_what_is_installed_and_what_is_near(site: Path) -> None:
    plant(site, "acme = planted:Acme")
    with pytest.raises(registry.UnknownMesh) as caught:
        registry.load("acne")
    assert str(caught.value) == (
        f"no mesh adapter 'acne'; installed are {', '.join(registry.names())}; did you mean 'acme'?"
    )
    assert isinstance(caught.value, LookupError)


def test_a_name_that_is_like_none_gets_no_hint() -> None:
    with pytest.raises(registry.UnknownMesh) as caught:
        registry.load("zzz")
    assert "did you mean" not in str(caught.value)


def test_no_adapter_at_all_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "GROUP", "canary.meshes.of.nobody")
    with pytest.raises(registry.UnknownMesh, match="no distribution announces one"):
        registry.load("istio")


@pytest.mark.parametrize(
    ("line", "source", "fault"),
    [
        ("acme = planted_nowhere:Acme", "", "cannot be loaded: ModuleNotFoundError"),
        ("acme = planted:Acme", "", "cannot be loaded: AttributeError"),
        ("acme = planted:Acme", "def broken(:\n", "cannot be loaded: SyntaxError"),
        ("acme = planted:Acme", "raise OSError('no disk')\n", "cannot be loaded: OSError: no disk"),
        ("acme = planted:Acme", "class Acme:\n    def __init__(self, url): ...\n", "cannot be loaded: TypeError"),
        ("acme = planted:Acme", "class Acme:\n    name = 'acme'\n", "is no adapter: it lacks conflict, kinds, latency"),
        ("acme = planted:Acme", "from meshes.istio import Istio as Acme\n", "calls itself 'istio'"),
    ],
)
def test_a_broken_adapter_names_its_distribution(site: Path, line: str, source: str, fault: str) -> None:
    plant(site, line, source)
    with pytest.raises(registry.BrokenAdapter, match=fault) as caught:
        registry.load("acme")
    assert "of canary-meshes-acme 1.2" in str(caught.value)


def test_a_name_that_two_distributions_claim_is_refused(site: Path) -> None:
    plant(site, "istio = planted:Acme")
    with pytest.raises(registry.BrokenAdapter, match=r"planted:Acme of canary-meshes-acme 1\.2; remove all but one"):
        registry.load("istio")
