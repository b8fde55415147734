"""A process's metrics, as Prometheus would read them."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families

from .support import Running, until


class Scraped(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """What one answer had: by name and labels."""

    text = ""

    def value(self, name: str, **labels: str) -> float | None:
        return self.get((f"run_campaign_{name}", frozenset(labels.items())))

    def statuses(self, campaign: str) -> dict[str, int]:
        """Messages per status, those that there are."""
        found: dict[str, int] = {}
        for labels, value in self.of("messages"):
            if labels["campaign"] == campaign and value:
                found[labels["status"]] = found.get(labels["status"], 0) + int(value)
        return found

    def of(self, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
        for (each, labels), value in self.items():
            if each == f"run_campaign_{name}":
                yield dict(labels), value


def scrape(address: str) -> Scraped:
    found = Scraped()
    with urllib.request.urlopen(address, timeout=60) as answer:
        found.text = answer.read().decode()
    for family in text_string_to_metric_families(found.text):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found


def address_of(running: Running) -> str:
    """Where it says that its metrics are."""
    found = until(lambda: re.search(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", running.out),
                  "the metrics' address")  # fmt: skip
    return str(found[1])
