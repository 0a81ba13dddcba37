"""Objects found by computed keys: always what a look at all of them finds."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.clients.indexes import Indexes
from canary.clients.kube_cache import Cache
from canary.index import Index
from canary.ports import POD, SERVICE, ref_of
from meshes.contract import Kind, Manifest, ObjectRef

NAMES, SPACES, KEYS, VALUES = ("a", "b", "c"), ("shop", "cart"), ("app", "team", "tier"), ("x", "y")


def pairs(manifest: Manifest) -> Iterable[Hashable]:
    return ((manifest["metadata"]["namespace"], *pair) for pair in (manifest["metadata"].get("labels") or {}).items())


ALL = Index(name="all", kind=POD, keys=pairs)
RAREST = Index(name="rarest", kind=POD, keys=pairs, rarest=True)


def pod(name: str, namespace: str, labels: dict[str, str] | None) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


LABELS = st.none() | st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
PODS = st.builds(pod, st.sampled_from(NAMES), st.sampled_from(SPACES), LABELS)
CHANGES = st.lists(st.tuples(st.sampled_from(("put", "drop", "find")), PODS))


@given(changes=CHANGES, labels=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), min_size=1))
def test_what_is_found_is_what_is_there_whenever_the_index_was_made(
    changes: list[tuple[str, Manifest]], labels: dict[str, str]
) -> None:
    there: dict[ObjectRef, Manifest] = {}
    indexes = Indexes(lambda kind: ((ref, one) for ref, one in there.items() if ref.kind == kind))

    def compare() -> None:
        mine = {ref: one["metadata"]["labels"] or {} for ref, one in there.items()}
        wanted = [there[ref] for ref in sorted(mine) if ref.namespace == "shop" and labels.items() <= mine[ref].items()]
        keys = [("shop", *pair) for pair in labels.items()]
        assert indexes.find(ALL, keys) == wanted
        assert indexes.labelled(POD, "shop", labels) == wanted
        near = {ref_of(one) for key in keys for one in indexes.find(RAREST, [key])}
        within = {ref for ref in mine if ref.namespace == "shop" and mine[ref] and mine[ref].items() <= labels.items()}
        assert within <= near

    for what, manifest in changes:
        ref = ref_of(manifest)
        if what == "put":
            there[ref] = manifest
            indexes.put(ref, manifest)
        elif what == "drop":
            there.pop(ref, None)
            indexes.drop(ref)
        else:
            compare()
    compare()


def test_what_all_have_leads_to_nothing_where_the_rarest_counts() -> None:
    indexes = Indexes(lambda kind: ())
    for number in range(50):
        one = pod(f"app-{number}", "shop", {"team": "payments", "app": f"app-{number}"})
        indexes.find(RAREST, [("shop", "team", "payments")])
        indexes.put(ref_of(one), one)
    assert len(indexes.find(RAREST, [("shop", "team", "payments")])) <= 1
    assert len(indexes.find(RAREST, [("shop", "app", "app-7")])) == 1


@pytest.mark.parametrize("kind", [POD, SERVICE])
def test_a_cache_finds_by_labels_what_it_was_given_and_forgets_what_went(kind: Kind) -> None:
    cache = Cache()
    one = {**pod("a", "shop", {"app": "x"}), "kind": kind.kind}
    versions = iter(range(1, 9))

    def put(labels: dict[str, str]) -> None:
        metadata = {**one["metadata"], "labels": labels, "resourceVersion": str(next(versions))}
        cache.put(kind, {**one, "metadata": metadata})

    def found(value: str) -> list[str]:
        return [each["metadata"]["name"] for each in cache.listed(kind, "shop", {"app": value})]

    put({"app": "x"})
    assert (found("x"), found("y")) == (["a"], [])
    put({"app": "y"})
    assert (found("x"), found("y")) == ([], ["a"])
    gone = {**one["metadata"], "resourceVersion": "9"}
    cache.drop(kind, {**one, "metadata": gone})
    assert (found("x"), found("y")) == ([], [])
