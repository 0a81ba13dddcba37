"""Plants each kept fault in a copy of the source and sees whether the tests notice.

A fault is a patch in this folder with a head of two lines, `Fault: one sentence` and `Tests: tests/rollout ...`
(left out: the whole suite). It counts as caught when a test fails with it that passes without it. Anything else, a
patch that does not apply or a suite that cannot start included, ends this program with 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.plants.catcher import CATCHES

PLANTS = Path(__file__).resolve().parent
SIDE_BY_SIDE = 2
DEADLINE_S = 900
LINES_SHOWN = 25
TESTS_FAILED = 1
"""What pytest ends with when it ran and tests failed; a collection error is 2."""


class NotPlantedError(Exception):
    """The fault could not be put to the test; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One kept fault: what it breaks, and the paths of the tests that are to notice (none: all)."""

    name: str
    patch: Path
    fault: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one plant. `caught_by` is the test that noticed, "" when none did; `because` then says more."""

    plant: str
    seconds: float
    caught_by: str = ""
    because: str = ""


def read_plant(patch: Path) -> Plant:
    """Return the plant in a patch file. Raises NotPlantedError when its head names no fault or something unknown."""
    head: dict[str, str] = {}
    for line in patch.read_text(encoding="utf-8").splitlines():
        if line.startswith(("diff --git ", "--- ")):
            break
        key, _, value = line.partition(":")
        if line.strip() and key not in ("Fault", "Tests"):
            raise NotPlantedError(f"{patch.name}: the head may hold `Fault:` and `Tests:`, found {line!r}")
        head[key] = value.strip()
    if not head.get("Fault"):
        raise NotPlantedError(f"{patch.name}: the head lacks `Fault: one sentence`")
    return Plant(name=patch.stem, patch=patch, fault=head["Fault"], tests=tuple(head.get("Tests", "").split()))


def copy_source(source: Path, copy: Path) -> None:
    """Copy what git tracks, or would track, as it is now, into the folder `copy`, and make that a repository too."""
    listed = _git(source, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in sorted(set(listed.split("\0")) - {""}):
        if (source / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, copy / name)
    _git(copy, "init", "--quiet")
    _git(copy, "add", "--all")


def judge(source: Path, plant: Plant) -> Outcome:
    """Plant one fault in a copy of `source`, run its tests there and say what became of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="plant-") as folder:
        copy = Path(folder).resolve() / "copy"
        copy.mkdir()
        try:
            caught_by, because = _caught_by(source, copy, plant), ""
        except NotPlantedError as reason:
            caught_by, because = "", str(reason)
    return Outcome(plant=plant.name, seconds=time.monotonic() - began, caught_by=caught_by, because=because)


def _caught_by(source: Path, copy: Path, plant: Plant) -> str:
    copy_source(source, copy)
    try:
        _git(copy, "apply", str(plant.patch))
    except subprocess.CalledProcessError as failure:
        raise NotPlantedError(f"does not apply: {failure.stderr.strip()}") from failure
    _see_that_the_copy_is_imported(copy)
    ended, failed, output = _pytest(copy, plant.tests)
    if ended == 0:
        raise NotPlantedError(f"SURVIVED. {plant.fault}")
    if ended != TESTS_FAILED or not failed:
        raise NotPlantedError(f"no test failed, yet pytest ended with {ended}:\n{_tail(output)}")
    _git(copy, "apply", "--reverse", str(plant.patch))
    ended, _, output = _pytest(copy, failed[:1])
    if ended != 0:
        raise NotPlantedError(f"{failed[0]} fails without the fault too:\n{_tail(output)}")
    return failed[0]


def _pytest(copy: Path, tests: Sequence[str]) -> tuple[int, Sequence[str], str]:
    catches = copy.parent / "catches"
    catches.write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "tests.plants.catcher"]
    environment = _environment(copy) | {CATCHES: str(catches)}
    try:
        run = subprocess.run(
            [*command, *tests],
            cwd=copy,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise NotPlantedError(f"no end after {DEADLINE_S} s") from late
    return run.returncode, catches.read_text(encoding="utf-8").splitlines(), run.stdout


def _see_that_the_copy_is_imported(copy: Path) -> None:
    question = "import canary, meshes; print(canary.__file__, meshes.__file__, sep='\\n')"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=copy.parent, env=_environment(copy), capture_output=True, text=True
    )
    strangers = [line for line in answer.stdout.splitlines() if not Path(line).is_relative_to(copy)]
    if answer.returncode != 0 or strangers:
        raise NotPlantedError(f"not the copy would be tested: {strangers or answer.stderr.strip()}")


def _environment(copy: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTEST_"))}
    return inherited | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, env=_environment(folder), check=True, capture_output=True, text=True).stdout


def _tail(output: str) -> str:
    return "\n".join(f"    {line}" for line in output.splitlines()[-LINES_SHOWN:])


def run(source: Path, patches: Sequence[Path]) -> int:
    """Judge each patch, print one line for each, return 0 when there is one and all were caught, else 1."""
    try:
        plants = [read_plant(patch) for patch in patches]
    except NotPlantedError as reason:
        print(reason)
        return 1
    caught = 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for outcome in pool.map(lambda plant: judge(source, plant), plants):
            caught += bool(outcome.caught_by)
            word = f"caught by {outcome.caught_by}" if outcome.caught_by else f"NOT CAUGHT: {outcome.because}"
            print(f"{outcome.plant:<40} {outcome.seconds:6.1f} s  {word}", flush=True)
    print(f"{caught} of {len(plants)} planted faults caught")
    return 0 if plants and caught == len(plants) else 1


def main() -> int:
    """Judge the plants named on the command line, or all."""
    names = sys.argv[1:]
    patches = [PLANTS / f"{name}.patch" for name in names] if names else sorted(PLANTS.glob("*.patch"))
    absent = [patch.name for patch in patches if not patch.is_file()]
    if absent:
        print(f"no such plant: {', '.join(absent)}")
        return 1
    return run(PLANTS.parents[1], patches)


if __name__ == "__main__":
    sys.exit(main())
