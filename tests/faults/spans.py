"""Which worker was busy from when until when, and with what: so it shows who idles at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Span:
    begin: float
    end: float
    by_module: dict[str, float] = field(default_factory=dict)


class Spans:
    """Takes the times of tests, set-up and end included, in seconds of any clock that the workers share."""

    def __init__(self) -> None:
        self._spans: dict[str, _Span] = {}

    def take(self, worker: str, module: str, begin: float, end: float) -> None:
        """Count what a worker did from `begin` to `end`."""
        span = self._spans.setdefault(worker, _Span(begin, end))
        span.begin, span.end = min(span.begin, begin), max(span.end, end)
        span.by_module[module] = span.by_module.get(module, 0.0) + end - begin

    def lines(self) -> Iterator[str]:
        """Yield a line for each worker, by name; times count from when the first of them began."""
        zero = min((span.begin for span in self._spans.values()), default=0.0)
        for worker, span in sorted(self._spans.items()):
            longest = sorted(span.by_module.items(), key=lambda each: -each[1])
            parts = ", ".join(f"{module} {seconds:.0f} s" for module, seconds in longest)
            busy = sum(span.by_module.values())
            yield f"{worker}: from {span.begin - zero:.0f} s to {span.end - zero:.0f} s, busy for {busy:.0f} s: {parts}"
