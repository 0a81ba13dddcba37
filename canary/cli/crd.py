"""`canary crd`: the definition of the Canary resource."""

from __future__ import annotations

import sys

import typer

from canary.spec.crd import crd_yaml


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="crd")(crd)


def crd() -> None:
    """Print the CustomResourceDefinition of the Canary resource."""
    sys.stdout.write(crd_yaml())
