"""The figures are those that anybody counts by hand, on both databases."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.reports import (
    Bucket,
    Credits,
    Funnel,
    GoneBack,
    PackageFigures,
    Takings,
    Waiting,
)
from flask_stripe_credits.reports.takings import average

from ..hosts import Host
from ..payloads import dispute, event, refund
from .by_hand import Rows, check
from .conftest import END, AskFor

NOON = dt.timedelta(hours=12)
PERIODS: list[tuple[dt.datetime | None, dt.datetime | None, Bucket | None]] = [
    (None, END, None),
    (None, None, Bucket.DAY),
    (END - dt.timedelta(days=40), END - dt.timedelta(days=10) - NOON, None),
    (END - dt.timedelta(days=200) - NOON, END - dt.timedelta(days=3), Bucket.WEEK),
    (END - dt.timedelta(hours=7), END, None),
    (END, END + dt.timedelta(days=1), None),
    (END - dt.timedelta(days=900), END - dt.timedelta(days=800), None),
]


def test_a_year_of_figures_is_what_anybody_counts(year: Host, ask: AskFor) -> None:
    for package_code in (None, "standard", "launch-eu", "nothing-of-ours"):
        rows = Rows(year, package_code)
        for since, until, bucket in PERIODS:
            check(rows, ask(year, since, until, package_code, bucket))
    # And what was compared isn't zero.
    found = ask(year, until=END)
    assert [one.currency for one in found.currencies] == ["eur", "jpy", "usd"]
    usd = found.currencies[2]
    assert min(usd.total.gross, usd.total.refunded, usd.total.disputed, usd.total.net) > 0
    assert min(usd.refunds.without_effect, usd.disputes.without_effect) > 0
    assert min(usd.lifetime.buyers, found.credits.granted, found.credits.taken_back) > 0
    assert usd.total.purchases > usd.lifetime.buyers
    funnel = found.funnel
    assert funnel.opened > funnel.paid >= funnel.granted > funnel.expired > funnel.failed > 0
    assert len(found.packages) > 3
    assert len(found.webhooks.verdicts) > 3


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_days_are_those_of_utc_whatever_the_database_thinks(
    postgres_host: Host, ask: AskFor, zone: str
) -> None:
    with postgres_host.app.app_context():
        postgres_host.db.engine.dispose()

        @sa.event.listens_for(postgres_host.db.engine, "connect")
        def set_zone(connection: Any, record: Any) -> None:
            connection.execute(f"SET TIME ZONE '{zone}'")
            connection.commit()

    night = dt.datetime(2026, 3, 1, 23, 30, tzinfo=dt.UTC)
    for hours in (0, 1):
        at = night + dt.timedelta(hours=hours)
        purchase = paid(postgres_host, at)
        reverse(postgres_host, "Refund", purchase, at, 100)
    check(Rows(postgres_host), ask(postgres_host, bucket=Bucket.DAY))
    found = ask(postgres_host, night - NOON, night + NOON, bucket=Bucket.DAY)
    assert [step.refunded for step in found.currencies[0].steps] == [100, 100]


def test_a_moment_belongs_to_one_step_and_the_end_to_none(host: Host, ask: AskFor) -> None:
    midnights = [dt.datetime(2026, 3, day, tzinfo=dt.UTC) for day in (1, 2, 3)]
    for at in midnights:
        purchase = paid(host, at)
        reverse(host, "Refund", purchase, at, 10)
        reverse(host, "Dispute", purchase, at, 5, rank=14)
        grant = {"sequence": 1, "user_id": "alice", "credits": 7, "reason": "purchase"}
        about = {"id": uuid.uuid4(), "purchase_id": purchase["id"], "package_code": "starter"}
        written = {"cause": "evt", "created_at": at, "attempts": 1}
        execute(host, sa.insert(host.credits.Grant.__table__).values(grant | about | written))
    found = ask(host, midnights[0], midnights[2], bucket=Bucket.DAY)
    assert found.currencies[0].steps == (Takings(1, 1000, 10, 5),) * 2
    assert found.credits_in_steps == (Credits(7, 0),) * 2
    assert found.funnel.opened == found.purchases == 2
    check(Rows(host), found)
    assert ask(host, midnights[0], midnights[2]).currencies[0].lifetime.buyers == 1


def paid(host: Host, at: dt.datetime, **overrides: Any) -> dict[str, Any]:
    values = {"amount_paid": 1000, "status": "completed"} | overrides
    purchase = host.add_purchase(
        created_at=at, paid_at=at, session_completed_at=at, completed_at=at, **values
    )
    table = host.credits.Purchase.__table__
    intent = f"pi_{purchase['id'].hex}"
    execute(
        host,
        sa.update(table)
        .where(table.c.id == purchase["id"])
        .values(stripe_payment_intent_id=intent),
    )
    return host.purchase(purchase["id"])


def reverse(
    host: Host, model: str, purchase: dict[str, Any], at: dt.datetime, amount: int, rank: int = 20
) -> None:
    table = getattr(host.credits, model).__table__
    key = f"stripe_{model.lower()}_id"
    execute(
        host,
        sa.insert(table).values(
            {
                key: f"x_{purchase['id'].hex}",
                "stripe_payment_intent_id": purchase["stripe_payment_intent_id"],
                "amount": amount,
                "currency": purchase["currency"],
                "status": "succeeded",
                "live_rank": rank,
                "created_at": at,
                "updated_at": at,
            }
        ),
    )


def execute(host: Host, *statements: sa.Executable) -> None:
    with host.app.app_context(), host.db.engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def test_what_webhooks_told_is_what_the_figures_say(host: Host, ask: AskFor) -> None:
    """The whole way: paid, half refunded, disputed, won, failed, abandoned, contradicting."""
    host.load_packages()
    bought = [host.add_purchase(user_id=user) for user in ("alice", "alice", "bob", "carol")]
    for number, purchase in enumerate(bought):
        assert host.pay(purchase, payment_intent=f"pi_{number}").status_code == 200
    eur = host.add_purchase(currency="eur", unit_amount=500, package_code="eu", user_id="alice")
    host.pay(eur, currency="eur", amount_subtotal=500, amount_total=500, payment_intent="pi_eur")
    for told in (
        ("refund.created", refund("pi_0", 501)),
        ("refund.created", refund("pi_1", 10, status="failed")),
        # Another product of the account's.
        ("refund.created", refund("pi_elsewhere", 77)),
        ("charge.dispute.funds_withdrawn", dispute("pi_2", 1000)),
        ("charge.dispute.closed", dispute("pi_3", 1000, withdrawals=2, status="won")),
    ):
        assert host.post_event(event(*told)).status_code == 200
    abandoned, wrong = host.add_purchase(), host.add_purchase()
    host.post_event(host.paid_event(abandoned, status="expired") | {"type": EXPIRED})
    host.pay(wrong, amount_subtotal=1)
    host.add_purchase()

    found = ask(host)
    check(Rows(host), found)
    assert found.funnel == Funnel(
        opened=8,
        paid=5,
        granted=5,
        pending=1,
        processing=0,
        expired=1,
        failed=0,
        review=1,
    )
    assert found.funnel.percent(found.funnel.paid) == Decimal("62.5")
    in_eur, in_usd = found.currencies
    assert in_eur.total == Takings(1, 500)
    assert in_usd.total == Takings(4, 4000, 501, 1000)
    assert (in_usd.total.net, in_usd.total.average) == (2499, 1000)
    assert in_usd.refunds == GoneBack(1, 501, 1)
    assert in_usd.disputes == GoneBack(1, 1000, 1)
    assert (in_usd.lifetime.buyers, in_usd.lifetime.value) == (3, 833)
    # 501 of 1000 take 501 credits; the dispute 1000.
    assert found.credits == Credits(5000, 1501)
    assert found.credits.granted - found.credits.taken_back == sum(host.ledger())
    assert (found.purchases, found.credits_sold, found.average_credits) == (5, 5000, 1000)
    assert found.packages == (
        PackageFigures("starter", "Starter Pack", "usd", 4, 4000, 4000),
        PackageFigures("eu", None, "eur", 1, 500, 1000),
    )
    assert found.waiting == Waiting(1, 0, 0)
    assert found.webhooks.verdicts["review"] == 1
    host.assert_exact()


EXPIRED = "checkout.session.expired"


@pytest.mark.parametrize("model", ["Grant", "Refund", "Dispute"])
def test_rows_of_a_release_before_the_column_count_for_their_package(
    year: Host, ask: AskFor, model: str
) -> None:
    whole, some = ask(year, until=END), ask(year, until=END, package_code="standard")
    table = getattr(year.credits, model).__table__
    (key,) = table.primary_key
    half = [row[key.name] for row in year.rows(getattr(year.credits, model))][::2]
    assert len(half) > 1
    execute(year, sa.update(table).where(key.in_(half)).values(package_code=None))
    assert ask(year, until=END) == whole
    assert ask(year, until=END, package_code="standard") == some


def test_a_grant_carries_the_package_of_its_purchase(host: Host) -> None:
    host.pay(host.add_purchase(), payment_intent="pi_1")
    host.post_event(event("refund.created", refund("pi_1", 1000)))
    assert [row["package_code"] for row in host.grants()] == ["starter", "starter"]


def test_a_reversal_carries_the_package_of_its_purchase_once_that_is_known(
    host: Host, ask: AskFor
) -> None:
    purchase = host.add_purchase()
    for told in (
        ("refund.created", refund("pi_1", 10, id="re_early", status="pending")),
        ("charge.dispute.created", dispute("pi_1", 20, withdrawals=1, id="dp_early")),
        ("refund.created", refund("pi_elsewhere", 77, id="re_of_another_product")),
    ):
        assert host.post_event(event(*told)).status_code == 200
    host.pay(purchase, payment_intent="pi_1")
    host.post_event(event("refund.created", refund("pi_1", 30, id="re_late")))
    assert codes(host) == {
        "re_early": None,
        "dp_early": None,
        "re_of_another_product": None,
        "re_late": "starter",
    }
    # What came before the payment is looked up, until Stripe tells of it again.
    for package_code in (None, "starter"):
        found = ask(host, package_code=package_code)
        check(Rows(host, package_code), found)
        assert found.currencies[0].total == Takings(1, 1000, 40, 20)
    host.post_event(event("refund.updated", refund("pi_1", 10, id="re_early")))
    assert codes(host)["re_early"] == "starter"
    assert ask(host).currencies[0].total == Takings(1, 1000, 40, 20)


def codes(host: Host) -> dict[str, str | None]:
    models = host.credits
    refunds = {row["stripe_refund_id"]: row["package_code"] for row in host.rows(models.Refund)}
    return refunds | {
        row["stripe_dispute_id"]: row["package_code"] for row in host.rows(models.Dispute)
    }


def test_an_empty_shop_has_figures_too(host: Host, ask: AskFor) -> None:
    found = ask(host)
    assert (found.starts, found.currencies, found.packages) == ((), (), ())
    assert (found.average_credits, found.funnel.percent(0)) == (None, None)
    check(Rows(host), found)


def test_the_future_has_not_happened_yet(host: Host, ask: AskFor) -> None:
    before = dt.datetime.now(dt.UTC)
    found = ask(host, before - NOON, before + 10 * NOON)
    assert before <= found.until <= dt.datetime.now(dt.UTC)


@pytest.mark.parametrize(
    ("total", "number", "expected"),
    [(10, 4, 3), (9, 4, 2), (0, 3, 0), (-10, 4, -2), (-11, 4, -3), (1, 0, None), (2**60, 1, 2**60)],
)
def test_an_average_is_a_whole_number_with_halves_rounded_up(
    total: int, number: int, expected: int | None
) -> None:
    assert average(total, number) == expected
