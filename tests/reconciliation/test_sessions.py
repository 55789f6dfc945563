from __future__ import annotations

import datetime as dt
import getpass
import logging
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.errors import Refuse
from flask_stripe_credits.gateway import limits
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import PREFIX, Host, make_host
from ..payloads import event
from ..stripe_stub import CREATE, NewShop
from .shoppers import (
    CLEAN,
    DRIFT,
    SOMEBODY,
    assert_in_line,
    buy,
    buy_and_pay,
    change,
    everything,
    findings,
    kinds,
    lose_rows,
    make_older,
    make_older_at_stripe,
    on_sqlite,
    payment_of,
    plan,
    repair,
    run,
)

BANK_ACCOUNT = "000123456789"


def test_A16_what_was_paid_while_no_webhook_came_is_granted(shop: Host, stripe: Sandbox) -> None:
    paid = [buy_and_pay(shop, stripe, user) for user in ("alice", "bob", "carol")]
    buy(shop, "dave")
    result = run(shop)
    assert result.exit_code == DRIFT
    assert [
        f"paid: purchase {row['id']} of {row['user_id']}: $10.00 was paid at Stripe, it is pending "
        f"here: +1000 credits"
        for row in reversed(paid)
    ] == result.output.splitlines()[1:4]
    assert shop.ledger() == []
    result = run(shop, "--apply")
    assert result.exit_code == CLEAN
    assert result.output.splitlines()[-1] == "3 repaired (+3000 -0 credits)"
    for row in paid:
        assert shop.ledger(row["user_id"]) == [1000]
        assert shop.purchase(row["id"])["status"] == "completed"
    assert shop.ledger("dave") == []
    before = shop.row_counts()
    assert_in_line(shop)
    assert run(shop, "--apply").exit_code == CLEAN
    assert shop.row_counts() == before


@pytest.mark.parametrize("days", [0, 400])
def test_D13_a_session_that_expired_is_swept_whatever_its_age(
    shop: Host, stripe: Sandbox, days: int
) -> None:
    expired, still_open = buy(shop), buy(shop, "bob")
    stripe.expire(expired["stripe_checkout_session_id"])
    for purchase in (expired, still_open):
        make_both_older(shop, stripe, purchase, days=days)
    assert plan(shop) == ["expired"]
    repair(shop)
    assert shop.purchase(expired["id"])["status"] == "expired"
    assert shop.purchase(still_open["id"])["status"] == "pending"
    assert shop.ledger() == []


def test_I2_what_was_paid_long_ago_and_is_pending_is_granted(shop: Host, stripe: Sandbox) -> None:
    purchase = buy_and_pay(shop, stripe)
    make_both_older(shop, stripe, purchase, days=400)
    repair(shop)
    assert shop.ledger() == [1000]


def test_B01_money_that_is_on_its_way_is_processing_until_it_comes_or_does_not(
    shop: Host, stripe: Sandbox
) -> None:
    purchases = [buy(shop, user) for user in ("alice", "bob")]
    for purchase in purchases:
        stripe.pay(purchase["stripe_checkout_session_id"], BANK_ACCOUNT)
    assert plan(shop) == ["processing", "processing"]
    repair(shop)
    assert [row["status"] for row in shop.purchases()] == ["processing", "processing"]
    assert shop.ledger() == []
    comes, fails = (purchase["stripe_checkout_session_id"] for purchase in purchases)
    stripe.settle_payment(comes, succeeded=True)
    stripe.settle_payment(fails, succeeded=False)
    assert sorted(plan(shop)) == ["failed", "paid"]
    repair(shop)
    assert [row["status"] for row in shop.purchases()] == ["completed", "failed"]
    assert (shop.ledger("alice"), shop.ledger("bob")) == ([1000], [])


def make_both_older(host: Host, stripe: Sandbox, purchase: dict[str, Any], *, days: int) -> None:
    make_older(host, purchase, days=days)
    make_older_at_stripe(stripe, purchase["stripe_checkout_session_id"], days=days)


