"""Events by API: which were taken, and sending them again."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import new_client, new_key
from .receiver import Receiver


def retry(sandbox: Sandbox, event_id: str, **params: str) -> requests.Response:
    """Send an event again, as ``stripe events resend`` does: the library has no method for it."""
    return requests.post(
        f"{sandbox.url}/v1/events/{event_id}/retry",
        data=params,
        headers={"Authorization": f"Bearer {new_key()}"},
        timeout=30,
    )


def listed(client: stripe.StripeClient, **params: Any) -> list[str]:
    return [event.type for event in client.v1.events.list({"limit": 100, **params}).data]  # type: ignore[typeddict-item]


def test_events_are_told_apart_by_whether_they_were_taken(receiver: Receiver) -> None:
    with Sandbox(retry_after_seconds=()) as sandbox:
        client = new_client(sandbox.start(deliver=False))
        client.v1.products.create({"name": "Nobody hears of it"})
        sandbox.register_webhook(receiver.url)
        receiver.statuses = [200, 500]
        client.v1.customers.create({"email": "a@example.com"})
        assert listed(client, delivery_success=False) == ["customer.created"]
        sandbox.deliver_pending()
        client.v1.products.create({"name": "Pack"})
        sandbox.deliver_pending()
        assert listed(client, delivery_success=True) == ["customer.created", "product.created"]
        assert listed(client, delivery_success=False) == ["product.created"]
        assert listed(client, delivery_success=False, type="customer.*") == []
        failed = client.v1.events.list({"delivery_success": False}).data[0]
        assert failed.pending_webhooks == 1
        # Sent again, it is taken: the failure of before doesn't count any more.
        assert retry(sandbox, failed.id).json()["pending_webhooks"] == 1
        sandbox.deliver_pending()
        assert listed(client, delivery_success=False) == []
        assert client.v1.events.retrieve(failed.id).pending_webhooks == 0
        assert receiver.received.qsize() == 3


def test_an_event_is_sent_again_to_one_endpoint_or_to_all_that_want_it(sandbox: Sandbox) -> None:
    with_all, with_none = Receiver(), Receiver()
    try:
        client = new_client(sandbox)
        every = client.v1.webhook_endpoints.create({"url": with_all.url, "enabled_events": ["*"]})
        other = client.v1.webhook_endpoints.create(
            {"url": with_none.url, "enabled_events": ["charge.refunded"]}
        )
        client.v1.products.create({"name": "Pack"})
        (event,) = sandbox.events("product.created")
        sandbox.deliver_pending()
        assert (with_all.received.qsize(), with_none.received.qsize()) == (1, 0)
        assert retry(sandbox, event["id"], for_stripecli="true").status_code == 200
        sandbox.deliver_pending()
        assert (with_all.received.qsize(), with_none.received.qsize()) == (2, 0)
        assert retry(sandbox, event["id"], webhook_endpoint=other.id).status_code == 200
        sandbox.deliver_pending()
        assert (with_all.received.qsize(), with_none.received.qsize()) == (2, 1)
        client.v1.webhook_endpoints.update(every.id, {"disabled": True})
        for params in ({"webhook_endpoint": every.id}, {"webhook_endpoint": "we_none"}):
            refused = retry(sandbox, event["id"], **params)
            assert refused.status_code == 400
            assert refused.json()["error"]["param"] == "webhook_endpoint"
        assert retry(sandbox, "evt_none").status_code == 404
        assert sandbox.deliver_pending() == 0
    finally:
        with_all.stop()
        with_none.stop()


def test_pages_hold_every_event_once(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    for number in range(7):
        client.v1.products.create({"name": f"Pack {number}"})
    expected = [event["id"] for event in sandbox.events()][::-1]
    paged = client.v1.events.list({"limit": 3}).auto_paging_iter()
    assert [event.id for event in paged] == expected
    backwards = client.v1.events.list({"limit": 3, "ending_before": expected[-1]})
    assert [event.id for event in backwards.auto_paging_iter()] == expected[:-1][::-1]
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        client.v1.events.list({"type": "a.b", "types": ["a.b"]})
