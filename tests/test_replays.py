"""Events done once more: what failed, what never came, and never anything twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.errors import GatewayUnavailable, ReceiverFailed, ReplayRefused
from flask_stripe_credits.gateway import connection
from flask_stripe_credits.replays import Replayed, replay_event, replay_failed, replay_since
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.signals import webhook_received

from .hosts import Host
from .payloads import event, refund
from .reconciliation.shoppers import buy, buy_and_pay, on_sqlite
from .refunds.buyers import Row, sold
from .stripe_stub import NewShop

SESSION = "GET /v1/checkout/sessions/*"


class Manager:
    """A credit manager that can be down."""

    def __init__(self) -> None:
        self.down = False
        self.booked: list[int] = []

    def __call__(self, grant: Any) -> None:
        if self.down:
            raise RuntimeError("down")
        self.booked.append(grant.credits)


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def shop(database_url: str, new_shop: NewShop, quick_retries: None, manager: Manager) -> Host:
    return new_shop(database_url, receiver=lambda grant: manager(grant))


def told_by(stripe: Sandbox, purchase: Row, kind: str) -> dict[str, Any]:
    """The event of this type about the purchase, as Stripe has it."""
    session = stripe.session(purchase["stripe_checkout_session_id"])
    ids = {session["id"], session["payment_intent"]}
    found = [
        one
        for one in stripe.events(kind)
        if ids & {one["data"]["object"]["id"], one["data"]["object"].get("payment_intent")}
    ]
    return found[-1]


def replay(shop: Host, event_id: str) -> Replayed:
    with shop.app.app_context():
        return replay_event(shop.state, event_id, actor="olivia")


def all_failed(shop: Host) -> list[Replayed]:
    with shop.app.app_context():
        return list(replay_failed(shop.state, actor="olivia"))


def all_since(shop: Host, since: dt.datetime) -> list[Replayed]:
    with shop.app.app_context():
        return list(replay_since(shop.state, since, actor="olivia"))


def inbox(shop: Host) -> dict[str, str]:
    rows = shop.rows(shop.state.models.WebhookEvent)
    return {row["stripe_event_id"]: row["verdict"] for row in rows}


def fail(shop: Host, manager: Manager, document: dict[str, Any]) -> None:
    manager.down = True
    assert shop.post_event(document).status_code == 503
    manager.down = False
    assert inbox(shop)[document["id"]] == "failed"


def test_a_failed_event_is_done_and_said_to_be(
    shop: Host, stripe: Sandbox, manager: Manager
) -> None:
    purchase = buy_and_pay(shop, stripe)
    paid = told_by(stripe, purchase, "checkout.session.completed")
    fail(shop, manager, paid)
    done = replay(shop, paid["id"])
    assert (done.verdict, done.credits, done.problem) == ("handled", 1000, None)
    assert done.purchase_id == str(purchase["id"])
    assert (manager.booked, inbox(shop)[paid["id"]]) == ([1000], "handled")
    (line,) = shop.rows(shop.credits.AuditLog, action="event.replayed")
    assert (line["actor"], line["purchase_id"]) == ("olivia", purchase["id"])
    assert (shop.grants()[0]["cause"], line["details"]["verdict"]) == (paid["id"], "handled")
    for _ in range(2):
        assert replay(shop, paid["id"]).credits == 0
    assert shop.post_event(paid).status_code == 200
    assert manager.booked == [1000]


def test_an_event_that_never_came_is_read_from_stripe(
    shop: Host, stripe: Sandbox, manager: Manager
) -> None:
    purchase = buy_and_pay(shop, stripe)
    paid = told_by(stripe, purchase, "checkout.session.completed")
    assert replay(shop, paid["id"]).credits == 1000
    stripe.refund(stripe.session(purchase["stripe_checkout_session_id"])["payment_intent"], 300)
    for kind in ("charge.refunded", "refund.created"):
        replay(shop, told_by(stripe, purchase, kind)["id"])
    assert manager.booked == [1000, -300]


@on_sqlite
def test_what_it_was_about_is_read_as_it_is_now(
    shop: Host, stripe: Sandbox, manager: Manager
) -> None:
    """The refund's event failed; meanwhile the refund failed as well, and that event is lost."""
    purchase = sold(shop, stripe)
    made = stripe.refund(purchase["stripe_payment_intent_id"], 1000)
    created = told_by(stripe, purchase, "refund.created")
    fail(shop, manager, created)
    stripe.settle_refund(made["id"], "failed")
    assert replay(shop, created["id"]).credits == 0
    (row,) = shop.rows(shop.state.models.Refund)
    assert (row["status"], manager.booked) == ("failed", [1000])


