"""Break each rule of the outbox, and see that a test of it fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits import delivery, fulfillment, outbox
from flask_stripe_credits.errors import FulfillmentError
from flask_stripe_credits.statements import Statements
from flask_stripe_credits.unit_of_work import UnitOfWork, in_transaction

from . import test_answers, test_deliveries, test_order, test_refusals, test_workers
from .conftest import Clock, Shop, make_shop

Mutate = Callable[[Shop, pytest.MonkeyPatch], object]
Check = Callable[[Shop, Clock], object]


def _statements(shop: Shop) -> Statements:
    with shop.host.app.app_context():
        return shop.host.state.statements(shop.host.db.engine.dialect.name)


def _without(shop: Shop, name: str) -> None:
    """Take the conditions that speak of ``name`` out of the search for a due grant."""
    query = _statements(shop).find_due_grant._generate()
    kept = tuple(one for one in query._where_criteria if name not in str(one))
    assert kept != query._where_criteria
    query._where_criteria = kept
    _statements(shop).find_due_grant = query


def overtaking(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    _without(shop, "earlier")


def also_in_review(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    _without(shop, "review_decision")


def at_any_time(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    _without(shop, "next_attempt_at")


def also_claimed(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    _without(shop, "claimed_until")


def no_lease(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outbox, "LEASE", dt.timedelta(0))


def endless_lease(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outbox, "LEASE", dt.timedelta(days=1))


def unlocked(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    """Two look at the same row and both claim it."""
    query = _statements(shop).find_due_grant._generate()
    query._for_update_arg = None
    _statements(shop).find_due_grant = query


def marked_first(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    """At most once: what the receiver then fails to take is lost."""

    def hand_over(state: Any, app: Any, claim: outbox.Claim) -> None:
        in_transaction(state, lambda uow: outbox._mark_delivered(uow, claim.grant))
        delivery.deliver_outside(state, app, claim.grant)

    patch.setattr(outbox, "hand_over", hand_over)


def inside_our_transaction(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    def hand_over(state: Any, app: Any, claim: outbox.Claim) -> None:
        def work(uow: UnitOfWork) -> None:
            outbox._mark_delivered(uow, claim.grant)
            delivery.deliver_outside(state, app, claim.grant)

        in_transaction(state, work)

    patch.setattr(outbox, "hand_over", hand_over)


def late_failures_count(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    statement = _statements(shop).mark_failed._generate()
    grants = shop.host.credits.Grant.__table__
    statement._where_criteria = (
        grants.c.id == sa.bindparam("grant_id"),
        sa.bindparam("attempt", type_=sa.Integer) > 0,
    )
    _statements(shop).mark_failed = statement


def refusals_are_failures(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    def keep_trying(state: Any, claim: outbox.Claim, refused: Exception) -> None:
        outbox.mark_failed(state, claim, FulfillmentError(str(refused)))

    patch.setattr(fulfillment, "_settle_refusal", keep_trying)


def texts_are_kept(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outbox, "described", str)


def the_answer_waits(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    def at_once(app: Any, state: Any, purchase_id: Any) -> None:
        fulfillment.deliver_due(state, purchase_id)

    patch.setattr(fulfillment, "_deliver_after_answer", at_once)


MUTANTS: list[tuple[Mutate, Check]] = [
    (overtaking, test_order.TestOrder().test_a_take_back_never_overtakes_its_grant),
    (also_in_review, test_refusals.test_dismissing_leaves_the_grant_undelivered_for_good),
    (at_any_time, lambda shop, clock: _c15(shop, clock)),
    (no_lease, test_order.TestLeases().test_a_late_failure_does_not_end_the_lease_of_others),
    (endless_lease, test_order.TestLeases().test_what_a_dead_worker_had_is_tried_again_later),
    (marked_first, lambda shop, clock: _c15(shop, clock)),
    (
        late_failures_count,
        test_order.TestLeases().test_a_late_failure_does_not_end_the_lease_of_others,
    ),
    (refusals_are_failures, test_refusals.test_dismissing_leaves_the_grant_undelivered_for_good),
    (
        texts_are_kept,
        test_deliveries.TestFailures().test_I13_neither_secrets_nor_endless_texts_are_kept,
    ),
    (
        the_answer_waits,
        lambda shop, _: test_answers.test_the_grant_is_delivered_by_the_request_alone(shop),
    ),
]


def _c15(shop: Shop, clock: Clock) -> None:
    test = test_deliveries.TestFailures()
    test.test_C15_a_receiver_that_fails_a_few_times_has_each_grant_in_the_end(shop, clock, 1)


@pytest.mark.parametrize(
    ("mutate", "check"),
    MUTANTS,
    ids=[f"{mutate.__name__}-{n}" for n, (mutate, _) in enumerate(MUTANTS)],
)
def test_a_broken_rule_is_noticed(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, mutate: Mutate, check: Check
) -> None:
    shop = make_shop(database_url)
    mutate(shop, monkeypatch)
    with pytest.raises((AssertionError, TypeError)):
        check(shop, clock)


@pytest.mark.parametrize("mutate", [overtaking, also_claimed])
def test_threads_without_a_rule_are_noticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch, mutate: Mutate
) -> None:
    shop = make_shop(database_url)
    mutate(shop, monkeypatch)
    with pytest.raises(AssertionError):
        test_workers.deliver_in_threads(shop)


def test_two_claims_of_one_grant_without_the_lock_are_noticed(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer; there the lock is the transaction's own."""
    shop = make_shop(postgres_database_url)
    unlocked(shop, monkeypatch)
    with pytest.raises(AssertionError):
        test_workers.deliver_in_threads(shop, purchases=40)


def test_a_receiver_inside_our_transaction_is_noticed(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop(postgres_database_url)
    inside_our_transaction(shop, monkeypatch)
    with pytest.raises(AssertionError):
        test_deliveries.TestHowReceiversAreCalled().test_I14_no_transaction_of_ours_is_open(shop)
