"""Operators decide, with the sandbox as Stripe and the ledger as the measure."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from subprocess import PIPE
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot, StripeCredits
from flask_stripe_credits.errors import DatabaseBusy, GatewayError, ReceiverFailed, ReviewError
from flask_stripe_credits.facts import Ruling
from flask_stripe_credits.fulfillment import deliver_due
from flask_stripe_credits.gateway.limits import MAX_NETWORK_RETRIES
from flask_stripe_credits.review_queue import Waiting, waiting
from flask_stripe_credits.reviews import Outcome, accept, dismiss
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.signals import purchase_flagged
from flask_stripe_credits.testing import assert_invariants

from .hosts import PREFIX, Host
from .parallel import in_parallel
from .payloads import event, new_api_key, refund
from .stripe_stub import RETRIEVE, NewShop

OLIVIA = Ruling("olivia", "the buyer wrote to us")
Decide = Callable[..., Outcome]
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _invariants_hold(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever operators do, every credit stays explained."""
    name = next((name for name in ("shop", "small_shop") if name in request.fixturenames), None)
    host = None if name is None else request.getfixturevalue(name)
    yield
    if host is not None:
        assert_invariants(host.app)


def decided(host: Host, decide: Decide, target: Any, ruling: Ruling = OLIVIA) -> Outcome:
    with host.app.app_context():
        return decide(host.state, str(target), ruling)


def queue(host: Host) -> list[Waiting]:
    with host.app.app_context():
        return list(waiting(host.state))


def buy(host: Host) -> Row:
    answer = host.client.post(
        f"{PREFIX}/purchase",
        json={"package_code": "starter"},
        headers={"Idempotency-Key": f"k{len(host.purchases())}"},
    )
    return host.purchase((answer.json or {})["purchase_id"])


def change(host: Host, purchase: Row, **values: Any) -> Row:
    """What was sold is something else than what Stripe asked the buyer to pay."""
    table = host.state.models.table(host.credits.Purchase)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == purchase["id"]).values(values))
    return host.purchase(purchase["id"])


def completed(stripe: Sandbox, session_id: str) -> Row:
    """The event that Stripe sends once this session is paid."""
    (told,) = (
        told
        for told in stripe.events("checkout.session.completed")
        if told["data"]["object"]["id"] == session_id
    )
    return told


def pay(host: Host, stripe: Sandbox, purchase: Row) -> Row:
    """Pay at Stripe and deliver the event, which is returned."""
    stripe.pay(purchase["stripe_checkout_session_id"])
    told = completed(stripe, purchase["stripe_checkout_session_id"])
    assert host.post_event(told).status_code == 200
    return told


def in_review(host: Host, stripe: Sandbox, **values: Any) -> Row:
    """A purchase that was paid at another price than was agreed on."""
    purchase = change(host, buy(host), **(values or {"unit_amount": 999}))
    pay(host, stripe, purchase)
    row = host.purchase(purchase["id"])
    assert (row["status"], host.grants(purchase_id=row["id"])) == ("review", [])
    return row


def second_session(host: Host, stripe: Sandbox, purchase: Row, **changes: Any) -> str:
    """A session of a lost attempt: it names the purchase, whose session is another one."""
    params = purchase["checkout_params"] | changes
    with host.app.app_context():
        session = host.state.gateway.create_checkout_session(
            params, idempotency_key=f"lost-{purchase['id']}"
        )
    return session.id


def flagged(host: Host, stripe: Sandbox, purchase: Row, **changes: Any) -> Row:
    """A paid session that names a purchase and isn't its session; its event."""
    session_id = second_session(host, stripe, purchase, **changes)
    stripe.pay(session_id)
    told = completed(stripe, session_id)
    assert host.post_event(told).json == {"received": True, "verdict": "review"}
    return told


def verdict_of(host: Host, told: Row) -> str:
    (row,) = host.rows(host.credits.WebhookEvent, stripe_event_id=told["id"])
    return str(row["verdict"])


def log_of(host: Host, purchase: Row) -> list[tuple[str, str]]:
    rows = host.rows(host.credits.AuditLog, purchase_id=purchase["id"])
    return [(row["actor"], row["action"]) for row in rows]


