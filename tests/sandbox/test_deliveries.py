from __future__ import annotations

import json
import secrets
import socket
from dataclasses import dataclass, field

import pytest
import stripe

from flask_stripe_credits.sandbox import ApiError, Sandbox
from flask_stripe_credits.sandbox.transport import LONGEST_BODY, WebhookAnswer, WebhookRequest

from .conftest import new_client, open_session
from .receiver import Receiver


@dataclass
class Recorder:
    """A transport that goes nowhere: answers ``statuses`` one by one, then 200."""

    statuses: list[int] = field(default_factory=list)
    sent: list[WebhookRequest] = field(default_factory=list)

    def send(self, request: WebhookRequest, timeout_seconds: float) -> WebhookAnswer:
        self.sent.append(request)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            raise TimeoutError("timed out")
        return WebhookAnswer(status)

    def abort(self) -> None: ...


def completed(sandbox: Sandbox) -> str:
    (event,) = sandbox.events("checkout.session.completed")
    return str(event["id"])


def pay(sandbox: Sandbox) -> str:
    """Open and pay a session; return its id."""
    id = open_session(new_client(sandbox)).id
    sandbox.pay(id)
    return id


def test_the_library_accepts_what_is_delivered(sandbox: Sandbox, receiver: Receiver) -> None:
    secret = "whsec_" + secrets.token_hex(16)
    sandbox.register_webhook(
        receiver.url + "/hook?x=1", secret=secret, enabled_events=["checkout.session.completed"]
    )
    session_id = pay(sandbox)
    request = receiver.received.get(timeout=30)
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.headers["User-Agent"] == "Stripe/1.0 (sandbox)"
    event = stripe.Webhook.construct_event(
        request.body, request.headers["Stripe-Signature"], secret
    )
    assert event.id == completed(sandbox)
    assert event.type == "checkout.session.completed"
    assert (event.livemode, event.api_version) == (False, stripe.api_version)
    assert event.data.object["id"] == session_id
    assert event.data.object["payment_status"] == "paid"
    body = json.loads(request.body)
    assert body["pending_webhooks"] == 1
    assert set(body["request"]) == {"id", "idempotency_key"}
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(
            request.body + b" ", request.headers["Stripe-Signature"], secret
        )
    assert receiver.received.empty()


