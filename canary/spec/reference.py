"""Prints docs/annotations.md from the table of annotations: `python -m canary.spec.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from canary.spec.keys import PREFIX, Group, Key
from canary.spec.table import KEYS

_INTRODUCTION = f"""\
# Annotations

<!-- Made by `make docs` from canary/spec/table.py; changes by hand are lost. -->

Every setting of a rollout is an annotation on your Deployment, with the prefix `{PREFIX}`. Only `enabled` is required:

```yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  annotations:
    {PREFIX}enabled: "true"
    {PREFIX}steps: "5,10@5m,pause,50"
    {PREFIX}latency-p99: "500ms"
```

The controller makes a `Canary` of the same name from them and keeps it so; a `Canary` of your own with the same target
goes first. Values are texts: YAML needs quotes around numbers, `true` and `false`.

A key that is not known, or a value that is not allowed, is reported with every other fault at once: as a Warning event
on the Deployment, in the condition `Ready` of the Canary (reason `InvalidSpec`) and in Slack. Until it is mended the
last good settings stay in force and no traffic moves because of it. `canary lint` finds the same faults before that.

Durations are whole numbers with `h`, `m`, `s` and `ms`, in that order: `90s`, `1m30s`, `500ms`, `2h`.
"""


def reference() -> str:
    """Return the page as Markdown; the same text each time."""
    return "\n".join([_INTRODUCTION, *(line for group in Group for line in _section(group))])


def _section(group: Group) -> Iterator[str]:
    yield f"## {group.value}\n"
    yield "| key | meaning | allowed | default | example |"
    yield "|---|---|---|---|---|"
    yield from (_row(key) for key in KEYS if key.group is group)
    yield ""


def _row(key: Key) -> str:
    cells = (f"`{key.name}`", key.doc, key.allowed, _default(key), f"`{key.example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(key: Key) -> str:
    """A default that could be written stands as code, one that is described stands as it is."""
    return key.default if key.default == "-" or " " in key.default else f"`{key.default}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
