"""The files that Envoy watches: written aside and moved into place, and only when their content changed.

Each has a version; what Envoy's statistics name as the version in force tells when it has taken a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from canary.sandbox.envoy_config import Json

CDS = "cds.json"
LDS = "lds.json"


class Files:
    """The resource files in one folder, with the version of each that Envoy is to reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._resources: dict[str, list[Json]] = {}
        self._versions: dict[str, str] = {}
        self._number = 0

    def put(self, name: str, resources: Iterable[Json]) -> None:
        """Make the file hold these resources."""
        listed = list(resources)
        if self._resources.get(name) == listed:
            return
        self._number += 1
        version = str(self._number)
        self.place(name, {"version_info": version, "resources": listed})
        self._resources[name] = listed
        self._versions[name] = version

    def place(self, name: str, content: Json) -> None:
        """Write any file; Envoy sees the old content or the new one, never a part."""
        aside = self.folder / f"{name}.new"
        aside.write_text(json.dumps(content))
        aside.replace(self.folder / name)

    def keep_only(self, keys: Iterable[str]) -> None:
        """Remove the files of all ports but these."""
        kept = {CDS, LDS, *(f"{kind}-{key}.json" for key in keys for kind in ("eds", "rds"))}
        for name in set(self._resources) - kept:
            del self._resources[name], self._versions[name]
            (self.folder / name).unlink()

    def pending(self, text: str) -> list[str]:
        """Return the files that are not in force yet, from what Envoy's `/stats` says (with `STATS` as its filter)."""
        in_force = dict(re.findall(r'^(\S+)\.version_text: "(.*)"$', text, re.MULTILINE))
        pending = [name for name, version in self._versions.items() if in_force.get(_owner(name)) != version]
        return pending + re.findall(r"^(\S*(?:total_listeners_warming|warming_clusters)): [1-9]", text, re.MULTILINE)


STATS = "version_text$|total_listeners_warming$|warming_clusters$"
"""Which of Envoy's statistics `Files.pending` reads."""


def _owner(name: str) -> str:
    """Return whose statistics carry the version of a file."""
    fixed: Mapping[str, str] = {CDS: "cluster_manager.cds", LDS: "listener_manager.lds"}
    if name in fixed:
        return fixed[name]
    kind, _, rest = name.partition("-")
    key = rest.removesuffix(".json")
    return f"cluster.{key}" if kind == "eds" else f"http.{key}.rds.{key}"
