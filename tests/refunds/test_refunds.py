"""Money given back by an operator: once, whatever happens, and the credits with it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits import StripeCreditsError
from flask_stripe_credits.errors import (
    GatewayKeyRefused,
    GatewayUnavailable,
    RefundRefused,
    RefundUnrecorded,
)
from flask_stripe_credits.refunds import Refunded
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from ..payloads import dispute, event, refund
from ..reconciliation.shoppers import on_sqlite
from ..stripe_stub import NewShop
from .buyers import REFUND, acts, amounts, at_stripe, deliver_all, give_back, requests_for, sold

LIST = "GET /v1/refunds"


def test_all_of_it_goes_back_and_all_credits(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    outcome = give_back(shop, purchase, reason="requested_by_customer")
    (made,) = at_stripe(stripe, purchase)
    (request,) = requests_for(shop, purchase)
    assert (outcome.how, outcome.refund_id) == (Refunded.MADE, made["id"])
    assert (outcome.status, outcome.credits_revoked) == ("refunded", 1000)
    assert made["amount"] == request["amount"] == 1000
    assert made["reason"] == request["reason"] == "requested_by_customer"
    assert made["metadata"] == {
        "flask_stripe_credits": "local",
        "purchase_id": str(purchase["id"]),
        "refund_request": str(request["id"]),
    }
    assert request["stripe_refund_id"] == made["id"]
    assert shop.ledger() == [1000, -1000]
    assert acts(shop, purchase) == [("olivia", "refund.requested"), ("olivia", "refund.made")]
    deliver_all(shop, stripe, purchase)
    assert shop.ledger() == [1000, -1000]
    shop.assert_exact()


@on_sqlite
def test_a_part_and_then_what_is_left(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    assert give_back(shop, purchase, 250).credits_revoked == 250
    rest = give_back(shop, purchase, reason="the rest, in words")
    assert (rest.how, rest.amount, rest.status) == (Refunded.MADE, 750, "refunded")
    assert amounts(stripe, purchase) == [250, 750]
    assert at_stripe(stripe, purchase)[1]["metadata"]["reason"] == "the rest, in words"
    assert shop.ledger() == [1000, -250, -750]
    shop.assert_exact()


def test_the_webhook_may_be_first(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)

    def tell(answer: Any) -> None:
        assert shop.post_event(event("refund.created", answer)).status_code == 200

    stripe.faults.next(REFUND, before_reply=tell)
    outcome = give_back(shop, purchase, 400)
    assert (outcome.how, outcome.credits_revoked) == (Refunded.MADE, 400)
    assert shop.ledger() == [1000, -400]
    shop.assert_exact()


def test_the_same_again_does_nothing_unless_told_so(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    first = give_back(shop, purchase, 300)
    second = give_back(shop, purchase, 300, actor="pete")
    assert (second.how, second.refund_id) == (Refunded.MADE_BEFORE, first.refund_id)
    assert (second.actor, amounts(stripe, purchase)) == ("olivia", [300])
    third = give_back(shop, purchase, 300, again=True)
    assert (third.how, amounts(stripe, purchase)) == (Refunded.MADE, [300, 300])
    assert shop.ledger() == [1000, -300, -300]


@on_sqlite
def test_all_of_it_twice_is_one_refund(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    give_back(shop, purchase)
    assert give_back(shop, purchase).how is Refunded.MADE_BEFORE
    with pytest.raises(RefundRefused, match=r"all of \$10.00 went back already"):
        give_back(shop, purchase, again=True)
    assert amounts(stripe, purchase) == [1000]


@pytest.mark.parametrize("after_work", [False, True], ids=["not-made", "made"])
def test_D01_a_lost_answer_is_gone_on_with(shop: Host, stripe: Sandbox, after_work: bool) -> None:
    purchase = sold(shop, stripe)
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True, after_work=after_work)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 400)
    assert amounts(stripe, purchase) == ([400] if after_work else [])
    assert [one["stripe_refund_id"] for one in requests_for(shop, purchase)] == [None]
    outcome = give_back(shop, purchase, 400, actor="pete")
    assert outcome.how is (Refunded.MADE_BEFORE if after_work else Refunded.RESUMED)
    assert outcome.actor == "olivia"
    assert amounts(stripe, purchase) == [400]
    resumed = [] if after_work else [("pete", "refund.resumed")]
    told = ("pete", "refund.made")
    assert acts(shop, purchase) == [("olivia", "refund.requested"), *resumed, told]
    assert shop.ledger() == [1000, -400]


@pytest.fixture
def travelling_stripe() -> Iterator[Sandbox]:
    """A sandbox of the test's own, whose clock it may put forward."""
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


