"""Every figure computed a second time: row by row in Python, from the definitions on the page."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import pairwise
from typing import Any

from flask_stripe_credits.reports import (
    Credits,
    Figures,
    Funnel,
    GoneBack,
    Takings,
    Undelivered,
)

from ..hosts import Host

Row = dict[str, Any]


class Rows:
    """All rows of a host's that figures are made of, perhaps of one package."""

    def __init__(self, host: Host, package_code: str | None = None) -> None:
        models = host.credits
        everything = host.purchases()
        self.purchases = [row for row in everything if package_code in (None, row["package_code"])]
        of_payment = {row["stripe_payment_intent_id"]: row for row in self.purchases}
        of_payment.pop(None, None)
        ids = {row["id"] for row in self.purchases}
        self.grants = [row for row in host.grants() if row["purchase_id"] in ids]
        dismissed = {
            row["id"] for row in host.rows(models.Purchase) if row["review_decision"] == "dismissed"
        }
        self.undelivered = [
            row
            for row in host.grants()
            if row["delivered_at"] is None and row["purchase_id"] not in dismissed
        ]
        self.refunds, self.disputes = (
            [row for row in host.rows(model) if row["stripe_payment_intent_id"] in of_payment]
            for model in (models.Refund, models.Dispute)
        )
        self.events = host.rows(models.WebhookEvent)


def check(rows: Rows, found: Figures) -> None:
    """Compare every figure with what anybody would count."""
    since, until = found.since, found.until
    edges = [until]
    if found.starts:
        edges = [since, *(start for start in found.starts if start > since), until]
        assert found.starts[0] <= since < until
        assert len(edges) == len(found.starts) + 1
    paid = within(rows.purchases, "paid_at", since, until)
    currencies = sorted({row["currency"] for row in rows.purchases if row["paid_at"]})
    assert [one.currency for one in found.currencies] == currencies
    for one in found.currencies:
        assert one.total == takings(rows, one.currency, since, until)
        assert one.total.net == one.total.gross - one.total.refunded - one.total.disputed
        assert list(one.steps) == [takings(rows, one.currency, *edge) for edge in pairwise(edges)]
        for back, live, told in (
            (one.refunds, lambda row: row["live_rank"] < 30, rows.refunds),
            (one.disputes, lambda row: row["live_rank"] // 10 == 1, rows.disputes),
        ):
            of_currency = [row for row in told if row["currency"] == one.currency]
            here = within(of_currency, "created_at", since, until)
            amounts = [row["amount"] for row in here if live(row)]
            assert back == GoneBack(len(amounts), sum(amounts), len(here) - len(amounts))
        beginning = dt.datetime.min.replace(tzinfo=dt.UTC)
        assert one.lifetime.takings == takings(rows, one.currency, beginning, until)
        ever = within(rows.purchases, "paid_at", beginning, until)
        buyers = {row["user_id"] for row in ever if row["currency"] == one.currency}
        assert one.lifetime.buyers == len(buyers)
    assert (found.purchases, found.credits_sold) == (
        len(paid),
        sum(row["amount_credits"] for row in paid),
    )
    assert found.credits == credits(rows, since, until)
    assert list(found.credits_in_steps) == [credits(rows, *edge) for edge in pairwise(edges)]
    sold: Counter[tuple[str, str]] = Counter()
    for row in paid:
        sold[row["package_code"], row["currency"]] += 1
    assert {(one.package_code, one.currency): one.purchases for one in found.packages} == sold
    assert [one.purchases for one in found.packages] == sorted(sold.values(), reverse=True)
    for one in found.packages:
        of_package = [
            row
            for row in paid
            if (row["package_code"], row["currency"]) == (one.package_code, one.currency)
        ]
        assert one.gross == sum(row["amount_paid"] for row in of_package)
        assert one.credits == sum(row["amount_credits"] for row in of_package)
    check_funnel(found.funnel, within(rows.purchases, "created_at", since, until))
    received = within(rows.events, "received_at", since, until)
    assert dict(found.webhooks.verdicts) == Counter(row["verdict"] for row in received)
    assert found.webhooks.failed_now == sum(row["verdict"] == "failed" for row in rows.events)
    handled = [row["received_at"] for row in rows.events if row["verdict"] == "handled"]
    assert found.webhooks.last_handled_at == max(handled, default=None)
    assert found.undelivered == Undelivered(
        len(rows.undelivered),
        sum(row["credits"] for row in rows.undelivered),
        min((row["created_at"] for row in rows.undelivered), default=None),
    )


def within(rows: list[Row], column: str, since: dt.datetime, until: dt.datetime) -> list[Row]:
    return [row for row in rows if row[column] is not None and since <= row[column] < until]


def takings(rows: Rows, currency: str, since: dt.datetime, until: dt.datetime) -> Takings:
    def of_currency(told: list[Row], column: str) -> list[Row]:
        return [row for row in within(told, column, since, until) if row["currency"] == currency]

    paid = of_currency(rows.purchases, "paid_at")
    refunds = of_currency(rows.refunds, "created_at")
    disputes = of_currency(rows.disputes, "created_at")
    return Takings(
        purchases=len(paid),
        gross=sum(row["amount_paid"] for row in paid),
        refunded=sum(row["amount"] for row in refunds if row["live_rank"] < 30),
        disputed=sum(row["amount"] for row in disputes if row["live_rank"] // 10 == 1),
    )


def credits(rows: Rows, since: dt.datetime, until: dt.datetime) -> Credits:
    moved = [row["credits"] for row in within(rows.grants, "created_at", since, until)]
    return Credits(sum(one for one in moved if one > 0), -sum(one for one in moved if one < 0))


def check_funnel(funnel: Funnel, opened: list[Row]) -> None:
    status = Counter(row["status"] for row in opened)
    assert funnel == Funnel(
        opened=len(opened),
        paid=sum(row["paid_at"] is not None for row in opened),
        granted=sum(row["completed_at"] is not None for row in opened),
        **{name: status[name] for name in ("pending", "processing", "expired", "failed", "review")},
    )