@on_sqlite
def test_disputes_too(shop: Host, stripe: Sandbox, manager: Manager) -> None:
    purchase = sold(shop, stripe)
    stripe.dispute(purchase["stripe_payment_intent_id"])
    opened = told_by(stripe, purchase, "charge.dispute.created")
    fail(shop, manager, opened)
    assert replay(shop, opened["id"]).credits == -1000
    assert shop.purchase(purchase["id"])["status"] == "disputed"


def test_what_fails_again_stays_failed(shop: Host, stripe: Sandbox, manager: Manager) -> None:
    paid = told_by(stripe, buy_and_pay(shop, stripe), "checkout.session.completed")
    fail(shop, manager, paid)
    manager.down = True
    with pytest.raises(ReceiverFailed):
        replay(shop, paid["id"])
    assert (inbox(shop), manager.booked) == ({paid["id"]: "failed"}, [])
    (one,) = all_failed(shop)
    assert one.verdict is None and "raised RuntimeError" in (one.problem or "")
    manager.down = False
    assert [one.credits for one in all_failed(shop)] == [1000]
    assert all_failed(shop) == []


def test_all_that_failed_at_once_each_by_itself(
    shop: Host, stripe: Sandbox, manager: Manager
) -> None:
    purchases = [buy_and_pay(shop, stripe, f"user{number}") for number in range(4)]
    for purchase in purchases:
        fail(shop, manager, told_by(stripe, purchase, "checkout.session.completed"))
    foreign = refund("pi_of_somebody_else", 500)
    fail_foreign(shop, foreign)
    outcomes = all_failed(shop)
    assert sorted(one.credits for one in outcomes) == [0, 1000, 1000, 1000, 1000]
    gone = next(one for one in outcomes if one.credits == 0)
    assert gone.problem == f"Stripe has no {foreign['id']}, which event {gone.event_id} was about"
    assert manager.booked == [1000] * 4


def fail_foreign(shop: Host, made: dict[str, Any]) -> None:
    """A failure that says nothing of whose it is."""
    table = shop.state.models.table(shop.state.models.WebhookEvent)
    now = dt.datetime.now(dt.UTC)
    with shop.app.app_context(), shop.db.engine.begin() as database:
        database.execute(
            sa.insert(table),
            {
                "stripe_event_id": f"evt_{made['id']}",
                "type": "refund.created",
                "object_id": made["id"],
                "verdict": "failed",
                "attempts": 1,
                "received_at": now,
                "updated_at": now,
            },
        )


@on_sqlite
def test_a_failure_of_somebody_elses_event_is_closed(
    shop: Host, stripe: Sandbox, manager: Manager
) -> None:
    """Of a payment on our account that isn't ours, or not known yet: nothing is left to do."""
    elsewhere = buy_and_pay(shop, stripe)
    made = stripe.refund(
        stripe.session(elsewhere["stripe_checkout_session_id"])["payment_intent"], 100
    )
    fail_foreign(shop, made)
    (one,) = all_failed(shop)
    assert (one.verdict, one.problem) == ("kept", None)
    assert inbox(shop) == {f"evt_{made['id']}": "kept"}
    assert all_failed(shop) == []


