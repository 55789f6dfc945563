"""``reference/metrics.md`` and the how-to name the metrics and alerts that there are."""

from __future__ import annotations

import re

from flask_stripe_credits.measurements import (
    DatabaseTrouble,
    FulfillmentFailure,
    StripeOutcome,
    WebhookOutcome,
)
from flask_stripe_credits.monitoring.counting import _ELSE, _ENTRANCES, _REASONS
from flask_stripe_credits.monitoring.families import COMMON, COUNTERS, GAUGES, HISTOGRAMS, PREFIX

from .pages import ROOT, codes, read, sections, tables

PAGE = "reference/metrics.md"


def documented() -> dict[str, list[str]]:
    found = {}
    for heading in ("Counters and histograms", "Gauges"):
        (rows,) = tables(sections(PAGE)[heading])
        found |= {row[0].strip("`"): row for row in rows[1:]}
    return found


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    there = {
        one.name: (kind, list(one.labels))
        for kind, families in (("counter", COUNTERS), ("histogram", HISTOGRAMS), ("gauge", GAUGES))
        for one in families
    }
    assert {name: (row[1], codes(row[2])) for name, row in documented().items()} == there
    assert {PREFIX, *COMMON} <= set(codes(read(PAGE)))


def test_every_value_of_a_label_is_documented() -> None:
    rows = documented()
    for name, values in (
        ("webhook_deliveries_total", WebhookOutcome),
        ("stripe_calls_total", StripeOutcome),
        ("database_failures_total", DatabaseTrouble),
        ("fulfillment_failures_total", FulfillmentFailure),
        ("purchases_completed_total", {*_ENTRANCES.values(), _ELSE}),
        ("grants_total", {*_REASONS, _ELSE}),
    ):
        assert set(codes(rows[name][3])) == set(values), name


def test_every_alert_has_its_line_of_what_to_do() -> None:
    rules = (ROOT / "flask_stripe_credits/monitoring/rules.yml").read_text(encoding="utf-8")
    there = re.findall(r"alert: (\w+)\n.*?severity: (\w+)", rules, re.DOTALL)
    text = sections("how-to/monitor-and-alert.md")["What to do when an alert comes"]
    (rows,) = tables(text)
    assert [(row[0].strip("`"), row[1]) for row in rows[1:]] == there
    assert all(row[3] for row in rows[1:])
