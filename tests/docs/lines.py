"""Command lines as pages show them: taken apart as a shell does, and held to what the programs take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer

from canary.cli.loading import Commands, loaded
from canary.cli.main import app
from tests.docs.pages import ROOT

_ENDS = {"|", "||", "&&", ";", "&", "|&"}
_REDIRECTS = {">", ">>", "<", "2>"}
WRONG_USAGE: type[Exception] = typer.BadParameter.__bases__[0]
"""What the parser raises; its module is not the same in every release of typer."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.M))
VARIABLES = set(re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.M))


def commands(text: str) -> list[list[str]]:
    """Each command of a block as its words, without assignments, redirections, comments and what is read from here."""
    without = re.sub(r"<<(\w+)$.*?^\1$", "", text.replace("\\\n", " "), flags=re.M | re.S)
    return [command for line in _lines(without) for command in _commands(line)]


def _lines(text: str) -> Iterator[str]:
    """Yield lines, and as one line what a quote holds together."""
    whole = ""
    for line in text.splitlines():
        whole = f"{whole}\n{line}" if whole else line
        try:
            shlex.split(whole, comments=True)
        except ValueError:
            continue
        yield whole
        whole = ""


def _commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for token in [*lexer, ";"]:
        if token in _ENDS:
            if words:
                yield words
            words = []
        elif token in _REDIRECTS:
            skip = True
        elif skip:
            skip = False
        elif words or not _ASSIGNMENT.fullmatch(token):
            words.append(token)


def root_command() -> Any:
    return typer.main.get_command(app)


def trouble_with(words: list[str]) -> str:
    """What is wrong with a command line of `canary`, `kubectl canary` or `make`; "" for nothing, and for others."""
    match words:
        case ["kubectl", "canary", *rest] | ["canary", *rest] | ["kubectl-canary", *rest]:
            return _parsed(rest)
        case ["make", *rest]:
            wrong = [word for word in rest if word not in TARGETS and word.partition("=")[0] not in VARIABLES]
            return f"make knows no {wrong}" if wrong else ""
        case _:
            return ""


def _parsed(words: list[str]) -> str:
    """Read a command line with the parser of the program itself, and run nothing."""
    command, context, rest = root_command(), None, words
    while True:
        try:
            context = command.make_context("canary", list(rest), parent=context)
            if not hasattr(command, "commands"):
                return ""
            rest = [*getattr(context, "_protected_args", ()), *context.args]
            _, found, rest = command.resolve_command(context, rest)
        except typer.Exit:  # `--version` and its like end it
            return ""
        except WRONG_USAGE as error:
            return str(getattr(error, "message", error))
        command = found


def flags(command: Any) -> set[str]:
    """The flags of one command; `-h` and `--help` are of all."""
    return {flag for each in command.params for flag in (*each.opts, *each.secondary_opts) if flag.startswith("-")}


def leaves(command: Any, name: str = "canary") -> Iterator[tuple[str, Any]]:
    """Each command that does something by its full name, such as `canary migrate flagger`."""
    below = getattr(command, "commands", {})
    if not below:
        yield name, command
    for each, inner in below.items():
        yield from leaves(loaded(each) if isinstance(command, Commands) else inner, f"{name} {each}")
