"""When two templates are the same revision, and which ReplicaSet is the pin of one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from canary.controller.names import LONGEST_NAME
from canary.controller.revisions import (
    digest,
    replica_set_of,
    revision_of,
    same_but_ours,
    stored_ref,
    stored_revision,
    template_in,
)
from canary.ports import CONTROLLER_REVISION, ref_of
from canary.rollout.model import Revision
from meshes.contract import ObjectRef
from tests.builders import JSON, deployment

RESTARTED = "kubectl.kubernetes.io/restartedAt"


def target(**spec: Any) -> JSON:
    made = deployment(**spec)
    made["metadata"] |= {"uid": "d-1", "generation": 3}
    return made


def replica_set(owner: JSON, pin: str, *, created: str = "2026-01-01T00:00:00Z", uid: str = "d-1") -> JSON:
    template = deepcopy(owner["spec"]["template"])
    template["metadata"]["labels"]["pod-template-hash"] = pin
    # The API server writes it, and the Deployment's own template has it too or not.
    template["metadata"]["creationTimestamp"] = None
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"checkout-{pin}",
            "labels": {"pod-template-hash": pin},
            "creationTimestamp": created,
            "ownerReferences": [{"kind": "Deployment", "name": "checkout", "uid": uid, "controller": True}],
        },
        "spec": {"template": template},
    }


def restarted(made: JSON, at: str) -> JSON:
    copy = deepcopy(made)
    copy["spec"]["template"]["metadata"]["annotations"] = {RESTARTED: at}
    return copy


def test_a_digest_is_the_same_for_equal_templates_and_fits_a_name() -> None:
    one = digest(target()["spec"]["template"])
    assert one == digest(deepcopy(target()["spec"]["template"]))
    assert one.isalnum()
    assert one == one.lower()
    assert len(f"{'x' * 50}-{one}") <= LONGEST_NAME


def test_another_image_is_another_digest() -> None:
    other = target(image="registry.example/checkout:2.0")["spec"]["template"]
    assert digest(target()["spec"]["template"]) != digest(other)


def test_another_annotation_is_another_digest() -> None:
    made = target()
    other = deepcopy(made)
    other["spec"]["template"]["metadata"]["annotations"] = {"example.com/flag": "on"}
    assert digest(made["spec"]["template"]) != digest(other["spec"]["template"])


@pytest.mark.parametrize("noise", [{"creationTimestamp": None}, {"annotations": {}}, {"annotations": None}])
def test_what_says_nothing_makes_no_other_digest(noise: JSON) -> None:
    made = target()
    template = made["spec"]["template"]
    other = {**template, "metadata": {**template["metadata"], **noise}}
    assert digest(template) == digest(other)


def test_a_restart_is_the_same_revision_at_another_time() -> None:
    before, after = target(), restarted(target(), "2026-01-01T00:00:00Z")
    one, other = revision_of(before, []), revision_of(after, [])
    assert (one.key, one.restarted_at, other.restarted_at) == (other.key, "", "2026-01-01T00:00:00Z")


def test_the_pin_is_the_hash_of_the_set_with_the_same_template() -> None:
    made, older = target(), target(image="registry.example/checkout:0.9")
    sets = [replica_set(older, "aaaaa"), replica_set(made, "bbbbb")]
    assert revision_of(made, sets) == Revision(
        digest=digest(made["spec"]["template"]), pin="bbbbb", image="registry.example/checkout:1.0"
    )


def test_the_pin_is_unknown_until_its_set_is_there() -> None:
    older = target(image="registry.example/checkout:0.9")
    assert revision_of(target(), [replica_set(older, "aaaaa")]).pin == ""


def test_a_restart_has_another_pin() -> None:
    made, again = target(), restarted(target(), "2026-01-01T00:00:00Z")
    sets = [replica_set(made, "aaaaa"), replica_set(again, "bbbbb")]
    assert (revision_of(made, sets).pin, revision_of(again, sets).pin) == ("aaaaa", "bbbbb")


def test_a_set_of_another_owner_is_no_pin() -> None:
    assert revision_of(target(), [replica_set(target(), "aaaaa", uid="d-2")]).pin == ""


def test_of_equal_sets_the_oldest_is_the_pin() -> None:
    made = target()
    sets = [replica_set(made, "bbbbb", created="2026-01-02T00:00:00Z"), replica_set(made, "aaaaa")]
    found = replica_set_of(made, sets)
    assert found is not None
    assert found["metadata"]["name"] == "checkout-aaaaa"


def test_what_is_stored_is_the_template_and_bears_our_labels_and_no_owner() -> None:
    made = target()
    revision = revision_of(made, [])
    stored = stored_revision(made, revision, 4)
    assert template_in(stored) == made["spec"]["template"]
    assert ref_of(stored) == stored_ref("shop", "checkout", revision.key)
    assert ref_of(stored) == ObjectRef(CONTROLLER_REVISION, "shop", f"checkout-{revision.key}")
    assert stored["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "canary-controller",
        "canary.delivery/target": "checkout",
    }
    assert "ownerReferences" not in stored["metadata"]
    assert stored["revision"] == 4


def test_our_labels_and_a_restart_make_no_difference_but_anothers_do() -> None:
    template = target()["spec"]["template"]
    ours = deepcopy(template)
    ours["metadata"]["labels"] |= {"canary.delivery/role": "primary"}
    ours["metadata"]["annotations"] = {RESTARTED: "2026-01-01T00:00:00Z"}
    theirs = deepcopy(template)
    theirs["metadata"]["labels"] |= {"example.com/role": "primary"}
    assert (same_but_ours(template, ours), same_but_ours(template, theirs)) == (True, False)
