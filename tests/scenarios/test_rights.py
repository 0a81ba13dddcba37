"""What the controller does to a cluster is what `manifests/install` allows it to do: no less, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.app import KINDS, mesh_named
from canary.clients.trimming import CRD
from canary.controller import scalers
from canary.errors import NotFound
from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, HPA, SECRET
from canary.rollout.phases import Phase
from canary.sandbox.calls import Verb
from meshes import registry
from meshes.contract import Kind
from tests.builders import autoscaler, config_map, ref, secret, settings
from tests.scenarios.configured import reading
from tests.scenarios.stage import Stage, image

INSTALL = Path(__file__).resolve().parents[2] / "manifests" / "install"
READ = {"get", "list", "watch"}
WHOLE = {"create", "patch", "delete"}
BY_HAND = {
    ("keda.sh", "scaledobjects"): {"patch"},
    ("gateway.networking.k8s.io", "httproutes"): WHOLE,
    ("gateway.networking.k8s.io", "grpcroutes"): WHOLE,
    ("kuma.io", "meshhttproutes"): WHOLE,
}
"""What no scenario here does: KEDA's object is patched as the HorizontalPodAutoscaler is, by the same lines, and the
routes of other meshes are written as Istio's is."""

READS: dict[str, Any] = {
    "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "app-secret", "key": "text"}}}],
    "envFrom": [{"configMapRef": {"name": "app-config"}}],
}

Rights = dict[tuple[str, str], set[str]]


def granted(name: str) -> Rights:
    """The verbs that a ClusterRole allows, by API group and resource."""
    documents = yaml.safe_load_all((INSTALL / "rights.yaml").read_text(encoding="utf-8"))
    [role] = [one for one in documents if one["kind"] == "ClusterRole" and one["metadata"]["name"] == name]
    rights: Rights = {}
    for rule in role["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                rights.setdefault((group, resource), set()).update(rule["verbs"])
    return rights


def resource(kind: Kind, subresource: str = "") -> tuple[str, str]:
    word = kind.kind.lower()
    plural = {CANARY: "canaries"}.get(kind, f"{word}es" if word.endswith("sh") else f"{word}s")
    return kind.group, f"{plural}/{subresource}" if subresource else plural


def watched() -> set[Kind]:
    meshes = {kind for name in registry.names() for kind in mesh_named(name).kinds()}
    return {*KINDS, CRD, *scalers.KINDS, *meshes}


def all_rights() -> Rights:
    namespaced, cluster = granted("canary-controller"), granted("canary-controller-cluster")
    assert not namespaced.keys() & cluster.keys()
    return {**namespaced, **cluster}


def test_what_is_watched_may_be_read_and_nothing_else() -> None:
    readable = {what for what, verbs in all_rights().items() if verbs & READ}
    assert readable == {resource(kind) for kind in {*watched(), CONFIG_MAP, SECRET}}
    copied = {resource(kind): {"get", "list", "watch"} for kind in (CONFIG_MAP, SECRET)}
    expected = {what: copied.get(what, {"list", "watch"}) for what in readable}
    assert {what: all_rights()[what] & READ for what in readable} == expected


def test_no_right_is_for_everything() -> None:
    words = {word for what, verbs in all_rights().items() for word in (*what, *verbs)}
    assert words & {"*", "escalate", "bind", "impersonate", "deletecollection"} == set()


def written(stage: Stage) -> Rights:
    verbs = {Verb.CREATE: "create", Verb.PATCH: "patch", Verb.DELETE: "delete"}
    found: Rights = {}
    for call in stage.client.requests.log:
        if call.verb is Verb.READ and call.ref.kind in (CONFIG_MAP, SECRET):
            continue  # an original, to be copied
        assert call.verb in verbs, f"{call} is not a write"
        found.setdefault(resource(call.ref.kind, call.subresource), set()).add(verbs[call.verb])
    return found


def push(stage: Stage, tag: str, annotations: dict[str, str] | None = None) -> None:
    stage.cluster.apply(reading(tag, annotations=annotations or {}, **READS))


async def promoted(stage: Stage, tag: str, annotations: dict[str, str]) -> None:
    push(stage, tag, annotations)
    await stage.until(lambda: stage.status.phase is Phase.SUCCEEDED and tag in stage.serving)


def is_gone(stage: Stage) -> bool:
    try:
        stage.cluster.now(ref(CANARY))
    except NotFound:
        return True
    return False


@pytest.mark.looptime
async def test_the_writes_of_a_whole_life_are_the_writes_that_are_allowed(stage: Stage) -> None:
    annotated = settings(enabled="true", interval="20s", steps="20,50", track_config="all")
    first = reading(annotations=annotated, **READS)
    await stage.there(first, autoscaler(), config_map(text="one"), secret(text="hush"))
    stage.start()
    await stage.until_phase(Phase.INITIALIZED)
    for tag in ("2.0", "3.0", "4.0"):
        await promoted(stage, tag, annotated)
    # Another spec, which the Canary that was made is given too.
    push(stage, "4.0", settings(enabled="true", interval="30s", track_config="all"))
    stage.canary_traffic(bad=0.5)
    stage.cluster.apply(config_map(text="two"))
    stage.cluster.apply(secret(text="hush hush"))
    push(stage, "5.0", annotated)
    await stage.until_phase(Phase.FAILED)
    stage.cluster.apply(config_map(text="one"))
    stage.cluster.apply(secret(text="hush"))
    push(stage, "4.0", annotated)
    await stage.until_phase(Phase.SUCCEEDED)
    push(stage, "4.0")  # no annotations any more: the controller deletes the Canary that it made
    await stage.until(lambda: is_gone(stage))
    stage.cluster.now(ref(DEPLOYMENT))

    allowed = {what: verbs - READ for what, verbs in granted("canary-controller").items() if verbs - READ}
    assert {**written(stage), **BY_HAND} == allowed
    assert resource(HPA) in written(stage)
    assert image("4.0") in str(stage.target)
