"""The ConfigMaps and Secrets that a pod template names: found, and replaced by others. Pure.

What counts is what containers read: volumes, projected volumes, env and envFrom, of init and ephemeral containers too.
Secrets by which images are pulled or disks are mounted are none of the application's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from canary.ports import CONFIG_MAP, SECRET
from canary.rollout.model import TrackConfig
from meshes.contract import Kind

KINDS: Mapping[TrackConfig, tuple[Kind, ...]] = {
    TrackConfig.NONE: (),
    TrackConfig.CONFIG_MAPS: (CONFIG_MAP,),
    TrackConfig.ALL: (CONFIG_MAP, SECRET),
}
"""Which kinds each setting of `track-config` tracks."""

_LISTS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One ConfigMap or Secret that a template names. `optional`: pods start without it, wherever it is named."""

    kind: Kind
    name: str
    optional: bool = False


def references(template: Mapping[str, Any], kinds: tuple[Kind, ...]) -> tuple[Reference, ...]:
    """Return what the template names, each once, by kind and name."""
    found: dict[tuple[Kind, str], bool] = {}
    for kind, place, field in _places(template):
        if kind in kinds and place.get(field):
            key = (kind, str(place[field]))
            found[key] = found.get(key, True) and bool(place.get("optional"))
    return tuple(sorted(Reference(kind, name, optional) for (kind, name), optional in found.items()))


def renamed(template: Mapping[str, Any], names: Mapping[tuple[Kind, str], str]) -> Mapping[str, Any]:
    """Return the template with other names in place of those in `names`; nothing else differs."""
    if not names:
        return template
    copy = deepcopy(dict(template))
    for kind, place, field in _places(copy):
        if (kind, place.get(field)) in names:
            place[field] = names[kind, str(place[field])]
    return copy


def _places(template: Mapping[str, Any]) -> Iterator[tuple[Kind, dict[str, Any], str]]:
    """Yield where a template names one: its kind, the part that names it, and the field with the name."""
    spec = template.get("spec") or {}
    for volume in spec.get("volumes") or ():
        yield from _sources(volume, "secretName")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _sources(source, "name")
    for container in (one for name in _LISTS for one in spec.get(name) or ()):
        for variable in container.get("env") or ():
            yield from _keys(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")
        for source in container.get("envFrom") or ():
            yield from _keys(source, "configMapRef", "secretRef")


def _sources(volume: Mapping[str, Any], secret_field: str) -> Iterator[tuple[Kind, dict[str, Any], str]]:
    if volume.get("configMap"):
        yield CONFIG_MAP, volume["configMap"], "name"
    if volume.get("secret"):
        yield SECRET, volume["secret"], secret_field


def _keys(source: Mapping[str, Any], config_map: str, secret: str) -> Iterator[tuple[Kind, dict[str, Any], str]]:
    if source.get(config_map):
        yield CONFIG_MAP, source[config_map], "name"
    if source.get(secret):
        yield SECRET, source[secret], "name"
