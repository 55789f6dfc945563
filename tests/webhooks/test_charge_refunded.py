"""``charge.refunded`` says that refunds changed and, on today's API, not which: Stripe is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..hosts import Host, make_host
from ..payloads import event, refund
from ..stripe_stub import StripeStub
from .hostile import nothing_written


@pytest.fixture
def asking(database_url: str, stub: StripeStub, quick_retries: None) -> Host:
    """A host whose Stripe is a stub, with a purchase that ``pi_1`` paid."""
    host = make_host(database_url, STRIPE_CREDITS_API_BASE=stub.url)
    assert host.pay(host.add_purchase(), payment_intent="pi_1").status_code == 200
    return host


def _charge(amount_refunded: int, **values: Any) -> dict[str, Any]:
    return event(
        "charge.refunded",
        {
            "id": "ch_1",
            "object": "charge",
            "amount": 1000,
            "amount_refunded": amount_refunded,
            "payment_intent": "pi_1",
        }
        | values,
    )


def _list(*refunds: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": list(refunds), "has_more": False, "url": "/v1/refunds"}


def test_the_refunds_are_asked_for(asking: Host, stub: StripeStub) -> None:
    stub.answer(_list(refund("pi_1", 300), refund("pi_1", 200, status="failed")))
    answer = asking.post_event(_charge(300))
    assert (answer.status_code, answer.json["verdict"]) == (200, "handled")
    assert asking.ledger() == [1000, -300]
    ((call, _, _),) = stub.requests
    assert call == "GET /v1/refunds?payment_intent=pi_1&limit=100"


def test_nothing_is_asked_when_all_of_it_is_known(asking: Host, stub: StripeStub) -> None:
    asking.post_event(event("refund.created", refund("pi_1", 300)))
    assert asking.post_event(_charge(300)).status_code == 200
    assert (asking.ledger(), stub.requests) == ([1000, -300], [])
    stub.answer(_list(refund("pi_1", 400), refund("pi_1", 300, status="failed")))
    asking.post_event(_charge(700))
    assert (asking.ledger(), len(stub.requests)) == ([1000, -300, -400], 1)


def test_S10_a_list_that_lacks_the_newest_refund_is_asked_for_again(
    asking: Host, stub: StripeStub
) -> None:
    first, second = refund("pi_1", 300), refund("pi_1", 400)
    stub.answer(_list(first))
    answer = asking.post_event(_charge(700))
    assert (answer.status_code, asking.ledger()) == (503, [1000])
    stub.answer(_list(first, second))
    assert asking.post_event(_charge(700)).status_code == 200
    assert asking.ledger() == [1000, -700]


def test_B31_before_there_were_refund_events_a_sum_doesnt_say_which_refunds_it_is(
    asking: Host, stub: StripeStub
) -> None:
    failing, other = refund("pi_1", 500), refund("pi_1", 500)
    asking.post_event(event("charge.refund.updated", failing | {"status": "pending"}))
    stub.answer(_list(failing | {"status": "failed"}, other))
    old = _charge(500) | {"api_version": "2023-10-16"}
    assert asking.post_event(old).status_code == 200
    asking.post_event(event("charge.refund.updated", failing | {"status": "failed"}))
    assert (asking.balance(), len(stub.requests)) == (500, 1)


def test_B31_an_old_event_brings_its_refunds_along(asking: Host, stub: StripeStub) -> None:
    old = [refund("pi_1", 300), refund("pi_1", 100)]
    for told in old:
        del told["payment_intent"]
    assert asking.post_event(_charge(400, refunds=_list(*old))).status_code == 200
    assert (asking.ledger(), stub.requests) == ([1000, -400], [])


def test_B31_a_page_of_refunds_is_not_all_of_them(asking: Host, stub: StripeStub) -> None:
    told = [refund("pi_1", 300), refund("pi_1", 100)]
    stub.answer(_list(*told))
    page = _list(told[0]) | {"has_more": True}
    assert asking.post_event(_charge(400, refunds=page)).status_code == 200
    assert (asking.ledger(), len(stub.requests)) == ([1000, -400], 1)


@pytest.mark.parametrize("status", [500, 503, 429, 400, 403, 401])
def test_D02_while_stripe_cant_be_asked_it_has_to_deliver_again(
    asking: Host, stub: StripeStub, status: int
) -> None:
    stub.answer({"error": {"type": "api_error", "message": "no"}}, status)
    document = _charge(300)
    answer = asking.post_event(document)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert asking.ledger() == [1000]
    (row,) = asking.rows(asking.credits.WebhookEvent, verdict="failed")
    assert row["stripe_event_id"] == document["id"]
    stub.answer(_list(refund("pi_1", 300)))
    assert asking.post_event(document).status_code == 200
    assert asking.ledger() == [1000, -300]
    assert asking.rows(asking.credits.WebhookEvent, verdict="failed") == []


def test_a_payment_that_stripe_doesnt_know_has_no_refunds(asking: Host, stub: StripeStub) -> None:
    stub.answer({"error": {"type": "invalid_request_error", "code": "resource_missing"}}, 404)
    answer = asking.post_event(_charge(300))
    assert (answer.status_code, answer.json["verdict"]) == (200, "ignored")
    assert asking.ledger() == [1000]


def test_A09_it_is_kept_for_a_purchase_that_is_not_paid_yet(asking: Host, stub: StripeStub) -> None:
    stub.answer(_list(refund("pi_2", 400)))
    assert asking.post_event(_charge(400, payment_intent="pi_2")).json["verdict"] == "kept"
    asking.pay(asking.add_purchase(user_id="bob"), payment_intent="pi_2")
    assert asking.ledger("bob") == [600]


@pytest.mark.parametrize("payment_intent", [None, 7, "", "../x", {"id": None}])
def test_a_charge_without_a_payment_intent_is_ignored(
    asking: Host, stub: StripeStub, payment_intent: Any
) -> None:
    with nothing_written(asking):
        answer = asking.post_event(_charge(400, payment_intent=payment_intent))
    assert (answer.status_code, answer.json["verdict"], stub.requests) == (200, "ignored", [])


@pytest.mark.parametrize("refunds", [[], "x", {"data": "x", "has_more": False}, {"data": None}])
def test_B31_refunds_of_no_known_shape_are_asked_for(
    asking: Host, stub: StripeStub, refunds: Any
) -> None:
    stub.answer(_list(refund("pi_1", 300)))
    assert asking.post_event(_charge(300, refunds=refunds)).status_code == 200
    assert (asking.ledger(), len(stub.requests)) == ([1000, -300], 1)


def test_I14_no_transaction_is_open_while_stripe_is_asked(
    asking: Host, stub: StripeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asking.app.app_context():
        pool = asking.db.engine.pool
    out: list[int] = []
    ask = asking.state.gateway.list_refunds_of

    def looking(payment_intent_id: str) -> Any:
        out.append(pool.checkedout())  # type: ignore[attr-defined]
        return ask(payment_intent_id)

    monkeypatch.setattr(asking.state.gateway, "list_refunds_of", looking)
    stub.answer(json.dumps(_list(refund("pi_1", 300))).encode())
    assert asking.post_event(_charge(300)).status_code == 200
    assert (out, asking.ledger()) == ([0], [1000, -300])
