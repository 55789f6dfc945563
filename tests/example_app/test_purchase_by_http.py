"""The same purchases without a browser."""

from __future__ import annotations

import json

import pytest

from tests.example_app.demo_process import DemoProcess
from tests.example_app.http_buyer import API, at_sandbox, buy, call, pay, settled

# The same demo as the walk-through's.
pytestmark = pytest.mark.xdist_group("walkthrough")


def test_paying_with_a_token_gives_the_credits(demo: DemoProcess) -> None:
    before = demo.balance("alice")
    purchase = buy(demo, "alice", "pro")
    assert settled(demo, "alice", purchase) == "pending"
    assert demo.balance("alice") == before
    status, page = pay(demo, purchase, "tok_visa")
    assert (status, page["payment_status"]) == (200, "paid")
    demo.wait_for_status(purchase["purchase_id"], "completed")
    assert demo.balance("alice") == before + 10_000
    assert demo.ledger("alice")[-1] == (10_000, "purchase")
    status, history = call(f"{demo.url}{API}/history", "demo-alice")
    assert status == 200
    assert (history[0]["id"], history[0]["status"], history[0]["amount_paid"]) == (
        purchase["purchase_id"],
        "completed",
        80.0,
    )


def test_declined_token_gives_nothing(demo: DemoProcess) -> None:
    before = demo.ledger("bob")
    purchase = buy(demo, "bob")
    status, answer = pay(demo, purchase, "tok_chargeDeclined")
    assert (status, answer["error"]["code"]) == (402, "card_declined")
    assert settled(demo, "bob", purchase) == "pending"
    assert demo.ledger("bob") == before
    assert demo.balance("bob") == sum(credits for credits, _ in before)


def test_3d_secure_failed_gives_nothing_and_passed_gives_credits(demo: DemoProcess) -> None:
    before = demo.balance("admin")
    purchase = buy(demo, "admin")
    confirm = f"/v1/payment_pages/{purchase['session_id']}/confirm"

    status, page = pay(demo, purchase, "tok_threeDSecure2Required")
    assert (status, page["payment_intent"]["status"]) == (200, "requires_action")
    status, answer = at_sandbox(demo, confirm, sandbox_authentication="fail")
    assert (status, answer["error"]["code"]) == (402, "payment_intent_authentication_failure")
    assert settled(demo, "admin", purchase) == "pending"
    assert demo.balance("admin") == before

    pay(demo, purchase, "tok_threeDSecure2Required")
    status, page = at_sandbox(demo, confirm, sandbox_authentication="complete")
    assert (status, page["payment_status"]) == (200, "paid")
    demo.wait_for_status(purchase["purchase_id"], "completed")
    assert demo.balance("admin") == before + 1_000


def test_purchase_needs_a_known_token(demo: DemoProcess) -> None:
    body = json.dumps({"package_code": "starter"}).encode()
    status, problem = call(f"{demo.url}{API}/purchase", "demo-eve", body)
    assert (status, problem["status"]) == (401, 401)


def test_S10_a_disputed_payment_leaves_no_credits(demo: DemoProcess) -> None:
    before = demo.ledger("bob")
    purchase = buy(demo, "bob")
    status, answer = pay(demo, purchase, "tok_createDispute")
    assert status == 200, answer
    demo.wait_for_status(purchase["purchase_id"], "disputed")
    # Whichever was heard of first: after the dispute there was nothing to grant.
    taken = [*before, (1_000, "purchase"), (-1_000, "dispute")]
    assert demo.ledger("bob") in (before, taken)