@on_sqlite
def test_while_stripe_is_down_a_run_ends_and_the_next_goes_on(
    shop: Host, stripe: Sandbox, manager: Manager
) -> None:
    for number in range(2):
        purchase = buy_and_pay(shop, stripe, f"user{number}")
        fail(shop, manager, told_by(stripe, purchase, "checkout.session.completed"))
    for _ in range(3):
        stripe.faults.next(SESSION, reset=True)
    with pytest.raises(GatewayUnavailable):
        all_failed(shop)
    assert [one.credits for one in all_failed(shop)] == [1000, 1000]
    assert manager.booked == [1000, 1000]


@pytest.fixture
def own_stripe() -> Iterator[Sandbox]:
    """A sandbox that has only this test's events."""
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


def test_all_since_then_by_pages(
    database_url: str,
    new_shop: NewShop,
    own_stripe: Sandbox,
    manager: Manager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stripe = own_stripe
    shop = new_shop(
        database_url, receiver=lambda grant: manager(grant), STRIPE_CREDITS_API_BASE=stripe.url
    )
    start = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    monkeypatch.setattr(connection, "PAGE_SIZE", 3)
    purchases = [buy_and_pay(shop, stripe, f"user{number}") for number in range(3)]
    stripe.refund(
        stripe.session(purchases[0]["stripe_checkout_session_id"])["payment_intent"], 1000
    )
    flagged = buy(shop, "odd")
    outcomes = all_since(shop, start)
    assert len(outcomes) > 3
    assert sum(one.credits for one in outcomes) == 2000
    assert [shop.purchase(one["id"])["status"] for one in purchases] == [
        "refunded", "completed", "completed",
    ]  # fmt: skip
    assert shop.purchase(flagged["id"])["status"] == "pending"
    assert {one.problem for one in outcomes} == {None}
    assert sum(one.credits for one in all_since(shop, start)) == 0
    assert all_since(shop, dt.datetime.now(dt.UTC) + dt.timedelta(days=1)) == []


def test_what_waits_for_an_operator_says_what_to_do_instead(
    shop: Host, stripe: Sandbox, manager: Manager
) -> None:
    purchase = sold(shop, stripe)
    euros = event(
        "refund.created", refund(purchase["stripe_payment_intent_id"], 100, currency="eur")
    )
    lost = shop.paid_event(shop.add_purchase() | {"id": "0" * 8 + "-0000-4000-8000-" + "0" * 12})
    lost["data"]["object"]["id"] = "cs_test_lost"
    for document in (euros, lost):
        assert shop.post_event(document).status_code == 200
    for document in (euros, lost):
        with pytest.raises(ReplayRefused, match="`flask credits review list`"):
            replay(shop, document["id"])
    shop.app.test_cli_runner().invoke(
        args=["credits", "review", "dismiss", euros["id"], "--reason", "x"]
    )
    with pytest.raises(ReplayRefused, match="was dismissed by an operator"):
        replay(shop, euros["id"])
    assert manager.booked == [1000]


@on_sqlite
def test_what_nobody_knows_says_what_finds_everything(shop: Host, stripe: Sandbox) -> None:
    for unknown in ("evt_nobody", "cs_test_nothing"):
        with pytest.raises(ReplayRefused, match="`flask credits reconcile`"):
            replay(shop, unknown)
    for wrong in ("", "evt/../charges", "é", "a\0b"):
        with pytest.raises(ReplayRefused, match="Stripe's begin with evt_"):
            replay(shop, wrong)


@on_sqlite
def test_a_type_that_we_dont_handle_is_told_to_the_host(shop: Host, stripe: Sandbox) -> None:
    buy_and_pay(shop, stripe)
    other = stripe.events("payment_intent.succeeded")[-1]
    heard: list[str] = []

    def hear(sender: object, event: dict[str, Any]) -> None:
        heard.append(event["id"])

    webhook_received.connect(hear, sender=shop.app)
    assert replay(shop, other["id"]).verdict == "ignored"
    assert heard == [other["id"]]
