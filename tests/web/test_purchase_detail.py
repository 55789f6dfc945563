from __future__ import annotations

import datetime as dt
import threading
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from flask_stripe_credits import GrantSnapshot, StripeCredits
from flask_stripe_credits.gateway import limits
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from ..payloads import event
from ..stripe_stub import RETRIEVE, NewShop
from .test_history import FIELDS


def buy(host: Host, code: str = "starter") -> dict[str, Any]:
    answer = host.client.post(f"{PREFIX}/purchase", json={"package_code": code})
    assert answer.status_code == 201, answer.text
    return answer.json or {}


def get(host: Host, purchase_id: object) -> TestResponse:
    return host.client.get(f"{PREFIX}/purchases/{purchase_id}")


def asked_before(host: Host, seconds: float) -> None:
    """As if Stripe had been asked about every purchase so long ago."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(
            sa.update(host.credits.Purchase.__table__).values(stripe_checked_at=moment)
        )


class Questions:
    """Counts how often the sandbox is asked for a session."""

    def __init__(self, stripe: Sandbox) -> None:
        self.stripe, self.count = stripe, 0

    def expect(self, times: int) -> Questions:
        for _ in range(times):
            self.stripe.faults.next(RETRIEVE, before_reply=self._asked)
        return self

    def _asked(self, session: Any) -> None:
        self.count += 1


def test_a_pending_purchase_shows_where_to_pay(shop: Host) -> None:
    bought = buy(shop)
    answer = get(shop, bought["purchase_id"])
    assert answer.headers["Cache-Control"] == "no-store"
    shown = answer.json or {}
    assert set(shown) == FIELDS | {"checkout_url", "expires_at", "delivered"}
    assert (shown["status"], shown["delivered"]) == ("pending", False)
    assert shown["checkout_url"] == bought["checkout_url"]
    assert shown["expires_at"] == bought["expires_at"]
    assert shown["amount_paid"] is None


def test_a_paid_purchase_is_settled_before_the_webhook_and_only_once(
    shop: Host, stripe: Sandbox
) -> None:
    bought = buy(shop, "pro")
    outcome = stripe.pay(bought["session_id"])
    shown = get(shop, bought["purchase_id"]).json or {}
    assert (shown["status"], shown["delivered"], shown["amount_paid"]) == ("completed", True, 80.0)
    assert shown["checkout_url"] is shown["expires_at"] is None
    assert shown["completed_at"].endswith("Z")
    assert shop.ledger("alice") == [10_000]
    for _ in range(2):
        answer = shop.post_event(event("checkout.session.completed", outcome.session))
        assert answer.json == {"received": True, "verdict": "handled"}
    assert get(shop, bought["purchase_id"]).json == shown
    assert shop.ledger() == [10_000]
    assert [grant["cause"] for grant in shop.grants()] == ["return page"]


def test_a_webhook_first_leaves_nothing_to_settle(shop: Host, stripe: Sandbox) -> None:
    bought = buy(shop)
    shop.post_event(event("checkout.session.completed", stripe.pay(bought["session_id"]).session))
    questions = Questions(stripe).expect(1)
    assert (get(shop, bought["purchase_id"]).json or {})["status"] == "completed"
    assert (questions.count, shop.ledger()) == (0, [1000])


def test_an_expired_session_closes_the_purchase(shop: Host, stripe: Sandbox) -> None:
    bought = buy(shop)
    stripe.expire(bought["session_id"])
    shown = get(shop, bought["purchase_id"]).json or {}
    assert (shown["status"], shown["checkout_url"], shown["expires_at"]) == ("expired", None, None)
    assert shop.ledger() == []


def test_A07_paid_after_it_was_thought_expired_still_grants(shop: Host, stripe: Sandbox) -> None:
    bought = buy(shop)
    shop.post_event(event("checkout.session.expired", stripe.session(bought["session_id"])))
    assert (get(shop, bought["purchase_id"]).json or {})["status"] == "expired"
    shop.post_event(event("checkout.session.completed", stripe.pay(bought["session_id"]).session))
    assert (get(shop, bought["purchase_id"]).json or {})["status"] == "completed"
    assert shop.ledger() == [1000]


def test_stripe_is_asked_once_in_five_seconds(shop: Host, stripe: Sandbox) -> None:
    bought = buy(shop)
    questions = Questions(stripe).expect(10)
    for _ in range(4):
        assert get(shop, bought["purchase_id"]).status_code == 200
    assert questions.count == 1
    asked_before(shop, 4.5)
    get(shop, bought["purchase_id"])
    assert questions.count == 1
    asked_before(shop, 5.5)
    get(shop, bought["purchase_id"])
    assert questions.count == 2
    other = buy(shop, "pro")
    get(shop, other["purchase_id"])
    assert questions.count == 3, "each purchase has its own five seconds"


def test_many_tabs_ask_once_and_grant_once(shop: Host, stripe: Sandbox) -> None:
    bought = buy(shop)
    stripe.pay(bought["session_id"])
    questions = Questions(stripe).expect(20)
    barrier, statuses = threading.Barrier(12), list[int]()

    def poll() -> None:
        barrier.wait()
        statuses.append(get(shop, bought["purchase_id"]).status_code)

    threads = [threading.Thread(target=poll) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 12
    assert questions.count == 1
    assert shop.ledger() == [1000]


@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 429}, {"status": 401}, {"reset": True}, {"hang_seconds": 60}],
)
def test_what_we_know_is_shown_when_stripe_is_down(
    small_shop: Host, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    bought = buy(small_shop)
    stripe.pay(bought["session_id"])
    stripe.faults.next(RETRIEVE, **fault)
    with monkeypatch.context() as hurried:
        if "hang_seconds" in fault:
            hurried.setattr(limits, "IMPATIENT_TIMEOUT_SECONDS", 0.6)
        answer = get(small_shop, bought["purchase_id"])
    assert (answer.status_code, (answer.json or {})["status"]) == (200, "pending")
    assert small_shop.ledger() == []
    asked_before(small_shop, 6)
    assert (get(small_shop, bought["purchase_id"]).json or {})["status"] == "completed"
    assert small_shop.ledger() == [1000]


def test_E01_what_we_know_is_shown_without_an_api_key(new_shop: NewShop) -> None:
    host = new_shop()
    bought = buy(host)
    unconfigured = new_shop(
        host.app.config["SQLALCHEMY_DATABASE_URI"], STRIPE_SECRET_KEY="sk_test_placeholder"
    )
    answer = get(unconfigured, bought["purchase_id"])
    assert (answer.status_code, (answer.json or {})["status"]) == (200, "pending")


def test_C15_a_failing_receiver_shows_what_we_know_and_keeps_nothing(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    fail = True

    def receiver(grant: GrantSnapshot, session: Any) -> None:
        session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        session.flush()
        if fail:
            raise RuntimeError("the ledger is closed")

    host = new_shop(database_url, receiver=receiver)
    bought = buy(host)
    outcome = stripe.pay(bought["session_id"])
    answer = get(host, bought["purchase_id"])
    assert (answer.status_code, (answer.json or {})["status"]) == (200, "pending")
    assert host.ledger() == [] == host.grants()
    fail = False
    host.post_event(event("checkout.session.completed", outcome.session))
    assert host.ledger() == [1000]


def test_C19_without_a_receiver_the_purchase_stays_unpaid_for_now(
    new_shop: NewShop, stripe: Sandbox
) -> None:
    host = new_shop(receiver=False)
    bought = buy(host)
    stripe.pay(bought["session_id"])
    assert (get(host, bought["purchase_id"]).json or {})["status"] == "pending"
    assert host.grants() == []


def test_B32_a_refusing_receiver_puts_the_purchase_in_review(
    new_shop: NewShop, stripe: Sandbox
) -> None:
    def refuse(grant: GrantSnapshot) -> None:
        raise StripeCredits.Refuse("the user is gone")

    host = new_shop(receiver=refuse)
    bought = buy(host)
    stripe.pay(bought["session_id"])
    shown = get(host, bought["purchase_id"]).json or {}
    assert (shown["status"], shown["delivered"]) == ("review", False)
    assert host.grants() == []


def test_a_purchase_without_a_session_yet_is_shown(small_shop: Host) -> None:
    row = small_shop.add_purchase(stripe_checkout_session_id=None, checkout_url=None)
    shown = get(small_shop, row["id"]).json or {}
    assert (shown["status"], shown["checkout_url"]) == ("pending", None)


def test_B10_a_contradiction_found_while_polling_grants_nothing(
    shop: Host, stripe: Sandbox
) -> None:
    bought = buy(shop)
    stripe.pay(bought["session_id"])
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(sa.update(shop.credits.Purchase.__table__).values(unit_amount=999))
    assert (get(shop, bought["purchase_id"]).json or {})["status"] == "review"
    assert shop.ledger() == []


MALFORMED = [
    *("1", "0", "-1", "x", "%00", "..", "%2e%2e", "null", "undefined", "%F0%9F%98%80", "%ff"),
    *("' OR '1'='1", "a" * 4_000, "{}", "[]", "%0d%0aX-Evil:1", "me", "latest"),
]


def test_F02_unknown_foreign_and_malformed_ids_get_the_same_answer(shop: Host) -> None:
    theirs = shop.add_purchase(user_id="bob")
    mine = shop.add_purchase(user_id="alice")
    shape = str(mine["id"])
    tries = [
        *(str(uuid.uuid4()), str(theirs["id"]), theirs["stripe_checkout_session_id"]),
        *(mine["stripe_checkout_session_id"], "{" + shape + "}", f"urn:uuid:{shape}", shape[:-1]),
        *(shape + "0", shape + "%0a", f"%20{shape}", str(uuid.UUID(int=0)), *MALFORMED),
    ]
    answers = {
        (answer.status_code, answer.data, tuple(answer.headers)): tried
        for tried in tries
        for answer in [get(shop, tried)]
    }
    ((status, data, headers),) = answers
    assert status == 404
    assert b"bob" not in data
    assert dict(headers)["Content-Type"] == "application/problem+json"
    shop.user = "bob"
    assert get(shop, theirs["id"]).status_code == 200
    assert get(shop, mine["id"]).status_code == 404


def test_I11_nobody_asks_stripe_about_a_foreign_purchase(shop: Host, stripe: Sandbox) -> None:
    bought = buy(shop)
    stripe.pay(bought["session_id"])
    questions = Questions(stripe).expect(1)
    shop.user = "bob"
    assert get(shop, bought["purchase_id"]).status_code == 404
    assert (questions.count, shop.ledger()) == (0, [])


def test_B34_F18_credits_go_to_the_buyer_whoever_comes_back_from_the_payment_page(
    shop: Host, stripe: Sandbox
) -> None:
    """Before any webhook: another user is signed in at the return, then the buyer again."""
    bought = buy(shop)
    stripe.pay(bought["session_id"])
    shop.user = "bob"
    unknown = get(shop, uuid.uuid4())
    foreign = get(shop, bought["purchase_id"])
    assert (foreign.status_code, foreign.data) == (404, unknown.data)
    assert shop.ledger() == []
    theirs = buy(shop)
    shown = get(shop, f"{theirs['purchase_id']}?session_id={bought['session_id']}").json or {}
    assert (shown["id"], shown["status"]) == (theirs["purchase_id"], "pending")
    assert shop.ledger() == []
    shop.user = "alice"
    assert (get(shop, bought["purchase_id"]).json or {})["status"] == "completed"
    assert (shop.ledger("alice"), shop.ledger("bob")) == ([1000], [])


def test_F09_a_session_in_the_address_says_nothing(shop: Host, stripe: Sandbox) -> None:
    paid, mine = buy(shop, "pro"), buy(shop, "starter")
    stripe.pay(paid["session_id"])
    for name in ("session_id", "checkout_session_id", "purchase_id", "user_id"):
        for value in (paid["session_id"], paid["purchase_id"]):
            asked_before(shop, 60)
            answer = get(shop, f"{mine['purchase_id']}?{name}={value}")
            assert (answer.json or {})["status"] == "pending"
    assert get(shop, paid["session_id"]).status_code == 404
    assert shop.ledger() == []


def test_a_purchase_needs_a_user(small_shop: Host) -> None:
    row = small_shop.add_purchase()
    small_shop.user = None
    for purchase_id in (row["id"], uuid.uuid4(), "x"):
        assert get(small_shop, purchase_id).status_code == 401


def test_F24_head_asks_for_the_same(small_shop: Host) -> None:
    row = small_shop.add_purchase(stripe_checkout_session_id=None)
    head = small_shop.client.head(f"{PREFIX}/purchases/{row['id']}")
    assert (head.status_code, head.data) == (200, b"")
    assert small_shop.client.head(f"{PREFIX}/purchases/{uuid.uuid4()}").status_code == 404