def lose_answers(stripe: Sandbox, *, after_work: bool) -> None:
    for _ in range(1 + limits.MAX_NETWORK_RETRIES):
        stripe.faults.next(CREATE, reset=True, after_work=after_work)


def post(host: Host, key: str) -> TestResponse:
    return host.client.post(
        f"{PREFIX}/purchase", json={"package_code": "starter"}, headers={"Idempotency-Key": key}
    )


@pytest.mark.parametrize("days", [0, 40])
def test_C01_a_paid_session_whose_answer_was_lost_is_found_by_what_it_names(
    shop: Host, stripe: Sandbox, days: int
) -> None:
    lose_answers(stripe, after_work=True)
    assert post(shop, "key").status_code == 503
    (purchase,), (session,) = shop.purchases(), stripe.objects("checkout.session")
    assert purchase["stripe_checkout_session_id"] is None
    make_older(shop, purchase, days=days)
    make_older_at_stripe(stripe, session["id"], days=days)
    stripe.pay(session["id"])
    assert plan(shop) == ["paid"]
    repair(shop)
    assert shop.ledger() == [1000]
    assert shop.purchase(purchase["id"])["stripe_checkout_session_id"] == session["id"]


@on_sqlite
@pytest.mark.parametrize("days", [2, 400])
def test_C02_what_was_never_opened_is_swept_and_the_same_key_still_opens_it(
    shop: Host, stripe: Sandbox, days: int
) -> None:
    lose_answers(stripe, after_work=False)
    assert post(shop, "key").status_code == 503
    (purchase,) = shop.purchases()
    assert stripe.objects("checkout.session") == []
    assert plan(shop) == []
    make_older(shop, purchase, days=days)
    assert plan(shop) == ["unopened"]
    repair(shop)
    assert shop.purchase(purchase["id"])["status"] == "expired"
    answer = post(shop, "key")
    assert (answer.status_code, (answer.json or {})["status"]) == (201, "pending")
    (opened,) = shop.purchases()
    assert (opened["id"], opened["status"]) == (purchase["id"], "pending")
    actions = [(row["actor"], row["action"]) for row in shop.rows(shop.credits.AuditLog)]
    assert actions[-3:] == [
        ("stripe", "purchase.expired"),
        (getpass.getuser(), "purchase.reconciled"),
        ("buyer", "purchase.pending"),
    ]
    stripe.pay(opened["stripe_checkout_session_id"])
    repair(shop)
    assert shop.ledger() == [1000]


@on_sqlite
def test_C02_what_is_just_being_opened_is_not_swept(shop: Host) -> None:
    lease = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    purchase = shop.add_purchase(
        stripe_checkout_session_id=None, checkout_url=None, checkout_claimed_until=lease
    )
    make_older(shop, purchase, days=2)
    run(shop, "--apply")
    assert shop.purchase(purchase["id"])["status"] == "pending"


def test_B10_what_contradicts_its_purchase_goes_to_review(shop: Host, stripe: Sandbox) -> None:
    purchase = buy_and_pay(shop, stripe)
    change(shop, purchase, unit_amount=900)
    (finding,) = findings(shop)
    assert (finding["kind"], finding["needs_somebody"]) == ("contradiction", True)
    assert "amount_subtotal is 1000, expected 900" in finding["text"]
    assert run(shop, "--apply").exit_code == SOMEBODY
    assert shop.purchase(purchase["id"])["status"] == "review"
    for arguments in ([], ["--apply"]):
        assert kinds(shop, *arguments) == ["review"]
        assert run(shop, *arguments).exit_code == SOMEBODY
    assert shop.ledger() == []
    assert len(shop.rows(shop.credits.AuditLog, action="purchase.review")) == 1


def open_another(host: Host, purchase: dict[str, Any]) -> str:
    """Open one more session that names ``purchase``; return its id."""
    with host.app.app_context():
        session = host.state.gateway.create_checkout_session(
            purchase["checkout_params"], idempotency_key=f"another {purchase['id']}"
        )
    return session.id


