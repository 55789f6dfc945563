"""A year of made-up purchases: consistent, the same again, and never beside real ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from flask_stripe_credits.demo_data import make_demo_data
from flask_stripe_credits.facts import PurchaseStatus, Verdict
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host, make_host
from ..payloads import new_api_key

UNTIL = "2026-11-24T12:00:00"


def demo_data(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "demo-data", *arguments])


def a_year(host: Host, purchases: int = 1500, seed: int = 1) -> Result:
    numbers = ("--purchases", str(purchases), "--seed", str(seed))
    result = demo_data(host, *numbers, "--until", UNTIL)
    assert result.exit_code == 0, result.output
    return result


def everything(host: Host) -> dict[str, list[dict[str, Any]]]:
    """All rows about purchases; without what is drawn anew for every catalogue."""
    models = host.state.models
    names = (
        "Purchase Buyer Payment Refund Dispute Grant WebhookEvent AuditLog RefundRequest".split()
    )
    found = {name: host.rows(getattr(models, name)) for name in names}
    for row in found["Purchase"]:
        del row["package_id"]
    found["AuditLog"] = [row for row in found["AuditLog"] if row["purchase_id"] is not None]
    return found


def test_a_year_breaks_no_invariant_and_shows_every_status(host: Host) -> None:
    result = a_year(host)
    assert "1,500  credit_purchases" in result.output
    assert_invariants(host.app)
    purchases, grants = host.purchases(), host.grants()
    assert len(purchases) == 1500
    assert {row["status"] for row in purchases} == set(PurchaseStatus)
    assert {row["currency"] for row in purchases} == {"usd", "eur", "jpy"}
    reasons = {"purchase", "refund", "refund_failed", "dispute", "dispute_won"}
    assert {grant["reason"] for grant in grants} == reasons
    assert any(
        0 < row["amount_refunded"] < row["amount_paid"] for row in purchases if row["paid_at"]
    )
    events = host.rows(host.credits.WebhookEvent)
    told = {Verdict.HANDLED, Verdict.REVIEW, Verdict.ORPHAN, Verdict.FAILED, Verdict.DISMISSED}
    assert {event["verdict"] for event in events} == told
    bought: dict[str, int] = {}
    for row in purchases:
        bought[row["user_id"]] = bought.get(row["user_id"], 0) + 1
    assert max(bought.values()) >= 10
    assert sum(count == 1 for count in bought.values()) > 100


def test_nothing_is_from_the_future_and_the_year_is_full(sqlite_host: Host) -> None:
    a_year(sqlite_host)
    until = dt.datetime.fromisoformat(UNTIL).replace(tzinfo=dt.UTC)
    purchases = sqlite_host.purchases()
    assert purchases[0]["created_at"] < until - dt.timedelta(days=360)
    late = dt.timedelta(seconds=5)
    for row in purchases:
        assert row["created_at"] <= row["updated_at"] <= until
    for event in sqlite_host.rows(sqlite_host.credits.WebhookEvent):
        assert event["created"] <= event["received_at"] <= until + late
    months = [row["created_at"].month for row in purchases]
    assert months.count(10) > 1.5 * months.count(12), "it grows"
    weekdays = [row["created_at"].weekday() for row in purchases]
    assert weekdays.count(6) < 0.8 * weekdays.count(1), "it has a weekly rhythm"


def test_grants_count_as_delivered_and_no_receiver_hears_of_them(sqlite_host: Host) -> None:
    a_year(sqlite_host, 50)
    assert all(grant["delivered_at"] == grant["created_at"] for grant in sqlite_host.grants())
    assert sqlite_host.received == []
    assert sqlite_host.ledger() == []


def test_the_same_seed_gives_the_same_rows_and_another_others(
    new_database: Callable[[str], str],
) -> None:
    first, again, other = (make_host(new_database("sqlite")) for _ in range(3))
    a_year(first, 120)
    a_year(again, 120)
    a_year(other, 120, seed=2)
    rows = everything(first)
    assert rows == everything(again)
    keys = {row["id"] for row in rows["Purchase"]}
    assert keys.isdisjoint(row["id"] for row in everything(other)["Purchase"])


def test_it_refuses_beside_real_purchases(sqlite_host: Host) -> None:
    sqlite_host.add_purchase()
    before = sqlite_host.row_counts()
    result = demo_data(sqlite_host)
    assert result.exit_code == 1
    assert "purchases that aren't demo data" in result.output
    assert sqlite_host.row_counts() == before


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"STRIPE_SECRET_KEY": new_api_key("live")}, "the API key is a live key"),
        ({"STRIPE_CREDITS_API_BASE": None}, "set STRIPE_CREDITS_API_BASE"),
        ({"STRIPE_CREDITS_API_BASE": "https://stripe.test"}, "set STRIPE_CREDITS_API_BASE"),
        ({"STRIPE_SECRET_KEY": None}, "STRIPE_SECRET_KEY"),
    ],
)
@pytest.mark.parametrize("what", ["--purchases=5", "--purge"])
def test_it_refuses_without_the_sandbox(
    new_database: Callable[[str], str], config: dict[str, Any], reason: str, what: str
) -> None:
    host = make_host(new_database("sqlite"), **config)
    before = host.row_counts()
    result = demo_data(host, what)
    assert result.exit_code == 1
    assert reason in result.output
    assert host.row_counts() == before


def test_a_seed_is_taken_once_and_another_is_added(host: Host) -> None:
    a_year(host, 20)
    result = demo_data(host, "--purchases", "20", "--seed", "1")
    assert result.exit_code == 1
    assert "seed 1 is there already" in result.output
    a_year(host, 20, seed=65535)
    assert len(host.purchases()) == 40
    assert_invariants(host.app)


def test_purge_leaves_only_the_packages_and_what_is_real(host: Host) -> None:
    host.load_packages()
    before = host.row_counts()
    a_year(host, 400)
    real = host.add_purchase(user_id="demo-user")
    assert host.pay(real).status_code == 200
    result = demo_data(host, "--purge")
    assert "400 purchases removed" in result.output
    (left,) = host.purchases()
    assert left["id"] == real["id"]
    assert len(host.grants()) == 1
    of_one = dict.fromkeys(
        ("credit_purchases", "credit_grants", "credit_webhook_events", "ledger_entry"), 1
    )
    with host.app.app_context():
        of_one["credit_payments"] = int(host.db.engine.dialect.name == "postgresql")
    assert host.row_counts() == before | of_one


def test_what_is_stopped_half_way_leaves_nothing(host: Host) -> None:
    host.load_packages()
    before = host.row_counts()

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with host.app.app_context(), pytest.raises(KeyboardInterrupt):
        make_demo_data(host.state, 1200, 1, dt.datetime.now(dt.UTC), stop)
    assert host.row_counts() == before
