"""`canary history`: past rollouts as a table or as JSON, from a server that answers as the API server does."""

from __future__ import annotations

import json

from tests.builders import canary
from tests.cli.api_server import Api
from tests.cli.conftest import STATUS
from tests.cli.shell import Ended, run


def test_the_table_has_a_line_for_each_rollout_newest_first(api: Api) -> None:
    past = STATUS["history"][0]
    failed = {**past, "revision": "5d9c7b", "outcome": "rolled_back", "message": "Rolled back: 3 failed evaluations"}
    api.hold({**canary(), "status": {**STATUS, "history": [failed, past]}})
    ended = run("history", "checkout", "--kubeconfig", api.kubeconfig)
    assert [line.split("  ")[0] for line in ended.out.splitlines()] == ["REVISION", "5d9c7b", "7f8a6c"]
    cells = [cell.strip() for cell in ended.out.splitlines()[1].split("  ") if cell.strip()]
    assert cells == [
        "5d9c7b",
        "rolled_back",
        "50 %",
        "2026-01-01T00:00:00Z",
        "10m",
        "registry.example/checkout:1.0",
        "Rolled back: 3 failed evaluations",
    ]


def test_json_is_the_history_of_the_status(api: Api) -> None:
    ended = run("history", "checkout", "-o", "json", "--kubeconfig", api.kubeconfig)
    assert (ended.status, json.loads(ended.out)) == (0, STATUS["history"])


def test_a_canary_without_a_past_says_so(api: Api) -> None:
    ended = run("history", "cart", "-n", "other", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(status=0, out="other/cart: no rollout has ended yet\n")
    empty = run("history", "cart", "-n", "other", "-o", "json", "--kubeconfig", api.kubeconfig)
    assert empty.out == "[]\n"


def test_half_a_past_is_shown_as_far_as_it_is_known(api: Api) -> None:
    api.hold({**canary(), "status": {"history": [{"revision": "5d9c7b", "startedAt": "soon"}]}})
    ended = run("history", "checkout", "--kubeconfig", api.kubeconfig)
    assert ended.out.splitlines()[1].split() == ["5d9c7b", "-", "-", "soon", "-", "-", "-"]