def test_two_days_later_the_lost_refund_is_known_by_its_request(
    new_shop: NewShop, travelling_stripe: Sandbox, quick_retries: None
) -> None:
    """Stripe keeps keys for a day: asked again under the same one, it would pay twice."""
    stripe = travelling_stripe
    shop = new_shop(STRIPE_CREDITS_API_BASE=stripe.url)
    purchase = sold(shop, stripe)
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True, after_work=True)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 400)
    stripe.advance(2 * 24 * 60 * 60)
    assert give_back(shop, purchase, 400).how is Refunded.MADE_BEFORE
    assert amounts(stripe, purchase) == [400]
    assert shop.ledger() == [1000, -400]


def test_while_one_is_unfinished_no_other_amount_is_asked_for(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 400)
    for amount in (500, None):
        with pytest.raises(RefundRefused, match=r"\$4.00, which olivia asked for at .* isn't fini"):
            give_back(shop, purchase, amount)
    assert amounts(stripe, purchase) == []
    assert len(requests_for(shop, purchase)) == 1
    # A key of the keyboard too many doesn't make it two, either.
    assert give_back(shop, purchase, 400, again=True).how is Refunded.RESUMED
    assert amounts(stripe, purchase) == [400]


@on_sqlite
@pytest.mark.parametrize("after_work", [False, True], ids=["not-made", "made"])
def test_D03_an_error_that_stripe_repeats(shop: Host, stripe: Sandbox, after_work: bool) -> None:
    """It keeps a 5xx under the key for a day; whether it did the work is seen in its list."""
    purchase = sold(shop, stripe)
    stripe.faults.next(REFUND, status=500, after_work=after_work)
    if after_work:
        assert give_back(shop, purchase, 400).refund_status == "succeeded"
        assert amounts(stripe, purchase) == [400]
        return
    for _ in range(2):
        with pytest.raises(GatewayUnavailable, match="ask with --again"):
            give_back(shop, purchase, 400)
    assert amounts(stripe, purchase) == []
    assert give_back(shop, purchase, 400, again=True).how is Refunded.MADE
    assert amounts(stripe, purchase) == [400]
    assert ("olivia", "refund.given_up") in acts(shop, purchase)
    assert give_back(shop, purchase, 400).how is Refunded.MADE_BEFORE
    assert shop.ledger() == [1000, -400]


@on_sqlite
def test_what_stripe_refuses_is_over_and_another_amount_can_be_asked_for(
    shop: Host, stripe: Sandbox
) -> None:
    purchase = sold(shop, stripe)
    stripe.faults.next(REFUND, status=400)
    with pytest.raises(RefundRefused, match="Stripe refuses to refund it"):
        give_back(shop, purchase, 400)
    assert acts(shop, purchase)[-1] == ("olivia", "refund.refused")
    assert give_back(shop, purchase, 500).how is Refunded.MADE
    assert amounts(stripe, purchase) == [500]


