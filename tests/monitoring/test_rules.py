"""The alerts and the board: of metrics that exist, and each alert comes when it has to."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import sqlalchemy as sa
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

import flask_stripe_credits
from flask_stripe_credits.measurements import (
    DatabaseTrouble,
    FulfillmentFailure,
    StripeOutcome,
    WebhookOutcome,
)
from flask_stripe_credits.monitoring import database_gauges
from flask_stripe_credits.monitoring.exposition import exposition
from flask_stripe_credits.monitoring.families import COUNTERS, GAUGES, HISTOGRAMS, PREFIX

from ..hosts import Host, make_host
from .conftest import Meter, NewMetered
from .promtool import check_rules, needs_promtool, test_rules

HERE = Path(flask_stripe_credits.__file__).parent / "monitoring"
RULES, BOARD = HERE / "rules.yml", HERE / "board.json"
CRITICAL_IN_THE_GUIDE = {
    "StripeCreditsWebhookFailures",
    "StripeCreditsAllocationErrors",
    "StripeCreditsStripeErrors",
}
WARNINGS_IN_THE_GUIDE = {
    "StripeCreditsSlowCompletion",
    "StripeCreditsAbandonedCheckouts",
    "StripeCreditsDatabaseTimeouts",
}


def alerts() -> dict[str, str]:
    """Name → severity."""
    text = RULES.read_text(encoding="utf-8")
    return dict(re.findall(r"alert: (\w+)\n.*?severity: (\w+)", text, re.DOTALL))


def expressions_of_the_board() -> Iterator[str]:
    for panel in json.loads(BOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def metrics_in(text: str) -> set[str]:
    used = set(re.findall(rf"\b{PREFIX}[a-z_]+", text))
    of_histograms = {PREFIX + one.name for one in HISTOGRAMS}
    for name in list(used):
        whole = re.sub(r"_(bucket|sum|count)\Z", "", name)
        if whole in of_histograms:
            used.discard(name)
            used.add(whole)
    return used


def test_every_metric_is_used_and_every_used_metric_exists() -> None:
    there = {PREFIX + one.name for one in (*COUNTERS, *HISTOGRAMS, *GAUGES)}
    board = metrics_in(" ".join(expressions_of_the_board()))
    rules = metrics_in(RULES.read_text(encoding="utf-8"))
    assert board == there
    assert rules <= there
    assert len(rules) > 10


def test_every_value_of_a_label_that_is_compared_exists() -> None:
    values: dict[str, set[str]] = {
        "outcome": {*WebhookOutcome, *StripeOutcome},
        "trouble": set(DatabaseTrouble),
        "failure": set(FulfillmentFailure),
        "reason": {"expired", "payment_failed"},
        "by": {"return_page"},
        "kind": {"orphan"},
    }
    text = RULES.read_text(encoding="utf-8") + " ".join(expressions_of_the_board())
    compared = re.findall(r'\b(\w+)(?:=|!=|=~|!~)"([\w|]+)"', text)
    assert len(compared) > 10
    for label, alternatives in compared:
        assert set(alternatives.split("|")) <= values[label], label


def test_the_guides_alerts_and_that_of_lost_payments_are_there() -> None:
    found = alerts()
    critical = {name for name, severity in found.items() if severity == "critical"}
    assert critical >= CRITICAL_IN_THE_GUIDE | {"StripeCreditsPaidNotGranted"}
    assert set(found) - critical >= WARNINGS_IN_THE_GUIDE
    assert len(found) == RULES.read_text(encoding="utf-8").count("- alert:")


def test_the_commands_that_alerts_name_exist(sqlite_host: Host) -> None:
    group: Any = sqlite_host.app.cli.commands["credits"]
    context = click.Context(group)
    named = re.findall(r"`flask credits ([a-z-]+)((?: [a-z]+)?)", RULES.read_text("utf-8"))
    assert len(named) > 8
    for command, below in named:
        found = group.get_command(context, command)
        assert found is not None, command
        if below and isinstance(found, click.Group):
            assert below.strip() in found.commands


@pytest.mark.parametrize(("command", "file"), [("rules", RULES), ("board", BOARD)])
def test_the_command_prints_the_file_without_database_and_keys(command: str, file: Path) -> None:
    host = make_host(
        "sqlite:////nowhere/at/all.sqlite", tables=False, STRIPE_SECRET_KEY="", receiver=False
    )
    done = host.app.test_cli_runner().invoke(args=["credits", "monitoring", command])
    assert done.exit_code == 0
    assert done.stdout == file.read_text(encoding="utf-8")


def test_the_board_is_one_that_grafana_imports() -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    assert (board["title"], board["uid"]) == ("Stripe credits", "flask-stripe-credits")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 20
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["targets"] and panel["title"]
            assert all(one["expr"] and one["legendFormat"] for one in panel["targets"])
    variables = {one["name"] for one in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", BOARD.read_text(encoding="utf-8")))
    assert used - {"__rate_interval", "__all"} == variables


@needs_promtool
def test_prometheus_takes_the_rules_and_every_expression_of_the_board(tmp_path: Path) -> None:
    check_rules(RULES)
    rules = [
        {
            "record": f"board:panel{number}",
            "expr": re.sub(r"\$\w+", ".*", expression.replace("$__rate_interval", "5m")),
        }
        for number, expression in enumerate(expressions_of_the_board())
    ]
    file = tmp_path / "board.yml"
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    check_rules(file)


# When they fire. Series in Prometheus' notation: `0+6x30` is 0, 6, 12 … in 31 samples.


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    every = {"site": "shop", "mode": "live"} | labels
    text = ",".join(f'{key}="{value}"' for key, value in every.items())
    return {"series": f"{PREFIX}{name}{{{text}}}", "values": values}


def case(
    alert: str, at: str, *given: dict[str, str], fires: bool, interval: str = "1m", **labels: str
) -> dict[str, Any]:
    every = {
        "alertname": alert,
        "alertstate": "firing",
        "severity": alerts()[alert],
        "site": "shop",
        "mode": "live",
    } | labels
    if alert == "StripeCreditsMetricsMissing":
        del every["site"], every["mode"]
    text = ",".join(f'{key}="{value}"' for key, value in every.items())
    return {
        "interval": interval,
        "input_series": list(given),
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{alert}",alertstate="firing"}}',
                "eval_time": at,
                "exp_samples": [{"labels": f"ALERTS{{{text}}}", "value": 1}] if fires else [],
            }
        ],
    }


def pair(
    alert: str,
    at: str,
    firing: list[dict[str, str]],
    quiet: list[dict[str, str]],
    interval: str = "1m",
    **labels: str,
) -> list[dict[str, Any]]:
    return [
        case(alert, at, *firing, fires=True, interval=interval, **labels),
        case(alert, at, *quiet, fires=False, interval=interval, **labels),
    ]


def deliveries(**values: str) -> list[dict[str, str]]:
    return [
        series("webhook_deliveries_total", value, outcome=name) for name, value in values.items()
    ]


def histogram(name: str, **values: str) -> list[dict[str, str]]:
    """Its buckets; the last one holds all there is."""
    *_, everything = values.values()
    return [
        series(f"{name}_bucket", value, le=le.removeprefix("le").replace("inf", "+Inf"))
        for le, value in (values | {"leinf": everything}).items()
    ]


def cases() -> list[dict[str, Any]]:
    lost = series("paid_not_granted_oldest_seconds", "0+60x20", seen="recorded")
    in_vain = series("paid_not_granted_oldest_seconds", "0+60x20", seen="failed_event")
    outbox = series("grants_undelivered_oldest_seconds", "0+60x20")
    failure = "fulfillment_failures_total"
    by_page = series("purchases_completed_total", "0+1x60", by="return_page")
    checkouts = series("checkouts_created_total", "0x12 1x400")
    ended = "purchases_failed_total"
    completed = series("purchases_completed_total", "0+1x400", by="webhook")
    return [
        # A thousand others a minute go well: the rate of failures is 0.
        case(
            "StripeCreditsPaidNotGranted",
            "6m",
            lost,
            *deliveries(handled="0+1000x20", failed="0x20"),
            fires=True,
            seen="recorded",
        ),
        case("StripeCreditsPaidNotGranted", "6m", in_vain, fires=True, seen="failed_event"),
        case("StripeCreditsPaidNotGranted", "5m", lost, in_vain, fires=False),
        case("StripeCreditsUndelivered", "6m", outbox, fires=True),
        case("StripeCreditsUndelivered", "5m", outbox, fires=False),
        *pair(
            "StripeCreditsAllocationErrors",
            "5m",
            [series(failure, "0 0 0 1x9", failure="receiver_failed")],
            [series(failure, "7x12", failure="receiver_failed")],
            failure="receiver_failed",
        ),
        *pair(
            "StripeCreditsWebhookFailures",
            "20m",
            deliveries(handled="0+100x30", failed="0+6x30"),
            deliveries(handled="0+100x30", failed="0+5x30"),
        ),
        *pair(
            "StripeCreditsWebhookFailures",
            "20m",
            # The wrong secret: nothing gets through.
            deliveries(handled="5x30", invalid_signature="0+1x30"),
            # Somebody posts rubbish.
            deliveries(handled="0+1x30", unsigned="0+1000x30"),
        ),
        *pair(
            "StripeCreditsWebhooksMissing",
            "45m",
            [by_page, *deliveries(handled="0x60")],
            [by_page, *deliveries(handled="0+1x60")],
        ),
        *pair(
            "StripeCreditsWebhooksMissing",
            "26h30m",
            [checkouts, series("webhook_last_handled_timestamp_seconds", "60x400")],
            [checkouts, series("webhook_last_handled_timestamp_seconds", "60x100 20000x400")],
            interval="5m",
        ),
        *pair(
            "StripeCreditsStripeErrors",
            "61m",
            [series("stripe_calls_total", "0+1x70", operation="GET /v1/prices", outcome="broken")],
            [
                series("stripe_calls_total", "0+1x70", operation="x", outcome="missing"),
                series("stripe_calls_total", "0+1x70", operation="x", outcome="ok"),
                series("stripe_calls_total", "0x60 5x9", operation="x", outcome="rejected"),
            ],
        ),
        *pair(
            "StripeCreditsDatabaseDown",
            "4m",
            [series("database_up", "1 0x9")],
            [series("database_up", "1 0 1x9")],
        ),
        *pair(
            "StripeCreditsOrphan",
            "2m",
            [series("waiting", "0 1x9", kind="orphan")],
            [series("waiting", "0x9", kind="orphan"), series("waiting", "3x9", kind="purchase")],
            kind="orphan",
        ),
        *pair(
            "StripeCreditsSlowCompletion",
            "90m",
            histogram(
                "purchase_completion_seconds", le600="0+4x99", le1800="0+9x99", leinf="0+9x99"
            ),
            histogram(
                "purchase_completion_seconds", le600="0+5x99", le1800="0+9x99", leinf="0+9x99"
            ),
        ),
        *pair(
            "StripeCreditsWebhookLag",
            "50m",
            histogram("webhook_lag_seconds", le60="0+8x99", le300="0+10x99"),
            histogram("webhook_lag_seconds", le60="0+10x99", le300="0+10x99"),
        ),
        *pair(
            "StripeCreditsAbandonedCheckouts",
            "27h",
            [completed, series(ended, "0+2x400", reason="expired")],
            [
                completed,
                series(ended, "0+1x400", reason="expired"),
                series(ended, "0+1x400", reason="payment_failed"),
            ],
            interval="5m",
        ),
        # Four in a day say nothing.
        case(
            "StripeCreditsAbandonedCheckouts",
            "27h",
            series("purchases_completed_total", "0x400", by="webhook"),
            series(ended, "0x60 4x340", reason="expired"),
            fires=False,
            interval="5m",
        ),
        *pair(
            "StripeCreditsDatabaseTimeouts",
            "5m",
            [series("database_failures_total", "0 0 1x9", trouble="timeout")],
            [series("database_failures_total", "0 0 1x9", trouble="no_tables")],
            trouble="timeout",
        ),
        *pair(
            "StripeCreditsReviewWaiting",
            "65m",
            [series("waiting", "1x99", kind="failed_event")],
            [
                series("waiting", "0x30 1x69", kind="failed_event"),
                series("waiting", "1x99", kind="orphan"),
            ],
            kind="failed_event",
        ),
        *pair(
            "StripeCreditsReceiversSlow",
            "40m",
            histogram(
                "receivers_seconds", **{"le1.0": "0+9x99", "le2.5": "0+10x99", "leinf": "0+10x99"}
            ),
            histogram(
                "receivers_seconds", **{"le1.0": "0+10x99", "le2.5": "0+10x99", "leinf": "0+10x99"}
            ),
        ),
        *pair("StripeCreditsMetricsMissing", "12m", [], [series("database_up", "0x20")]),
    ]


@needs_promtool
def test_S13_each_alert_fires_when_it_has_to_and_not_before(tmp_path: Path) -> None:
    found = cases()
    for wanted in (True, False):
        tried = {
            re.findall(r'alertname="(\w+)"', one["expr"])[0]
            for group in found
            for one in group["promql_expr_test"]
            if bool(one["exp_samples"]) is wanted
        }
        assert tried == set(alerts())
    for interval in ("1m", "5m"):
        of_interval = [group for group in found if group["interval"] == interval]
        test_rules(tmp_path, RULES, of_interval, interval)


def scraped(app: Flask, meter: Meter) -> list[dict[str, str]]:
    """What Prometheus would read of a real app, as series that stay so."""
    text = exposition(meter.registry).decode()
    return [
        series(
            sample.name.removeprefix(PREFIX),
            f"{sample.value}x20",
            **sample.labels,
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


@needs_promtool
def test_S13_a_real_lost_payment_among_good_ones_raises_the_alert(
    new_metered: NewMetered,
    database_url: str,
    meter: Meter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_gauges, "FRESH_SECONDS", 0.0)
    host = new_metered(database_url)
    for _ in range(30):
        host.pay(host.add_purchase())
    shop = {"site": "local", "mode": "test", "seen": "recorded"}
    quiet = case("StripeCreditsPaidNotGranted", "9m", *scraped(host.app, meter), fires=False)
    lost = host.purchases()[7]
    grants, purchases = host.credits.Grant.__table__, host.credits.Purchase.__table__
    paid_at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=6)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.delete(grants).where(grants.c.purchase_id == lost["id"]))
        connection.execute(
            sa.update(purchases)
            .where(purchases.c.id == lost["id"])
            .values(completed_at=None, paid_at=paid_at)
        )
    loud = case("StripeCreditsPaidNotGranted", "9m", *scraped(host.app, meter), fires=True, **shop)
    rate = case("StripeCreditsWebhookFailures", "9m", *scraped(host.app, meter), fires=False)
    test_rules(tmp_path, RULES, [quiet, loud, rate])
