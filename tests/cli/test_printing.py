"""What a command prints where it cannot be written: a full disk, a pipe that nobody reads, a closed standard output."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.cli import demo, main
from canary.cli.printing import NotPrinted, taken_over
from canary.errors import ConfigError, Unavailable
from canary.lint.files import gathered
from tests.builders import canary
from tests.cli.process import PATIENCE_S, command, environment, run
from tests.cli.watched_api import watched_api

FULL, BROKEN, CLOSED = "No space left on device", "Broken pipe", "Bad file descriptor"


def ended(folder: Path, words: list[str], out: str) -> tuple[int, str]:
    """Run a command with one of these standard outputs; return its exit status and what it wrote on standard error."""
    outs = {FULL: ">/dev/full", BROKEN: "| true", CLOSED: ">&-"}
    done = subprocess.run(
        ["bash", "-c", f'"$@" {outs[out]}; exit "${{PIPESTATUS[0]}}"', "-", *words],
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stderr


def told(why: str) -> tuple[int, str]:
    return 1, f"canary: standard output cannot be written: {why}; not all was printed\n"


@pytest.mark.parametrize("words", [["crd"], ["--help"], ["--version"], ["lint", "-o", "json", "."]])
def test_a_full_disk_is_told_in_one_line_and_ends_with_1(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "one.yaml").write_text("kind: List\n", encoding="utf-8")
    there = [str(tmp_path) if word == "." else word for word in words]
    assert ended(tmp_path, command(*there), FULL) == told(FULL)


def test_what_is_read_of_a_cluster_or_followed_is_no_exception(tmp_path: Path) -> None:
    with watched_api(tmp_path) as api:
        api.hold(canary())
        cluster = ("--kubeconfig", str(api.kubeconfig), "-n", "shop")
        for words in (("status",), ("watch", "checkout"), ("watch", "checkout", "-o", "json")):
            assert ended(tmp_path, command(*words, *cluster), FULL) == told(FULL), words


def test_a_closed_output_is_told_too(tmp_path: Path) -> None:
    assert ended(tmp_path, command("crd"), CLOSED) == told(CLOSED)


@pytest.mark.parametrize("words", [["crd"], ["--help"]])
def test_a_pipe_that_nobody_reads_any_more_ends_with_1_and_without_a_word(tmp_path: Path, words: list[str]) -> None:
    assert ended(tmp_path, command(*words), BROKEN) == (1, "")


def test_wrong_usage_stays_that_where_nothing_is_printed(tmp_path: Path) -> None:
    for out in (FULL, CLOSED):
        assert ended(tmp_path, command("nosuch"), out)[0] == 2


def test_what_kubectl_asks_of_its_plugin_is_told_alike(tmp_path: Path) -> None:
    words = [str(Path(sysconfig.get_path("scripts")) / "kubectl_complete-canary"), "wa"]
    assert ended(tmp_path, words, FULL) == told(FULL)


def test_a_fault_that_somebody_caught_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with taken_over() as printed:
            sys.stdout.write("a line")
            for _ in range(2):
                with pytest.raises(NotPrinted, match=FULL):
                    sys.stdout.flush()
            with pytest.raises(NotPrinted, match=FULL):
                sys.stdout.write("another")
            assert str(printed.finish()).startswith(f"standard output cannot be written: {FULL}")
        assert sys.stdout is full


class FullOnce(io.TextIOWrapper):
    """A file on a disk that is full at the first flush, and has room again."""

    full = True

    def flush(self) -> None:
        if self.full:
            self.full = False
            raise OSError(errno.ENOSPC, FULL)
        super().flush()


def test_room_that_comes_later_does_not_make_up_for_what_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FullOnce((tmp_path / "out").open("wb")) as out:
        monkeypatch.setattr(sys, "stdout", out)
        with taken_over() as printed:
            for _ in range(2):
                with pytest.raises(NotPrinted, match=FULL):
                    sys.stdout.flush()
            with pytest.raises(NotPrinted, match=FULL):
                sys.stdout.write("more")
            assert FULL in str(printed.finish())


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "a\\u2192b"), ("latin-1", "a\\u2192b"), ("utf-8", "a→b")])
def test_a_letter_that_a_terminal_does_not_have_is_shown_as_its_escape(
    tmp_path: Path, encoding: str, shown: str
) -> None:
    manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a→b, annotations: {canary.delivery/steps: x}}\n"
    (tmp_path / "one.yaml").write_text(manifest, encoding="utf-8")
    done = subprocess.run(
        command("lint", "one.yaml"),
        env=environment(tmp_path, {"PYTHONIOENCODING": encoding}),
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr, f"Deployment {shown}" in done.stdout.decode(encoding)) == (1, b"", True)


def status_of(raised: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the exit status of a command that raises."""
    monkeypatch.setattr(main, "app", lambda **_: raised())
    with pytest.raises(SystemExit) as told:
        main.main()
    return told.value.code


def raising(error: BaseException) -> Callable[[], object]:
    def raised() -> Iterator[None]:
        raise error

    return raised


def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    barred = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/some/file")
    full = OSError(errno.ENOSPC, FULL)
    group = ExceptionGroup("both", [Unavailable("asked in vain"), ExceptionGroup("deeper", [full])])
    assert status_of(raising(barred), monkeypatch) == 1
    assert capsys.readouterr().err == "canary: /some/file cannot be used: Permission denied\n"
    assert status_of(raising(group), monkeypatch) == 1
    assert capsys.readouterr().err == f"canary: asked in vain\ncanary: a file cannot be used: {FULL}\n"


def test_a_standard_input_that_is_closed_is_a_file_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    [finding] = gathered(["-"]).findings
    assert (finding.rule, finding.place.file, finding.found) == (
        "unreadable",
        "<stdin>",
        "a standard input that is closed",
    )


@pytest.mark.parametrize("name", ["n" * 300, "one.yaml/two"])
def test_a_path_that_can_be_none_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "one.yaml").write_text("", encoding="utf-8")
    done = run(tmp_path, "lint", tmp_path / name)
    assert (done.status in (1, 2), "Traceback" in done.error, name in done.error) == (True, False, True), done


def test_an_error_that_is_a_fault_of_ours_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "app", lambda **_: raising(ConnectionResetError("by the other side"))())
    with pytest.raises(ConnectionResetError):
        main.main()


def test_a_command_that_ends_as_it_should_keeps_its_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [status_of(raising(SystemExit(code)), monkeypatch) for code in (None, 0, 3)] == [None, 0, 3]


def test_without_a_place_for_its_log_the_demo_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nosuch"])
    assert status_of(demo.demo, monkeypatch) == 1
    assert capsys.readouterr().err == (
        "canary: a file cannot be used: No usable temporary directory found in ['/nosuch']\n"
    )


def test_a_picture_that_cannot_be_written_ends_the_demo_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "nosuch" / "picture.svg"
    monkeypatch.setattr(demo, "_demo", raising(AssertionError("it has begun")))
    with pytest.raises(ConfigError) as told:
        demo.demo(picture=nowhere)
    assert (
        str(told.value) == f"{nowhere} cannot be written: No such file or directory; name another place with --picture"
    )
