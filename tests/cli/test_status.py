"""`canary status`, against a server that answers as the API server does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders import canary
from tests.cli.api_server import Api, kubeconfig
from tests.cli.conftest import STATUS
from tests.cli.shell import Ended, run


def cells(ended: Ended) -> list[list[str]]:
    """The columns of each line."""
    assert ended.status == 0, ended
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in ended.out.splitlines()]


def test_the_table_has_a_line_for_each_canary_of_the_contexts_namespace(api: Api) -> None:
    assert cells(run("status", "--kubeconfig", api.kubeconfig)) == [
        ["NAME", "PHASE", "WEIGHT", "STEP", "REVISION", "MESSAGE"],
        ["checkout", "Progressing", "25 %", "2 of 3", "5d9c7b", "Step 2 of 3 lasts until 03:05"],
    ]


def test_all_namespaces_are_shown_by_name_and_a_canary_without_status_has_dashes(api: Api) -> None:
    assert cells(run("status", "-A", "--kubeconfig", api.kubeconfig)) == [
        ["NAMESPACE", "NAME", "PHASE", "WEIGHT", "STEP", "REVISION", "MESSAGE"],
        ["other", "cart", "-", "-", "-", "-", "-"],
        ["shop", "checkout", "Progressing", "25 %", "2 of 3", "5d9c7b", "Step 2 of 3 lasts until 03:05"],
    ]


@pytest.mark.parametrize("words", [("-n", "other"), ("--context", "elsewhere")])
def test_the_namespace_comes_from_the_flag_or_the_context(api: Api, words: tuple[str, ...]) -> None:
    shown = json.loads(run("status", *words, "-o", "json", "--kubeconfig", api.kubeconfig).out)
    assert shown == [{"namespace": "other", "name": "cart", "target": "cart", "status": {}}]


def test_json_of_one_canary_is_its_status_without_the_controllers_memory(api: Api) -> None:
    shown = json.loads(run("status", "checkout", "-o", "json", "--kubeconfig", api.kubeconfig).out)
    wanted = {key: value for key, value in STATUS.items() if key != "memory"}
    assert shown == {"namespace": "shop", "name": "checkout", "target": "checkout", "status": wanted}


def test_the_details_tell_all_that_is_known(api: Api) -> None:
    assert cells(run("status", "checkout", "--kubeconfig", api.kubeconfig)) == [
        ["Canary:", "shop/checkout"],
        ["Deployment:", "checkout"],
        ["Phase:", "Progressing"],
        ["Weight:", "25 %"],
        ["Step:", "2 of 3"],
        ["Revision:", "5d9c7b"],
        ["Stable revision:", "7f8a6c"],
        ["Failed checks:", "1"],
        ["Started:", "2026-01-02T03:00:00Z"],
        ["Last command:", "resume by canary-cli at 2026-01-02T03:01:00Z"],
        ["Message:", "Step 2 of 3 lasts until 03:05"],
        ["Waits until:", "2026-01-02T03:05:00Z"],
        [],
        ["Checks"],
        ["success-rate", "failed", "98.12 %, limit 99 %", "1200 requests", "2026-01-02T03:04:05Z"],
        ["98.12 % succeeded, at least 99 % must"],
        [],
        ["Conditions"],
        ["Ready is True", "Ready", "since 2026-01-01T00:00:00Z"],
        ["The spec is valid and every object is in place"],
        [],
        ["History"],
        [
            "7f8a6c",
            "promoted",
            "at most 50 %",
            "2026-01-01T00:00:00Z to 2026-01-01T00:10:00Z",
            "registry.example/checkout:1.0",
        ],
        ["All checks passed"],
    ]


def test_a_canary_without_status_has_dashes_in_its_details(api: Api) -> None:
    shown = cells(run("status", "cart", "-n", "other", "--kubeconfig", api.kubeconfig))
    assert shown[2:6] == [["Phase:", "-"], ["Weight:", "-"], ["Step:", "-"], ["Revision:", "-"]]
    assert shown[-8:] == [["Checks"], ["-"], [], ["Conditions"], ["-"], [], ["History"], ["-"]]


def test_a_split_that_the_mesh_does_not_have_yet_is_shown_beside_the_decided_one(api: Api) -> None:
    api.hold({**canary(), "status": {**STATUS, "observedWeight": 10}})
    assert "25 % (the mesh has 10 %)" in run("status", "--kubeconfig", api.kubeconfig).out


def test_what_others_wrote_into_a_message_is_plain_text(api: Api) -> None:
    api.hold({**canary(), "status": {**STATUS, "message": "[red]no[/red] \x1b[31mcolour\nhere"}})
    assert "[red]no[/red]  [31mcolour here" in run("status", "--kubeconfig", api.kubeconfig).out


def test_a_long_message_is_not_cut_where_there_is_no_terminal(api: Api) -> None:
    message = " ".join(["word"] * 200)
    api.hold({**canary(), "status": {**STATUS, "message": message}})
    assert message in run("status", "--kubeconfig", api.kubeconfig).out


def test_an_empty_namespace_says_how_to_begin(api: Api) -> None:
    ended = run("status", "-n", "empty", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(
        status=0, out='there are no Canaries: annotate a Deployment with canary.delivery/enabled: "true"\n'
    )


def test_json_of_an_empty_namespace_is_an_empty_list(api: Api) -> None:
    assert run("status", "-n", "empty", "-o", "json", "--kubeconfig", api.kubeconfig) == Ended(status=0, out="[]\n")


def test_a_name_that_is_not_there_is_answered_with_those_that_are(api: Api) -> None:
    ended = run("status", "chekout", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(status=1, out="", error="there is no Canary shop/chekout: there are checkout")


@pytest.mark.parametrize("name", ["checkout", None])
def test_a_cluster_without_the_crd_is_told_with_the_remedy(api: Api, name: str | None) -> None:
    api.crd = False
    ended = run("status", *([name] if name else []), "--kubeconfig", api.kubeconfig)
    assert ended.status == 1
    assert ended.error.endswith("serves no Canary: apply manifests/crd.yaml (`canary crd` prints it)")


@pytest.mark.parametrize("words", [("-A", "-n", "shop"), ("-A", "checkout"), ("-o", "yaml"), ("a/b",), ("-n", "a?b")])
def test_wrong_usage_is_exit_status_2(api: Api, words: tuple[str, ...]) -> None:
    assert run("status", *words, "--kubeconfig", api.kubeconfig).status == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no cluster to talk to: there is no kubeconfig at {path}; name one with --kubeconfig"),
        ("", "{path} cannot be read as a kubeconfig: "),
        ("[a, b", "{path} cannot be read as a kubeconfig: "),
        ("[a, b]", "{path} cannot be read as a kubeconfig: "),
    ],
)
def test_a_kubeconfig_that_is_none_is_told_in_a_sentence(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    ended = run("status", "--kubeconfig", path)
    assert (ended.status, "\n" in ended.error) == (1, False)
    assert ended.error.startswith(told.format(path=path))


def test_an_unknown_context_is_answered_with_those_that_are_known(api: Api) -> None:
    ended = run("status", "--context", "nowhere", "--kubeconfig", api.kubeconfig)
    assert ended.error == f"{api.kubeconfig} has no context 'nowhere'; --context may be one of here, elsewhere"


def test_a_server_that_is_not_there_is_told_with_its_address(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "http://127.0.0.1:1", "shop")
    ended = run("status", "--kubeconfig", path)
    assert ended.status == 1
    assert ended.error.startswith(
        "GET the Canaries of namespace shop: the API server at http://127.0.0.1:1 did not answer"
    )


def test_a_right_that_a_person_lacks_is_told_with_what_to_ask_for(api: Api) -> None:
    api.failures = [403]
    ended = run("status", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(
        status=1,
        out="",
        error="GET the Canaries of namespace shop: failed with 403 (HTTP 403); you lack this right: ask for the role "
        "`view`, or `edit` to command, in that namespace",
    )
