from __future__ import annotations

import getpass
import json
from typing import Any

import pytest
from click.testing import Result

from flask_stripe_credits import GrantSnapshot, StripeCredits

from ..hosts import Host
from ..payloads import checkout_session, event, new_api_key, refund
from ..reconciliation.shoppers import on_sqlite
from ..stripe_stub import NewShop, StripeStub


def review(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "review", *arguments])


@pytest.fixture
def shop(new_shop: NewShop, database_url: str, stub: StripeStub) -> Host:
    return new_shop(database_url, STRIPE_CREDITS_API_BASE=stub.url)


def in_review(host: Host, stub: StripeStub) -> dict[str, Any]:
    """Paid with a discount that nobody allows; Stripe says the same when it is asked."""
    purchase = host.add_purchase()
    discounted: dict[str, Any] = {
        "amount_total": 900,
        "total_details": {"amount_discount": 100, "amount_shipping": 0, "amount_tax": 0},
    }
    host.pay(purchase, **discounted)
    stub.answer(checkout_session(purchase, **discounted))
    return host.purchase(purchase["id"])


def test_nothing_to_decide_on(shop: Host) -> None:
    result = review(shop, "list")
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        ["Stripe in test mode, site local", "nothing to decide on"],
    )


def test_the_list_names_purchases_events_and_orphans(shop: Host, stub: StripeStub) -> None:
    purchase = in_review(shop, stub)
    paid = shop.add_purchase()
    shop.pay(paid)
    intent = shop.purchase(paid["id"])["stripe_payment_intent_id"]
    foreign = event("refund.created", refund(intent, 500, currency="eur", id="re_1"))
    shop.post_event(foreign)
    gone = {**paid, "id": "00000000-0000-4000-8000-000000000000"}
    lost = shop.paid_event(gone, id="cs_test_lost")
    shop.post_event(lost)
    lines = review(shop, "list").output.splitlines()
    session_id = purchase["stripe_checkout_session_id"]
    assert lines[1:] == [
        f"purchase {purchase['id']}, {session_id}: "
        f"a discount of 100 although promotion codes are off",
        f"event {foreign['id']}, re_1, purchase {paid['id']}: refund re_1 is in eur, expected usd",
        f"orphan {lost['id']}, purchase {gone['id']}: the purchase is missing",
        "  `flask credits reconcile --rebuild cs_test_lost --user ID --package CODE` "
        "makes the purchase again",
        "3 to decide on; `flask credits review show ID` tells the story of each",
    ]
    listed = [json.loads(line) for line in review(shop, "list", "--json").output.splitlines()]
    assert [one["kind"] for one in listed] == ["purchase", "event", "orphan"]
    assert listed[0] == {
        "kind": "purchase",
        "id": str(purchase["id"]),
        "purchase_id": str(purchase["id"]),
        "object_id": session_id,
        "reason": "a discount of 100 although promotion codes are off",
        "since": purchase["updated_at"].isoformat(),
    }


def test_accept_says_what_came_of_it(shop: Host, stub: StripeStub) -> None:
    purchase = in_review(shop, stub)
    result = review(shop, "accept", str(purchase["id"]), "--reason", "a gift", "--by", "olivia")
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "Stripe in test mode, site local",
            f"{purchase['id']} accepted",
            f"purchase {purchase['id']}: completed, 1000 credits granted",
        ],
    )
    assert shop.ledger() == [1000]
    row = shop.purchase(purchase["id"])
    assert (row["amount_paid"], row["reviewed_by"], row["review_note"]) == (900, "olivia", "a gift")


def test_dismiss_says_what_came_of_it(shop: Host, stub: StripeStub) -> None:
    purchase = in_review(shop, stub)
    result = review(shop, "dismiss", str(purchase["id"]), "--reason", "refunded")
    assert (result.exit_code, result.output.splitlines()[1:]) == (
        0,
        [
            f"{purchase['id']} dismissed",
            f"purchase {purchase['id']}: failed, 0 credits granted",
        ],
    )
    assert shop.purchase(purchase["id"])["reviewed_by"] == getpass.getuser()
    assert shop.ledger() == []


def test_exit_code_1_when_it_was_decided_before(shop: Host, stub: StripeStub) -> None:
    purchase = in_review(shop, stub)
    for command, code in (("accept", 0), ("accept", 1), ("dismiss", 1)):
        result = review(shop, command, str(purchase["id"]), "--reason", "why", "--by", "olivia")
        assert result.exit_code == code, result.output
    assert f"Error: purchase {purchase['id']} was accepted by olivia before" in result.output
    assert shop.ledger() == [1000]


def test_exit_code_1_when_a_receiver_refuses_again(
    new_shop: NewShop, database_url: str, stub: StripeStub
) -> None:
    def refuse(grant: GrantSnapshot) -> None:
        raise StripeCredits.Refuse("the user was deleted")

    shop = new_shop(database_url, STRIPE_CREDITS_API_BASE=stub.url, receiver=refuse)
    purchase = shop.add_purchase()
    shop.pay(purchase)
    stub.answer(checkout_session(purchase))
    result = review(shop, "accept", str(purchase["id"]), "--reason", "why")
    assert result.exit_code == 1
    assert result.output.splitlines()[1:] == [
        f"purchase {purchase['id']} is in review: refused by a receiver: the user was deleted"
    ]
    assert shop.grants() == []


def test_exit_code_1_when_stripe_does_not_know_it(
    shop: Host, stub: StripeStub, quick_retries: None
) -> None:
    purchase = in_review(shop, stub)
    stub.answer({"error": {"type": "invalid_request_error", "code": "resource_missing"}}, 404)
    result = review(shop, "accept", str(purchase["id"]), "--reason", "why")
    assert (result.exit_code, shop.purchase(purchase["id"])) == (1, purchase)
    assert "Error: Stripe rejected the request: resource_missing" in result.output


