"""The values that a PromQL expression can have, and the errors that its evaluation can end in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from canary.errors import Rejected

NAME = "__name__"

Pairs = Sequence[tuple[int, float]]
Matched = frozenset[tuple[str, str]] | tuple[str, ...]


class QueryError(Rejected):
    """The query is refused. `kind` is Prometheus's errorType: `bad_data` (not understood) or `execution`."""

    def __init__(self, message: str, *, kind: str = "bad_data") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector. Its labels are never changed in place."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Run:
    """One element of a range vector: the samples of one series, oldest first; never empty."""

    labels: Mapping[str, str]
    pairs: Pairs


@dataclass(frozen=True, slots=True)
class Vector:
    """An instant vector."""

    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A range vector, and the range (milliseconds) that it was selected from."""

    runs: Sequence[Run]
    start: int
    end: int


Value = float | str | Vector | Matrix


def nameless(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels without the metric's name."""
    return {name: value for name, value in labels.items() if name != NAME}


def distinct(vector: Vector) -> Vector:
    """Return the vector; raises `QueryError` if two of its samples have the same labels, as Prometheus does."""
    if len({frozenset(sample.labels.items()) for sample in vector.samples}) < len(vector.samples):
        raise QueryError("vector cannot contain metrics with the same labelset", kind="execution")
    return vector
