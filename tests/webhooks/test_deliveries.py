"""Section A: events that come twice, late, early, at once, or about nothing that we know."""

from __future__ import annotations

import datetime as dt
import importlib.util
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_stripe_credits.errors import DatabaseBusy
from flask_stripe_credits.signals import webhook_received
from flask_stripe_credits.webhooks import receive

from ..hosts import Host, make_host
from ..parallel import in_parallel
from ..payloads import checkout_session, event
from .hostile import nothing_written

HANDLED = {
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
}


def _event_types() -> list[str]:
    """Every event type that the installed library knows, read without importing it."""
    package = importlib.util.find_spec("stripe")
    assert package is not None and package.submodule_search_locations
    source = (Path(package.submodule_search_locations[0]) / "_event.py").read_text()
    return sorted(set(re.findall(r'"([a-z0-9_]+(?:\.[a-z0-9_]+)+)"', source)))


class TestDuplicates:
    def test_A01_one_event_delivered_at_once_grants_once(self, host: Host) -> None:
        for _ in range(6):
            purchase = host.add_purchase()
            document = host.paid_event(purchase)
            answers = in_parallel([lambda d=document: host.post_event(d)] * 4)
            assert [answer.status_code for answer in answers] == [200] * 4
            (inbox,) = host.rows(host.credits.WebhookEvent, stripe_event_id=document["id"])
            assert (inbox["verdict"], inbox["attempts"]) == ("handled", 4)
        assert host.ledger() == [1000] * 6

    def test_A03_different_events_of_one_session_at_once_grant_once(self, host: Host) -> None:
        for _ in range(6):
            purchase = host.add_purchase()
            session = checkout_session(purchase)
            documents = [
                event("checkout.session.completed", session),
                event("checkout.session.completed", session),
                event("checkout.session.async_payment_succeeded", session),
                event(
                    "checkout.session.expired",
                    session | {"status": "expired", "payment_status": "unpaid"},
                ),
            ]
            answers = in_parallel([lambda d=document: host.post_event(d) for document in documents])
            assert [answer.status_code for answer in answers] == [200] * 4
        assert host.ledger() == [1000] * 6
        assert {row["status"] for row in host.purchases()} == {"completed"}

    def test_A03_different_events_at_once_without_a_payment_intent(self, host: Host) -> None:
        for _ in range(6):
            purchase = host.add_purchase()
            documents = [host.paid_event(purchase, payment_intent=None) for _ in range(4)]
            in_parallel([lambda d=document: host.post_event(d) for document in documents])
        assert host.ledger() == [1000] * 6

    def test_A02_a_redelivery_after_the_inbox_was_purged_grants_nothing(self, host: Host) -> None:
        purchase = host.add_purchase()
        document = host.paid_event(purchase)
        assert host.post_event(document).status_code == 200
        long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        purchases = host.credits.Purchase.__table__
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.execute(sa.delete(host.credits.WebhookEvent.__table__))
            connection.execute(sa.update(purchases).values(created_at=long_ago))
        for _ in range(2):
            assert host.post_event(document).status_code == 200
        assert host.ledger() == [1000]
        assert len(host.grants()) == 1

    @pytest.mark.parametrize("verdict", ["handled", "failed", "review"])
    def test_A04_an_inbox_row_is_no_proof_that_anything_was_granted(
        self, host: Host, verdict: str
    ) -> None:
        document = host.paid_event(host.add_purchase())
        now = dt.datetime.now(dt.UTC)
        row = {
            "stripe_event_id": document["id"],
            "type": document["type"],
            "verdict": verdict,
            "attempts": 1,
            "received_at": now,
            "updated_at": now,
        }
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.execute(sa.insert(host.credits.WebhookEvent.__table__), row)
        assert host.post_event(document).status_code == 200
        assert host.ledger() == [1000]
        (inbox,) = host.rows(host.credits.WebhookEvent)
        assert (inbox["verdict"], inbox["attempts"]) == ("handled", 2)


