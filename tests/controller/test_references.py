"""Which ConfigMaps and Secrets a pod template names, how a copy is named, and what a hash tells."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from canary.contents import content_of, hashed, without_content
from canary.controller.copies import copy_ref
from canary.controller.references import KINDS, Reference, references, renamed
from canary.ports import CONFIG_MAP, SECRET
from canary.rollout.model import TrackConfig
from tests.builders import config_map, secret


def env(kind: str, name: str, *, optional: bool = False) -> dict[str, Any]:
    source = {"name": name, "key": "k", **({"optional": True} if optional else {})}
    return {"name": "VAR", "valueFrom": {kind: source}}


TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "checkout"}},
    "spec": {
        "imagePullSecrets": [{"name": "pull"}],
        "volumes": [
            {"name": "a", "configMap": {"name": "volume", "items": [{"key": "k", "path": "p"}], "optional": True}},
            {"name": "b", "secret": {"secretName": "volume", "optional": True}},
            {
                "name": "c",
                "projected": {
                    "sources": [
                        {"configMap": {"name": "projected"}},
                        {"secret": {"name": "projected"}},
                        {"serviceAccountToken": {"path": "token"}},
                    ]
                },
            },
            {"name": "d", "emptyDir": {}},
            {"name": "e", "cephfs": {"monitors": [], "secretRef": {"name": "disk"}}},
        ],
        "initContainers": [{"name": "i", "image": "i", "env": [env("configMapKeyRef", "init")]}],
        "containers": [
            {
                "name": "app",
                "image": "app",
                "env": [{"name": "PLAIN", "value": "x"}, env("secretKeyRef", "env"), env("configMapKeyRef", "volume")],
                "envFrom": [{"configMapRef": {"name": "from"}}, {"secretRef": {"name": "from", "optional": True}}],
            }
        ],
        "ephemeralContainers": [{"name": "x", "image": "x", "env": [env("configMapKeyRef", "debug", optional=True)]}],
    },
}


def test_every_place_is_found_and_one_that_is_needed_anywhere_is_needed() -> None:
    assert references(TEMPLATE, KINDS[TrackConfig.ALL]) == (
        Reference(CONFIG_MAP, "debug", optional=True),
        Reference(CONFIG_MAP, "from"),
        Reference(CONFIG_MAP, "init"),
        Reference(CONFIG_MAP, "projected"),
        Reference(CONFIG_MAP, "volume"),
        Reference(SECRET, "env"),
        Reference(SECRET, "from", optional=True),
        Reference(SECRET, "projected"),
        Reference(SECRET, "volume", optional=True),
    )


def test_what_is_tracked_is_what_was_asked_for() -> None:
    found = {track: {one.kind for one in references(TEMPLATE, kinds)} for track, kinds in KINDS.items()}
    assert found == {
        TrackConfig.NONE: set(),
        TrackConfig.CONFIG_MAPS: {CONFIG_MAP},
        TrackConfig.ALL: {CONFIG_MAP, SECRET},
    }


def test_renaming_changes_every_place_and_nothing_else() -> None:
    before = deepcopy(TEMPLATE)
    names = {(one.kind, one.name): f"{one.name}-copy" for one in references(TEMPLATE, (CONFIG_MAP, SECRET))}
    after = renamed(TEMPLATE, names)
    assert before == TEMPLATE
    assert [one.name for one in references(after, (CONFIG_MAP, SECRET))] == [
        f"{one.name}-copy" for one in references(TEMPLATE, (CONFIG_MAP, SECRET))
    ]
    back = {(kind, copy): name for (kind, name), copy in names.items()}
    assert renamed(after, back) == TEMPLATE
    assert renamed(TEMPLATE, {(CONFIG_MAP, "volume"): "other"})["spec"]["volumes"][1] == TEMPLATE["spec"]["volumes"][1]


def test_a_copy_is_named_by_whose_it_is_and_what_it_holds() -> None:
    one = Reference(CONFIG_MAP, "app.config")
    names = {
        copy_ref("shop", "checkout", one, "a").name,
        copy_ref("shop", "checkout", one, "b").name,
        copy_ref("shop", "cart", one, "a").name,
        copy_ref("shop", "checkout", Reference(SECRET, "app.config"), "a").name,
    }
    assert len(names) == 4
    assert all(name.startswith("app.config-") and len(name) == len("app.config-") + 10 for name in names)
    assert (
        copy_ref("shop", "checkout", Reference(CONFIG_MAP, "c" * 241 + "." + "d" * 11), "a").name[:242]
        == "c" * 241 + "-"
    )


def test_a_cache_keeps_hashes_and_names_and_no_content() -> None:
    whole = config_map(text="hello") | {"binaryData": {"b": "aGk="}}
    whole["metadata"] |= {"uid": "u", "resourceVersion": "7", "annotations": {"last": "hello"}, "labels": {"a": "b"}}
    kept = without_content(whole)
    assert "hello" not in str(kept)
    assert kept["metadata"] == {
        "name": "app-config", "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"},
    }  # fmt: skip
    assert content_of(kept) == content_of(whole) == content_of(without_content(kept))
    assert content_of(whole) == hashed({"data": {"text": "hello"}, "binaryData": {"b": "aGk="}})


def test_contents_differ_by_what_they_hold_alone() -> None:
    one = config_map(text="hello")
    labelled = {**one, "metadata": {**one["metadata"], "labels": {"a": "b"}}, "immutable": True}
    assert content_of(labelled) == content_of(one)
    assert content_of({**one, "data": {}}) == content_of({"kind": "ConfigMap", "metadata": one["metadata"]})
    others = [config_map(text="Hello"), config_map(texT="hello"), {**one, "data": {}, "binaryData": one["data"]}]
    assert len({content_of(each) for each in (one, secret(text="hello"), *others)}) == 5
