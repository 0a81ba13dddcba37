"""`canary promote` and the other commands, against a server on which a function answers for the controller."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.builders import JSON
from tests.cli.api_server import COMMAND, Api
from tests.cli.shell import Ended, run

NAMES = ("promote", "abort", "pause", "resume", "retry", "release")


def carried_out(api: Api, canary: JSON) -> None:
    """The controller writes the status and takes the command away."""
    name = canary["metadata"]["annotations"].pop(COMMAND)
    last = {"name": name, "revision": "5d9c7b", "at": "2026-01-02T03:05:00.25Z", "by": "canary-cli"}
    canary["status"] = {**canary["status"], "phase": "Paused", "message": "It holds", "lastCommand": last}


def event(uid: str, text: str, reason: str = "CommandRefused", name: str = "checkout") -> JSON:
    involved = {"kind": "Canary", "name": name}
    return {"metadata": {"uid": uid}, "involvedObject": involved, "reason": reason, "message": text}


def refused(api: Api, canary: JSON) -> None:
    """The controller writes an Event before it takes the command away, and nothing into the status."""
    api.events.append(event("2", "`abort` is refused: no rollout runs"))
    only_the_annotation(api, canary)


def only_the_annotation(api: Api, canary: JSON) -> None:
    """The command is taken away, by whoever did it."""
    del canary["metadata"]["annotations"][COMMAND]


def test_every_command_is_set_as_an_annotation_by_the_field_manager_of_the_command_line(api: Api) -> None:
    for name in NAMES:
        assert run(name, "checkout", "--no-wait", "--kubeconfig", api.kubeconfig).status == 0
    path = "/apis/canary.delivery/v1alpha1/namespaces/shop/canaries/checkout"
    query, kind = {"fieldManager": ["canary-cli"]}, "application/merge-patch+json"
    assert api.writes == [(path, query, kind, {"metadata": {"annotations": {COMMAND: name}}}) for name in NAMES]


def test_the_answer_is_printed_once_the_controller_has_given_it(api: Api) -> None:
    api.obey = carried_out
    ended = run("pause", "checkout", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(status=0, out="shop/checkout: `pause` is carried out. Paused: It holds\n")


def test_a_refusal_is_an_error_with_the_controllers_reason(api: Api) -> None:
    api.obey = refused
    ended = run("abort", "checkout", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(status=1, out="", error="shop/checkout: `abort` is refused: no rollout runs")


def test_a_refusal_from_before_is_none_of_this_command(api: Api) -> None:
    api.events.append(event("1", "`abort` is refused: no rollout runs"))
    api.obey = carried_out
    assert run("abort", "checkout", "--kubeconfig", api.kubeconfig).status == 0


def test_other_events_are_no_refusals(api: Api) -> None:
    def obey(api: Api, canary: JSON) -> None:
        api.events.append(event("3", "Paused at 25 %", reason="Paused"))
        api.events.append(event("4", "`pause` is refused: no rollout runs", name="cart"))
        carried_out(api, canary)

    api.obey = obey
    assert run("pause", "checkout", "--kubeconfig", api.kubeconfig).status == 0


def test_without_waiting_it_says_where_the_answer_will_be(api: Api) -> None:
    ended = run("pause", "checkout", "--no-wait", "--kubeconfig", api.kubeconfig)
    told = "shop/checkout: `pause` is handed over; `canary status checkout` shows what comes of it\n"
    assert ended == Ended(status=0, out=told)


def only_the_status(api: Api, canary: JSON) -> None:
    """The status is written, and the controller is not done: a refusal may still come."""
    carried_out(api, canary)
    canary["metadata"]["annotations"][COMMAND] = "pause"


@pytest.mark.parametrize("obey", [lambda api, canary: None, only_the_status])
def test_no_whole_answer_in_time_is_an_error_that_says_what_to_look_at(
    api: Api, obey: Callable[[Api, JSON], None]
) -> None:
    api.obey = obey
    ended = run("pause", "checkout", "--timeout", "400ms", "--kubeconfig", api.kubeconfig)
    assert (ended.status, ended.out) == (1, "")
    assert ended.error == (
        "shop/checkout: no answer to `pause` within 400ms; it waits in the annotation until a controller runs: see "
        "`kubectl get pods -n canary-system`"
    )


def test_a_command_that_was_taken_away_without_an_answer_is_told_so(api: Api) -> None:
    api.obey = only_the_annotation
    ended = run("pause", "checkout", "--timeout", "400ms", "--kubeconfig", api.kubeconfig)
    assert (ended.status, ended.out) == (1, "")
    assert ended.error == (
        "shop/checkout: no answer to `pause` within 400ms, but it was taken away without being carried out: see "
        "`kubectl describe canary checkout`"
    )


def test_a_server_that_fails_for_a_moment_is_asked_again(api: Api) -> None:
    def obey(api: Api, canary: JSON) -> None:
        carried_out(api, canary)
        api.failures = [503, 500]

    api.obey = obey
    api.failures = []
    # The answer to the patch itself comes before the failures: they meet the questions after it.
    assert run("pause", "checkout", "--kubeconfig", api.kubeconfig).status == 0
    assert api.failures == []


def test_a_name_that_is_not_there_is_told_and_nothing_is_written(api: Api) -> None:
    ended = run("pause", "cart", "--kubeconfig", api.kubeconfig)
    assert ended == Ended(status=1, out="", error="there is no Canary shop/cart: there are checkout")
    assert api.writes == []


def test_a_namespace_without_canaries_is_told_with_the_remedy(api: Api) -> None:
    ended = run("pause", "checkout", "-n", "empty", "--kubeconfig", api.kubeconfig)
    assert ended.error == "there is no Canary empty/checkout: namespace empty has none; -n names another"


@pytest.mark.parametrize("words", [(), ("a/b",), ("checkout", "--timeout", "soon"), ("checkout", "--timeout", "0s")])
def test_wrong_usage_is_exit_status_2(api: Api, words: tuple[str, ...]) -> None:
    assert run("pause", *words, "--kubeconfig", api.kubeconfig).status == 2
    assert api.writes == []


def test_json_tells_what_became_of_a_command(api: Api) -> None:
    ended = run("pause", "checkout", "--no-wait", "-o", "json", "--kubeconfig", api.kubeconfig)
    assert (ended.status, json.loads(ended.out)) == (
        0,
        {"namespace": "shop", "name": "checkout", "command": "pause", "answered": False, "phase": "", "message": ""},
    )