class TestTheInbox:
    def test_it_notes_what_an_operator_needs_and_no_payload(self, host: Host) -> None:
        purchase = host.add_purchase()
        document = host.paid_event(purchase)
        host.post_event(document)
        (inbox,) = host.rows(host.credits.WebhookEvent)
        assert inbox["stripe_event_id"] == document["id"]
        assert inbox["type"] == "checkout.session.completed"
        assert inbox["object_id"] == purchase["stripe_checkout_session_id"]
        assert inbox["purchase_id"] == purchase["id"]
        assert inbox["api_version"] == document["api_version"]
        assert inbox["created"].timestamp() == document["created"]
        assert (inbox["verdict"], inbox["attempts"], inbox["error_class"]) == ("handled", 1, None)
        assert "buyer@shop.test" not in str([*host.purchases(), inbox])

    def test_I4_the_inbox_row_is_written_with_the_grant_or_not_at_all(self, host: Host) -> None:
        """A broken inbox undoes the grant: what was answered with 2xx is durable."""
        table = host.credits.WebhookEvent.__tablename__
        purchase = host.add_purchase()
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO away")
        assert host.pay(purchase).status_code == 503
        assert (host.ledger(), host.grants()) == ([], [])
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE away RENAME TO {table}")
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]


class TestOrder:
    """The properties are in ``tests/test_facts.py``; these say each fault by its name."""

    def test_A05_success_before_completion_grants(self, host: Host) -> None:
        purchase = host.add_purchase()
        session = checkout_session(purchase)
        for kind, paid in (("async_payment_succeeded", "paid"), ("completed", "unpaid")):
            document = event(f"checkout.session.{kind}", session | {"payment_status": paid})
            assert host.post_event(document).status_code == 200
        assert host.ledger() == [1000]

    def test_A06_a_delayed_payment_that_fails_never_grants_until_it_succeeds_after_all(
        self, host: Host
    ) -> None:
        purchase = host.add_purchase()
        unpaid = checkout_session(purchase, payment_status="unpaid")
        host.post_event(event("checkout.session.completed", unpaid))
        assert host.purchase(purchase["id"])["status"] == "processing"
        host.post_event(event("checkout.session.async_payment_failed", unpaid))
        assert host.purchase(purchase["id"])["status"] == "failed"
        assert host.ledger() == []
        paid = checkout_session(purchase)
        host.post_event(event("checkout.session.async_payment_succeeded", paid))
        assert host.purchase(purchase["id"])["status"] == "completed"
        assert host.ledger() == [1000]

    @pytest.mark.parametrize("kind", ["expired", "async_payment_failed"])
    def test_A07_nothing_undoes_a_payment(self, host: Host, kind: str) -> None:
        purchase = host.add_purchase()
        host.pay(purchase)
        row = host.purchase(purchase["id"])
        late = checkout_session(purchase, payment_status="unpaid")
        assert host.post_event(event(f"checkout.session.{kind}", late)).status_code == 200
        after = host.purchase(purchase["id"])
        assert (after["status"], after["paid_at"]) == ("completed", row["paid_at"])
        assert host.ledger() == [1000]

    @pytest.mark.parametrize("kind", ["expired", "async_payment_failed"])
    def test_A08_a_payment_that_comes_late_is_granted(self, host: Host, kind: str) -> None:
        purchase = host.add_purchase()
        early = checkout_session(purchase, payment_status="unpaid")
        host.post_event(event(f"checkout.session.{kind}", early))
        assert host.pay(purchase).status_code == 200
        assert host.purchase(purchase["id"])["status"] == "completed"
        assert host.ledger() == [1000]

    def test_A11_the_event_may_come_before_we_know_the_session(self, host: Host) -> None:
        purchase = host.add_purchase(stripe_checkout_session_id=None, checkout_url=None)
        document = host.paid_event(purchase, id="cs_test_early")
        for _ in range(2):
            assert host.post_event(document).status_code == 200
        assert host.ledger() == [1000]
        assert host.purchase(purchase["id"])["stripe_checkout_session_id"] == "cs_test_early"

    def test_A11_two_sessions_race_for_a_purchase_without_one_and_one_wins(
        self, host: Host
    ) -> None:
        for number in range(6):
            purchase = host.add_purchase(stripe_checkout_session_id=None)
            documents = [
                host.paid_event(
                    purchase, id=f"cs_test_{number}{name}", payment_intent=f"pi_{number}{name}"
                )
                for name in "ab"
            ]
            answers = in_parallel([lambda d=document: host.post_event(d) for document in documents])
            verdicts = sorted(answer.json["verdict"] for answer in answers if answer.json)
            assert verdicts == ["handled", "review"]
        assert host.ledger() == [1000] * 6