def test_B07_another_session_of_a_purchase_is_told_and_never_harms_it(
    shop: Host, stripe: Sandbox
) -> None:
    purchase = buy(shop)
    other = open_another(shop, purchase)
    assert plan(shop) == []
    stripe.pay(other)
    assert plan(shop) == ["stranger"]
    for _ in range(2):
        assert run(shop, "--apply").exit_code == SOMEBODY
    (noted,) = shop.rows(shop.credits.WebhookEvent)
    assert (noted["stripe_event_id"], noted["object_id"], noted["verdict"]) == (
        other,
        other,
        "review",
    )
    assert len(shop.rows(shop.credits.AuditLog, action="event.review")) == 1
    assert shop.ledger() == []
    stripe.pay(purchase["stripe_checkout_session_id"])
    assert run(shop, "--apply").exit_code == SOMEBODY
    assert shop.ledger() == [1000]
    stripe.refund(stripe.session(other)["payment_intent"])
    repair(shop)
    assert shop.ledger() == [1000]


@on_sqlite
def test_B07_what_the_webhook_told_of_is_not_told_again(shop: Host, stripe: Sandbox) -> None:
    purchase = buy(shop)
    other = open_another(shop, purchase)
    stripe.pay(other)
    told = event("checkout.session.completed", stripe.session(other))
    assert shop.post_event(told).status_code == 200
    assert run(shop, "--apply").exit_code == SOMEBODY
    (noted,) = shop.rows(shop.credits.WebhookEvent)
    assert (noted["stripe_event_id"], noted["attempts"]) == (told["id"], 1)
    assert len(shop.rows(shop.credits.AuditLog, action="event.review")) == 1


def test_a_payment_that_paid_another_purchase_pays_no_second_one(
    shop: Host, stripe: Sandbox
) -> None:
    first = buy_and_pay(shop, stripe)
    repair(shop)
    second = buy_and_pay(shop, stripe, "bob")
    session = stripe.session(second["stripe_checkout_session_id"])
    stripe.store.save({**session, "payment_intent": payment_of(stripe, first)})
    (finding,) = findings(shop)
    assert finding["kind"] == "contradiction"
    assert "belongs to another purchase" in finding["text"]
    assert run(shop, "--apply").exit_code == SOMEBODY
    assert shop.ledger() == [1000]


