"""Reads the spec of a Canary with the models of schema.py, and words what is wrong with it: all faults at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from canary.spec.combinations import combination_faults
from canary.spec.faults import SpecError, SpecFault, bounded, nearest, said
from canary.spec.fields import LABEL
from canary.spec.schema import CHECKS_MOST, STEPS_MOST, CanarySpec, Part
from meshes.contract import Manifest

_WORDS = {
    "missing": "a value",
    "bool_type": "true or false",
    "model_type": "a map of fields",
    "model_attributes_type": "a map of fields",
    "tuple_type": "a list",
    "too_long": f"at most {STEPS_MOST} steps and {CHECKS_MOST} checks",
}


def read_spec(manifest: Manifest) -> CanarySpec:
    """Return the spec of a Canary, defaults filled in. Raises SpecError with every fault of it."""
    spec, faults = _read(manifest.get("spec"))
    if faults or spec is None:
        raise SpecError(faults)
    return spec


def spec_faults(manifest: Manifest) -> tuple[SpecFault, ...]:
    """Return every fault of a Canary's spec; a fault's key is the field's path, such as `spec.analysis.interval`."""
    return _read(manifest.get("spec"))[1]


def filled_in(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec without faults with every default filled in, as the API server does it."""
    read = CanarySpec.model_validate_json(json.dumps(spec))
    return read.model_dump(mode="json", by_alias=True, exclude_none=True)


def _read(written: Any) -> tuple[CanarySpec | None, tuple[SpecFault, ...]]:
    if not isinstance(written, Mapping):
        found = "" if written is None else said(written)
        return None, (SpecFault(key="spec", found=found, allowed="a map of fields, targetRef among them"),)
    written = _without_nulls(written)
    together = tuple(combination_faults(written))
    try:
        # As JSON: strict there means what the API server means by a type. `str` words what only YAML has, as dates.
        spec = CanarySpec.model_validate_json(json.dumps(written, default=str))
    except ValidationError as error:
        known = {fault.key for fault in together}
        single = (_fault(entry) for entry in error.errors())
        return None, bounded([*(fault for fault in single if fault.key not in known), *together])
    return spec, bounded([*_unusable_name(spec), *together])


def _without_nulls(value: Any) -> Any:
    """A null is a field that is left out: the API server fills in its default."""
    if isinstance(value, Mapping):
        return {str(key): _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _unusable_name(spec: CanarySpec) -> tuple[SpecFault, ...]:
    """Services and labels are named after the Deployment, whose own name may hold more than theirs."""
    name = spec.target_ref.name
    try:
        LABEL.check(name)
    except ValueError:
        allowed = "a Deployment whose name is good for Services too: lower-case letters, digits and -, a letter first"
        return (SpecFault(key="spec.targetRef.name", found=name, allowed=allowed),)
    return ()


def _fault(entry: Any) -> SpecFault:
    path = "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in entry["loc"])
    found = "" if entry["type"] == "missing" else said(entry["input"])
    if entry["type"] == "extra_forbidden":
        known = _fields(entry["loc"][:-1])
        allowed = f"one of the fields {', '.join(known)}"
        return SpecFault(key=path, found=found, allowed=allowed, nearest=nearest(str(entry["loc"][-1]), known))
    return SpecFault(key=path, found=found, allowed=_WORDS.get(entry["type"]) or _cleaned(entry["msg"]))


def _cleaned(message: str) -> str:
    words = re.sub(r"^(Input should be |Value error, )", "", message)
    return words.replace("'", "")


def _fields(path: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the names that are known where a path of field names leads, from the root of the spec."""
    model: type[Part] = CanarySpec
    for part in path:
        if isinstance(part, int):
            continue
        annotation = next((one.annotation for one in model.model_fields.values() if one.alias == part), None)
        model = _model_in(annotation) or model
    return tuple(str(field.alias) for field in model.model_fields.values())


def _model_in(annotation: Any) -> type[Part] | None:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    found = (_model_in(inner) for inner in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)
