"""F16, I13: what is secret or personal stays out of logs, answers and representations."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.strict_json import parse_json
from flask_stripe_credits.stripe_objects import Event

from ..hosts import make_host
from ..payloads import checkout_session, encode, event, new_api_key, new_secret, sign
from .hostile import BAD_SIGNATURES, post


def _with_everything(records: list[logging.LogRecord]) -> str:
    formatter = logging.Formatter("%(message)s")
    return "\n".join(formatter.format(record) + repr(record.args) for record in records)


def test_F16_no_secret_header_or_body_reaches_logs_or_answers(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    mood = "accept"

    def receiver(grant: GrantSnapshot) -> None:
        if mood == "raise":
            raise RuntimeError("no")
        if mood == "refuse":
            raise host.credits.Refuse("no")

    api_key, old_secret = new_api_key(), new_secret()
    host = make_host(
        new_database("sqlite"),
        receiver=receiver,
        STRIPE_SECRET_KEY=api_key,
        STRIPE_WEBHOOK_SECRET_CREDITS=[old_secret, new_secret()],
    )
    in_body = secrets.token_hex(8)
    person = {"customer_details": {"email": f"{in_body}@shop.test", "name": in_body}}
    seen: list[str] = []

    def deliver(body: bytes, header: str | None) -> None:
        answer = post(host, body, header)
        seen.append(answer.get_data(as_text=True) + str(answer.headers))
        if header:
            hidden.update(part for part in header.split(",v1=")[1:] if len(part) == 64)

    hidden: set[str] = {api_key, old_secret, in_body}
    caplog.set_level(logging.DEBUG)
    for now in ("accept", "raise", "refuse"):
        mood = now
        purchase = host.add_purchase()
        body = encode(host.paid_event(purchase, **person))
        deliver(body, sign(body, old_secret))
    contradicting = [{"currency": "eur"}, {"id": "cs_test_strange"}, {"mode": "setup"}]
    for overrides in contradicting:
        body = encode(host.paid_event(host.add_purchase(), **person | overrides))
        deliver(body, sign(body, old_secret))
    for document in (
        event("customer.created", {"id": "cus_1"} | person),
        event("checkout.session.completed", {"no": "id"} | person),
        host.paid_event(purchase, **person) | {"livemode": True},
        host.paid_event(purchase, **person) | {"account": "acct_1"},
        {"object": "v2.core.event"} | person,
        [in_body],
    ):
        body = encode(document)
        deliver(body, sign(body, old_secret))
    for broken in (b'{"a": "' + in_body.encode(), in_body.encode() * 3, b"[" * 100_000):
        deliver(broken, sign(broken, old_secret))
    body = encode(host.paid_event(purchase, **person))
    for make in BAD_SIGNATURES.values():
        deliver(*make(body, old_secret))

    seen.append(_with_everything(caplog.records))
    seen.append(repr(host.state) + repr(host.state.settings) + repr(host.state.gateway))
    assert len(caplog.records) > len(BAD_SIGNATURES), "the log was really taken"
    leaks = {secret for secret in hidden for text in seen if secret in text}
    assert leaks == set()


def test_I13_an_event_doesnt_show_its_body() -> None:
    payload: dict[str, Any] = event("customer.created", {"id": "cus_1", "email": "a@shop.test"})
    shown = Event.from_payload(parse_json(json.dumps(payload).encode()))
    assert "a@shop.test" not in repr(shown)
    assert shown.payload == payload


def test_F17_nothing_about_the_payer_is_stored(new_database: Callable[[str], str]) -> None:
    host = make_host(new_database("sqlite"))
    marker = secrets.token_hex(8)
    session = checkout_session(
        host.add_purchase(),
        customer_details={"email": f"{marker}@shop.test", "name": marker, "phone": marker},
        shipping_details={"address": {"line1": marker}},
        custom_fields=[{"text": {"value": marker}}],
        customer_email=f"{marker}@shop.test",
    )
    assert host.post_event(event("checkout.session.completed", session)).status_code == 200
    assert host.ledger() == [1000]
    stored = [
        host.rows(getattr(host.credits, name))
        for name in ("Purchase", "Grant", "WebhookEvent", "AuditLog", "Payment", "Buyer")
    ]
    assert marker not in str(stored)