@on_sqlite
def test_with_outbox_delivery_what_was_missed_waits_for_the_next_delivery(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    received: list[GrantSnapshot] = []
    shop = new_shop(
        database_url,
        receiver=lambda grant: received.append(grant),
        STRIPE_CREDITS_DELIVERY="outbox",
    )
    buy_and_pay(shop, stripe)
    repair(shop)
    assert (received, [grant["delivered_at"] for grant in shop.grants()]) == ([], [None])
    shop.app.test_cli_runner().invoke(args=["credits", "deliver"])
    assert [grant.credits for grant in received] == [1000]


@on_sqlite
def test_what_is_not_ours_is_passed_over(shop: Host, new_shop: NewShop, stripe: Sandbox) -> None:
    elsewhere = new_shop(STRIPE_CREDITS_SITE="elsewhere")
    theirs = buy_and_pay(elsewhere, stripe)
    stripe.refund(payment_of(stripe, theirs), 100)
    ours = buy_and_pay(shop, stripe)
    before = shop.row_counts()
    assert [finding["purchase_id"] for finding in findings(shop)] == [str(ours["id"])]
    repair(shop)
    assert shop.ledger() == [1000]
    assert shop.row_counts()["credit_refunds"] == before["credit_refunds"] == 0
    assert elsewhere.ledger() == []
    repair(elsewhere)
    assert elsewhere.ledger() == [1000, -100] or elsewhere.ledger() == [900]


@on_sqlite
def test_a_site_that_was_renamed_knows_its_sessions(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    before = new_shop(database_url)
    purchase = buy_and_pay(before, stripe)
    renamed = make_host(
        database_url,
        tables=False,
        STRIPE_CREDITS_API_BASE=stripe.url,
        STRIPE_CREDITS_SITE="renamed",
    )
    assert "purchases asked about" not in run(renamed).output
    repair(renamed)
    assert renamed.purchase(purchase["id"])["status"] == "completed"


def test_C25_a_paid_session_whose_purchase_is_gone_is_told(
    shop: Host, stripe: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    paid, unpaid = buy_and_pay(shop, stripe), buy(shop, "bob")
    lose_rows(shop, paid, unpaid)
    (finding,) = findings(shop)
    assert (finding["kind"], finding["purchase_id"]) == ("orphan", str(paid["id"]))
    assert paid["stripe_checkout_session_id"] in finding["text"]
    for _ in range(2):
        assert run(shop, "--apply").exit_code == SOMEBODY
    (noted,) = shop.rows(shop.credits.WebhookEvent)
    assert (noted["verdict"], noted["purchase_id"]) == ("orphan", paid["id"])
    assert len(shop.rows(shop.credits.AuditLog, action="event.orphan")) == 1
    (alarm,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert paid["stripe_checkout_session_id"] in alarm.getMessage()
    assert shop.ledger() == []
    stripe.refund(payment_of(stripe, paid))
    assert_in_line(shop)


def test_credits_that_were_granted_without_money_are_a_breach_and_left_alone(
    shop: Host, stripe: Sandbox
) -> None:
    still_open, expired, unknown = buy(shop), buy(shop, "bob"), shop.add_purchase(user_id="eve")
    for purchase in (still_open, expired, unknown):
        assert shop.pay(purchase).status_code == 200
    stripe.expire(expired["stripe_checkout_session_id"])
    before = everything(shop)
    for arguments in ([], ["--apply"]):
        assert run(shop, *arguments).exit_code == SOMEBODY
        told = {finding["user_id"]: finding for finding in findings(shop, *arguments)}
        assert {finding["kind"] for finding in told.values()} == {"breach"}
        assert "is open, unpaid at Stripe" in told["alice"]["text"]
        assert "is expired, unpaid at Stripe" in told["bob"]["text"]
        assert "Stripe doesn't know its session" in told["eve"]["text"]
        assert not any(finding["repaired"] for finding in told.values())
    assert everything(shop) == before
    assert shop.ledger() == [1000, 1000, 1000]


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"amount_paid": 500}, "$5.00 is recorded as paid, but at Stripe it is $10.00"),
        ({"stripe_payment_intent_id": "pi_other"}, "it was paid by two payments"),
        ({"amount_credits": 900}, "1000 credits were granted, but 900 were bought"),
    ],
)
def test_what_was_paid_otherwise_than_recorded_is_a_breach(
    shop: Host, stripe: Sandbox, changes: dict[str, Any], text: str
) -> None:
    purchase = buy_and_pay(shop, stripe)
    repair(shop)
    change(shop, purchase, **changes)
    before = everything(shop)
    (finding,) = findings(shop, "--apply")
    assert finding["kind"] == "breach"
    assert text in finding["text"]
    assert everything(shop) == before


@on_sqlite
def test_an_open_purchase_whose_session_stripe_does_not_know_is_told(shop: Host) -> None:
    shop.add_purchase()
    assert plan(shop) == ["missing"]
    assert run(shop, "--apply").exit_code == SOMEBODY
    assert [row["status"] for row in shop.purchases()] == ["pending"]


def test_a_payment_between_the_list_and_our_reading_is_no_breach(
    shop: Host, stripe: Sandbox
) -> None:
    """The list says open, and by the time that we look the webhook has been here."""
    purchase = buy(shop)

    def pay_meanwhile(_: object) -> None:
        session = stripe.pay(purchase["stripe_checkout_session_id"]).session
        assert shop.post_event(event("checkout.session.completed", session)).status_code == 200

    stripe.faults.next("GET /v1/checkout/sessions", before_reply=pay_meanwhile)
    assert kinds(shop) == []
    assert shop.ledger() == [1000]


def test_I1_a_grant_that_was_lost_is_granted_again(shop: Host, stripe: Sandbox) -> None:
    purchase = buy_and_pay(shop, stripe)
    repair(shop)
    (lost,) = shop.grants()
    for model in (shop.credits.Grant, shop.LedgerEntry):
        with shop.app.app_context(), shop.db.engine.begin() as connection:
            connection.execute(sa.delete(model.__table__))
    assert plan(shop) == ["paid"]
    repair(shop)
    assert shop.ledger() == [1000]
    assert [grant["id"] for grant in shop.grants()] == [lost["id"]]
    assert shop.purchase(purchase["id"])["status"] == "completed"


