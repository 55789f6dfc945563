"""Refunds take credits back, and failed ones give them back, in whatever order they are told."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ..hosts import Host, make_host
from ..payloads import checkout_session, event, refund
from .hostile import nothing_written


def _paid(host: Host, **values: Any) -> dict[str, Any]:
    purchase = host.add_purchase(**values)
    assert host.pay(purchase, payment_intent="pi_1").status_code == 200
    return host.purchase(purchase["id"])


def _tell(host: Host, told: dict[str, Any], kind: str = "refund.created") -> str:
    answer = host.post_event(event(kind, told))
    assert answer.status_code == 200, answer.json
    verdict: str = answer.json["verdict"]
    return verdict


def _reasons(host: Host) -> list[tuple[int, str]]:
    return [(grant["credits"], grant["reason"]) for grant in host.grants()]


class TestAfterTheGrant:
    @pytest.mark.parametrize(("amount", "left"), [(1000, 0), (500, 500), (1, 999), (999, 1)])
    def test_S10_B20_a_refund_takes_back_its_part(self, host: Host, amount: int, left: int) -> None:
        purchase = _paid(host)
        assert _tell(host, refund("pi_1", amount)) == "handled"
        assert host.ledger() == [1000, left - 1000]
        assert _reasons(host)[1] == (left - 1000, "refund")
        row = host.purchase(purchase["id"])
        assert (row["amount_refunded"], row["credits_revoked"]) == (amount, 1000 - left)
        assert row["status"] == ("refunded" if amount == 1000 else "completed")

    def test_B21_B24_many_small_refunds_take_exactly_everything_in_the_end(
        self, host: Host
    ) -> None:
        """Rounded once on the sum; and on PostgreSQL too the sums are whole numbers."""
        _paid(host, amount_credits=1001, unit_amount=99)
        for number in range(99):
            _tell(host, refund("pi_1", 1))
            assert host.balance() == 1001 - -(-1001 * (number + 1) // 99)
        assert host.balance() == 0

    def test_B21_one_refund_told_often_counts_once(self, host: Host) -> None:
        _paid(host)
        told = refund("pi_1", 300)
        for kind in ("refund.created", "refund.updated", "refund.created"):
            _tell(host, told, kind)
        assert host.ledger() == [1000, -300]

    @pytest.mark.parametrize("status", ["failed", "canceled"])
    @pytest.mark.parametrize("kind", ["refund.failed", "refund.updated", "charge.refund.updated"])
    def test_B22_a_refund_that_failed_after_it_succeeded_gives_the_credits_back(
        self, host: Host, status: str, kind: str
    ) -> None:
        purchase = _paid(host)
        told = refund("pi_1", 1000)
        _tell(host, told)
        _tell(host, told | {"status": status}, kind)
        assert _reasons(host)[1:] == [(-1000, "refund"), (1000, "refund_failed")]
        assert host.balance() == 1000
        row = host.purchase(purchase["id"])
        assert (row["status"], row["amount_refunded"], row["credits_revoked"]) == (
            "completed",
            0,
            0,
        )

    def test_a_pending_refund_counts_at_once(self, host: Host) -> None:
        _paid(host)
        _tell(host, refund("pi_1", 1000, status="pending"))
        assert host.balance() == 0

    def test_I6_the_newest_status_wins_in_every_order(self, host: Host) -> None:
        statuses = ("pending", "requires_action", "succeeded", "failed")
        for number, order in enumerate(itertools.permutations(statuses)):
            purchase = host.add_purchase(user_id=f"buyer {number}")
            host.pay(purchase, payment_intent=f"pi_{number}")
            told = refund(f"pi_{number}", 400)
            for status in order:
                _tell(host, told | {"status": status}, "refund.updated")
            assert host.balance(f"buyer {number}") == 1000, order
            (row,) = host.rows(host.credits.Refund, stripe_refund_id=told["id"])
            assert row["status"] == "failed"

    @pytest.mark.parametrize("status", ["reversed_by_bank", "", None, 7, "x" * 300])
    def test_a_status_that_we_dont_know_changes_nothing(self, host: Host, status: Any) -> None:
        _paid(host)
        told = refund("pi_1", 400)
        assert _tell(host, told | {"status": status}) == "ignored"
        assert host.ledger() == [1000]
        _tell(host, told)
        assert _tell(host, told | {"status": status}, "refund.updated") == "ignored"
        assert host.ledger() == [1000, -400]

    def test_more_than_was_paid_takes_no_more_than_everything(self, host: Host) -> None:
        purchase = _paid(host)
        for _ in range(3):
            _tell(host, refund("pi_1", 700))
        assert host.ledger() == [1000, -700, -300]
        row = host.purchase(purchase["id"])
        assert (row["amount_refunded"], row["status"]) == (1000, "refunded")

    def test_the_price_is_what_was_paid_with_tax_and_discount(self, host: Host) -> None:
        taxed = make_host(host.db_url, tables=False, STRIPE_CREDITS_AUTOMATIC_TAX=True)
        purchase = taxed.add_purchase()
        details = {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 190}
        taxed.pay(purchase, payment_intent="pi_1", amount_total=1190, total_details=details)
        _tell(taxed, refund("pi_1", 595))
        assert taxed.ledger() == [1000, -500]
        _tell(taxed, refund("pi_1", 595))
        assert taxed.balance() == 0
        assert taxed.purchase(purchase["id"])["status"] == "refunded"


class TestBeforeThePurchaseIsKnown:
    @pytest.mark.parametrize(
        ("amount", "granted"), [(1000, []), (500, [500]), (1, [999]), (999, [1])]
    )
    def test_A09_a_refund_before_the_completion_is_taken_off_at_once(
        self, host: Host, amount: int, granted: list[int]
    ) -> None:
        purchase = host.add_purchase()
        document = event("refund.created", refund("pi_1", amount))
        for _ in range(2):
            answer = host.post_event(document)
            assert (answer.status_code, answer.json["verdict"]) == (200, "kept")
        assert host.ledger() == []
        for _ in range(2):
            assert host.pay(purchase, payment_intent="pi_1").status_code == 200
        assert host.post_event(document).json["verdict"] == "handled"
        assert host.ledger() == granted
        row = host.purchase(purchase["id"])
        assert (row["amount_refunded"], row["credits_revoked"]) == (amount, amount)
        assert row["status"] == ("refunded" if amount == 1000 else "completed")
        assert all(type(grant["credits"]) is int for grant in host.grants())

    def test_A09_a_refund_that_failed_takes_nothing(self, host: Host) -> None:
        _tell(host, refund("pi_1", 1000, status="failed"))
        _paid(host)
        assert host.ledger() == [1000]

    def test_the_first_grant_after_a_failed_full_refund_is_the_purchase(self, host: Host) -> None:
        told = refund("pi_1", 1000)
        _tell(host, told)
        purchase = _paid(host)
        assert (host.ledger(), purchase["completed_at"]) == ([], None)
        _tell(host, told | {"status": "failed"}, "refund.failed")
        assert _reasons(host) == [(1000, "purchase")]
        assert host.purchase(purchase["id"])["completed_at"] is not None

    def test_a_payment_that_becomes_known_late_brings_its_refund(self, host: Host) -> None:
        """An event of an old shape may tell of the payment without naming it."""
        purchase = host.add_purchase()
        host.pay(purchase, payment_intent=None)
        _tell(host, refund("pi_1", 400))
        assert host.ledger() == [1000]
        host.pay(purchase, payment_intent="pi_1")
        assert _reasons(host)[1:] == [(-400, "refund")]

    def test_refunds_of_another_payment_change_nothing(self, host: Host) -> None:
        assert _tell(host, refund("pi_of_something_else", 1000)) == "kept"
        _paid(host)
        assert host.ledger() == [1000]
        assert len(host.rows(host.credits.WebhookEvent)) == 1, "the inbox is about purchases"


class TestWhatDoesntFit:
    def test_B11_a_refund_in_another_currency_is_for_somebody_to_look_at(self, host: Host) -> None:
        purchase = _paid(host)
        assert _tell(host, refund("pi_1", 1000, currency="jpy")) == "review"
        assert host.ledger() == [1000]
        assert host.rows(host.credits.Refund) == []
        assert host.purchase(purchase["id"])["status"] == "completed"
        (row,) = host.rows(host.credits.AuditLog)
        assert row["action"] == "event.review"
        assert "jpy, expected usd" in row["details"]["reason"]

    def test_B11_a_refund_in_another_currency_is_not_added_up_when_it_came_first(
        self, host: Host
    ) -> None:
        _tell(host, refund("pi_1", 1000, currency="jpy"))
        _paid(host)
        assert host.ledger() == [1000]

    @pytest.mark.parametrize("changes", [{"amount": None}, {"amount": -5}, {"currency": None}])
    def test_a_refund_without_a_sum_is_for_somebody_to_look_at(
        self, host: Host, changes: dict[str, Any]
    ) -> None:
        _paid(host)
        assert _tell(host, refund("pi_1", 1000) | changes) == "review"
        assert host.ledger() == [1000]

    @pytest.mark.parametrize(
        "changes", [{"payment_intent": None}, {"amount": None}, {"currency": 7}, {"status": "?"}]
    )
    def test_without_a_purchase_it_is_ignored(self, host: Host, changes: dict[str, Any]) -> None:
        with nothing_written(host):
            assert _tell(host, refund("pi_1", 1000) | changes) == "ignored"

    def test_a_refund_without_an_id_is_malformed(self, host: Host) -> None:
        document = event("refund.created", refund("pi_1", 1000, id=None))
        with nothing_written(host):
            assert host.post_event(document).status_code == 400

    @pytest.mark.parametrize("changes", [{"livemode": True}, {"account": "acct_1"}])
    def test_B05_B30_another_mode_or_account_is_ignored(
        self, host: Host, changes: dict[str, Any]
    ) -> None:
        _paid(host)
        with nothing_written(host):
            answer = host.post_event(event("refund.created", refund("pi_1", 1000), **changes))
        assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")

    def test_an_expanded_payment_intent_is_understood(self, host: Host) -> None:
        _paid(host)
        _tell(host, refund("pi_1", 1000) | {"payment_intent": {"id": "pi_1", "object": "x"}})
        assert host.balance() == 0


def test_B07_a_session_that_doesnt_fit_pulls_no_refunds_onto_its_purchase(host: Host) -> None:
    """Its payment is linked only after it was checked."""
    dear = host.add_purchase(unit_amount=35_000, amount_credits=50_000)
    _tell(host, refund("pi_cheap", 100))
    session = checkout_session(dear, amount_subtotal=100, amount_total=100)
    host.post_event(event("checkout.session.completed", session | {"payment_intent": "pi_cheap"}))
    row = host.purchase(dear["id"])
    assert (row["status"], row["stripe_payment_intent_id"]) == ("review", None)
    assert row["amount_refunded"] == 0
    assert host.ledger() == []
