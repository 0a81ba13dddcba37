"""A page of metrics as Prometheus' own parser reads it."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from canary.telemetry.telemetry import Telemetry


class Page:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for each in self.families for sample in each.samples]

    def by(self, name: str, label: str, **labels: str) -> Mapping[str, float]:
        """The values of a metric's samples that have `labels`, by one more label."""
        return {one.labels[label]: one.value for one in self.samples if one.name == name and _has(one.labels, labels)}

    def one(self, name: str, **labels: str) -> float | None:
        """The value of the one sample that has `labels`, None when there is none."""
        values = [one.value for one in self.samples if one.name == name and _has(one.labels, labels)]
        assert len(values) <= 1, (name, labels, values)
        return values[0] if values else None

    def of_canaries(self) -> set[tuple[str, str]]:
        """Namespaces and names of the canaries that have a series."""
        return {(one.labels["namespace"], one.labels["canary"]) for one in self.samples if "canary" in one.labels}


def scrape(telemetry: Telemetry) -> Page:
    return Page(telemetry.page().text)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= labels.items()
