"""The split in a route that the user wrote: where it goes, what it copies, and how it goes away again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshes.contract import Manifest, RouteError
from meshes.istio import Istio
from tests.meshes.istio_objects import edge, route, to

NOTE = "canary.delivery/route-was"
EDGE = route("edge")


def render(weight: int, live: Manifest | None) -> Manifest:
    return Istio().render(EDGE, weight, live)


def refusal(live: Manifest | None) -> tuple[str, str]:
    with pytest.raises(RouteError) as caught:
        render(10, live)
    return caught.value.reason, str(caught.value)


def routes(manifest: Manifest) -> list[Any]:
    return [entry.get("route") for entry in manifest["spec"]["http"]]


def noted(live: Manifest, note: object) -> dict[str, Any]:
    text = note if isinstance(note, str) else json.dumps(note)
    return {**live, "metadata": {**live["metadata"], "annotations": {NOTE: text}}}


def test_the_canary_goes_where_the_apex_goes_but_for_its_subset() -> None:
    apex = {
        "destination": {"host": "checkout.shop.svc", "port": {"number": 8080}, "subset": "v1"},
        "headers": {"request": {"remove": ["x-debug"]}},
    }
    assert routes(render(25, edge({"route": [apex]}))) == [
        [
            {**apex, "weight": 75},
            {
                "destination": {"host": "checkout-canary.shop.svc", "port": {"number": 8080}},
                "headers": {"request": {"remove": ["x-debug"]}},
                "weight": 25,
            },
        ]
    ]


def test_what_the_user_changes_on_the_apex_during_a_rollout_is_copied_and_stays() -> None:
    running = render(10, edge({"route": [to("checkout", 100)]}))
    entry = {"route": [to("checkout", 90, headers={"a": {}}), to("checkout-canary", 10)]}
    changed = {**running, "spec": {**running["spec"], "http": [entry]}}
    canary = to("checkout-canary", 20, headers={"a": {}})
    assert routes(render(20, changed)) == [[to("checkout", 80, headers={"a": {}}), canary]]
    assert render(0, changed) == edge({"route": [to("checkout", 100, headers={"a": {}})]})


def test_an_entry_that_the_user_wrote_anew_during_a_rollout_is_what_comes_back() -> None:
    anew = noted(edge({"route": [to("checkout")]}), {"apex": {"weight": 100}})
    assert render(0, anew) == edge({"route": [to("checkout")]})
    assert render(0, render(30, anew)) == edge({"route": [to("checkout")]})


def test_the_users_own_canary_destination_keeps_what_the_user_gave_it() -> None:
    live = edge({"route": [to("checkout-canary", 0, headers={"b": {}}), to("checkout", 100)]})
    running = render(40, live)
    assert routes(running) == [[to("checkout-canary", 40, headers={"b": {}}), to("checkout", 60)]]
    assert render(0, running) == live


@pytest.mark.parametrize(
    "note",
    [
        None,
        "",
        "{",
        "[]",
        '{"apex": 3}',
        '{"apex": {"weight": null}}',
        '{"apex": {"weight": -1}}',
        '{"apex": {"weight": "100"}, "canary": {"weight": 0}}',
        '{"apex": {"weight": 2147483648}}',
        "[" * 100_000,
        '{"canary": {"weight": 0}}',
        '{"apex": {}, "canary": {"weight": 100}}',
        '{"apex": {}, "canary": {"weight": 0}}',
    ],
)
def test_a_share_without_a_sound_note_is_gone_at_rest(note: str | None) -> None:
    split = edge({"route": [to("checkout", 60), to("checkout-canary", 40)]})
    live = split if note is None else noted(split, note)
    assert render(0, live) == edge({"route": [to("checkout")]})
    assert Istio().observe(EDGE, render(0, live)).weight == 0


def test_no_note_gives_the_canary_a_weight_at_rest() -> None:
    split = edge({"route": [to("checkout", 60), to("checkout-canary", 40)]})
    forged = noted(split, {"apex": {"weight": 60}, "canary": {"weight": 40}})
    assert render(0, forged) == edge({"route": [to("checkout", 60)]})


def test_an_entry_for_another_port_is_not_split() -> None:
    def at(port: int) -> dict[str, Any]:
        return {"route": [{"destination": {"host": "checkout", "port": {"number": port}}}]}

    live = edge(at(9090), at(8080))
    assert [len(each) for each in routes(render(10, live))] == [1, 2]


def test_of_several_possible_entries_the_one_named_canary_is_split() -> None:
    live = edge({"route": [to("checkout")]}, {"name": "canary", "route": [to("checkout")]}, {"route": [to("checkout")]})
    assert [len(each) for each in routes(render(10, live))] == [1, 2, 1]


@pytest.mark.parametrize("name", ["canary", "other"])
def test_an_entry_that_the_user_adds_during_a_rollout_does_not_keep_the_split_from_ending(name: str) -> None:
    running = render(10, edge({"route": [to("checkout")]}))
    added = {"name": name, "match": [{"port": 1}], "route": [to("checkout")]}
    live = {**running, "spec": {**running["spec"], "http": [added, *running["spec"]["http"]]}}
    assert Istio().observe(EDGE, live).weight == 10
    assert render(0, live) == edge(added, {"route": [to("checkout")]})


def test_of_several_possible_entries_the_one_where_the_user_names_the_canary_is_split() -> None:
    shared = [to("checkout", 100), to("checkout-canary", 0)]
    live = edge({"route": [to("checkout")]}, {"route": shared})
    running = render(10, live)
    assert [len(each) for each in routes(running)] == [1, 2]
    assert render(0, running) == live


def test_the_entry_named_canary_stays_the_one_where_another_shares_too() -> None:
    shared = {"route": [to("checkout", 100), to("checkout-canary", 0)]}
    live = edge(shared, {"name": "canary", "route": [to("checkout")]})
    running = render(10, live)
    assert routes(running) == [shared["route"], [to("checkout", 90), to("checkout-canary", 10)]]
    assert render(20, running)["spec"]["http"][0] == shared
    assert render(0, running) == live


def test_several_possible_entries_are_refused_with_the_remedy() -> None:
    live = edge({"name": "api", "route": [to("checkout")]}, {"route": [to("checkout.shop")]}, {"redirect": {}})
    assert refusal(live) == (
        "RouteUnusable",
        "VirtualService.networking.istio.io shop/edge has 2 http entries that send to checkout alone; found: "
        "1 'api' to checkout; 2 to checkout.shop; 3 to no destination. "
        "To let the canary share it, name the one that is to be split 'canary'.",
    )


def test_no_possible_entry_is_refused_with_the_remedy() -> None:
    live = edge({"route": [to("checkout", 50), to("reviews", 50)]})
    assert refusal(live) == (
        "RouteUnusable",
        "VirtualService.networking.istio.io shop/edge has no http entry that sends to checkout alone; found: "
        "1 to checkout, reviews. "
        "To let the canary share it, give it one entry whose only destination is checkout (port 8080 or none).",
    )


@pytest.mark.parametrize(
    "destinations",
    [
        [to("checkout-canary")],
        [to("checkout", 50), to("checkout", 50)],
        [to("checkout", 98), to("checkout-canary", 1), to("checkout-canary", 1)],
        [to("checkout", 50), to("checkout-canary", 25), to("reviews", 25)],
        [to("checkout.web")],
        [to("checkout.shop.svc.clusterset.local")],
        [{"destination": {"host": "checkout", "port": {"number": 9090}}}],
        [None],
        "checkout",
        None,
    ],
)
def test_other_entries_cannot_hold_the_split(destinations: object) -> None:
    assert refusal(edge({"route": destinations}))[0] == "RouteUnusable"


def test_a_long_route_is_told_shortly() -> None:
    _, message = refusal(edge(*[{"route": [to(f"reviews-{number}")]} for number in range(50)]))
    assert "10 to reviews-9 and 40 more. To let" in message
    assert "reviews-10" not in message


def test_an_entry_with_many_destinations_is_told_shortly() -> None:
    _, message = refusal(edge({"route": [to(f"reviews-{number}", 1) for number in range(50)]}))
    assert "reviews-9, 40 more. To let" in message
    assert "reviews-10" not in message


def test_a_route_that_is_not_there_is_told() -> None:
    reason, message = refusal(None)
    assert reason == "RouteNotFound"
    assert "shop/edge is missing" in message


def test_leaving_a_route_that_can_no_longer_hold_a_split_takes_only_our_note() -> None:
    entries = [{"route": [to("reviews")]}]
    assert Istio().restore(EDGE, noted(edge(*entries), {"apex": {}})) == edge(*entries)


def test_leaving_says_so_when_our_destination_is_stuck_in_what_the_user_made_of_the_entry() -> None:
    stuck = edge({"route": [to("checkout", 80), to("checkout-canary", 10), to("reviews", 10)]})
    with pytest.raises(RouteError, match=r"found: 1 to checkout, checkout-canary, reviews\."):
        Istio().restore(EDGE, noted(stuck, {"apex": {}}))
    assert Istio().restore(EDGE, stuck) == stuck


def test_an_object_of_our_name_that_is_not_ours_is_never_to_be_deleted() -> None:
    theirs = edge({"route": [to("checkout")]})
    assert Istio().restore(route(), theirs) == theirs
