from __future__ import annotations

import itertools
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from blinker import NamedSignal
from flask import Flask
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot, PurchaseSnapshot, StripeCredits, fulfillment
from flask_stripe_credits.facts import Decision, Reasons, Recorded, Verdict, lock_facts
from flask_stripe_credits.fulfillment import settle
from flask_stripe_credits.signals import (
    grant_committed,
    purchase_expired,
    purchase_failed,
    purchase_flagged,
)
from flask_stripe_credits.state import AppState
from flask_stripe_credits.unit_of_work import UnitOfWork

from .hosts import Host, make_host
from .payloads import checkout_session, event, refund

TOLD = (grant_committed, purchase_failed, purchase_expired, purchase_flagged)


class Listener:
    """Hears what the signals tell one app after the commit."""

    def __init__(self, app: Flask) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._connected = [self._connect(signal, app) for signal in TOLD]

    def _connect(self, signal: NamedSignal, app: Flask) -> Callable[..., None]:
        def hear(sender: Flask, **arguments: Any) -> None:
            assert sender is app
            self.heard.append((signal.name, arguments))

        signal.connect(hear, sender=app)
        return hear

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


def _send(host: Host, kind: str, purchase: dict[str, Any], **overrides: Any) -> int:
    session = checkout_session(purchase, **overrides)
    return host.post_event(event(f"checkout.session.{kind}", session)).status_code


def _audit(host: Host) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (row["actor"], row["action"], row["details"]) for row in host.rows(host.credits.AuditLog)
    ]


def _fulfill_again(host: Host, purchase: dict[str, Any], **changes: Any) -> Recorded:
    """What an entrance does that has nothing new to say but ``changes``."""
    with host.app.app_context():
        return settle(
            host.state,
            lambda uow: Recorded(
                Verdict.HANDLED,
                lock_facts(uow, purchase["id"]),
                changes,
                Reasons("review", "review"),
            ),
            cause="test",
        )


