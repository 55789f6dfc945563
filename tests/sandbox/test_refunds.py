"""Refunds: by API, by the dashboard's hand, and what the bank does with them later."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import ApiError, Sandbox

from .conftest import open_session

PENDING_CARD = "4000000000007726"
FAILING_CARD = "4000000000005126"


def pay(client: stripe.StripeClient, sandbox: Sandbox, card: str = "4242424242424242") -> str:
    """Return the payment intent of a session that was just paid with ten dollars."""
    id = open_session(client).id
    intent: str = sandbox.pay(id, card).session["payment_intent"]
    return intent


def charge_of(client: stripe.StripeClient, intent: str) -> stripe.Charge:
    return client.v1.charges.list({"payment_intent": intent}).data[0]


def types_after(sandbox: Sandbox, event_type: str) -> list[str]:
    """Return the types of the events from the first ``event_type`` on."""
    types = [event["type"] for event in sandbox.events()]
    return types[types.index(event_type) :]


def test_a_refund_is_full_unless_told_otherwise(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    refund = client.v1.refunds.create({"payment_intent": intent, "reason": "duplicate"})
    charge = charge_of(client, intent)
    assert (refund.amount, refund.currency, refund.status) == (1000, "usd", "succeeded")
    assert (refund.charge, refund.payment_intent, refund.reason) == (
        charge.id,
        intent,
        "duplicate",
    )
    assert (charge.amount_refunded, charge.refunded) == (1000, True)
    assert client.v1.refunds.retrieve(refund.id).to_dict() == refund.to_dict()
    assert types_after(sandbox, "refund.created") == ["refund.created", "charge.refunded"]


def test_parts_add_up_on_the_charge_and_in_its_events(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    charge_id = charge_of(client, intent).id
    client.v1.refunds.create({"charge": charge_id, "amount": 300})
    client.v1.refunds.create({"payment_intent": intent, "amount": 500})
    charge = charge_of(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (800, False)
    rest = client.v1.refunds.create({"payment_intent": intent})
    assert rest.amount == 200
    told = [
        (event["data"]["object"]["amount_refunded"], event["data"]["previous_attributes"])
        for event in sandbox.events("charge.refunded")
    ]
    assert told == [
        (300, {"amount_refunded": 0}),
        (800, {"amount_refunded": 300}),
        (1000, {"amount_refunded": 800, "refunded": False}),
    ]


@pytest.mark.parametrize(
    ("params", "code", "param", "words"),
    [
        ({"amount": 1001}, None, "amount", r"Refund amount \(\$10.01\) is greater than unrefunded"),
        ({"amount": 0}, "parameter_invalid_integer", "amount", "greater than or equal to 1"),
        ({"amount": -5}, "parameter_invalid_integer", "amount", "greater than or equal to 1"),
        ({"reason": "regret"}, None, "reason", "Invalid reason"),
        ({"payment_intent": "pi_none"}, "resource_missing", "payment_intent", "No such"),
        ({"charge": "ch_none"}, None, None, "only specify one"),
        ({"colour": "red"}, "parameter_unknown", "colour", "unknown parameter"),
        ({"reverse_transfer": "true"}, None, "reverse_transfer", "doesn't imitate"),
    ],
)
def test_a_wrong_request_is_refused_in_stripes_words_and_refunds_nothing(
    client: stripe.StripeClient,
    sandbox: Sandbox,
    params: dict[str, Any],
    code: str | None,
    param: str | None,
    words: str,
) -> None:
    intent = pay(client, sandbox)
    given: Any = {"payment_intent": intent, **params}
    with pytest.raises(stripe.InvalidRequestError, match=words) as refused:
        client.v1.refunds.create(given)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert sandbox.objects("refund") == []
    assert charge_of(client, intent).amount_refunded == 0


def test_what_was_refunded_already_cannot_be_refunded_again(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    client.v1.refunds.create({"payment_intent": intent})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    nothing: Any = {}
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent or charge"):
        client.v1.refunds.create(nothing)
    assert len(sandbox.objects("refund")) == 1


def test_a_payment_without_a_charge_has_nothing_to_refund(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    declined = open_session(client).id
    intent = sandbox.pay(declined, "4000000000000002").session["payment_intent"]
    held = open_session(client, payment_intent_data={"capture_method": "manual"}).id
    for unpaid in (intent, sandbox.pay(held).session["payment_intent"]):
        with pytest.raises(stripe.InvalidRequestError, match="successful charge to refund"):
            client.v1.refunds.create({"payment_intent": unpaid})
    with pytest.raises(stripe.InvalidRequestError, match="No such charge"):
        client.v1.refunds.create({"charge": "ch_none"})


def test_nothing_is_no_amount(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent = pay(client, sandbox)
    for amount in (0, -1):
        with pytest.raises(ApiError, match="greater than or equal to 1"):
            sandbox.refund(intent, amount)
        with pytest.raises(ApiError, match="greater than or equal to 1"):
            sandbox.dispute(intent, amount)
    assert sandbox.objects("refund") == sandbox.objects("dispute") == []


def test_the_same_key_refunds_once(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent = pay(client, sandbox)
    options: Any = {"idempotency_key": "refund-1"}
    params: Any = {"payment_intent": intent, "amount": 100}
    first = client.v1.refunds.create(params, options)
    assert client.v1.refunds.create(params, options).id == first.id
    assert charge_of(client, intent).amount_refunded == 100


def test_a_refund_that_fails_after_it_succeeded_is_undone(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    refund = sandbox.refund(intent, 400)
    sandbox.settle_refund(refund["id"], "failed")
    failed = client.v1.refunds.retrieve(refund["id"], {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "unknown")
    back: Any = failed.failure_balance_transaction
    assert (back.amount, back.type) == (400, "refund_failure")
    charge = charge_of(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert types_after(sandbox, "refund.created") == [
        "refund.created",
        "charge.refunded",
        "refund.updated",
        "charge.refund.updated",
        "refund.failed",
    ]
    (event,) = sandbox.events("refund.failed")
    assert event["data"]["object"]["status"] == "failed"
    assert event["data"]["previous_attributes"]["status"] == "succeeded"


def test_a_pending_refund_is_settled_once(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent = pay(client, sandbox)
    ended: Any
    for ended in ("succeeded", "failed", "canceled"):
        refund = sandbox.refund(intent, 250, status="pending")
        assert (refund["status"], refund["pending_reason"]) == ("pending", "processing")
        # What is on its way already counts.
        assert charge_of(client, intent).amount_refunded == 250
        refund = sandbox.settle_refund(refund["id"], ended)
        assert refund["status"] == ended
        assert "pending_reason" not in refund
        if ended == "succeeded":
            sandbox.settle_refund(refund["id"], "failed")
        else:
            with pytest.raises(ApiError, match="can't become"):
                sandbox.settle_refund(refund["id"], "succeeded")
        assert charge_of(client, intent).amount_refunded == 0
    updates = sandbox.events("refund.updated")
    assert [event["data"]["object"]["status"] for event in updates] == [
        "succeeded",
        "failed",
        "failed",
        "canceled",
    ]
    assert len(sandbox.events("refund.failed")) == 2


def test_only_a_refund_that_waits_for_the_buyer_can_be_canceled_by_api(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = pay(client, sandbox)
    waiting = sandbox.refund(intent, 100, status="requires_action")
    assert client.v1.refunds.cancel(waiting["id"]).status == "canceled"
    assert charge_of(client, intent).amount_refunded == 0
    for id in (waiting["id"], sandbox.refund(intent, status="pending")["id"]):
        with pytest.raises(stripe.InvalidRequestError, match="can't be canceled"):
            client.v1.refunds.cancel(id)


def test_metadata_is_merged_and_told(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    metadata = {"ticket": "1", "by": "ada"}
    refund = client.v1.refunds.create(
        {"payment_intent": pay(client, sandbox), "metadata": metadata}
    )
    updated = client.v1.refunds.update(refund.id, {"metadata": {"by": "", "seen": "yes"}})
    assert updated.metadata is not None
    assert updated.metadata.to_dict() == {"ticket": "1", "seen": "yes"}
    client.v1.refunds.update(refund.id, {"metadata": {"seen": "yes"}})
    (event,) = sandbox.events("refund.updated")
    assert event["data"]["previous_attributes"] == {"metadata": metadata}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.update("re_none", {"metadata": {}})
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_refunds_are_listed_by_payment_charge_and_time(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    first, second = pay(client, sandbox), pay(client, sandbox)
    ids = [sandbox.refund(first, 100)["id"] for _ in range(3)]
    sandbox.advance(3600)
    other = sandbox.refund(second)
    listed = client.v1.refunds.list({"payment_intent": first})
    assert [refund.id for refund in listed] == ids[::-1]
    assert [refund.id for refund in client.v1.refunds.list({"charge": other["charge"]}).data] == [
        other["id"]
    ]
    since: Any = {"created": {"gte": other["created"] - 60}}
    assert [refund.id for refund in client.v1.refunds.list(since)] == [other["id"]]
    before: Any = {"created": {"lt": other["created"] - 60}, "limit": 2}
    page = client.v1.refunds.list(before)
    assert page.has_more
    assert [refund.id for refund in page.auto_paging_iter()] == ids[::-1]


def test_cards_whose_refunds_are_slow_or_fail(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    slow = client.v1.refunds.create({"payment_intent": pay(client, sandbox, PENDING_CARD)})
    assert slow.status == "pending"
    intent = pay(client, sandbox, FAILING_CARD)
    refund = client.v1.refunds.create({"payment_intent": intent})
    # As with Stripe, whoever asks hears that it succeeded.
    assert refund.status == "succeeded"
    assert client.v1.refunds.retrieve(refund.id).status == "failed"
    assert charge_of(client, intent).amount_refunded == 0
