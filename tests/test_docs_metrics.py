"""What other programs watch: the pages of events and metrics and the sample alerts, held to the
code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields

import pytest
import yaml

from runner.events import Event, LaneStarted, MessageEvent
from runner.instrumentation import Purpose
from runner.ledger.campaigns.brakes import BrakeKind
from runner.message.status import MessageStatus
from runner.metrics import Metrics
from tests.documents import page, section, table, ticked
from tests.figures import Clock, Looking

EVENTS = page("docs/reference-events.md")
METRICS = page("docs/reference-metrics.md")
GROUPS = yaml.safe_load(page("docs/alerts.yml"))["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"]]


def kinds(of: type[Event]) -> Iterator[type[Event]]:
    """Every kind of event that is ever told."""
    for each in of.__subclasses__():
        if "name" in vars(each):
            yield each
        yield from kinds(each)


KINDS = {kind.name: [field.name for field in fields(kind)] for kind in kinds(Event)}


def test_every_event_and_each_of_its_fields_is_described_and_no_other() -> None:
    rows = table(section(EVENTS, "Which events there are"))
    told = {ticked(cells[0])[0]: ticked(cells[2]) for cells in rows}
    assert told == {name: [each for each in own if each != "at"] for name, own in KINDS.items()}
    meanings = [ticked(cells[0])[0] for cells in table(section(EVENTS, "What the fields say"))]
    assert meanings == sorted({each for own in KINDS.values() for each in own} - {"at"})
    everywhere = [ticked(cells[0])[0] for cells in table(section(EVENTS, "Every event"))]
    assert everywhere == ["event", "at"]


# Metrics ------------------------------------------------------------------------------------------


def exported() -> tuple[dict[str, set[str]], set[str]]:
    """What a process exports: every family of ours with its labels, and every sample's name."""
    metrics = Metrics(Clock(), "1")
    metrics.read_figures_by(Looking())
    metrics.watch(LaneStarted(1.0, {}, {}, 2.0))
    for kind in kinds(MessageEvent):
        words = [field.name for field in fields(kind) if field.name != "at"]
        metrics.watch(kind(1.0, **dict.fromkeys(words, "word")))
    metrics.answered(Purpose.SEND, 0.1, 201)
    families: dict[str, set[str]] = {}
    samples: set[str] = set()
    for family in metrics.registry.collect():
        samples |= {sample.name for sample in family.samples}
        if family.name.startswith("run_campaign"):
            ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
            labels = {label for sample in family.samples for label in sample.labels}
            families[family.name + ending] = labels - {"le"}
    return families, samples


FAMILIES, SAMPLES = exported()
LABELS = {label for labels in FAMILIES.values() for label in labels} | {"instance", "le", "job"}
FROM_PROMETHEUS = {"up"}

VALUES = {
    "status": {str(each) for each in MessageStatus},
    "how": {str(each) for each in BrakeKind},
    "outcome": {kind.name for kind in kinds(MessageEvent)},
    "purpose": {str(each) for each in Purpose},
    "answer": {"2xx", "3xx", "4xx", "429", "5xx", "none"},
}


def test_every_metric_and_its_labels_are_described_and_no_other() -> None:
    told = {ticked(cells[0])[0]: set(ticked(cells[1])) for cells in table(METRICS)}
    assert told == FAMILIES


def test_the_usual_figures_of_a_process_that_are_named_are_there() -> None:
    named = set(re.findall(r"`((?:process|python)_[a-z_]+)`", METRICS))
    assert named
    assert named <= SAMPLES


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on|without|ignoring)\s*\([^)]*\)", " ", expression)
    names = re.findall(r"\b[a-z_]{2,}\b(?!\s*\()", bare)
    return set(names) - {"max", "min", "sum", "and", "or", "unless", "offset"}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_is_about_what_is_exported(rule: dict[str, str]) -> None:
    expression = rule["expr"]
    assert metrics_in(expression)
    assert metrics_in(expression) <= SAMPLES | FROM_PROMETHEUS
    grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    labels = {label.strip() for each in grouped for label in each.split(",")}
    matched = re.findall(r'(\w+)\s*(?:=~|!=|=)\s*"([^"]*)"', expression)
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert labels | {label for label, _ in matched} | shown <= LABELS
    for label, values in matched:
        assert set(values.split("|")) <= VALUES.get(label, {"run-campaign"}), label


def test_a_metric_that_is_none_would_be_noticed() -> None:
    found = metrics_in('sum by (campaign) (rate(run_campaign_nothing{status="sent"}[5m])) > 0 * up')
    assert found == {"run_campaign_nothing", "up"}


def test_what_the_alerts_have_to_cover_is_covered() -> None:
    watched = {name for rule in ALERTS for name in metrics_in(rule["expr"])}
    assert watched >= {
        "up",
        "run_campaign_messages",
        "run_campaign_messages_due",
        "run_campaign_braked",
        "run_campaign_api_end_timestamp_seconds",
        "run_campaign_ledger_commit_duration_seconds_bucket",
    }