def test_a_payment_tells_of_everything_that_happened(sandbox: Sandbox) -> None:
    id = open_session(new_client(sandbox)).id
    sandbox.pay(id, card="4000000000000002")
    sandbox.pay(id)
    assert [event["type"] for event in sandbox.events()] == [
        "product.created",
        "price.created",
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_a_failed_delivery_is_retried_after_1_5_and_25_seconds() -> None:
    recorder = Recorder(statuses=[500, 0, 302])
    with Sandbox(transport=recorder) as sandbox:
        sandbox.start(deliver=False)
        sandbox.register_webhook(
            "http://127.0.0.1:9/hook", enabled_events=["checkout.session.completed"]
        )
        pay(sandbox)
        assert len(recorder.sent) == 1
        for wait, expected in ((0.5, 1), (0.6, 2), (4, 2), (1.1, 3), (24, 3), (1.1, 4), (99, 4)):
            sandbox.advance(wait)
            sandbox.deliver_pending()
            assert len(recorder.sent) == expected
        (delivery,) = sandbox.deliveries()
        assert delivery.state == "delivered"
        assert [attempt.status for attempt in delivery.attempts] == [500, None, 302, 200]
        assert delivery.attempts[1].error == "timed out"
        bodies = [json.loads(request.body) for request in recorder.sent]
        assert {body["id"] for body in bodies} == {completed(sandbox)}
        signatures = [request.headers["Stripe-Signature"] for request in recorder.sent]
        assert len({signature.split(",")[0] for signature in signatures}) == 4


def test_a_delivery_is_given_up_after_four_attempts() -> None:
    recorder = Recorder(statuses=[500] * 9)
    with Sandbox(transport=recorder, retry_after_seconds=(0, 0, 0)) as sandbox:
        sandbox.start(deliver=False)
        sandbox.register_webhook(
            "http://127.0.0.1:9/", enabled_events=["checkout.session.completed"]
        )
        pay(sandbox)
        (delivery,) = sandbox.deliveries()
        assert (delivery.state, len(delivery.attempts)) == ("failed", 4)
        recorder.statuses.clear()
        sandbox.resend(completed(sandbox))
        assert sandbox.deliver_pending() == 1
        assert [delivery.state for delivery in sandbox.deliveries()] == ["failed", "delivered"]
        with pytest.raises(KeyError):
            sandbox.resend("evt_none")


def test_threads_deliver_and_retry_by_themselves(receiver: Receiver) -> None:
    receiver.statuses = [500, 503]
    with Sandbox(retry_after_seconds=(0.01, 0.01, 0.01)) as sandbox:
        sandbox.start()
        sandbox.register_webhook(receiver.url, enabled_events=["checkout.session.completed"])
        pay(sandbox)
        assert sandbox.wait_idle(5)
        (delivery,) = sandbox.deliveries(completed(sandbox))
        assert [attempt.status for attempt in delivery.attempts] == [500, 503, 200]
        events = new_client(sandbox).v1.events
        assert events.retrieve(completed(sandbox)).pending_webhooks == 0


def test_an_endpoint_that_is_not_there_or_too_slow_fails(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with Sandbox(timeout_seconds=0.2, retry_after_seconds=()) as sandbox:
            sandbox.start(deliver=False)
            wanted = ["checkout.session.completed"]
            sandbox.register_webhook(f"http://127.0.0.1:{port}/", enabled_events=wanted)
            sandbox.register_webhook("http://127.0.0.1:1/", enabled_events=wanted)
            sandbox.register_webhook(receiver.url, enabled_events=wanted)
            receiver.statuses = [302]
            pay(sandbox)
            deliveries = sandbox.deliveries()
            assert {delivery.state for delivery in deliveries} == {"failed"}
            statuses = [attempt.status for one in deliveries for attempt in one.attempts]
            assert sorted(statuses, key=str) == [302, None, None]


def test_stopping_does_not_wait_for_a_slow_endpoint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sandbox = Sandbox().start()
        sandbox.register_webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        open_session(new_client(sandbox))
        connection, _ = silent.accept()
        sandbox.stop()
        connection.close()


def test_endpoints_are_made_changed_and_removed_by_api(
    client: stripe.StripeClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    endpoints = client.v1.webhook_endpoints
    made = endpoints.create(
        {
            "url": receiver.url,
            "enabled_events": ["checkout.session.completed"],
            "api_version": "2025-09-30.clover",
        }
    )
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert "secret" not in endpoints.retrieve(made.id)
    assert [one.id for one in endpoints.list().data] == [made.id]
    pay(sandbox)
    request = receiver.received.get(timeout=30)
    event = stripe.Webhook.construct_event(
        request.body, request.headers["Stripe-Signature"], made.secret
    )
    assert event.api_version == "2025-09-30.clover"
    assert endpoints.update(made.id, {"disabled": True}).status == "disabled"
    pay(sandbox)
    assert endpoints.delete(made.id).deleted is True
    assert receiver.received.empty()


@pytest.mark.parametrize(
    "url", ["http://example.com/hook", "http://10.0.0.1/", "http://127.0.0.1.example.com/"]
)
def test_events_stay_on_this_machine(
    client: stripe.StripeClient, sandbox: Sandbox, url: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="this machine"):
        client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
    with pytest.raises(ApiError):
        sandbox.register_webhook(url)
    assert sandbox.objects("webhook_endpoint") == []


def test_registering_the_same_url_again_updates_it(sandbox: Sandbox) -> None:
    secret = "whsec_" + secrets.token_hex(16)
    first = sandbox.register_webhook("http://localhost:5000/hook")
    assert sandbox.register_webhook("http://localhost:5000/hook") == first
    assert sandbox.register_webhook("http://localhost:5000/hook", secret=secret) == secret
    assert len(sandbox.objects("webhook_endpoint")) == 1


def test_events_are_listed_by_type_and_time(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    pay(sandbox)
    events = client.v1.events
    completed_id = completed(sandbox)
    assert [event.id for event in events.list({"type": "checkout.session.*"}).data] == [
        completed_id
    ]
    found = events.list({"types": ["charge.succeeded", "price.created"], "limit": 1})
    assert ([event.type for event in found.data], found.has_more) == (["charge.succeeded"], True)
    assert events.list({"created": {"lt": sandbox.clock.now() - 60}}).data == []
    assert events.retrieve(completed_id).request is not None


def test_the_log_keeps_the_beginning_of_the_answer(sandbox: Sandbox, receiver: Receiver) -> None:
    client = new_client(sandbox)
    receiver.answers = [b'{"detail": "no usable secret"}', b"x" * 5_000]
    sandbox.register_webhook(receiver.url, enabled_events=["customer.created"])
    for _ in receiver.answers.copy():
        client.v1.customers.create({})
        sandbox.deliver_pending()
    first, second = (delivery.attempts[0] for delivery in sandbox.deliveries())
    assert (first.status, first.answer) == (200, '{"detail": "no usable secret"}')
    assert second.answer == "x" * LONGEST_BODY