class TestUnknownTypes:
    def test_A13_the_list_is_the_librarys(self) -> None:
        types = _event_types()
        assert len(types) > 250
        assert set(types) >= HANDLED

    def test_A13_every_type_of_the_library_is_answered_with_200(self, shared_host: Host) -> None:
        with nothing_written(shared_host):
            for type_ in [*_event_types(), "something.that.comes.in.2031"]:
                answer = shared_host.post_event(event(type_, {"id": "obj_1", "object": "x"}))
                assert (answer.status_code, answer.json) == (
                    200,
                    {"received": True, "verdict": "ignored"},
                ), type_

    def test_B29_only_session_events_grant(self, shared_host: Host, user: str) -> None:
        """Whatever else names our purchase, an invoice or the payment intent itself."""
        purchase = shared_host.add_purchase(user_id=user)
        session = checkout_session(purchase)
        for type_ in sorted(set(_event_types()) - HANDLED):
            shared_host.post_event(event(type_, session))
        assert shared_host.ledger(user) == []
        assert shared_host.purchase(purchase["id"]) == purchase


class TestWebhookReceived:
    def _listen(self, host: Host, function: Callable[[dict[str, Any]], None]) -> object:
        def hear(sender: Flask, event: dict[str, Any]) -> None:
            assert sender is host.app
            function(event)

        webhook_received.connect(hear, sender=host.app)
        return hear

    def test_a_verified_event_of_another_type_is_told_before_the_answer(
        self, sqlite_host: Host
    ) -> None:
        heard: list[dict[str, Any]] = []
        kept = self._listen(sqlite_host, heard.append)
        document = event("customer.created", {"id": "cus_1", "object": "customer"})
        assert sqlite_host.post_event(document).status_code == 200
        assert heard == [document]
        assert sqlite_host.pay(sqlite_host.add_purchase()).status_code == 200
        sqlite_host.post_event(document, **{"Stripe-Signature": "t=1,v1=0"})
        assert heard == [document], "neither what we handle nor what isn't signed"
        del kept

    @pytest.mark.parametrize("testing", [True, False])
    def test_raising_is_503_so_that_Stripe_delivers_again(
        self, new_database: Callable[[str], str], testing: bool
    ) -> None:
        host = make_host(new_database("sqlite"), TESTING=testing)

        def fail(document: dict[str, Any]) -> None:
            raise LookupError("the host's own inbox is down")

        kept = self._listen(host, fail)
        with nothing_written(host):
            answer = host.post_event(event("customer.created", {"id": "cus_1"}))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert b"inbox" not in answer.data
        del kept


@pytest.mark.parametrize("verdict", ["review", "orphan"])
def test_E28_what_waits_for_an_operator_goes_on_waiting_when_another_delivery_fails(
    host: Host, monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    purchase = host.add_purchase()
    told = host.paid_event(purchase, id="cs_test_another")
    if verdict == "orphan":
        told["data"]["object"]["metadata"]["purchase_id"] = str(uuid.uuid4())
        told["data"]["object"]["client_reference_id"] = None
    assert host.post_event(told).json["verdict"] == verdict

    def busy(*arguments: Any, **named: Any) -> None:
        raise DatabaseBusy("the database gave up")

    with monkeypatch.context() as patch:
        patch.setattr(receive, "settle", busy)
        assert host.post_event(told).status_code == 503
    (row,) = host.rows(host.credits.WebhookEvent)
    assert (row["verdict"], row["error_class"], row["attempts"]) == (verdict, "DatabaseBusy", 2)