def locks_of(host: Host, work: Callable[[], object]) -> list[str]:
    """The tables that ``work`` locked rows of, in order."""
    locked: list[str] = []

    def watch(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO credit_payments" in statement:
            locked.append("payment")
        elif "FROM credit_purchases" in statement and "FOR UPDATE" in statement:
            locked.append("purchase")
        elif statement.startswith("UPDATE credit_webhook_events"):
            locked.append("event")

    with host.app.app_context():
        engine = host.db.engine
    sa.event.listen(engine, "before_cursor_execute", watch)
    work()
    sa.event.remove(engine, "before_cursor_execute", watch)
    return locked


def outage(stripe: Sandbox) -> None:
    """Every try to ask for a session fails from now on."""
    for _ in range(MAX_NETWORK_RETRIES + 1):
        stripe.faults.next(RETRIEVE, status=500)


class Flags:
    """Hears ``purchase_flagged``."""

    def __init__(self, host: Host) -> None:
        self.reasons: list[str] = []

        def hear(sender: Any, purchase: Any, reason: str) -> None:
            self.reasons.append(reason)

        self._hear = hear
        purchase_flagged.connect(hear, sender=host.app)


class TestAcceptingAPurchase:
    def test_it_counts_as_what_stripe_says(self, shop: Host, stripe: Sandbox) -> None:
        purchase = in_review(shop, stripe)
        outcome = decided(shop, accept, purchase["id"])
        assert outcome == Outcome(str(purchase["id"]), "completed", 1000)
        row = shop.purchase(purchase["id"])
        assert (row["status"], row["amount_paid"], shop.ledger()) == ("completed", 1000, [1000])
        assert (row["review_decision"], row["reviewed_by"], row["review_note"]) == (
            "accepted",
            "olivia",
            "the buyer wrote to us",
        )
        assert row["reviewed_at"] == row["completed_at"]
        (grant,) = shop.grants()
        assert (grant["reason"], grant["cause"]) == ("purchase", "operator olivia")
        assert log_of(shop, purchase) == [
            ("stripe", "purchase.review"),
            ("olivia", "purchase.accepted"),
        ]
        assert queue(shop) == []

    def test_its_event_is_handled_and_a_redelivery_changes_nothing(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = change(shop, buy(shop), unit_amount=999)
        told = pay(shop, stripe, purchase)
        assert verdict_of(shop, told) == "review"
        decided(shop, accept, purchase["id"])
        assert verdict_of(shop, told) == "handled"
        before, flags = shop.purchase(purchase["id"]), Flags(shop)
        assert shop.post_event(told).json == {"received": True, "verdict": "handled"}
        assert shop.post_event(told | {"id": "evt_again"}).status_code == 200
        assert (shop.purchase(purchase["id"]), shop.ledger()) == (before, [1000])
        assert flags.reasons == []

    def test_what_was_refunded_meanwhile_is_taken_off(self, shop: Host, stripe: Sandbox) -> None:
        purchase = in_review(shop, stripe)
        session = stripe.session(purchase["stripe_checkout_session_id"])
        given_back = refund(session["payment_intent"], 250)
        assert shop.post_event(event("refund.created", given_back)).status_code == 200
        decided(shop, accept, purchase["id"])
        row = shop.purchase(purchase["id"])
        assert (shop.ledger(), row["amount_refunded"], row["credits_revoked"]) == ([750], 250, 250)

    def test_B02_what_cost_nothing_can_be_given(self, shop: Host, stripe: Sandbox) -> None:
        purchase = change(shop, buy(shop), unit_amount=0)
        params = purchase["checkout_params"]
        line = params["line_items"][0]
        free = {
            "quantity": 1,
            "price_data": {
                "currency": "usd",
                "unit_amount": 0,
                "product_data": {"name": "Starter Pack"},
            },
        }
        assert line["quantity"] == 1
        session_id = second_session(shop, stripe, purchase, line_items=[free])
        change(shop, purchase, stripe_checkout_session_id=session_id)
        stripe.pay(session_id)
        assert shop.post_event(completed(stripe, session_id)).json["verdict"] == "review"
        decided(shop, accept, purchase["id"])
        assert shop.ledger() == [1000]

    def test_B11_another_currency_can_only_be_dismissed(self, shop: Host, stripe: Sandbox) -> None:
        purchase = in_review(shop, stripe, currency="eur")
        with pytest.raises(ReviewError, match=r"paid in usd, expected eur.*dismiss it, and refund"):
            decided(shop, accept, purchase["id"])
        assert (shop.purchase(purchase["id"]), shop.ledger()) == (purchase, [])
        assert log_of(shop, purchase) == [("stripe", "purchase.review")]
        assert decided(shop, dismiss, purchase["id"]).status == "failed"

    def test_a_payment_that_paid_for_another_purchase_is_refused(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = in_review(shop, stripe)
        session = stripe.session(purchase["stripe_checkout_session_id"])
        other = shop.add_purchase(stripe_payment_intent_id=session["payment_intent"])
        with pytest.raises(ReviewError, match=f"its payment is that of purchase {other['id']}"):
            decided(shop, accept, purchase["id"])
        assert shop.ledger() == []

    def test_stripe_is_asked_first_and_no_transaction_waits_for_it(
        self, shop: Host, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        purchase, other = in_review(shop, stripe), shop.add_purchase(user_id="bob")
        retrieve = shop.state.gateway.retrieve_checkout_session

        def slow(session_id: str, **options: Any) -> Any:
            # On SQLite any transaction of ours would block this one.
            in_parallel([lambda: shop.pay(other)])
            assert shop.balance("bob") == 1000
            return retrieve(session_id, **options)

        monkeypatch.setattr(shop.state.gateway, "retrieve_checkout_session", slow)
        decided(shop, accept, purchase["id"])
        assert shop.ledger() == [1000, 1000]

    def test_nothing_changes_when_stripe_cannot_be_asked(self, shop: Host, stripe: Sandbox) -> None:
        purchase = in_review(shop, stripe)
        outage(stripe)
        with pytest.raises(GatewayError):
            decided(shop, accept, purchase["id"])
        assert (shop.purchase(purchase["id"]), shop.ledger()) == (purchase, [])
        stripe.faults.clear()
        decided(shop, accept, purchase["id"])
        assert shop.ledger() == [1000]

    def test_B01_paid_later_it_is_granted_later(self, shop: Host, stripe: Sandbox) -> None:
        purchase = change(shop, buy(shop), unit_amount=999)
        session_id = purchase["stripe_checkout_session_id"]
        stripe.pay(session_id, "000123456789")
        assert shop.post_event(completed(stripe, session_id)).json["verdict"] == "review"
        assert decided(shop, accept, purchase["id"]).status == "processing"
        assert shop.ledger() == []
        stripe.settle_payment(session_id, succeeded=True)
        (told,) = (
            told
            for told in stripe.events("checkout.session.async_payment_succeeded")
            if told["data"]["object"]["id"] == session_id
        )
        assert shop.post_event(told).json["verdict"] == "handled"
        assert shop.ledger() == [1000]


class TestDismissingAPurchase:
    def test_never_granted_it_has_failed_for_good(self, shop: Host, stripe: Sandbox) -> None:
        purchase = change(shop, buy(shop), unit_amount=999)
        told = pay(shop, stripe, purchase)
        assert decided(shop, dismiss, purchase["id"]).status == "failed"
        assert verdict_of(shop, told) == "dismissed"
        flags = Flags(shop)
        for id in (told["id"], "evt_another"):
            assert shop.post_event(told | {"id": id}).status_code == 200
        row = shop.purchase(purchase["id"])
        assert (row["status"], row["review_decision"], shop.ledger()) == ("failed", "dismissed", [])
        assert (verdict_of(shop, told), flags.reasons, queue(shop)) == ("dismissed", [], [])
        assert log_of(shop, purchase) == [
            ("stripe", "purchase.review"),
            ("olivia", "purchase.failed"),
            ("olivia", "purchase.dismissed"),
        ]

    def test_it_needs_no_stripe(self, shop: Host, stripe: Sandbox) -> None:
        purchase = in_review(shop, stripe)
        outage(stripe)
        decided(shop, dismiss, purchase["id"])
        assert shop.purchase(purchase["id"])["status"] == "failed"

    @pytest.mark.parametrize("live", [False, True])
    def test_F25_what_is_left_of_a_test_can_be_put_aside_and_what_is_live_not(
        self, new_shop: NewShop, database_url: str, live: bool
    ) -> None:
        shop = new_shop(database_url, STRIPE_SECRET_KEY=new_api_key("test" if live else "live"))
        purchase = shop.add_purchase(status="review", review_reason="it is odd", livemode=live)
        if live:
            with pytest.raises(ReviewError, match="is of the other mode than the API key"):
                decided(shop, dismiss, purchase["id"])
            return
        with pytest.raises(ReviewError, match="is of the other mode than the API key"):
            decided(shop, accept, purchase["id"])
        decided(shop, dismiss, purchase["id"])
        assert [one.id for one in queue(shop)] == []
        assert shop.ledger() == []


class TestReceiversThatRefuse:
    """The credit manager's word is asked for again, and may be no again."""

    @pytest.fixture
    def shop(self, new_shop: NewShop, database_url: str, quick_retries: None) -> Host:
        self.refuses: Callable[[GrantSnapshot], bool] = lambda grant: True

        def book(grant: GrantSnapshot, session: Session) -> None:
            session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
            if self.refuses(grant):
                raise StripeCredits.Refuse("the user was deleted")

        host = new_shop(database_url, receiver=book)
        return host

    def test_B32_refused_again_it_is_in_review_again(self, shop: Host, stripe: Sandbox) -> None:
        purchase = buy(shop)
        told = pay(shop, stripe, purchase)
        outcome = decided(shop, accept, purchase["id"])
        assert outcome.refusal == "refused by a receiver: the user was deleted"
        row = shop.purchase(purchase["id"])
        assert (row["status"], row["review_decision"], row["reviewed_by"]) == ("review", None, None)
        assert (shop.ledger(), shop.grants(), verdict_of(shop, told)) == ([], [], "review")
        assert [one.id for one in queue(shop)] == [str(purchase["id"])]
        self.refuses = lambda grant: False
        assert decided(shop, accept, purchase["id"]).refusal is None
        assert (shop.ledger(), verdict_of(shop, told)) == ([1000], "handled")
        assert log_of(shop, purchase) == [
            ("stripe", "purchase.review"),
            ("olivia", "purchase.accepted"),
            ("olivia", "purchase.accepted"),
        ]
        first, second = (
            row["details"].get("refused")
            for row in shop.rows(shop.credits.AuditLog, action="purchase.accepted")
        )
        assert (first, second) == (outcome.refusal, None)

    def test_B07_an_events_session_that_is_refused_is_the_purchases_all_the_same(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = buy(shop)
        told = flagged(shop, stripe, purchase)
        outcome = decided(shop, accept, told["id"])
        assert (outcome.refusal, outcome.status) == (
            "refused by a receiver: the user was deleted",
            "review",
        )
        assert (shop.ledger(), [one.kind for one in queue(shop)]) == ([], ["purchase"])
        self.refuses = lambda grant: False
        decided(shop, accept, purchase["id"])
        row = shop.purchase(purchase["id"])
        assert row["stripe_checkout_session_id"] == told["data"]["object"]["id"]
        assert shop.ledger() == [1000]

    def refused_take_back(self, shop: Host, stripe: Sandbox) -> tuple[Row, Row]:
        """Paid and granted; then everything is refunded, and the credits are spent."""
        self.refuses = lambda grant: grant.credits < 0
        purchase = buy(shop)
        pay(shop, stripe, purchase)
        intent = shop.purchase(purchase["id"])["stripe_payment_intent_id"]
        stripe.refund(intent)
        told = next(
            told
            for told in stripe.events("refund.created")
            if told["data"]["object"]["payment_intent"] == intent
        )
        assert shop.post_event(told).json == {"received": True, "verdict": "review"}
        assert (shop.purchase(purchase["id"])["status"], shop.ledger()) == ("review", [1000])
        return purchase, told

    def test_B23_dismissed_the_buyer_keeps_what_was_granted(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase, told = self.refused_take_back(shop, stripe)
        outcome = decided(shop, dismiss, purchase["id"])
        assert outcome == Outcome(str(purchase["id"]), "refunded", 1000)
        self.refuses = lambda grant: False
        shop.post_event(told)
        shop.post_event(told | {"id": "evt_another"})
        assert (shop.ledger(), verdict_of(shop, told)) == ([1000], "dismissed")

    def test_B23_accepted_they_are_taken_back_for_a_review(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase, told = self.refused_take_back(shop, stripe)
        self.refuses = lambda grant: False
        assert decided(shop, accept, purchase["id"]).posted == 0
        assert (shop.ledger(), shop.purchase(purchase["id"])["status"]) == (
            [1000, -1000],
            "refunded",
        )
        first, second = shop.grants()
        assert (first["reason"], second["reason"]) == ("purchase", "review")
        assert verdict_of(shop, told) == "handled"

    def test_a_receiver_that_fails_keeps_nothing(self, shop: Host, stripe: Sandbox) -> None:
        purchase = buy(shop)
        pay(shop, stripe, purchase)
        before = shop.purchase(purchase["id"])

        def fail(grant: GrantSnapshot) -> bool:
            raise RuntimeError("not today")

        self.refuses = fail
        with pytest.raises(ReceiverFailed):
            decided(shop, accept, purchase["id"])
        assert (shop.purchase(purchase["id"]), shop.ledger()) == (before, [])
        assert log_of(shop, purchase) == [("stripe", "purchase.review")]


class TestOutbox:
    """What was refused when it was delivered is delivered again, or never."""

    @pytest.fixture
    def shop(self, new_shop: NewShop, database_url: str, quick_retries: None) -> Host:
        self.refuses = True

        def book(grant: GrantSnapshot) -> None:
            if self.refuses:
                raise StripeCredits.Refuse("the user was deleted")
            with host.db.engine.begin() as connection:
                entry = {"id": grant.id, "user_id": grant.user_id, "credits": grant.credits}
                connection.execute(sa.insert(host.LedgerEntry.__table__), entry)

        host = new_shop(database_url, receiver=book, STRIPE_CREDITS_DELIVERY="outbox")
        return host

    def deliver(self, host: Host) -> None:
        with host.app.app_context():
            deliver_due(host.state)

    @pytest.mark.parametrize(("decide", "booked"), [(accept, [1000]), (dismiss, [])])
    def test_C22_it_is_delivered_after_the_decision_or_never(
        self, shop: Host, stripe: Sandbox, decide: Decide, booked: list[int]
    ) -> None:
        purchase = buy(shop)
        pay(shop, stripe, purchase)
        self.deliver(shop)
        assert (shop.purchase(purchase["id"])["status"], shop.ledger()) == ("review", [])
        assert decided(shop, decide, purchase["id"]).posted == 1000
        self.refuses = False
        self.deliver(shop)
        self.deliver(shop)
        assert shop.ledger() == booked


class TestEvents:
    def test_B07_a_session_of_a_lost_attempt_becomes_the_purchases(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = buy(shop)
        told = flagged(shop, stripe, purchase)
        (one,) = queue(shop)
        assert (one.kind, one.id, one.purchase_id) == ("event", told["id"], str(purchase["id"]))
        session_id = told["data"]["object"]["id"]
        assert (
            one.reason == f"checkout session {session_id} names this purchase but isn't its session"
        )
        outcome = decided(shop, accept, told["id"])
        assert outcome == Outcome(str(purchase["id"]), "completed", 1000)
        row = shop.purchase(purchase["id"])
        assert (row["stripe_checkout_session_id"], shop.ledger()) == (session_id, [1000])
        assert row["stripe_payment_intent_id"] == told["data"]["object"]["payment_intent"]
        (grant,) = shop.grants()
        assert (grant["reason"], grant["cause"]) == ("purchase", "operator olivia")
        # Nobody can pay the other one, too.
        assert stripe.session(purchase["stripe_checkout_session_id"])["status"] == "expired"
        assert log_of(shop, purchase)[-1] == ("olivia", "event.accepted")
        assert (verdict_of(shop, told), queue(shop)) == ("handled", [])

    def test_B07_accepted_once_a_redelivery_is_one_of_the_purchases_own(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = buy(shop)
        told = flagged(shop, stripe, purchase)
        decided(shop, accept, told["id"])
        flags = Flags(shop)
        for id in (told["id"], "evt_another"):
            answer = shop.post_event(told | {"id": id})
            assert answer.json == {"received": True, "verdict": "handled"}
        assert (shop.ledger(), flags.reasons) == ([1000], [])

    def test_B07_the_purchases_own_session_still_pays_it_before_and_after_a_dismissal(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        first, second = buy(shop), buy(shop)
        for purchase in (first, second):
            told = flagged(shop, stripe, purchase)
            if purchase is first:
                decided(shop, dismiss, told["id"])
            pay(shop, stripe, purchase)
            row = shop.purchase(purchase["id"])
            assert row["status"] == "completed"
            assert row["stripe_checkout_session_id"] == purchase["stripe_checkout_session_id"]
        assert shop.ledger() == [1000, 1000]
        with pytest.raises(ReviewError, match=r"the purchase is paid already.*refund"):
            decided(shop, accept, told["id"])
        assert (shop.ledger(), verdict_of(shop, told)) == ([1000, 1000], "review")

    def test_B07_dismissed_it_is_never_asked_about_again(self, shop: Host, stripe: Sandbox) -> None:
        purchase = buy(shop)
        told = flagged(shop, stripe, purchase)
        outcome = decided(shop, dismiss, told["id"])
        assert outcome == Outcome(str(purchase["id"]), "pending", 0)
        flags = Flags(shop)
        shop.post_event(told)
        assert (verdict_of(shop, told), flags.reasons, queue(shop)) == ("dismissed", [], [])
        assert (shop.purchase(purchase["id"]), shop.ledger()) == (purchase, [])
        assert log_of(shop, purchase)[-1] == ("olivia", "event.dismissed")

    def test_B07_a_cheap_session_never_pays_a_dear_purchase(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        cheap, dear = buy(shop), change(shop, buy(shop), unit_amount=35_000, amount_credits=50_000)
        told = flagged(shop, stripe, dear)
        with pytest.raises(ReviewError, match="amount_subtotal is 1000, expected 35000"):
            decided(shop, accept, told["id"])
        assert (shop.purchase(dear["id"]), shop.ledger()) == (dear, [])
        assert verdict_of(shop, told) == "review"
        pay(shop, stripe, cheap)
        assert shop.ledger() == [1000]

    def test_all_events_of_one_session_are_decided_at_once(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        told = flagged(shop, stripe, buy(shop))
        again = told | {"id": "evt_again"}
        shop.post_event(again)
        assert [one.id for one in queue(shop)] == [told["id"], "evt_again"]
        decided(shop, accept, "evt_again")
        assert (verdict_of(shop, told), verdict_of(shop, again)) == ("handled", "handled")
        with pytest.raises(ReviewError, match="isn't in review: handled"):
            decided(shop, accept, told["id"])
        assert shop.ledger() == [1000]

    def test_a_purchase_in_review_or_dismissed_gets_no_other_session(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = in_review(shop, stripe)
        told = flagged(shop, stripe, purchase)
        with pytest.raises(ReviewError, match="itself is in review, decide on it first"):
            decided(shop, accept, told["id"])
        decided(shop, dismiss, purchase["id"])
        with pytest.raises(ReviewError, match="was dismissed by olivia"):
            decided(shop, accept, told["id"])
        assert (shop.ledger(), verdict_of(shop, told)) == ([], "review")

    def test_an_event_of_a_purchase_in_review_is_decided_with_it(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = change(shop, buy(shop), unit_amount=999)
        told = pay(shop, stripe, purchase)
        assert [one.kind for one in queue(shop)] == ["purchase"]
        for decide in (accept, dismiss):
            with pytest.raises(
                ReviewError, match=f"about purchase {purchase['id']}.*decide on the"
            ):
                decided(shop, decide, told["id"])

    def test_B11_a_refund_in_another_currency_can_only_be_dismissed(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        purchase = buy(shop)
        pay(shop, stripe, purchase)
        intent = shop.purchase(purchase["id"])["stripe_payment_intent_id"]
        told = event("refund.created", refund(intent, 500, currency="eur"))
        assert shop.post_event(told).json == {"received": True, "verdict": "review"}
        with pytest.raises(ReviewError, match=r"is a refund\.created: it can only be dismissed"):
            decided(shop, accept, told["id"])
        decided(shop, dismiss, told["id"])
        flags = Flags(shop)
        shop.post_event(told)
        assert (shop.ledger(), verdict_of(shop, told), flags.reasons) == ([1000], "dismissed", [])

    def test_C25_an_orphan_waits_until_it_is_dismissed(self, shop: Host, stripe: Sandbox) -> None:
        purchase = buy(shop)
        table = shop.state.models.table(shop.credits.Purchase)
        with shop.app.app_context(), shop.db.engine.begin() as connection:
            connection.execute(sa.delete(table).where(table.c.id == purchase["id"]))
        told = pay(shop, stripe, purchase)
        (one,) = queue(shop)
        assert (one.kind, one.id, one.reason) == ("orphan", told["id"], "the purchase is missing")
        with pytest.raises(ReviewError, match="is missing"):
            decided(shop, accept, told["id"])
        assert decided(shop, dismiss, told["id"]) == Outcome(str(purchase["id"]), None, 0)
        flags = Flags(shop)
        shop.post_event(told)
        assert (queue(shop), verdict_of(shop, told), flags.reasons) == ([], "dismissed", [])


class TestWhatCannotBeDecided:
    @pytest.mark.parametrize("decide", [accept, dismiss])
    def test_what_is_unknown_or_not_in_review(
        self, small_shop: Host, stripe: Sandbox, decide: Decide
    ) -> None:
        purchase = buy(small_shop)
        told = pay(small_shop, stripe, purchase)
        for target, message in {
            "00000000-0000-4000-8000-000000000000": "there is no purchase 0000",
            "evt_unknown": "there is no purchase or event evt_unknown",
            "nonsense": "there is no purchase or event nonsense",
            str(purchase["id"]): "isn't in review: completed",
            told["id"]: "isn't in review: handled",
        }.items():
            with pytest.raises(ReviewError, match=message):
                decided(small_shop, decide, target)
        assert small_shop.ledger() == [1000]

    @pytest.mark.parametrize("first", [accept, dismiss])
    @pytest.mark.parametrize("second", [accept, dismiss])
    def test_a_decision_is_made_once(
        self, small_shop: Host, stripe: Sandbox, first: Decide, second: Decide
    ) -> None:
        purchase = in_review(small_shop, stripe)
        decided(small_shop, first, purchase["id"])
        row, ledger = small_shop.purchase(purchase["id"]), small_shop.ledger()
        with pytest.raises(ReviewError, match="ed by olivia before"):
            decided(small_shop, second, purchase["id"], Ruling("oscar", "I know better"))
        assert (small_shop.purchase(purchase["id"]), small_shop.ledger()) == (row, ledger)
        assert "oscar" not in dict(log_of(small_shop, purchase))

    @pytest.mark.parametrize(
        "ruling", [Ruling("", "why"), Ruling("a" * 256, "why"), Ruling("a", " ")]
    )
    def test_who_and_why_are_needed(
        self, small_shop: Host, stripe: Sandbox, ruling: Ruling
    ) -> None:
        purchase = in_review(small_shop, stripe)
        with pytest.raises(ReviewError, match="say wh"):
            decided(small_shop, accept, purchase["id"], ruling)
        assert small_shop.ledger() == []


RACES = 8


class TestRaces:
    def attempt(self, host: Host, decide: Decide, target: Any, by: str) -> Outcome | None:
        while True:
            try:
                return decided(host, decide, target, Ruling(by, "at the same time"))
            except ReviewError:
                return None
            except DatabaseBusy:
                # Retries are bounded; whoever is told that the database gave up tries again.
                continue

    def deliver(self, host: Host, told: Row) -> None:
        assert host.post_event(told).status_code == 200

    def test_payment_is_locked_before_purchase_before_event(
        self, new_shop: NewShop, postgres_database_url: str, stripe: Sandbox
    ) -> None:
        shop = new_shop(postgres_database_url)
        purchase, other = in_review(shop, stripe), buy(shop)
        told = flagged(shop, stripe, other)
        assert locks_of(shop, lambda: decided(shop, accept, purchase["id"])) == [
            "payment",
            "purchase",
            "event",
        ]
        assert locks_of(shop, lambda: decided(shop, accept, told["id"])) == [
            "payment",
            "purchase",
            "event",
        ]
        told = flagged(shop, stripe, buy(shop))
        locked = locks_of(shop, lambda: decided(shop, dismiss, told["id"]))
        assert locked == ["purchase", "event"]
        assert_invariants(shop.app)

    @pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_a_decision_is_made_once_at_every_isolation_level(
        self, new_shop: NewShop, postgres_database_url: str, stripe: Sandbox, level: str
    ) -> None:
        options = {"isolation_level": level}
        shop = new_shop(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS=options)
        for number in range(4):
            purchase = change(shop, buy(shop), unit_amount=999, user_id=f"user{number}")
            pay(shop, stripe, purchase)
            accepted, *others = in_parallel(
                [
                    partial(self.attempt, shop, accept, purchase["id"], "olivia"),
                    partial(self.attempt, shop, dismiss, purchase["id"], "oscar"),
                    partial(self.attempt, shop, dismiss, purchase["id"], "otto"),
                ]
            )
            assert sum(one is not None for one in (accepted, *others)) == 1
            assert shop.ledger(f"user{number}") == ([] if accepted is None else [1000])
            told = flagged(shop, stripe, buy(shop))
            outcomes = in_parallel(
                [
                    partial(self.attempt, shop, dismiss, told["id"], "oscar"),
                    partial(self.attempt, shop, dismiss, told["id"], "otto"),
                ]
            )
            assert sum(one is not None for one in outcomes) == 1
        assert_invariants(shop.app)

    def test_accept_beside_accept_beside_the_webhook(self, shop: Host, stripe: Sandbox) -> None:
        for number in range(RACES):
            purchase = change(shop, buy(shop), unit_amount=999, user_id=f"user{number}")
            told = pay(shop, stripe, purchase)
            outcomes = in_parallel(
                [
                    partial(self.attempt, shop, accept, purchase["id"], "olivia"),
                    partial(self.attempt, shop, accept, purchase["id"], "oscar"),
                    partial(self.deliver, shop, told),
                    partial(self.deliver, shop, told | {"id": f"evt_other{number}"}),
                ]
            )
            assert sum(outcome is not None for outcome in outcomes) == 1
            assert shop.ledger(f"user{number}") == [1000]
        assert_invariants(shop.app)

    def test_accept_beside_dismiss(self, shop: Host, stripe: Sandbox) -> None:
        for number in range(RACES):
            purchase = change(shop, buy(shop), unit_amount=999, user_id=f"user{number}")
            told = pay(shop, stripe, purchase)
            accepted, dismissed = in_parallel(
                [
                    partial(self.attempt, shop, accept, purchase["id"], "olivia"),
                    partial(self.attempt, shop, dismiss, purchase["id"], "oscar"),
                ]
            )
            assert (accepted is None) != (dismissed is None)
            shop.post_event(told)
            assert shop.ledger(f"user{number}") == ([] if accepted is None else [1000])
            row = shop.purchase(purchase["id"])
            assert row["reviewed_by"] == ("oscar" if accepted is None else "olivia")

    def test_B07_an_event_is_accepted_beside_the_purchases_own_payment(
        self, shop: Host, stripe: Sandbox
    ) -> None:
        for number in range(RACES):
            purchase = change(shop, buy(shop), user_id=f"user{number}")
            told = flagged(shop, stripe, purchase)
            stripe.pay(purchase["stripe_checkout_session_id"])
            own = completed(stripe, purchase["stripe_checkout_session_id"])
            accepted, _ = in_parallel(
                [
                    partial(self.attempt, shop, accept, told["id"], "olivia"),
                    partial(self.deliver, shop, own),
                ]
            )
            assert shop.ledger(f"user{number}") == [1000]
            # The one that came too late waits: somebody has paid twice.
            late = told if accepted is None else own
            assert verdict_of(shop, late) == "review"

    def test_a_refund_beside_accept(self, shop: Host, stripe: Sandbox) -> None:
        for number in range(RACES):
            purchase = change(shop, buy(shop), unit_amount=999, user_id=f"user{number}")
            pay(shop, stripe, purchase)
            session = stripe.session(purchase["stripe_checkout_session_id"])
            back = event("refund.created", refund(session["payment_intent"], 1000))
            in_parallel(
                [
                    partial(self.attempt, shop, accept, purchase["id"], "olivia"),
                    partial(self.deliver, shop, back),
                ]
            )
            assert shop.balance(f"user{number}") == 0
            assert shop.purchase(purchase["id"])["status"] == "refunded"


@pytest.fixture
def accept_and_die(shop: Host, stripe: Sandbox) -> Iterator[Callable[[Row, int], int]]:
    """Accepts in a real process that is killed at one statement; returns its exit code."""
    command = [sys.executable, "-m", "tests.review_process", shop.db_url, stripe.url]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        told, answers = process.stdin, process.stdout

        def run(purchase: Row, statement: int) -> int:
            print(purchase["id"], statement, file=told, flush=True)
            return int(answers.readline())

        yield run
        told.close()


def test_C03_killed_at_any_statement_it_is_decided_or_not(
    shop: Host, stripe: Sandbox, accept_and_die: Callable[[Row, int], int]
) -> None:
    """Then the operator tries again, if it isn't decided."""
    killed, decided_by_the_dead = 0, 0
    while True:
        user = f"user{killed}"
        purchase = change(shop, buy(shop), unit_amount=999, user_id=user)
        pay(shop, stripe, purchase)
        died = accept_and_die(purchase, killed + 1)
        if died == 0:
            break
        assert died == -signal.SIGKILL
        killed += 1
        is_decided = shop.purchase(purchase["id"])["review_decision"] is not None
        decided_by_the_dead += is_decided
        assert shop.ledger(user) == ([1000] if is_decided else [])
        if not is_decided:
            decided(shop, accept, purchase["id"])
        assert shop.ledger(user) == [1000]
    assert killed >= 10
    # Only what comes after the commit: reading what became of it.
    assert 1 <= decided_by_the_dead <= 6
