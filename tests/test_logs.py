"""What every log line is: one JSON object, bounded, without credentials, with a fixed event in the past tense."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from canary.logs import LONGEST_TEXT, LONGEST_TRACE, MASK, LogFormat, set_up

ROOT = Path(__file__).resolve().parents[1]
LOGS = r"log|_?log\.(debug|info|warning|error|exception|critical)"
PAST = re.compile(r"([a-z]+_)*([a-z]+ed|lost|won|left|broke|read|cut|told|sent|written|given|taken)")


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Where JSON lines go; the set-up of before is put back."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up(LogFormat.JSON, stream=stream)
    yield stream
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def calls(path: Path) -> Iterator[ast.Call]:
    """The calls of a module that write a line: a method of `log` or `_log`, or one of them kept as `log`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and re.fullmatch(LOGS, ast.unparse(node.func)):
            yield node


def test_every_event_is_a_fixed_phrase_in_the_past_tense() -> None:
    found = {
        ast.unparse(call.args[0]): f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sorted((ROOT / "canary").rglob("*.py"))
        for call in calls(path)
    }
    assert len(found) > 10
    events = {ast.literal_eval(each): where for each, where in found.items() if each.startswith("'")}
    assert {where for each, where in found.items() if not each.startswith("'")} == set()
    assert {where for event, where in events.items() if not PAST.fullmatch(event)} == set()


SECRETS = [
    ("http://user:hunter2secret@prometheus:9090/x failed", f"http://{MASK}@prometheus:9090/x failed"),
    ("https://hooks.slack.com/services/T0/B0/abcdef no", f"https://hooks.slack.com/{MASK} no"),
    ("sent Authorization: Bearer eyJhbGciOi.abc-def", f"sent Authorization: Bearer {MASK}"),
    ("basic dXNlcjpwYXNz!", f"basic {MASK}!"),
    ("token xoxb-1234567890-abcdef is wrong", f"token {MASK} is wrong"),
    ("token xapp-1-A0-abcdef", f"token {MASK}"),
]


@pytest.mark.parametrize(("said", "shown"), SECRETS, ids=[shown for _, shown in SECRETS])
def test_what_looks_like_a_credential_is_masked_wherever_it_stands(out: io.StringIO, said: str, shown: str) -> None:
    structlog.get_logger().warning("thing_failed", error=said, facts={"of": said}, parts=[said])
    [line] = lines(out)
    assert (line["error"], line["facts"], line["parts"]) == (shown, {"of": shown}, [shown])


@pytest.mark.parametrize(
    "text", ["shop/checkout", "2 of 3 @ 10:00", "http://prometheus:9090/api", "image@sha256:0123456789abcdef", "a:b"]
)
def test_other_texts_stay_as_they_are(out: io.StringIO, text: str) -> None:
    structlog.get_logger().info("thing_looked_at", text=text, number=1.5, nothing=None, yes=True)
    [line] = lines(out)
    assert {key: line[key] for key in ("text", "number", "nothing", "yes")} == {
        "text": text, "number": 1.5, "nothing": None, "yes": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, {str(n): "x" * 10**5 for n in range(1000)}, ["x" * 10**5] * 1000, {"a": {"b": ["x" * 10**6]}}, b"x"],
    ids=["text", "map", "list", "nested", "bytes"],
)
def test_a_line_is_bounded_whatever_is_logged(out: io.StringIO, value: object) -> None:
    structlog.get_logger().info("thing_seen", value=value)
    assert len(out.getvalue()) < 30_000
    assert out.getvalue().count("\n") == 1


def test_a_cut_leaves_no_part_of_a_credential(out: io.StringIO) -> None:
    structlog.get_logger().info("thing_seen", value="x " * (LONGEST_TEXT // 2 - 5) + "xoxb-1234567890")
    assert "xoxb" not in out.getvalue()


def test_a_traceback_is_one_bounded_line(out: io.StringIO) -> None:
    try:
        raise ValueError("y" * 10**5)
    except ValueError as error:
        structlog.get_logger().warning("pass_failed", exc_info=error)
    [line] = lines(out)
    assert line["exception"].startswith("Traceback")
    assert len(line["exception"]) == LONGEST_TRACE


def test_the_warnings_of_other_packages_are_lines_of_the_same_form(out: io.StringIO) -> None:
    logging.getLogger("urllib3").warning("Retrying %s", "http://user:hunter2secret@host/")
    logging.getLogger("aiohttp").info("not of interest")
    [line] = lines(out)
    assert {key: line[key] for key in ("event", "level", "text")} == {
        "event": "package_warned", "level": "warning", "text": f"Retrying http://{MASK}@host/",
    }  # fmt: skip
