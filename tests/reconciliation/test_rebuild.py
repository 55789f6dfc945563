from __future__ import annotations

import contextlib
import getpass
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_stripe_credits.reconciliation import rebuild as rebuilding
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from ..parallel import in_parallel
from ..stripe_stub import NewShop
from .shoppers import (
    CLEAN,
    SOMEBODY,
    assert_in_line,
    buy,
    buy_and_pay,
    change,
    everything,
    kinds,
    lose_rows,
    on_sqlite,
    payment_of,
    repair,
    run,
)


def rebuild(
    host: Host, purchase: dict[str, Any], *more: str, user: str = "alice", code: str = "starter"
) -> Result:
    session_id = purchase["stripe_checkout_session_id"]
    return run(host, "--rebuild", session_id, "--user", user, "--package", code, *more)


@pytest.fixture
def lost(shop: Host, stripe: Sandbox) -> dict[str, Any]:
    """A granted purchase that the backup, which was restored, doesn't have."""
    purchase = buy_and_pay(shop, stripe)
    repair(shop)
    row = shop.purchase(purchase["id"])
    restore_backup(shop, row)
    return row


def restore_backup(host: Host, purchase: dict[str, Any]) -> None:
    lose_rows(host, purchase)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.delete(host.LedgerEntry.__table__))


def test_C25_a_purchase_that_a_restored_backup_has_lost_is_made_again(
    shop: Host, lost: dict[str, Any]
) -> None:
    known = {grant.id for grant in shop.received}
    assert kinds(shop, "--apply") == ["orphan"]
    result = rebuild(shop, lost)
    assert result.exit_code == CLEAN
    assert result.output.splitlines() == [
        "Stripe in test mode, site local",
        f"rebuilt: purchase {lost['id']} of user alice, starter: completed, 1000 credits granted",
    ]
    row = shop.purchase(lost["id"])
    same = ("user_id", "amount_credits", "unit_amount", "currency", "package_id", "livemode")
    same += ("stripe_checkout_session_id", "stripe_payment_intent_id", "amount_paid", "expires_at")
    assert {name: row[name] for name in same} == {name: lost[name] for name in same}
    assert abs((row["created_at"] - lost["created_at"]).total_seconds()) < 5
    assert shop.ledger() == [1000]
    # A credit manager that wasn't restored knows the grant.
    assert {str(grant["id"]) for grant in shop.grants()} == known
    (entry,) = shop.rows(shop.credits.AuditLog, action="purchase.rebuilt")
    assert (entry["actor"], entry["purchase_id"]) == (getpass.getuser(), lost["id"])
    assert [event["verdict"] for event in shop.rows(shop.credits.WebhookEvent)] == ["handled"]
    assert_in_line(shop)
    assert_invariants(shop.app)


def test_rebuilding_again_changes_nothing(shop: Host, lost: dict[str, Any]) -> None:
    assert rebuild(shop, lost, "--by", "Ann of support").exit_code == CLEAN
    before = everything(shop)
    result = rebuild(shop, lost)
    assert (result.exit_code, "was here already" in result.output) == (CLEAN, True)
    assert everything(shop) == before
    (entry,) = shop.rows(shop.credits.AuditLog, action="purchase.rebuilt")
    assert entry["actor"] == "Ann of support"


@on_sqlite
@pytest.mark.parametrize(("refunded", "ledger"), [(400, [600]), (1000, [])])
def test_what_went_back_meanwhile_is_never_granted(
    shop: Host, stripe: Sandbox, lost: dict[str, Any], refunded: int, ledger: list[int]
) -> None:
    stripe.refund(payment_of(stripe, lost), refunded)
    assert rebuild(shop, lost).exit_code == CLEAN
    assert shop.ledger() == ledger
    assert_in_line(shop)


def test_C25_credits_that_the_package_holds_by_now_are_not_taken_for_those_that_were_sold(
    shop: Host, lost: dict[str, Any]
) -> None:
    edited = ["credits", "packages", "edit", "starter", "--credits", "5000", "--by", "x"]
    assert shop.app.test_cli_runner().invoke(args=edited).exit_code == 0
    result = rebuild(shop, lost)
    assert result.exit_code == SOMEBODY
    assert "package starter holds 5000 today" in result.output
    assert "says that 1000 were sold: say which with --credits" in result.output
    assert (shop.purchases(), shop.ledger()) == ([], [])
    assert rebuild(shop, lost, "--credits", "1000").exit_code == CLEAN
    assert shop.ledger() == [1000]
    (entry,) = shop.rows(shop.credits.AuditLog, action="purchase.rebuilt")
    assert entry["details"]["credits"] == 1000
    again = rebuild(shop, lost, "--credits", "5000")
    assert again.exit_code == SOMEBODY
    assert "its amount_credits is 1000, not 5000" in again.output
    assert shop.ledger() == [1000]
    assert_invariants(shop.app)


