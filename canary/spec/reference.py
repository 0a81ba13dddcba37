"""Prints docs/annotations.md from the table of keys: `python -m canary.spec.reference`."""

from __future__ import annotations

import itertools
import sys

from canary.spec.annotation_keys import KEYS, PREFIX, Key

HEAD = f"""# Annotations

<!-- Made by `make docs` from canary/spec/annotation_keys.py. -->

They stand on a Deployment, each with the prefix `{PREFIX}`; `{PREFIX}enabled: "true"` is the only one
that is required. A value that does not parse, or a key that is not known, is reported as a Warning event on the
Deployment and as condition `Ready=False` with reason `InvalidSpec` on the Canary, every fault at once; until it is mended the last
good settings stay in force.
"""

CUSTOM = f"""## Checks of your own

`{PREFIX}check.NAME` holds PromQL and a limit: the last comparison at its top, `<=` or `>=`, with a number.

```yaml
{PREFIX}check.queue: 'sum(queue_lag{{pod=~"{{{{ pods }}}}"}}) <= 100'
```

The query must give one sample. These placeholders are filled in, so that no value can leave its string:
`{{{{ namespace }}}}`, `{{{{ target }}}}`, `{{{{ primary }}}}`, `{{{{ service }}}}`, `{{{{ pods }}}}` (a regular
expression for exactly the canary's pods), `{{{{ revision }}}}`, `{{{{ interval }}}}`. A query with none of `target`,
`pods` and `revision` has no counterpart at the primary, so that a failure of the whole environment counts against the
new version.
"""


def reference() -> str:
    """Return the page."""
    sections = [
        f"## {group}\n\n| key | value, for example | default | what it does |\n|---|---|---|---|\n"
        + "\n".join(_row(key) for key in keys)
        + "\n"
        for group, keys in itertools.groupby(KEYS, key=lambda key: key.group)
    ]
    return "\n".join([HEAD, *sections, CUSTOM])


def _row(key: Key) -> str:
    return f"| `{key.name}` | `{key.example}` | {key.default} | {key.doc} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
