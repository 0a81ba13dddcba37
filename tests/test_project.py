"""What holds for the project as a whole: sizes, imports of the adapters, no word about one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES = 300
FUNCTION_LINES = 40
FOLDERS_OF_ONE_MACHINE = ("work", "root", "farm")


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True)
    return tuple(name for name in listed.stdout.split("\0") if (ROOT / name).is_file())


@cache
def text(name: str) -> str:
    """The file's text, "" when it is not text."""
    content = (ROOT / name).read_bytes()
    return "" if b"\0" in content else content.decode()


def python_files() -> list[str]:
    return [name for name in tracked() if name.startswith(("canary/", "meshes/", "tests/")) and name.endswith(".py")]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def too_long(name: str) -> list[str]:
    found = [f"the file has {lines} lines"] if (lines := text(name).count("\n")) > FILE_LINES else []
    for function in functions(ast.parse(text(name))):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES:
            found.append(f"{function.name} has {lines} lines")
    return found


def imported_by(name: str) -> set[str]:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(text(name))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + (node.module or ""))
    return imported


def test_every_file_is_short_and_so_are_its_functions() -> None:
    assert {name: found for name in python_files() if (found := too_long(name))} == {}


def strangers(name: str) -> set[str]:
    """What a module of meshes imports beside the standard library, the contract, what adapters share, and its own."""
    adapter = ".".join(Path(name).with_suffix("").parts[:2])
    shared = {"meshes.parts", "meshes.gamma"} - {adapter}
    allowed = sys.stdlib_module_names | {"meshes.contract"}
    modules = {module for module in imported_by(name) if not {module, module.partition(".")[0]} & allowed}
    return {module for module in modules if ".".join(module.split(".")[:2]) not in {adapter, *shared}}


def test_a_mesh_adapter_imports_only_the_contract_and_the_standard_library() -> None:
    adapters = [name for name in python_files() if name.startswith("meshes/")]
    assert {name: modules for name in adapters if (modules := strangers(name))} == {}


def test_no_file_names_a_folder_of_one_machine() -> None:
    pattern = re.compile(rf"/({'|'.join(FOLDERS_OF_ONE_MACHINE)})/")
    assert [name for name in tracked() if pattern.search(text(name))] == []


def test_the_lock_names_no_registry_and_pins_every_package_by_hash() -> None:
    lock = text("requirements.lock")
    assert re.findall(r"^.*(?:://|--(?:extra-)?index-url|--find-links|--trusted-host|\.whl|@ ).*$", lock, re.M) == []
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", lock) if not entry.startswith("#")]
    assert [entry for entry in entries if not re.match(r"[a-z0-9.-]+==\S+ \\\n +--hash=sha256:", entry)] == []


def test_the_lock_holds_every_requirement_and_the_build_backend() -> None:
    project = text("pyproject.toml")
    locked = set(re.findall(r"^([a-z0-9.-]+)==", text("requirements.lock"), re.M))
    wanted = re.findall(r'^    "([A-Za-z0-9-]+)(?:[<>=!~][^"]*)?",$', project.partition("[project.scripts]")[0], re.M)
    assert {name.lower() for name in wanted} | {"hatchling", "pip", "setuptools"} <= locked


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"#\s*(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b|NotImplemented" + "Error")
    assert [name for name in tracked() if name.endswith(".py") and marks.search(text(name))] == []