@pytest.mark.parametrize("command", ["accept", "dismiss"])
def test_why_is_asked_for(shop: Host, stub: StripeStub, command: str) -> None:
    purchase = in_review(shop, stub)
    assert review(shop, command, str(purchase["id"])).exit_code == 2
    assert review(shop, command, str(purchase["id"]), "--reason", "").exit_code == 1
    assert shop.purchase(purchase["id"]) == purchase


@pytest.mark.parametrize("command", ["accept", "dismiss"])
def test_live_is_said_on_purpose(
    new_shop: NewShop, shop: Host, stub: StripeStub, command: str
) -> None:
    purchase = in_review(shop, stub)
    arguments = (command, str(purchase["id"]), "--reason", "why")
    result = review(shop, *arguments, "--live")
    assert "Error: --live was given, but the API key is a test key" in result.output
    live = new_shop(STRIPE_SECRET_KEY=new_api_key("live"))
    of_live = live.add_purchase(review_reason="why", status="review", livemode=True)
    of_test = live.add_purchase(review_reason="why", status="review")
    result = review(live, command, str(of_live["id"]), "--reason", "why")
    assert "Error: the API key is a live key: add --live" in result.output
    result = review(live, command, str(of_test["id"]), "--reason", "why", "--live")
    if command == "accept":
        assert "is of the other mode than the API key" in result.output
    else:
        # What is left of a test after going live can be put aside.
        assert f"{of_test['id']} dismissed" in result.output
        assert live.purchase(of_test["id"])["status"] == "failed"
    untouched = [(shop, purchase), (live, of_live)] + [(live, of_test)] * (command == "accept")
    for host, row in untouched:
        assert host.purchase(row["id"]) == row
    if command == "dismiss":
        assert review(live, "dismiss", str(of_live["id"]), "--reason", "x", "--live").exit_code == 0
        assert live.purchase(of_live["id"])["status"] == "failed"


def test_show_tells_what_waits_what_can_be_decided_and_the_story(
    shop: Host, stub: StripeStub
) -> None:
    purchase = in_review(shop, stub)
    id = str(purchase["id"])
    lines = review(shop, "show", id).output.splitlines()
    assert lines[:4] == [
        "Stripe in test mode, site local",
        f"purchase {id}, {purchase['stripe_checkout_session_id']}: "
        f"a discount of 100 although promotion codes are off",
        f'  `flask credits review accept {id} --reason "…"` has it count as Stripe says',
        f'  `flask credits review dismiss {id} --reason "…"` leaves its credits as they are, '
        f"for good",
    ]
    assert f"purchase {id}: review" in lines
    assert any("checkout.session.completed: review" in line for line in lines)
    told = json.loads(review(shop, "show", id, "--json").output)
    assert [one["id"] for one in told["waiting"]] == [id]
    assert told["purchase"]["status"] == "review"
    assert told["timeline"][0]["kind"] == "created"


@on_sqlite
def test_show_of_an_event_tells_its_purchase_and_the_other_way_round(
    shop: Host, stub: StripeStub
) -> None:
    paid = shop.add_purchase()
    shop.pay(paid)
    intent = shop.purchase(paid["id"])["stripe_payment_intent_id"]
    foreign = event("refund.created", refund(intent, 500, currency="eur", id="re_1"))
    shop.post_event(foreign)
    by_event = review(shop, "show", foreign["id"])
    assert f"event {foreign['id']}, re_1, purchase {paid['id']}: refund re_1" in by_event.output
    assert f"purchase {paid['id']}: completed" in by_event.output
    assert review(shop, "show", str(paid["id"])).output == by_event.output


@on_sqlite
def test_show_of_an_orphan_says_how_to_make_it_again(shop: Host, stub: StripeStub) -> None:
    gone = {**shop.add_purchase(), "id": "00000000-0000-4000-8000-000000000000"}
    lost = shop.paid_event(gone, id="cs_test_lost")
    shop.post_event(lost)
    output = review(shop, "show", lost["id"]).output
    assert "`flask credits reconcile --rebuild cs_test_lost --user ID --package CODE`" in output
    assert "review accept" not in output
    assert f"`flask credits review dismiss {lost['id']}" in output


@pytest.mark.parametrize("target", ["evt_nothing", "00000000-0000-4000-8000-000000000000", "\0"])
def test_what_doesnt_wait_names_the_list(shop: Host, stub: StripeStub, target: str) -> None:
    settled = shop.add_purchase()
    shop.pay(settled)
    for id in (target, str(settled["id"])):
        result = review(shop, "show", id)
        assert (result.exit_code, "`flask credits review list`" in result.output) == (1, True)
    for command in ("accept", "dismiss"):
        result = review(shop, command, target, "--reason", "why")
        assert (result.exit_code, "`flask credits review list`" in result.output) == (1, True)


@on_sqlite
def test_with_the_outbox_what_was_accepted_is_posted_and_not_delivered_yet(
    new_shop: NewShop, database_url: str, stub: StripeStub
) -> None:
    shop = new_shop(
        database_url, STRIPE_CREDITS_API_BASE=stub.url, STRIPE_CREDITS_DELIVERY="outbox"
    )
    purchase = in_review(shop, stub)
    result = review(shop, "accept", str(purchase["id"]), "--reason", "a gift")
    assert result.output.splitlines()[2:] == [
        f"purchase {purchase['id']}: completed, 1000 credits posted, not delivered yet",
        "  `flask credits deliver` hands them over",
    ]
    assert shop.ledger() == []
