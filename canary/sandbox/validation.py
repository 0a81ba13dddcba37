"""What the API server refuses: names, labels, selectors and fields that must not change.

Only rules that canary or its users can run into; types of fields are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from canary.errors import Rejected
from canary.ports import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    HPA,
    NAMESPACE,
    REPLICA_SET,
    SECRET,
    SERVICE,
    ref_of,
)
from canary.sandbox.selectors import is_empty, matches
from meshes.contract import Kind, Manifest

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_NAMES = {SERVICE: (_DNS_1035, 63), NAMESPACE: (_DNS_1123, 63)}
_ANNOTATIONS_LIMIT = 256 * 1024


def validate(kind: Kind, new: Manifest, old: Manifest | None) -> None:
    """Raise `Rejected` (HTTP 422) with the field's path when the object must not be written so.

    `old` is the object as it is stored, None for a create.
    """
    _check_name(kind, str(new["metadata"]["name"]))
    _check_metadata(new)
    for check in _CHECKS.get(kind, ()):
        check(new, old)


def refusal(manifest: Manifest, field: str, problem: str) -> Rejected:
    """Return the error that names object, field and problem as the API server does."""
    ref = ref_of(manifest)
    return Rejected(f'{ref.kind} "{ref.name}" is invalid: {field}: {problem}')


def _check_name(kind: Kind, name: str) -> None:
    pattern, limit = _NAMES.get(kind, (_SUBDOMAIN, 253))
    if not pattern.fullmatch(name):
        raise Rejected(f'{kind} "{name}" is invalid: metadata.name: must match {pattern.pattern}')
    if len(name) > limit:
        raise Rejected(f'{kind} "{name}" is invalid: metadata.name: must be no more than {limit} characters')


def _check_metadata(new: Manifest) -> None:
    meta = new["metadata"]
    for key, value in (meta.get("labels") or {}).items():
        _check_key(new, "labels", key)
        if not isinstance(value, str) or not _is_label(value):
            raise refusal(
                new, f"metadata.labels[{key}]", f"{value!r} is no label value (63 characters, [-A-Za-z0-9_.])"
            )
    for key, value in (meta.get("annotations") or {}).items():
        _check_key(new, "annotations", key, key.lower())
        if not isinstance(value, str):
            raise refusal(new, f"metadata.annotations[{key}]", f"{value!r} is not a string")
    if sum(len(key) + len(value) for key, value in (meta.get("annotations") or {}).items()) > _ANNOTATIONS_LIMIT:
        raise refusal(new, "metadata.annotations", "Too long: must have at most 262144 bytes")
    for finalizer in meta.get("finalizers") or ():
        _check_key(new, "finalizers", finalizer)


def _check_key(new: Manifest, part: str, key: str, checked: str = "") -> None:
    if not _is_qualified(checked or key):
        problem = "must be a qualified name: an optional DNS prefix and '/', then at most 63 characters"
        raise refusal(new, f"metadata.{part}: {key}", problem)


@lru_cache(maxsize=1024)
def _is_qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix)):
        return False
    return len(name) <= 63 and bool(_QUALIFIED.fullmatch(name))


@lru_cache(maxsize=1024)
def _is_label(value: str) -> bool:
    return len(value) <= 63 and bool(_LABEL_VALUE.fullmatch(value))


def _check_selector(new: Manifest, old: Manifest | None) -> None:
    spec = new.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    if is_empty(selector):
        raise refusal(new, "spec.selector", "Required value")
    if not matches(selector, (template.get("metadata") or {}).get("labels") or {}):
        raise refusal(new, "spec.template.metadata.labels", "`selector` does not match template `labels`")
    if old is not None and selector != old["spec"]["selector"]:
        raise refusal(new, "spec.selector", "field is immutable")


def _check_workload(new: Manifest, old: Manifest | None) -> None:
    spec = new["spec"]
    replicas = spec["replicas"]
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        raise refusal(new, "spec.replicas", f"{replicas!r}: must be an integer greater than or equal to 0")
    containers = spec["template"]["spec"].get("containers")
    if not containers:
        raise refusal(new, "spec.template.spec.containers", "Required value")
    for index, container in enumerate(containers):
        for field in ("name", "image"):
            if not container.get(field):
                raise refusal(new, f"spec.template.spec.containers[{index}].{field}", "Required value")


def _check_strategy(new: Manifest, old: Manifest | None) -> None:
    strategy = new["spec"]["strategy"]
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling is not None:
        raise refusal(
            new, "spec.strategy.rollingUpdate", "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        )
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        raise refusal(new, "spec.strategy.type", f'Unsupported value: "{strategy["type"]}"')
    if rolling and rolling["maxUnavailable"] in (0, "0%") and rolling["maxSurge"] in (0, "0%"):
        raise refusal(new, "spec.strategy.rollingUpdate.maxUnavailable", "may not be 0 when `maxSurge` is 0")


def _check_service(new: Manifest, old: Manifest | None) -> None:
    spec = new.get("spec") or {}
    ports = spec.get("ports") or ()
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        raise refusal(new, "spec.ports", "Required value")
    if len(ports) > 1 and not all(port.get("name") for port in ports):
        raise refusal(new, "spec.ports", "name: Required value when there is more than one port")
    names = [port.get("name") for port in ports if port.get("name")]
    if len(set(names)) < len(names):
        raise refusal(new, "spec.ports", "Duplicate value of name")
    if old is not None and spec.get("type") == (old.get("spec") or {}).get("type"):
        _check_unchanged(new, old, ("spec", "clusterIP"))


def _check_autoscaler(new: Manifest, old: Manifest | None) -> None:
    spec = new.get("spec") or {}
    if not isinstance(spec.get("scaleTargetRef"), Mapping):
        raise refusal(new, "spec.scaleTargetRef", "Required value")
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    if low < 1:
        raise refusal(new, "spec.minReplicas", "must be greater than or equal to 1")
    if high < low:
        raise refusal(new, "spec.maxReplicas", "must be greater than or equal to `minReplicas`")


def _check_immutable_data(new: Manifest, old: Manifest | None) -> None:
    if old is None or old.get("immutable") is not True:
        return
    for field in ("immutable", "data", "binaryData"):
        if new.get(field) != old.get(field):
            raise refusal(new, field, "field is immutable when `immutable` is set")


def _check_revision(new: Manifest, old: Manifest | None) -> None:
    if not isinstance(new.get("revision"), int):
        raise refusal(new, "revision", "Required value")
    if old is not None:
        _check_unchanged(new, old, ("data",))


def _check_unchanged(new: Manifest, old: Manifest, path: tuple[str, ...]) -> None:
    before: Any = old
    after: Any = new
    for key in path:
        before, after = (before or {}).get(key), (after or {}).get(key)
    if before is not None and before != after:
        raise refusal(new, ".".join(path), "field is immutable")


_Check = Callable[[Manifest, Manifest | None], None]
_CHECKS: dict[Kind, tuple[_Check, ...]] = {
    DEPLOYMENT: (_check_selector, _check_workload, _check_strategy),
    REPLICA_SET: (_check_selector, _check_workload),
    SERVICE: (_check_service,),
    HPA: (_check_autoscaler,),
    CONFIG_MAP: (_check_immutable_data,),
    SECRET: (_check_immutable_data,),
    CONTROLLER_REVISION: (_check_revision,),
}
