"""What Stripe knows of purchases and the app doesn't."""

from __future__ import annotations

from typing import Any

import pytest

from flask_stripe_credits.doctor import Level
from flask_stripe_credits.sandbox import Sandbox, events
from flask_stripe_credits.testing import in_process

from ..hosts import PREFIX, Host
from .examined import level, only

CHECKS = ("undelivered_events", "unrecorded_payments")


def buy(host: Host) -> str:
    """Open a checkout; return its session's id."""
    answer = host.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert answer.status_code == 201, answer.json
    return str(answer.json["session_id"])


@pytest.fixture
def refusing(own_shop: Host, sandbox: Sandbox) -> Host:
    """A shop whose endpoint at Stripe is signed with another secret."""
    transport = in_process.InProcessTransport(own_shop.app)
    sandbox.courier._transport = transport
    sandbox.register_webhook(f"http://127.0.0.1:5000{PREFIX}/webhook")
    return own_shop


def test_nothing_was_missed(own_shop: Host) -> None:
    assert {level(own_shop, id) for id in CHECKS} == {Level.OK}


def test_G05_payments_and_events_that_did_not_arrive(refusing: Host, sandbox: Sandbox) -> None:
    session_id = buy(refusing)
    sandbox.pay(session_id)
    sandbox.deliver_pending()
    # A moment ago: they may still be on their way.
    assert {level(refusing, id) for id in CHECKS} == {Level.OK}
    sandbox.advance(600)
    found = only(refusing, "unrecorded_payments")
    assert (found.level, found.command) == (Level.ERROR, "flask credits reconcile --apply")
    assert found.found == f"1 of the newest payments aren't recorded here: {session_id}"
    found = only(refusing, "undelivered_events")
    assert (found.level, found.command) == (Level.ERROR, "flask credits replay --since 3d")
    assert "1 of the newest events about this app didn't arrive" in found.found
    assert "10 minutes ago: checkout.session.completed (evt_" in found.found
    result = refusing.app.test_cli_runner().invoke(args=found.command.split()[1:])
    assert result.exit_code == 0, result.output
    assert {level(refusing, id) for id in CHECKS} == {Level.OK}
    refusing.assert_exact()
    assert refusing.balance() == 1000


def test_a_refund_that_nobody_heard_of(refusing: Host, sandbox: Sandbox) -> None:
    purchase = refusing.add_purchase()
    refusing.pay(purchase)
    intent = refusing.purchase(purchase["id"])["stripe_payment_intent_id"]
    for about, expected in (("pi_of_another_app", Level.OK), (intent, Level.ERROR)):
        refund = {"id": f"re_{about}", "object": "refund", "payment_intent": about}
        with sandbox.store.transaction():
            events.record(sandbox._world, "refund.created", refund)
        sandbox.deliver_pending()
        sandbox.advance(600)
        assert level(refusing, "undelivered_events") is expected


def test_what_another_app_at_the_account_missed_is_not_ours(
    refusing: Host, sandbox: Sandbox
) -> None:
    session_id = buy(refusing)
    session: Any = sandbox.store.get("checkout.session", session_id)
    sandbox.store.save({**session, "metadata": {"flask_stripe_credits": "elsewhere"}})
    sandbox.pay(session_id)
    sandbox.deliver_pending()
    sandbox.advance(600)
    assert {level(refusing, id) for id in CHECKS} == {Level.OK}


@pytest.mark.parametrize(
    ("path", "id"),
    [("GET /v1/events", "undelivered_events"), ("GET /v1/webhook_endpoints", "webhook_endpoint")],
)
def test_a_restricted_key_that_may_not_look(
    own_shop: Host, sandbox: Sandbox, path: str, id: str
) -> None:
    sandbox.faults.next(path, lacking="rak_event_read")
    found = only(own_shop, id, url=f"http://127.0.0.1:5000{PREFIX}/webhook")
    assert found.level is Level.SKIPPED
    assert found.found == "not checked because the key lacks the permission rak_event_read"