@on_sqlite
def test_results_that_were_changed_by_hand_follow_from_the_facts_again(
    shop: Host, stripe: Sandbox
) -> None:
    purchase = buy_and_pay(shop, stripe)
    repair(shop)
    change(shop, purchase, status="failed", credits_revoked=7)
    assert plan(shop) == ["result"]
    repair(shop)
    row = shop.purchase(purchase["id"])
    assert (row["status"], row["credits_revoked"]) == ("completed", 0)
    assert shop.ledger() == [1000]


def test_what_one_receiver_refuses_or_fails_keeps_no_other_from_being_repaired(
    database_url: str, stripe: Sandbox
) -> None:
    broken = {"bob"}

    def book(grant: GrantSnapshot, session: Session) -> None:
        if grant.user_id == "eve":
            raise Refuse("the user was deleted")
        if grant.user_id in broken:
            raise ValueError("out of order")
        entry = host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)
        session.add(entry)

    host = make_host(database_url, receiver=book, STRIPE_CREDITS_API_BASE=stripe.url)
    host.load_packages()
    for user in ("alice", "bob", "eve", "carol"):
        buy_and_pay(host, stripe, user)
    result = run(host, "--apply")
    assert result.exit_code == SOMEBODY
    told = {line.split()[4].rstrip(":"): line for line in result.output.splitlines()[1:5]}
    assert told["alice"].endswith("+1000 credits: done")
    assert "FAILED: ReceiverFailed: a receiver of purchase_completed raised" in told["bob"]
    assert "waits for a decision: refused by a receiver: the user was deleted" in told["eve"]
    assert sorted(row["user_id"] for row in host.rows(host.LedgerEntry)) == ["alice", "carol"]
    broken.clear()
    assert kinds(host, "--apply") == ["review", "paid"]
    assert host.ledger() == [1000, 1000, 1000]


@on_sqlite
def test_C19_without_a_receiver_nothing_is_written(database_url: str, stripe: Sandbox) -> None:
    host = make_host(database_url, receiver=None, STRIPE_CREDITS_API_BASE=stripe.url)
    host.load_packages()
    buy_and_pay(host, stripe)
    before = everything(host)
    result = run(host, "--apply")
    assert (result.exit_code, "FAILED: NoReceiver" in result.output) == (SOMEBODY, True)
    assert everything(host) == before


def test_I16_after_everything_went_wrong_one_run_puts_it_right(shop: Host, stripe: Sandbox) -> None:
    paid, part, all_back, lost, won, expired = (
        buy(shop, user) for user in ("paid", "part", "all", "lost", "won", "expired")
    )
    for purchase in (paid, part, all_back, lost, won):
        stripe.pay(purchase["stripe_checkout_session_id"])
    stripe.expire(expired["stripe_checkout_session_id"])
    # Half of them were granted before everything else was missed.
    shop.post_event(
        event("checkout.session.completed", stripe.session(won["stripe_checkout_session_id"]))
    )
    stripe.refund(payment_of(stripe, part), 300)
    stripe.refund(payment_of(stripe, part), 1)
    stripe.refund(payment_of(stripe, all_back))
    stripe.dispute(payment_of(stripe, lost))
    stripe.close_dispute(stripe.dispute(payment_of(stripe, won))["id"], "won")
    assert run(shop).exit_code == DRIFT
    repair(shop)
    expected = {"paid": 1000, "part": 699, "all": 0, "lost": 0, "won": 1000, "expired": 0}
    assert {user: shop.balance(user) for user in expected} == expected
    assert {row["user_id"]: row["status"] for row in shop.purchases()} == {
        "paid": "completed",
        "part": "completed",
        "all": "refunded",
        "lost": "disputed",
        "won": "completed",
        "expired": "expired",
    }
    assert shop.ledger("all") == []
    assert_invariants(shop.app)
