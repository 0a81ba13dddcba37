"""Every command line that a page shows is one that the program takes, and every command and flag is in a page."""

from __future__ import annotations

import re

import pytest

from tests.docs.lines import TARGETS, commands, flags, leaves, root_command, trouble_with
from tests.docs.pages import DOCS, PAGES, ROOT, Block, all_spans, all_text, blocks, prose

LEAVES = dict(leaves(root_command()))
BLOCKS = blocks("sh")
OTHERS_FLAGS = {
    *("--all", "--cascade", "--for", "--from-literal", "--full", "--help", "--tag", "--watch", "--no-deps"),
    *("--hypothesis-profile", "--junitxml", "--write"),
}
"""Flags of kubectl, docker, pip, Argo Rollouts, pytest and the bench that pages name in their prose."""


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_command_line_of_a_block_is_taken_by_its_program(block: Block) -> None:
    wrong = [(" ".join(words), why) for words in commands(block.text) if (why := trouble_with(words))]
    assert wrong == []


def named_in(span: str) -> tuple[str, list[str]]:
    """The full name of the command that a span begins with, "" for none, and the words after it."""
    words = re.sub(r"^kubectl canary", "canary", span).split()
    for length in (3, 2):
        if (name := " ".join(words[:length])) in LEAVES:
            return name, words[length:]
    return "", words


def test_every_command_in_the_prose_is_there_with_the_flags_that_it_is_given() -> None:
    wrong = []
    for span in sorted(span for span in all_spans() if re.match(r"(kubectl )?canary [a-zA-Z-]", span)):
        name, rest = named_in(span)
        known = flags(LEAVES[name]) if name else flags(root_command())
        known |= {"--help", "-h", "--install-completion", "--show-completion"}
        wrong += [f"{span}: {word}" for word in rest if word.startswith("-") and word.partition("=")[0] not in known]
        if not name and not re.match(r"canary (COMMAND|--|\w+ \.\.\.)", span):
            wrong.append(f"{span}: no such command")
    assert wrong == []


def test_every_command_has_its_line_in_the_page_of_commands_and_no_other() -> None:
    rows = re.findall(r"^\| `(canary [a-z]+(?: [a-z]+)*)", (DOCS / "commands.md").read_text(encoding="utf-8"), re.M)
    assert sorted(rows) == sorted(LEAVES)


def test_every_flag_is_documented_and_every_documented_flag_is_there() -> None:
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(prose(page) for page in PAGES)))
    shown = {word for block in BLOCKS for words in commands(block.text) for word in words if word.startswith("--")}
    known = {flag for command in LEAVES.values() for flag in flags(command) if flag.startswith("--")}
    known |= {"--version", "--install-completion", "--show-completion"}
    of_ours = {flag for flag in known if flag not in told and flag not in shown}
    assert (sorted(of_ours), sorted(told - known - OTHERS_FLAGS)) == ([], [])


def test_every_flag_of_the_controller_is_in_the_table_of_settings_with_its_variable_and_default() -> None:
    page = (DOCS / "operating.md").read_text(encoding="utf-8")
    [table] = re.findall(r"\| flag \| variable \| default \| meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", page)
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    told = {tuple(re.findall(r"`(--?[a-z-]+)`", cells[0])): (cells[1], cells[2]) for cells in rows}
    options = {
        (*each.opts, *each.secondary_opts): each for each in LEAVES["canary run"].params if "--help" not in each.opts
    }
    assert sorted(told) == sorted(options)
    assert {flag: told[flag][0] for flag in told} == {
        flag: f"`{each.envvar}`" if each.envvar else "-" for flag, each in options.items()
    }
    wrong = [flag for flag, each in options.items() if default_of(each) not in told[flag][1]]
    assert wrong == []


def default_of(parameter: object) -> str:
    value = getattr(parameter, "default", None)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def test_every_target_of_make_is_documented_and_every_documented_one_is_there() -> None:
    spans = [span.split()[1:] for span in all_spans() if span.startswith("make ")]
    shown = [words[1:] for block in BLOCKS for words in commands(block.text) if words[0] == "make"]
    told = {word for words in (*spans, *shown) for word in words if re.fullmatch(r"[a-z-]+", word)}
    assert (sorted(TARGETS - {"help"} - told), sorted(told - TARGETS)) == ([], [])


def test_every_exit_status_is_documented() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8").partition("## Exit status")[2]
    told = {int(status) for status in re.findall(r"^\| (\d+)", page, re.M)}
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "canary" / "cli").glob("*.py"))
    named = re.findall(r"Exit\((\d+)\)|exit\((\d+)\)|TIMED_OUT: (\d+)|INTERRUPTED\w* = (\d+)", code)
    known = {0, 2} | {int(status) for found in named for status in found if status}
    assert told == known, "0 is success and 2 a wrong command line, both of the library's own"


def test_the_command_is_named_as_the_package_installs_it() -> None:
    assert "`kubectl-canary`" in all_text()
