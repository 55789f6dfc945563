"""Disputes take credits back while their funds are withdrawn, and at no other time."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ..hosts import Host
from ..payloads import dispute, event, refund


def _paid(host: Host, **values: Any) -> dict[str, Any]:
    purchase = host.add_purchase(**values)
    assert host.pay(purchase, payment_intent="pi_1").status_code == 200
    return host.purchase(purchase["id"])


def _tell(host: Host, told: dict[str, Any], kind: str = "created") -> str:
    answer = host.post_event(event(f"charge.dispute.{kind}", told))
    assert answer.status_code == 200, answer.json
    verdict: str = answer.json["verdict"]
    return verdict


def _reasons(host: Host) -> list[tuple[int, str]]:
    return [(grant["credits"], grant["reason"]) for grant in host.grants()]


class TestFunds:
    def test_withdrawn_funds_take_the_credits(self, host: Host) -> None:
        purchase = _paid(host)
        assert _tell(host, dispute("pi_1", 1000)) == "handled"
        assert _reasons(host)[1:] == [(-1000, "dispute")]
        row = host.purchase(purchase["id"])
        assert (row["status"], row["amount_refunded"], row["credits_revoked"]) == (
            "disputed",
            0,
            1000,
        )

    @pytest.mark.parametrize(
        "status", ["warning_needs_response", "warning_under_review", "warning_closed", "prevented"]
    )
    def test_B25_an_inquiry_moves_no_money_and_takes_nothing(self, host: Host, status: str) -> None:
        purchase = _paid(host)
        _tell(host, dispute("pi_1", 1000, withdrawals=0, status=status))
        assert host.ledger() == [1000]
        assert host.purchase(purchase["id"])["status"] == "completed"

    def test_B25_an_inquiry_that_escalates_takes_the_credits(self, host: Host) -> None:
        _paid(host)
        told = dispute("pi_1", 1000, withdrawals=0, status="warning_needs_response")
        _tell(host, told)
        _tell(host, told | {"status": "needs_response"}, "updated")
        assert host.ledger() == [1000]
        _tell(host, told | {"status": "needs_response"}, "funds_withdrawn")
        assert host.ledger() == [1000, -1000]

    @pytest.mark.parametrize("won_first", [True, False])
    def test_B26_a_dispute_that_is_won_gives_the_credits_back_once(
        self, host: Host, won_first: bool
    ) -> None:
        purchase = _paid(host)
        told = dispute("pi_1", 1000)
        _tell(host, told)
        won = told | {"status": "won"}
        for kind in ("closed", "funds_reinstated") if won_first else ("funds_reinstated", "closed"):
            _tell(host, won, kind)
        assert _reasons(host)[1:] == [(-1000, "dispute"), (1000, "dispute_won")]
        assert host.purchase(purchase["id"])["status"] == "completed"

    def test_a_dispute_that_is_lost_keeps_them(self, host: Host) -> None:
        purchase = _paid(host)
        told = dispute("pi_1", 1000)
        _tell(host, told)
        _tell(host, told | {"status": "lost"}, "closed")
        assert host.ledger() == [1000, -1000]
        assert host.purchase(purchase["id"])["status"] == "disputed"
        (row,) = host.rows(host.credits.Dispute)
        assert row["status"] == "lost"

    def test_lost_takes_them_although_nothing_else_was_heard(self, host: Host) -> None:
        _paid(host)
        _tell(host, dispute("pi_1", 1000, withdrawals=0, status="lost"), "closed")
        assert host.ledger() == [1000, -1000]

    def test_a_lost_dispute_can_be_appealed_and_won(self, host: Host) -> None:
        _paid(host)
        told = dispute("pi_1", 1000)
        for status in ("lost", "appeal_needs_response", "appeal_under_review"):
            _tell(host, told | {"status": status}, "updated")
        assert host.balance() == 0
        _tell(host, told | {"status": "won"}, "closed")
        assert host.balance() == 1000

    @pytest.mark.parametrize("status", ["escalated_to_the_moon", None, 7, "", "x" * 300])
    def test_a_status_that_we_dont_know_decides_nothing(self, host: Host, status: Any) -> None:
        _paid(host)
        told = dispute("pi_1", 1000, withdrawals=0, status=status)
        _tell(host, told)
        assert host.ledger() == [1000]
        _tell(host, told | {"balance_transactions": [{"id": "txn_1"}]}, "updated")
        assert host.ledger() == [1000, -1000]

    @pytest.mark.parametrize("moved", [None, {}, "x", 5])
    def test_B31_without_a_list_of_transactions_the_events_tell(
        self, host: Host, moved: Any
    ) -> None:
        _paid(host)
        told = dispute("pi_1", 400) | {"balance_transactions": moved}
        _tell(host, told)
        assert host.ledger() == [1000]
        _tell(host, told, "funds_withdrawn")
        assert host.ledger() == [1000, -400]
        _tell(host, told, "funds_reinstated")
        assert host.balance() == 1000


class TestOrder:
    def test_I5_every_order_of_a_won_dispute_ends_the_same(self, host: Host) -> None:
        history = [
            ("created", {"balance_transactions": []}),
            ("funds_withdrawn", {}),
            ("updated", {"status": "under_review"}),
            ("closed", {"status": "won"}),
        ]
        for number, order in enumerate(itertools.permutations(history)):
            purchase = host.add_purchase(user_id=f"buyer {number}")
            host.pay(purchase, payment_intent=f"pi_{number}")
            told = dispute(f"pi_{number}", 1000)
            for kind, changes in order:
                _tell(host, told | changes, kind)
            assert host.balance(f"buyer {number}") == 1000, order
            (row,) = host.rows(host.credits.Dispute, stripe_dispute_id=told["id"])
            assert (row["status"], row["live_rank"]) == ("won", 29)

    @pytest.mark.parametrize(
        ("withdrawals", "status", "granted"),
        [(0, "warning_needs_response", [1000]), (1, "needs_response", []), (2, "won", [1000])],
    )
    def test_A10_a_dispute_before_the_completion_counts_while_its_funds_are_withdrawn(
        self, host: Host, withdrawals: int, status: str, granted: list[int]
    ) -> None:
        told = dispute("pi_1", 1000, withdrawals=withdrawals, status=status)
        assert _tell(host, told) == "kept"
        purchase = _paid(host)
        assert host.ledger() == granted
        assert purchase["status"] == ("completed" if granted else "disputed")
        assert purchase["credits_revoked"] == 1000 - sum(granted)


class TestBesideRefunds:
    def test_B27_together_they_take_no_more_than_everything(self, host: Host) -> None:
        purchase = _paid(host)
        host.post_event(event("refund.created", refund("pi_1", 700)))
        _tell(host, dispute("pi_1", 1000))
        assert _reasons(host)[1:] == [(-700, "refund"), (-300, "dispute")]
        row = host.purchase(purchase["id"])
        assert (row["status"], row["amount_refunded"], row["credits_revoked"]) == (
            "disputed",
            700,
            1000,
        )

    def test_B27_what_is_won_gives_back_only_what_no_refund_keeps(self, host: Host) -> None:
        _paid(host)
        told = dispute("pi_1", 1000)
        _tell(host, told)
        host.post_event(event("refund.created", refund("pi_1", 700)))
        assert host.balance() == 0
        _tell(host, told | {"status": "won"}, "closed")
        assert _reasons(host)[1:] == [(-1000, "dispute"), (300, "dispute_won")]

    def test_a_payment_that_becomes_known_late_brings_its_dispute(self, host: Host) -> None:
        purchase = host.add_purchase()
        host.pay(purchase, payment_intent=None)
        _tell(host, dispute("pi_1", 1000))
        host.pay(purchase, payment_intent="pi_1")
        assert _reasons(host)[1:] == [(-1000, "dispute")]


def test_B11_a_dispute_in_another_currency_is_for_somebody_to_look_at(host: Host) -> None:
    _paid(host)
    assert _tell(host, dispute("pi_1", 1000, currency="eur")) == "review"
    assert host.ledger() == [1000]
    assert host.rows(host.credits.Dispute) == []
    (row,) = host.rows(host.credits.WebhookEvent, verdict="review")
    assert row["type"] == "charge.dispute.created"


def test_a_dispute_without_a_payment_intent_is_ignored(host: Host) -> None:
    assert _tell(host, dispute("pi_1", 1000) | {"payment_intent": None}) == "ignored"
    assert host.rows(host.credits.Dispute) == []