@on_sqlite
def test_a_refused_key_leaves_the_request_open(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    stripe.faults.next(REFUND, status=401)
    with pytest.raises(GatewayKeyRefused):
        give_back(shop, purchase, 400)
    assert give_back(shop, purchase, 400).how is Refunded.RESUMED
    assert amounts(stripe, purchase) == [400]


@on_sqlite
def test_what_the_dashboard_refunded_is_learned_first(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    stripe.refund(purchase["stripe_payment_intent_id"], 800)
    with pytest.raises(RefundRefused, match=r"\$5.00 is more than the \$2.00 that are left"):
        give_back(shop, purchase, 500)
    assert shop.ledger() == [1000, -800]
    assert give_back(shop, purchase).amount == 200
    assert shop.ledger() == [1000, -800, -200]


@on_sqlite
def test_B22_a_refund_that_failed_needs_again(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    made = give_back(shop, purchase)
    stripe.settle_refund(made.refund_id, "failed")
    for amount in (None, 1000):
        with pytest.raises(RefundRefused, match=f"{made.refund_id} of .* is failed: add --again"):
            give_back(shop, purchase, amount)
    assert shop.ledger() == [1000, -1000, 1000]
    assert give_back(shop, purchase, again=True).how is Refunded.MADE
    assert shop.ledger() == [1000, -1000, 1000, -1000]
    shop.assert_exact()


def test_what_cant_go_back_is_refused_before_stripe_is_asked(shop: Host, stripe: Sandbox) -> None:
    disputed, paid = sold(shop, stripe), sold(shop, stripe, "bob")
    taken = dispute(disputed["stripe_payment_intent_id"], 1000)
    shop.post_event(event("charge.dispute.created", taken))
    unpaid, odd = shop.add_purchase(), shop.add_purchase()
    shop.pay(odd, amount_subtotal=1)
    live = shop.add_purchase(livemode=True)
    for purchase, amount, problem in (
        (disputed, None, r"the buyer's bank withdrew \$10.00 in a dispute"),
        (paid, 1001, r"\$10.01 is more than the \$10.00 that are left"),
        (paid, 0, "the amount must be more than zero"),
        (paid, -5, "the amount must be more than zero"),
        (paid, 2**60, "more than zero"),
        (unpaid, 5, "isn't paid, it is pending"),
        (odd, 5, "isn't paid, it is review: decide on it first"),
        (live, 5, "is of the other mode than the API key"),
        ({"id": uuid.uuid4()}, 5, "there is no purchase"),
    ):
        with pytest.raises(RefundRefused, match=problem):
            give_back(shop, purchase, amount)
    for options in ({"reason": " "}, {"reason": "x" * 501}, {"reason": "a\nb"}, {"actor": ""}):
        with pytest.raises(RefundRefused, match=r"the reason must|say who wants it"):
            give_back(shop, paid, 5, **options)
    assert shop.rows(shop.state.models.RefundRequest) == []
    assert amounts(stripe, disputed) + amounts(stripe, paid) == []


def test_amounts_that_a_currency_doesnt_have(small_shop: Host, stripe: Sandbox) -> None:
    purchase = sold(small_shop, stripe)
    table = small_shop.credits.Purchase.__table__
    with small_shop.app.app_context(), small_shop.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(currency="bhd", amount_paid=10_000))
    with pytest.raises(RefundRefused, match=r"BHD 1\.005 isn't a multiple of BHD 0\.010"):
        give_back(small_shop, purchase, 1005)


def test_a_marker_that_fits_nothing_finishes_no_request(shop: Host, stripe: Sandbox) -> None:
    """Whoever has a key can write metadata."""
    purchase, other = sold(shop, stripe), sold(shop, stripe, "bob")
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 400)
    (request,) = requests_for(shop, purchase)
    marker = {"flask_stripe_credits": "local", "refund_request": str(request["id"])}
    for payment, amount, metadata in (
        (other["stripe_payment_intent_id"], 400, marker),
        (purchase["stripe_payment_intent_id"], 100, marker),
        (purchase["stripe_payment_intent_id"], 400, marker | {"flask_stripe_credits": "other"}),
    ):
        told = event("refund.created", refund(payment, amount, metadata=metadata))
        assert shop.post_event(told).status_code == 200
    assert requests_for(shop, purchase)[0]["stripe_refund_id"] is None
    fits = refund(purchase["stripe_payment_intent_id"], 400, metadata=marker)
    for _ in range(2):
        assert shop.post_event(event("refund.created", fits)).status_code == 200
    another = refund(purchase["stripe_payment_intent_id"], 400, metadata=marker)
    assert shop.post_event(event("refund.created", another)).status_code == 200
    assert requests_for(shop, purchase)[0]["stripe_refund_id"] == fits["id"]


def test_a_credit_manager_that_is_down_takes_the_credits_back_later(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    shop = new_shop(database_url)
    purchase = sold(shop, stripe)

    def down() -> None:
        raise RuntimeError("down: postgresql://ledger:hunter2@db")

    shop.credits.on_purchase_reversed(down)
    with pytest.raises(RefundUnrecorded, match="Stripe made refund re_") as raised:
        give_back(shop, purchase)
    assert "(RuntimeError)" in str(raised.value) and "hunter2" not in str(raised.value)
    assert isinstance(raised.value, StripeCreditsError)
    assert (amounts(stripe, purchase), shop.ledger()) == ([1000], [1000])


@on_sqlite
def test_refused_by_stripe_while_it_lists_changes_nothing(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    stripe.faults.next(LIST, status=500)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase)
    assert requests_for(shop, purchase) == []


@pytest.mark.parametrize("told", [False, True], ids=["unheard", "webhook"])
def test_again_gone_on_with_after_a_lost_answer_is_one_refund(
    shop: Host, stripe: Sandbox, told: bool
) -> None:
    """What a lost answer asks for is the same command once more, with all its options."""
    purchase = sold(shop, stripe)
    give_back(shop, purchase, 300)
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True, after_work=True)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 300, again=True)
    if told:
        deliver_all(shop, stripe, purchase)
    gone_on = give_back(shop, purchase, 300, again=True)
    assert gone_on.how is Refunded.RESUMED
    assert amounts(stripe, purchase) == [300, 300]
    assert shop.ledger() == [1000, -300, -300]
    # Now somebody has heard of it, and means another one.
    assert give_back(shop, purchase, 300, again=True).how is Refunded.MADE
    assert amounts(stripe, purchase) == [300, 300, 300]


def test_again_after_hearing_that_it_was_made_makes_another(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True, after_work=True)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 300)
    assert give_back(shop, purchase, 300).how is Refunded.MADE_BEFORE
    assert give_back(shop, purchase, 300, again=True).how is Refunded.MADE
    assert amounts(stripe, purchase) == [300, 300]
