"""Prints docs/lint.md from the catalogue of rules: `python -m canary.lint.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from canary.lint.catalogue import DESCRIBED, About, Described

_INTRODUCTION = """\
# What lint finds

<!-- Made by `make docs` from canary/lint/catalogue.py; changes by hand are lost. -->

[`canary lint`](commands.md#lint) looks at manifests before they are applied. Each finding names its file, line, object
and key, what was found, what is allowed, what to do, and the rule in brackets at its end:

```sh
canary lint manifests/examples/istio
```

A `fault` fails (exit status 1); the controller would refuse it, or could not work with it. A `warning` fails with
`--strict`; it works, and hardly as it is meant. A `note` never fails.
"""


def reference() -> str:
    """Return the page as Markdown; the same text each time."""
    return "\n".join([_INTRODUCTION, *(line for about in About for line in _section(about))])


def _section(about: About) -> Iterator[str]:
    yield f"## {about.value}\n"
    yield "| rule | level | finds | what to do |"
    yield "|---|---|---|---|"
    yield from (_row(rule) for rule in DESCRIBED if rule.about is about)
    yield ""


def _row(rule: Described) -> str:
    return f"| `{rule.name}` | {', '.join(rule.levels)} | {rule.finds} | {rule.remedy} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