class TestTheGrant:
    def test_it_carries_what_the_credit_manager_needs(self, host: Host) -> None:
        purchase = host.add_purchase(metadata={"campaign": "spring"})
        document = host.paid_event(purchase)
        assert host.post_event(document).status_code == 200
        (grant,) = host.received
        (row,) = host.grants()
        assert (grant.id, len(grant.id)) == (str(row["id"]), 36)
        assert (grant.purchase_id, grant.user_id) == (str(purchase["id"]), "alice")
        assert (grant.credits, grant.reason, grant.sequence) == (1000, "purchase", 1)
        assert grant.cause == row["cause"] == document["id"]
        assert grant.created_at == row["created_at"]
        assert (row["delivered_at"], row["attempts"]) == (row["created_at"], 1)
        assert grant.purchase.status == "completed"
        assert grant.purchase.amount_paid == 1000
        assert grant.purchase.completed_at == row["created_at"]
        assert grant.purchase.metadata == {"campaign": "spring"}

    def test_it_can_be_handed_to_a_task_queue(self, sqlite_host: Host) -> None:
        sqlite_host.pay(sqlite_host.add_purchase())
        (grant,) = sqlite_host.received
        assert pickle.loads(pickle.dumps(grant)) == grant

    def test_the_row_tells_all_facts_and_results(self, host: Host) -> None:
        purchase = host.add_purchase()
        host.pay(purchase, payment_intent="pi_1")
        row = host.purchase(purchase["id"])
        changed = {name for name, value in row.items() if value != purchase[name]}
        assert changed == {
            "amount_paid",
            "completed_at",
            "paid_at",
            "session_completed_at",
            "status",
            "stripe_payment_intent_id",
            "updated_at",
        }
        assert (row["status"], row["amount_paid"]) == ("completed", 1000)
        assert row["stripe_payment_intent_id"] == "pi_1"
        assert row["completed_at"] == row["paid_at"] == row["updated_at"]

    def test_the_log_line_of_the_guide_is_written(
        self, sqlite_host: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            sqlite_host.pay(sqlite_host.add_purchase())
        line = "Successfully processed credit purchase for user alice: 1000 credits"
        assert line in caplog.messages


class TestAfterTheCommit:
    def test_each_grant_is_told_exactly_once(self, host: Host) -> None:
        listener = Listener(host.app)
        purchase = host.add_purchase()
        for _ in range(3):
            host.pay(purchase)
        (told,) = listener.heard
        assert told[0] == "grant_committed"
        (grant,) = host.received
        assert told[1] == {"purchase": grant.purchase, "grant": grant}
        assert host.ledger() == [1000]

    def test_it_is_told_after_the_commit(self, host: Host) -> None:
        seen: list[list[int]] = []

        def look(sender: Flask, **arguments: Any) -> None:
            seen.append(host.ledger())

        grant_committed.connect(look, sender=host.app)
        host.pay(host.add_purchase())
        assert seen == [[1000]]

    def test_nothing_is_told_of_what_was_undone(self, database_url: str) -> None:
        def refuse(grant: GrantSnapshot) -> None:
            raise RuntimeError("not today")

        host = make_host(database_url, receiver=refuse)
        listener = Listener(host.app)
        assert host.pay(host.add_purchase()).status_code == 503
        assert listener.heard == []

    @pytest.mark.parametrize(
        ("kind", "overrides", "name"),
        [
            ("completed", {}, "grant_committed"),
            ("async_payment_failed", {"payment_status": "unpaid"}, "purchase_failed"),
            ("expired", {"status": "expired", "payment_status": "unpaid"}, "purchase_expired"),
            ("completed", {"amount_subtotal": 1}, "purchase_flagged"),
        ],
    )
    def test_exceptions_of_listeners_are_logged_and_change_nothing(
        self,
        host: Host,
        caplog: pytest.LogCaptureFixture,
        kind: str,
        overrides: dict[str, Any],
        name: str,
    ) -> None:
        def fail(sender: Flask, **arguments: Any) -> None:
            raise LookupError("the mail server is down")

        (signal,) = (signal for signal in TOLD if signal.name == name)
        signal.connect(fail, sender=host.app)
        purchase = host.add_purchase()
        assert _send(host, kind, purchase, **overrides) == 200
        assert "the mail server is down" in caplog.text
        assert host.purchase(purchase["id"])["status"] != "pending"
        assert host.ledger() == ([1000] if name == "grant_committed" else [])

    @pytest.mark.parametrize(
        ("kind", "overrides", "name", "status"),
        [
            ("async_payment_failed", {"payment_status": "unpaid"}, "purchase_failed", "failed"),
            (
                "expired",
                {"status": "expired", "payment_status": "unpaid", "payment_intent": None},
                "purchase_expired",
                "expired",
            ),
            ("completed", {"currency": "eur"}, "purchase_flagged", "review"),
        ],
    )
    def test_a_change_without_a_grant_is_told_once_and_has_an_audit_row(
        self, host: Host, kind: str, overrides: dict[str, Any], name: str, status: str
    ) -> None:
        listener = Listener(host.app)
        purchase = host.add_purchase()
        for _ in range(2):
            assert _send(host, kind, purchase, **overrides) == 200
        (told,) = listener.heard
        assert told[0] == name
        assert isinstance(told[1]["purchase"], PurchaseSnapshot)
        assert told[1]["purchase"].status == status
        ((actor, action, details),) = _audit(host)
        assert (actor, action) == ("stripe", f"purchase.{status}")
        assert (details["from"], details["to"]) == ("pending", status)
        assert details["cause"].startswith("evt_")
        assert (host.ledger(), host.grants()) == ([], [])


class TestAudit:
    def test_every_change_of_status_has_a_grant_or_an_audit_row(self, host: Host) -> None:
        purchase = host.add_purchase()
        expired = {"status": "expired", "payment_status": "unpaid", "payment_intent": None}
        _send(host, "expired", purchase, **expired)
        _send(host, "completed", purchase, payment_status="unpaid")
        _send(host, "async_payment_failed", purchase, payment_status="unpaid")
        _send(host, "async_payment_succeeded", purchase)
        changes = [(d["from"], d["to"]) for _, _, d in _audit(host)]
        assert changes == [
            ("pending", "expired"),
            ("expired", "processing"),
            ("processing", "failed"),
        ]
        assert host.purchase(purchase["id"])["status"] == "completed"
        assert host.ledger() == [1000]

    def test_a_grant_has_no_audit_row(self, host: Host) -> None:
        host.pay(host.add_purchase())
        assert _audit(host) == []


class TestRefuse:
    """A receiver that can never accept: no grant, no retries, an operator decides."""

    @pytest.fixture
    def refusing(self, database_url: str) -> Host:
        self.refuses = True

        def book(grant: GrantSnapshot, session: Session) -> None:
            session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
            session.commit()
            if self.refuses:
                raise StripeCredits.Refuse("the user was deleted")

        host = make_host(database_url, receiver=book)
        return host

    def test_B32_the_purchase_goes_to_review_and_the_facts_are_kept(self, refusing: Host) -> None:
        listener = Listener(refusing.app)
        purchase = refusing.add_purchase()
        answer = refusing.pay(purchase)
        assert (answer.status_code, answer.json["verdict"]) == (200, "review")
        assert (refusing.ledger(), refusing.grants()) == ([], [])
        row = refusing.purchase(purchase["id"])
        assert (row["status"], row["amount_paid"]) == ("review", 1000)
        assert row["paid_at"] is not None and row["stripe_payment_intent_id"] is not None
        assert row["completed_at"] is None
        assert row["review_reason"] == "refused by a receiver: the user was deleted"
        (told,) = listener.heard
        assert told[0] == "purchase_flagged"
        assert told[1]["purchase"].id == str(purchase["id"])
        assert told[1]["reason"] == row["review_reason"]
        ((_, action, details),) = _audit(refusing)
        assert (action, details["reason"]) == ("purchase.review", row["review_reason"])

    @pytest.mark.parametrize(
        "reason", ["no\0body", "no\ud800body"], ids=["NUL", "half a character"]
    )
    def test_B32_a_reason_that_no_database_can_hold_is_written_as_far_as_it_can(
        self, database_url: str, reason: str
    ) -> None:
        def book(grant: GrantSnapshot) -> None:
            raise StripeCredits.Refuse(reason)

        host = make_host(database_url, receiver=book)
        purchase = host.add_purchase()
        assert host.pay(purchase).json["verdict"] == "review"
        row = host.purchase(purchase["id"])
        assert row["review_reason"] == "refused by a receiver: no?body"

    def test_B32_a_redelivery_stays_in_review_even_if_it_would_be_accepted_now(
        self, refusing: Host
    ) -> None:
        purchase = refusing.add_purchase()
        document = refusing.paid_event(purchase)
        refusing.post_event(document)
        row = refusing.purchase(purchase["id"])
        self.refuses = False
        answer = refusing.post_event(document)
        assert (answer.status_code, answer.json["verdict"]) == (200, "review")
        assert refusing.purchase(purchase["id"]) == row
        assert (refusing.ledger(), refusing.grants()) == ([], [])
        assert len(_audit(refusing)) == 1
        (inbox,) = refusing.rows(refusing.credits.WebhookEvent)
        assert (inbox["verdict"], inbox["attempts"]) == ("review", 2)

    def test_B32_once_accepted_by_an_operator_it_is_granted(self, refusing: Host) -> None:
        purchase = refusing.add_purchase()
        refusing.pay(purchase)
        self.refuses = False
        recorded = _fulfill_again(refusing, purchase, review_decision=Decision.ACCEPTED)
        assert recorded.verdict is Verdict.HANDLED
        assert refusing.ledger() == [1000]
        assert refusing.purchase(purchase["id"])["status"] == "completed"
        (grant,) = refusing.grants()
        assert (grant["sequence"], grant["reason"]) == (1, "purchase")

    def test_B32_refused_again_after_it_was_accepted_it_is_in_review_again(
        self, refusing: Host
    ) -> None:
        purchase = refusing.add_purchase()
        refusing.pay(purchase)
        recorded = _fulfill_again(refusing, purchase, review_decision=Decision.ACCEPTED)
        assert recorded.verdict is Verdict.REVIEW
        row = refusing.purchase(purchase["id"])
        assert (row["status"], row["review_decision"]) == ("review", None)
        assert (refusing.ledger(), refusing.grants()) == ([], [])
        assert refusing.pay(purchase).status_code == 200

    def test_dismissed_it_stays_as_it_is_for_good(self, refusing: Host) -> None:
        purchase = refusing.add_purchase()
        refusing.pay(purchase)
        self.refuses = False
        _fulfill_again(refusing, purchase, review_decision=Decision.DISMISSED)
        assert refusing.purchase(purchase["id"])["status"] == "failed"
        assert refusing.pay(purchase).json["verdict"] == "handled"
        assert (refusing.ledger(), refusing.grants()) == ([], [])

    def test_a_receiver_after_the_first_may_refuse_too(self, host: Host) -> None:
        @host.credits.on_grant
        def second(grant: GrantSnapshot) -> None:
            raise host.credits.Refuse("no")

        purchase = host.add_purchase()
        assert host.pay(purchase).status_code == 200
        assert (host.ledger(), host.grants()) == ([], [])
        assert host.purchase(purchase["id"])["status"] == "review"

    def test_a_refusal_that_another_delivery_overtook_changes_nothing(
        self, sqlite_host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = sqlite_host
        purchase = host.add_purchase()
        refusals = iter([True])

        @host.credits.on_grant
        def refuse_once(grant: GrantSnapshot) -> None:
            if next(refusals, False):
                raise host.credits.Refuse("not yet")

        begin = fulfillment.in_transaction
        tries = itertools.count()

        def overtaken(state: AppState, work: Callable[[UnitOfWork], Recorded]) -> Recorded:
            if next(tries) == 1:
                monkeypatch.setattr(fulfillment, "in_transaction", begin)
                assert host.pay(purchase).status_code == 200
            return begin(state, work)

        monkeypatch.setattr(fulfillment, "in_transaction", overtaken)
        answer = host.pay(purchase)
        assert (answer.status_code, answer.json["verdict"]) == (200, "handled")
        assert host.ledger() == [1000]
        assert host.purchase(purchase["id"])["status"] == "completed"


class TestTakingBackAndGivingBack:
    def _refund(self, host: Host, status: str) -> None:
        told = refund("pi_1", 400, id="re_1", status=status)
        assert host.post_event(event("refund.updated", told)).status_code == 200

    def test_B20_B22_each_direction_has_its_signal_and_its_reason(self, host: Host) -> None:
        heard: list[tuple[str, int, int, str]] = []

        def hear(name: str) -> Callable[..., None]:
            def receiver(grant: GrantSnapshot, purchase: PurchaseSnapshot) -> None:
                heard.append((name, grant.sequence, grant.credits, grant.reason))
                assert purchase.credits_revoked == (400 if grant.credits < 0 else 0)

            receiver.__qualname__ = name
            return receiver

        host.credits.on_purchase_completed(hear("completed"))
        host.credits.on_purchase_reversed(hear("reversed"))
        host.credits.on_purchase_restored(hear("restored"))
        purchase = host.add_purchase()
        host.pay(purchase, payment_intent="pi_1")
        completed_at = host.purchase(purchase["id"])["completed_at"]
        self._refund(host, "succeeded")
        self._refund(host, "succeeded")
        assert host.purchase(purchase["id"])["amount_refunded"] == 400
        self._refund(host, "failed")
        assert heard == [
            ("completed", 1, 1000, "purchase"),
            ("reversed", 2, -400, "refund"),
            ("restored", 3, 400, "refund_failed"),
        ]
        assert host.ledger() == [1000, -400, 400]
        row = host.purchase(purchase["id"])
        assert (row["status"], row["amount_refunded"], row["credits_revoked"]) == (
            "completed",
            0,
            0,
        )
        assert row["completed_at"] == completed_at, "our clock at the first grant, for good"

    def test_B23_a_refused_reversal_goes_to_review_and_keeps_what_was_granted(
        self, host: Host
    ) -> None:
        @host.credits.on_purchase_reversed
        def spent(grant: GrantSnapshot) -> None:
            raise host.credits.Refuse("the credits are spent")

        purchase = host.add_purchase()
        host.pay(purchase, payment_intent="pi_1")
        self._refund(host, "succeeded")
        row = host.purchase(purchase["id"])
        assert (row["status"], row["amount_refunded"], row["credits_revoked"]) == ("review", 400, 0)
        assert host.ledger() == [1000]
        assert row["completed_at"] is not None

    def test_a_purchase_whose_refund_came_first_counts_from_its_first_grant(
        self, host: Host
    ) -> None:
        """Its first positive grant is the purchase's, whatever led to it."""
        purchase = host.add_purchase()
        self._refund(host, "succeeded")
        host.pay(purchase, payment_intent="pi_1", amount_subtotal=1000)
        self._refund(host, "failed")
        grants = [(g["sequence"], g["credits"], g["reason"]) for g in host.grants()]
        assert grants == [(1, 600, "purchase"), (2, 400, "refund_failed")]


class TestSettings:
    def test_I10_free_credits_stay_when_free_purchases_are_switched_off(
        self, database_url: str
    ) -> None:
        free = {"payment_status": "no_payment_required", "payment_intent": None}
        host = make_host(database_url, STRIPE_CREDITS_ALLOW_FREE=True)
        purchase = host.add_purchase(unit_amount=0)
        assert host.pay(purchase, **free).status_code == 200
        assert host.ledger() == [1000]
        stricter = make_host(
            database_url, tables=False, STRIPE_WEBHOOK_SECRET_CREDITS=host.webhook_secret
        )
        stricter.webhook_secret = host.webhook_secret
        assert stricter.pay(purchase, **free).status_code == 200
        assert host.ledger() == [1000]
        assert host.purchase(purchase["id"])["status"] == "completed"


def test_I15_grants_are_one_to_a_purchase_and_sequence(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase)
    (row,) = host.grants()
    table = host.credits.Grant.__table__
    again = row | {"id": purchase["id"]}
    with (
        host.app.app_context(),
        pytest.raises(sa.exc.IntegrityError),
        host.db.engine.begin() as connection,
    ):
        connection.execute(sa.insert(table), again)
