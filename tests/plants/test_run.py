from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.plants import catcher
from tests.plants.run import NotPlantedError, Outcome, Plant, judge, read_plant, run

SUMS = "def add(a, b):\n    return a + b\n"
TESTS = """\
import pathlib

import pytest

from canary.sums import add


@pytest.fixture
def two():
    return add(1, 1) // (add(0, 0) + 1)


def test_adds(two):
    assert add(two, 3) == 5


def test_is_in_the_copy():
    assert pathlib.Path(add.__code__.co_filename).is_relative_to(pathlib.Path.cwd())
"""


def edit(old: str, new: str) -> str:
    """A patch of the second line of canary/sums.py."""
    lines = ["diff --git a/canary/sums.py b/canary/sums.py", "--- a/canary/sums.py", "+++ b/canary/sums.py"]
    return "\n".join([*lines, "@@ -1,2 +1,2 @@", " def add(a, b):", f"-    {old}", f"+    {new}", ""])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    files = {
        "canary/__init__.py": "",
        "canary/sums.py": SUMS,
        "meshes/__init__.py": "",
        "tests/__init__.py": "",
        "tests/test_sums.py": TESTS,
        "tests/plants/__init__.py": "",
        "tests/plants/catcher.py": Path(catcher.__file__).read_text(encoding="utf-8"),
        "pyproject.toml": '[tool.pytest]\npythonpath = ["."]\nasyncio_default_fixture_loop_scope = "function"\n',
    }
    for name, text in files.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "source")], check=True)
    return tmp_path / "source"


def planted(source: Path, diff: str, *, tests: str = "") -> Plant:
    patch = source.parent / "sums.patch"
    patch.write_text(f"Fault: Sums are wrong.\nTests: {tests}\n\n{diff}", encoding="utf-8")
    return read_plant(patch)


def outcome(source: Path, diff: str, *, tests: str = "") -> Outcome:
    return judge(source, planted(source, diff, tests=tests))


def test_a_fault_is_caught_by_the_test_that_fails_in_the_copy(source: Path) -> None:
    got = outcome(source, edit("return a + b", "return a - b + 2 * (a == 1)"))
    assert got == Outcome(plant="sums", seconds=got.seconds, caught_by="tests/test_sums.py::test_adds")
    assert (source / "canary/sums.py").read_text() == SUMS


def test_a_fault_that_no_test_notices_survives(source: Path) -> None:
    got = outcome(source, edit("return a + b", "return b + a"), tests="tests/test_sums.py")
    assert (got.caught_by, got.because) == ("", "SURVIVED. Sums are wrong.")


def test_a_collection_error_does_not_count_as_caught(source: Path) -> None:
    got = outcome(source, edit("return a + b", "return a +"))
    assert got.caught_by == ""
    assert got.because.startswith("no test failed, yet pytest ended with 2")
    assert "SyntaxError" in got.because


def test_an_error_in_the_set_up_of_a_test_does_not_count_as_caught(source: Path) -> None:
    got = outcome(source, edit("return a + b", "return a + b - 1"))
    assert got.caught_by == ""
    assert got.because.startswith("no test failed, yet pytest ended with 1")
    assert "ZeroDivisionError" in got.because


def test_a_patch_that_does_not_apply_does_not_count_as_caught(source: Path) -> None:
    got = outcome(source, edit("return a * b", "return a - b"))
    assert got.caught_by == ""
    assert got.because.startswith("does not apply: ")


def test_tests_that_are_not_there_do_not_count_as_caught(source: Path) -> None:
    got = outcome(source, edit("return a + b", "return a - b"), tests="tests/absent")
    assert got.caught_by == ""
    assert got.because.startswith("no test failed, yet pytest ended with 4")


def test_a_test_that_fails_without_the_fault_too_does_not_count_as_caught(source: Path) -> None:
    (source / "tests/test_sums.py").write_text("def test_never():\n    raise AssertionError\n", encoding="utf-8")
    got = outcome(source, edit("return a + b", "return a - b"))
    assert got.caught_by == ""
    assert got.because.startswith("tests/test_sums.py::test_never fails without the fault too")


def test_the_run_passes_when_every_fault_is_caught(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patch = planted(source, edit("return a + b", "return 7")).patch
    assert run(source, [patch]) == 0
    assert capsys.readouterr().out.endswith("1 of 1 planted faults caught\n")


def test_the_run_fails_when_a_fault_survives(source: Path) -> None:
    assert run(source, [planted(source, edit("return a + b", "return b + a")).patch]) == 1


def test_the_run_fails_when_there_is_no_plant(source: Path) -> None:
    assert run(source, []) == 1


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("Tests: tests\n", "lacks `Fault: one sentence`"),
        ("Fault:\n", "lacks `Fault: one sentence`"),
        ("Fault: It is.\nTest: tests\n", "found 'Test: tests'"),
    ],
)
def test_a_head_without_a_fault_or_with_something_unknown_is_refused(tmp_path: Path, head: str, message: str) -> None:
    patch = tmp_path / "x.patch"
    patch.write_text(head + "\ndiff --git a/x b/x\n", encoding="utf-8")
    with pytest.raises(NotPlantedError, match=message):
        read_plant(patch)
    assert run(tmp_path, [patch]) == 1


def test_the_head_names_the_fault_and_the_tests(tmp_path: Path) -> None:
    patch = tmp_path / "late.patch"
    patch.write_text("Fault: It is late.\nTests: tests/a tests/b\n\n--- a/x\n+++ b/x\n", encoding="utf-8")
    assert read_plant(patch) == Plant(name="late", patch=patch, fault="It is late.", tests=("tests/a", "tests/b"))
