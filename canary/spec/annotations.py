"""From a Deployment's annotations to its Canary, with every fault of all of them at once.

One loop over one table (annotation_keys.py). The result is the spec of a Canary resource, so that what annotations say
and what a user's own Canary says go the same way from there on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from canary.rollout.model import Builtin, Timing
from canary.spec.annotation_keys import CHECK, KEYS, PREFIX, Key
from canary.spec.faults import SpecError, SpecFault, nearest
from canary.spec.plan import plan_from
from canary.spec.queries import split_limit
from canary.spec.schema import CHECKS_MOST, CanarySpec
from meshes.contract import Manifest

API_VERSION = "canary.delivery/v1alpha1"
GENERATED = f"{PREFIX}generated"
LONGEST_VALUE = 8000
BY_NAME: Mapping[str, Key] = {key.name: key for key in KEYS}
DEFAULT_SUCCESS_RATE = 99.0
LATENCIES = (Builtin.LATENCY_P50, Builtin.LATENCY_P95, Builtin.LATENCY_P99)


def is_enabled(deployment: Manifest) -> bool:
    """Return whether a Deployment is opted in: `canary.delivery/enabled` is there and not "false".

    Any other word than "true" is a fault, not a wish to leave: a typing error must not end what serves.
    """
    return _annotations(deployment).get(f"{PREFIX}enabled", "false") != "false"


def canary_from_annotations(deployment: Manifest) -> tuple[Manifest | None, tuple[SpecFault, ...]]:
    """Return the Canary that the annotations ask for, and every fault of them.

    None when the Deployment is not opted in. With faults the Canary has only its target and is suspended: it is for a
    Deployment that was never valid; else the whole spec is written out, every default included.
    """
    if not is_enabled(deployment):
        return None, ()
    metadata = deployment["metadata"]
    target = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"]}}
    spec, faults = _read(_annotations(deployment))
    manifest = _canary(metadata, {**target, **spec})
    if not faults:
        faults = _faults_of_the_whole(manifest, _annotations(deployment))
    if faults:
        return _canary(metadata, {**target, "suspend": True}), tuple(faults)
    return _canary(metadata, full_spec(manifest["spec"])), ()


def full_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with every default written out, as the API server fills it in from the CRD."""
    full: dict[str, Any] = CanarySpec.model_validate(spec).model_dump(mode="json", by_alias=True, exclude_none=True)
    return full


def _canary(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Canary",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {GENERATED: "true"},
        },
        "spec": dict(spec),
    }


def _annotations(deployment: Manifest) -> Mapping[str, str]:
    annotations: Mapping[str, str] = deployment["metadata"].get("annotations") or {}
    return annotations


def _read(annotations: Mapping[str, str]) -> tuple[dict[str, Any], list[SpecFault]]:
    spec: dict[str, Any] = {}
    faults: list[SpecFault] = []
    values: dict[str, Any] = {}
    custom: list[dict[str, Any]] = []
    for full in sorted(key for key in annotations if key.startswith(PREFIX)):
        name, text = full.removeprefix(PREFIX), annotations[full]
        try:
            if name.startswith(CHECK):
                custom.append(_custom_check(name.removeprefix(CHECK), text))
            elif name in BY_NAME:
                values[name] = _value(BY_NAME[name], text)
                _put(spec, BY_NAME[name].path, values[name])
            else:
                faults.append(_unknown(full))
        except ValueError as error:
            faults.append(SpecFault(key=full, found=text, allowed=str(error)))
    if len(custom) > CHECKS_MOST - 4:
        found = f"{len(custom)} checks"
        faults.append(SpecFault(key=f"{PREFIX}{CHECK}NAME", found=found, allowed=f"at most {CHECKS_MOST - 4} of them"))
    if values.get("enabled") is False:
        faults.append(SpecFault(key=f"{PREFIX}enabled", found="false", allowed='"true"'))
    spec.setdefault("analysis", {})["checks"] = [*_builtin_checks(values), *custom]
    return spec, faults


def _value(key: Key, text: str) -> Any:
    if len(text) > LONGEST_VALUE:
        raise ValueError(f"at most {LONGEST_VALUE} characters")
    return key.convert(text)


def _unknown(full: str) -> SpecFault:
    names = [f"{PREFIX}{key.name}" for key in KEYS]
    return SpecFault(
        key=full[:200],
        found="a key that is not known",
        allowed=f"{PREFIX}{CHECK}NAME or a key of docs/annotations.md",
        nearest=nearest(full, names),
    )


def _put(spec: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    if not path:
        return
    *outer, last = path
    for part in outer:
        spec = spec.setdefault(part, {})
    spec[last] = value


def _builtin_checks(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    rate = values.get("success-rate", DEFAULT_SUCCESS_RATE)
    if rate is not None:
        yield {"name": "success-rate", "builtin": "success-rate", "min": rate}
    for builtin in LATENCIES:
        if builtin.value in values:
            yield {"name": builtin.value, "builtin": builtin.value, "max": values[builtin.value]}


def _custom_check(name: str, text: str) -> dict[str, Any]:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) or name in tuple(Builtin):
        raise ValueError("a name after check. of lower-case letters, digits and dashes that no built-in check has")
    limited = split_limit(text)
    return {"name": name, "query": limited.query, limited.side.value: limited.limit}


def _faults_of_the_whole(manifest: Manifest, annotations: Mapping[str, str]) -> list[SpecFault]:
    """Return what is wrong between keys, said by key."""
    try:
        plan_from(manifest, timing=Timing(), default_mesh="istio")
    except SpecError as error:
        return [_by_key(fault, annotations) for fault in error.faults]
    return []


def _by_key(fault: SpecFault, annotations: Mapping[str, str]) -> SpecFault:
    for key in KEYS:
        if key.path and fault.key.startswith("spec." + ".".join(key.path)):
            full = f"{PREFIX}{key.name}"
            allowed = fault.allowed.replace("stepWeight", "step-weight").replace("maxWeight", "max-weight")
            return SpecFault(key=full, found=annotations.get(full, fault.found), allowed=allowed)
    return fault
