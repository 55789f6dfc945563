"""A receiver that can never take a grant which is committed already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.facts import Ruling, record_acceptance
from flask_stripe_credits.fulfillment import settle
from flask_stripe_credits.notices import log_act
from flask_stripe_credits.signals import purchase_flagged
from flask_stripe_credits.stripe_objects import CheckoutSession
from flask_stripe_credits.testing import assert_invariants

from ..hosts import PREFIX
from ..payloads import checkout_session
from .conftest import Clock, Shop


@pytest.fixture
def deleted_user(shop: Shop) -> Shop:
    """A shop whose credit manager knows nobody."""

    def refuse(grant: GrantSnapshot) -> None:
        raise shop.host.credits.Refuse(f"there is no user {grant.user_id}")

    shop.manager.trouble = refuse
    return shop


def _accept(shop: Shop, purchase: dict[str, Any]) -> None:
    session = CheckoutSession.from_payload(checkout_session(purchase))
    ruling = Ruling("ops", "the user is back")
    with shop.host.app.app_context():
        settle(
            shop.host.state,
            lambda uow: record_acceptance(uow, purchase["id"], session, ruling),
            cause="test",
            finish=lambda uow, _: log_act(uow, "ops", "purchase.accepted", purchase["id"], {}),
        )


def _dismiss(shop: Shop, purchase: dict[str, Any]) -> None:
    command = ["credits", "review", "dismiss", str(purchase["id"]), "--reason", "refunded by hand"]
    result = shop.host.app.test_cli_runner().invoke(args=command)
    assert result.exit_code == 0, result.output


def test_a_refusal_puts_the_purchase_in_review_and_keeps_the_grant(
    deleted_user: Shop, clock: Clock
) -> None:
    shop = deleted_user
    told: list[tuple[str, str]] = []

    def remember(sender: object, purchase: Any, reason: str) -> None:
        told.append((purchase.id, reason))

    purchase_flagged.connect(remember, sender=shop.host.app)
    purchase = shop.buy()
    assert shop.deliver() == 0
    row, grant = shop.host.purchase(purchase["id"]), shop.grant(purchase)
    reason = "refused by a receiver: there is no user alice"
    assert (row["status"], row["review_reason"]) == ("review", reason)
    assert told == [(str(purchase["id"]), reason)]
    assert (grant["delivered_at"], grant["claimed_until"]) == (None, None)
    assert (grant["credits"], grant["last_error"]) == (1000, reason)
    audit = shop.host.rows(shop.host.credits.AuditLog, action="purchase.review")
    assert audit[0]["details"]["cause"] == f"delivery of grant {grant['id']}"
    shown = shop.host.client.get(f"{PREFIX}/purchases/{purchase['id']}").json
    assert (shown["status"], shown["delivered"]) == ("review", False)


def test_nothing_of_a_refused_purchase_is_tried_while_nobody_has_decided(
    deleted_user: Shop, clock: Clock
) -> None:
    shop = deleted_user
    purchase = shop.buy()
    shop.refund(purchase, 400)
    shop.deliver()
    shop.manager.trouble = None
    for _ in range(3):
        clock.pass_by(days=1)
        assert shop.deliver() == 0
    assert shop.manager.called == [1000]


def test_money_that_goes_back_meanwhile_posts_nothing_until_somebody_decides(
    deleted_user: Shop, clock: Clock
) -> None:
    shop = deleted_user
    purchase = shop.buy()
    shop.deliver()
    shop.refund(purchase)
    assert [row["credits"] for row in shop.host.grants()] == [1000]
    shop.manager.trouble = None
    _accept(shop, purchase)
    assert [row["credits"] for row in shop.host.grants()] == [1000, -1000]
    assert shop.deliver() == 2
    assert shop.manager.called == [1000, 1000, -1000]
    assert shop.host.purchase(purchase["id"])["status"] == "refunded"


def test_accepting_tries_again_and_another_refusal_has_to_be_decided_anew(
    deleted_user: Shop, clock: Clock
) -> None:
    shop = deleted_user
    purchase = shop.buy()
    shop.deliver()
    _accept(shop, purchase)
    assert shop.host.purchase(purchase["id"])["status"] == "completed"
    assert shop.deliver() == 0
    row = shop.host.purchase(purchase["id"])
    assert (row["status"], row["review_decision"], row["reviewed_by"]) == ("review", None, None)
    shop.manager.trouble = None
    _accept(shop, purchase)
    assert shop.deliver() == 1
    assert shop.grant(purchase)["last_error"] is None
    assert shop.host.purchase(purchase["id"])["status"] == "completed"
    assert len(shop.host.grants()) == 1


def test_dismissing_leaves_the_grant_undelivered_for_good(deleted_user: Shop, clock: Clock) -> None:
    shop = deleted_user
    purchase = shop.buy()
    shop.deliver()
    _dismiss(shop, purchase)
    shop.manager.trouble = None
    clock.pass_by(days=30)
    assert shop.deliver() == 0
    shop.refund(purchase)
    assert shop.deliver() == 0
    assert [row["delivered_at"] for row in shop.host.grants()] == [None]
    assert shop.manager.called == [1000]


@pytest.mark.parametrize("decide", [None, _dismiss, _accept])
def test_the_audit_complains_of_a_grant_that_waits_unless_a_decision_keeps_it(
    deleted_user: Shop, clock: Clock, decide: Callable[[Shop, dict[str, Any]], None] | None
) -> None:
    shop = deleted_user
    clock.pass_by(hours=-1)
    purchase = shop.buy()
    shop.deliver()
    if decide is not None:
        decide(shop, purchase)
    if decide is _accept:
        with pytest.raises(AssertionError, match="undelivered"):
            assert_invariants(shop.host.app)
        clock.pass_by(hours=1)
        shop.manager.trouble = None
        assert shop.deliver() == 1
    assert_invariants(shop.host.app)


def test_a_refused_take_back_is_in_review_and_what_was_given_stays_given(
    shop: Shop, clock: Clock
) -> None:
    purchase = shop.buy()
    shop.deliver()

    def refuse(grant: GrantSnapshot) -> None:
        raise shop.host.credits.Refuse("nothing is left to take")

    shop.manager.trouble = refuse
    shop.refund(purchase)
    assert shop.deliver() == 0
    assert shop.host.purchase(purchase["id"])["status"] == "review"
    assert shop.grant(purchase, 1)["delivered_at"] is not None
    assert shop.grant(purchase, 2)["delivered_at"] is None


def test_a_refusal_of_one_purchase_keeps_no_other_waiting(deleted_user: Shop) -> None:
    shop = deleted_user
    shop.buy()
    shop.deliver()
    shop.manager.trouble = None
    shop.buy(user_id="bob")
    assert shop.deliver() == 1
