"""Disputes: inquiries, money taken, money returned."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import ApiError, Sandbox

from .test_refunds import charge_of, pay, types_after

DISPUTED_CARD = "4000000000000259"
INQUIRED_CARD = "4000000000001976"


def moved(dispute: stripe.Dispute) -> list[int]:
    """Return what a dispute took (negative) and gave back."""
    return [transaction.amount for transaction in dispute.balance_transactions]


def test_a_dispute_takes_the_money(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent = pay(client, sandbox)
    id = sandbox.dispute(intent, 600, reason="product_not_received")["id"]
    dispute = client.v1.disputes.retrieve(id)
    assert (dispute.amount, dispute.currency, dispute.payment_intent) == (600, "usd", intent)
    assert (dispute.status, dispute.reason) == ("needs_response", "product_not_received")
    assert moved(dispute) == [-600]
    assert charge_of(client, intent).disputed
    assert types_after(sandbox, "charge.dispute.created") == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
    ]
    for event in sandbox.events()[-2:]:
        assert len(event["data"]["object"]["balance_transactions"]) == 1


def test_a_dispute_that_is_won_returns_the_money(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    id = sandbox.dispute(intent)["id"]
    sandbox.close_dispute(id, "won")
    dispute = client.v1.disputes.retrieve(id)
    assert (dispute.status, moved(dispute)) == ("won", [-1000, 1000])
    told = [
        (event["type"], event["data"]["object"]["status"])
        for event in sandbox.events()
        if event["type"].startswith("charge.dispute.")
    ]
    assert told[2:] == [
        ("charge.dispute.funds_reinstated", "needs_response"),
        ("charge.dispute.updated", "won"),
        ("charge.dispute.closed", "won"),
    ]
    # The charge is the merchant's again, and can be refunded.
    assert client.v1.refunds.create({"payment_intent": intent}).amount == 1000


def test_a_dispute_that_is_lost_moves_nothing_more_but_can_be_appealed(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = sandbox.dispute(pay(client, sandbox))["id"]
    sandbox.close_dispute(id, "lost")
    assert moved(client.v1.disputes.retrieve(id)) == [-1000]
    assert sandbox.events("charge.dispute.funds_reinstated") == []
    for refused in ("lost", "warning_closed"):
        with pytest.raises(ApiError, match="can't become"):
            sandbox.close_dispute(id, refused)  # type: ignore[arg-type]
    sandbox.close_dispute(id, "won")
    assert moved(client.v1.disputes.retrieve(id)) == [-1000, 1000]
    with pytest.raises(ApiError, match="can't become"):
        sandbox.close_dispute(id, "lost")
    assert moved(client.v1.disputes.retrieve(id)) == [-1000, 1000]


def test_the_merchant_gives_in_by_api(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    id = sandbox.dispute(pay(client, sandbox))["id"]
    assert client.v1.disputes.close(id).status == "lost"
    (closed,) = sandbox.events("charge.dispute.closed")
    assert closed["data"]["object"]["status"] == "lost"
    assert closed["request"]["id"].startswith("req_")
    with pytest.raises(stripe.InvalidRequestError, match="can't be closed"):
        client.v1.disputes.close(id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.disputes.retrieve("du_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_the_merchant_answers_by_api(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    id = sandbox.dispute(pay(client, sandbox))["id"]
    update = client.v1.disputes.update
    kept = update(id, {"evidence": {"receipt": "file_1"}, "metadata": {"a": "b"}, "submit": False})
    assert (kept.status, kept.evidence.receipt, kept.metadata["a"]) == (
        "needs_response",
        "file_1",
        "b",
    )
    sent = update(id, {"evidence": {"product_description": "credits"}})
    assert (sent.status, sent.evidence.receipt) == ("under_review", "file_1")
    assert (sent.evidence_details.has_evidence, sent.evidence_details.submission_count) == (True, 1)
    assert len(sandbox.events("charge.dispute.updated")) == 2
    sandbox.close_dispute(id, "won")
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        update(id, {"evidence": {"receipt": "file_2"}})
    assert client.v1.disputes.retrieve(id).evidence.receipt == "file_1"


def test_an_inquiry_is_closed_by_api_without_any_money(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = sandbox.dispute(pay(client, sandbox), inquiry=True)["id"]
    assert client.v1.disputes.close(id).status == "warning_closed"
    assert moved(client.v1.disputes.retrieve(id)) == []


def test_an_inquiry_moves_no_money_and_may_end_so(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    id = sandbox.dispute(intent, inquiry=True)["id"]
    dispute = client.v1.disputes.retrieve(id)
    assert (dispute.status, dispute.is_charge_refundable) == ("warning_needs_response", True)
    assert moved(dispute) == []
    assert client.v1.refunds.create({"payment_intent": intent, "amount": 100}).amount == 100
    with pytest.raises(ApiError, match="can't become"):
        sandbox.close_dispute(id, "won")
    assert sandbox.close_dispute(id, "warning_closed")["status"] == "warning_closed"
    assert moved(client.v1.disputes.retrieve(id)) == []
    types = types_after(sandbox, "charge.dispute.created")
    assert not [type for type in types if "funds" in type]
    with pytest.raises(ApiError, match="isn't an open inquiry"):
        sandbox.escalate(id)


def test_an_inquiry_escalates(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    id = sandbox.dispute(pay(client, sandbox), inquiry=True)["id"]
    sandbox.escalate(id)
    dispute = client.v1.disputes.retrieve(id)
    assert (dispute.status, dispute.is_charge_refundable) == ("needs_response", False)
    assert moved(dispute) == [-1000]
    assert types_after(sandbox, "charge.dispute.created") == [
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
    ]
    with pytest.raises(ApiError, match="isn't an open inquiry"):
        sandbox.escalate(id)


def test_a_charge_that_was_charged_back_cannot_be_refunded(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    sandbox.dispute(intent)
    with pytest.raises(stripe.InvalidRequestError, match="charged back") as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_disputed"
    assert sandbox.objects("refund") == []


def test_a_refund_and_a_dispute_may_overlap(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent = pay(client, sandbox)
    sandbox.refund(intent)
    assert sandbox.dispute(intent)["amount"] == 1000
    for nothing in ("pi_none", sandbox.objects("charge")[0]["id"]):
        with pytest.raises(ApiError, match="No such payment_intent"):
            sandbox.dispute(nothing)


def test_disputes_are_listed_by_payment_charge_and_time(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    first, second = pay(client, sandbox), pay(client, sandbox)
    old = sandbox.dispute(first)
    sandbox.advance(3600)
    new = sandbox.dispute(second, inquiry=True)
    filters: list[Any] = [
        {"payment_intent": first},
        {"charge": old["charge"]},
        {"created": {"lte": old["created"]}},
        {"starting_after": new["id"]},
    ]
    for params in filters:
        assert [dispute.id for dispute in client.v1.disputes.list(params).data] == [old["id"]]
    assert [dispute.id for dispute in client.v1.disputes.list().data] == [new["id"], old["id"]]


def test_cards_that_are_disputed_by_themselves(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    taken = sandbox.objects("dispute")
    assert taken == []
    intent = pay(client, sandbox, DISPUTED_CARD)
    inquired = pay(client, sandbox, INQUIRED_CARD)
    disputes = client.v1.disputes.list({"payment_intent": intent}).data
    assert [moved(dispute) for dispute in disputes] == [[-1000]]
    disputes = client.v1.disputes.list({"payment_intent": inquired}).data
    assert [moved(dispute) for dispute in disputes] == [[]]
    types = [event["type"] for event in sandbox.events()]
    assert types.index("charge.dispute.created") > types.index("checkout.session.completed")