def test_two_who_rebuild_at_once_grant_once(
    shop: Host, lost: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has seen that the purchase is missing waits for the other, if nothing keeps it."""
    barrier, insert = threading.Barrier(2), rebuilding._insert

    def meet_and_insert(*arguments: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(0.3)
        insert(*arguments)

    monkeypatch.setattr(rebuilding, "_insert", meet_and_insert)
    results = in_parallel([lambda: rebuild(shop, lost)] * 2)
    assert [result.exit_code for result in results] == [CLEAN, CLEAN]
    assert shop.ledger() == [1000]
    assert len(shop.rows(shop.credits.AuditLog, action="purchase.rebuilt")) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"code": "gold"}, "there is no package 'gold'"),
        (
            {"code": "pro"},
            "price: package pro costs 8000, the subtotal of session {session} is 1000 "
            "(minor units of usd)",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(
    shop: Host, lost: dict[str, Any], options: dict[str, str], problem: str
) -> None:
    before = everything(shop)
    result = rebuild(shop, lost, **options)
    session = lost["stripe_checkout_session_id"]
    assert (result.exit_code, f"Error: {problem.format(session=session)}" in result.output) == (
        1,
        True,
    ), result.output
    assert everything(shop) == before


@on_sqlite
def test_another_currency_does_not_fit(shop: Host, lost: dict[str, Any]) -> None:
    table = shop.credits.Package.__table__
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(currency="eur"))
    result = rebuild(shop, lost)
    assert (result.exit_code, "currency: package starter costs eur" in result.output) == (1, True)
    assert shop.purchases() == []


def unpaid(host: Host, stripe: Sandbox) -> dict[str, Any]:
    purchase = buy(host)
    lose_rows(host, purchase)
    return purchase


def unknown(host: Host, stripe: Sandbox) -> dict[str, Any]:
    return {"stripe_checkout_session_id": "cs_test_unknown"}


@on_sqlite
@pytest.mark.parametrize(
    ("make", "problem"),
    [(unpaid, "it isn't paid: open, unpaid"), (unknown, "Stripe knows no checkout session")],
)
def test_only_a_paid_session_is_rebuilt(
    shop: Host,
    stripe: Sandbox,
    make: Callable[[Host, Sandbox], dict[str, Any]],
    problem: str,
) -> None:
    result = rebuild(shop, make(shop, stripe))
    assert (result.exit_code, problem in result.output) == (1, True), result.output
    assert shop.purchases() == []


@on_sqlite
def test_a_session_of_another_site_is_not_rebuilt(
    shop: Host, new_shop: NewShop, stripe: Sandbox
) -> None:
    theirs = buy_and_pay(new_shop(STRIPE_CREDITS_SITE="elsewhere"), stripe)
    result = rebuild(shop, theirs)
    assert "it is of site elsewhere, not local" in result.output
    assert (result.exit_code, shop.purchases()) == (1, [])


@on_sqlite
@pytest.mark.parametrize("options", [{"user": "bob"}, {"code": "standard"}])
def test_a_purchase_that_is_here_is_not_given_to_somebody_else(
    shop: Host, stripe: Sandbox, options: dict[str, str]
) -> None:
    purchase = buy_and_pay(shop, stripe)
    before = everything(shop)
    assert rebuild(shop, purchase, **options).exit_code == 1
    assert everything(shop) == before


@on_sqlite
def test_a_purchase_with_another_session_is_not_rebuilt(shop: Host, stripe: Sandbox) -> None:
    purchase = buy_and_pay(shop, stripe)
    change(shop, purchase, stripe_checkout_session_id="cs_test_other")
    result = rebuild(shop, purchase)
    assert "is here, and its stripe_checkout_session_id is cs_test_other" in result.output
    assert (result.exit_code, shop.ledger()) == (1, [])


@on_sqlite
def test_what_contradicts_the_settings_waits_for_a_decision(
    shop: Host, stripe: Sandbox, lost: dict[str, Any]
) -> None:
    session = stripe.session(lost["stripe_checkout_session_id"])
    details = {**session["total_details"], "amount_discount": 100}
    stripe.store.save({**session, "amount_total": 900, "total_details": details})
    result = rebuild(shop, lost)
    assert (result.exit_code, "it needs a decision: a discount of 100" in result.output) == (
        SOMEBODY,
        True,
    )
    assert (shop.purchase(lost["id"])["status"], shop.ledger()) == ("review", [])
