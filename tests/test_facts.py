from __future__ import annotations

import datetime as dt
import itertools
import math
import uuid
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_stripe_credits.facts import (
    Decision,
    PurchaseStatus,
    Reversals,
    posts_nothing,
    status_of,
    target,
)
from flask_stripe_credits.integers import LARGEST_INTEGER

from .hosts import Host, make_host
from .payloads import checkout_session, event
from .profiles import short

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)

without_a_deadline = settings(deadline=None)


def _purchase(**facts: Any) -> dict[str, Any]:
    return {
        "id": uuid.UUID(int=1),
        "amount_credits": 1000,
        "unit_amount": 1000,
        "session_completed_at": None,
        "paid_at": None,
        "failed_at": None,
        "expired_at": None,
        "amount_paid": None,
        "completed_at": None,
        "review_reason": None,
        "review_decision": None,
    } | facts


def _paid(amount_credits: int, amount_paid: int) -> dict[str, Any]:
    return _purchase(amount_credits=amount_credits, amount_paid=amount_paid, paid_at=NOW)


credits_ = st.integers(1, LARGEST_INTEGER)
money = st.integers(1, LARGEST_INTEGER)
returned = st.integers(0, LARGEST_INTEGER)


class TestTarget:
    @without_a_deadline
    @given(credits_, money, returned, returned)
    def test_B20_what_went_back_takes_credits_in_proportion_rounded_up_once(
        self, credits: int, paid: int, refunded: int, disputed: int
    ) -> None:
        due = target(_paid(credits, paid), Reversals(refunded, disputed), allow_free=False)
        gone = min(paid, refunded + disputed)
        assert type(due) is int
        assert 0 <= due <= credits
        assert credits - due == math.ceil(Fraction(credits * gone, paid))

    @without_a_deadline
    @given(credits_, money)
    def test_B24_nothing_back_keeps_everything_and_everything_back_keeps_nothing(
        self, credits: int, paid: int
    ) -> None:
        purchase = _paid(credits, paid)
        assert target(purchase, Reversals(), allow_free=False) == credits
        assert target(purchase, Reversals(refunded=paid), allow_free=False) == 0
        assert target(purchase, Reversals(disputed=paid), allow_free=False) == 0

    @without_a_deadline
    @given(credits_, money, returned)
    def test_B27_a_refund_and_a_dispute_of_one_payment_take_no_more_than_everything(
        self, credits: int, paid: int, more: int
    ) -> None:
        assert target(_paid(credits, paid), Reversals(paid, more), allow_free=False) == 0

    @without_a_deadline
    @given(credits_, money, returned, returned)
    def test_I1_more_money_back_never_leaves_more_credits(
        self, credits: int, paid: int, first: int, more: int
    ) -> None:
        purchase = _paid(credits, paid)
        before = target(purchase, Reversals(first), allow_free=False)
        after = target(purchase, Reversals(first + more), allow_free=False)
        assert after <= before

    @without_a_deadline
    @given(st.integers(1, 10_000), st.lists(st.integers(1, 50), min_size=1, max_size=30))
    def test_B21_many_small_refunds_take_everything_and_never_give_back(
        self, credits: int, refunds: list[int]
    ) -> None:
        purchase = _paid(credits, sum(refunds))
        left = [
            target(purchase, Reversals(refunded), allow_free=False)
            for refunded in itertools.accumulate(refunds, initial=0)
        ]
        taken = [before - after for before, after in itertools.pairwise(left)]
        assert min(taken) >= 0
        assert sum(taken) == credits

    @pytest.mark.parametrize("allow_free", [True, False])
    def test_B01_nothing_is_due_before_it_is_paid(self, allow_free: bool) -> None:
        for facts in ({}, {"session_completed_at": NOW}, {"failed_at": NOW}, {"expired_at": NOW}):
            assert target(_purchase(**facts), Reversals(), allow_free=allow_free) == 0

    def test_B02_what_cost_nothing_counts_where_that_is_allowed_or_was_accepted(self) -> None:
        free = _paid(1000, 0)
        assert target(free, Reversals(), allow_free=True) == 1000
        assert target(free, Reversals(), allow_free=False) == 0
        accepted = free | {"review_decision": Decision.ACCEPTED}
        assert target(accepted, Reversals(), allow_free=False) == 1000
        given_before = free | {"completed_at": NOW}
        assert target(given_before, Reversals(), allow_free=False) == 1000


class TestStatus:
    CASES = (
        ({}, Reversals(), "pending"),
        ({"expired_at": NOW}, Reversals(), "expired"),
        ({"session_completed_at": NOW}, Reversals(), "processing"),
        ({"session_completed_at": NOW, "expired_at": NOW}, Reversals(), "processing"),
        ({"failed_at": NOW, "session_completed_at": NOW}, Reversals(), "failed"),
        ({"failed_at": NOW, "expired_at": NOW}, Reversals(), "failed"),
        ({"paid_at": NOW, "amount_paid": 9, "failed_at": NOW}, Reversals(), "completed"),
        ({"paid_at": NOW, "amount_paid": 9, "expired_at": NOW}, Reversals(), "completed"),
        ({"paid_at": NOW, "amount_paid": 9}, Reversals(8), "completed"),
        ({"paid_at": NOW, "amount_paid": 9}, Reversals(9), "refunded"),
        ({"paid_at": NOW, "amount_paid": 9}, Reversals(10), "refunded"),
        ({"paid_at": NOW, "amount_paid": 9}, Reversals(9, 1), "disputed"),
        ({"paid_at": NOW, "amount_paid": 0}, Reversals(), "completed"),
        ({"paid_at": NOW, "amount_paid": 9, "review_reason": "odd"}, Reversals(9, 9), "review"),
        ({"review_reason": "odd", "review_decision": "dismissed"}, Reversals(), "failed"),
        ({"review_reason": "odd", "review_decision": "accepted"}, Reversals(), "pending"),
        (
            {
                "paid_at": NOW,
                "amount_paid": 9,
                "completed_at": NOW,
                "review_reason": "odd",
                "review_decision": "dismissed",
            },
            Reversals(9),
            "refunded",
        ),
    )

    @pytest.mark.parametrize(("facts", "reversals", "status"), CASES)
    def test_the_first_that_matches_wins(
        self, facts: dict[str, Any], reversals: Reversals, status: str
    ) -> None:
        assert status_of(_purchase(**facts), reversals) == status

    @without_a_deadline
    @given(
        st.fixed_dictionaries(
            {
                "session_completed_at": st.sampled_from([None, NOW]),
                "paid_at": st.sampled_from([None, NOW]),
                "failed_at": st.sampled_from([None, NOW]),
                "expired_at": st.sampled_from([None, NOW]),
                "completed_at": st.sampled_from([None, NOW]),
                "amount_paid": st.sampled_from([None, 0, 9]),
                "review_reason": st.sampled_from([None, "odd"]),
                "review_decision": st.sampled_from([None, *Decision]),
            }
        ),
        st.integers(0, 20),
        st.integers(0, 20),
    )
    def test_it_is_total_and_only_decides_what_somebody_has_to_look_at(
        self, facts: dict[str, Any], refunded: int, disputed: int
    ) -> None:
        purchase = _purchase(**facts)
        status = status_of(purchase, Reversals(refunded, disputed))
        assert status in PurchaseStatus
        undecided = facts["review_reason"] is not None and facts["review_decision"] is None
        assert (status == "review") is undecided
        assert posts_nothing(purchase) is (undecided or facts["review_decision"] == "dismissed")
        if facts["paid_at"] is None:
            assert status not in ("completed", "refunded", "disputed")


# What Stripe may say about one session, as (event type, payment_status, status).
COMPLETED_UNPAID = ("completed", "unpaid", "complete")
COMPLETED_PAID = ("completed", "paid", "complete")
ASYNC_SUCCEEDED = ("async_payment_succeeded", "paid", "complete")
ASYNC_FAILED = ("async_payment_failed", "unpaid", "complete")
EXPIRED = ("expired", "unpaid", "expired")
NEWS = (COMPLETED_UNPAID, COMPLETED_PAID, ASYNC_SUCCEEDED, ASYNC_FAILED, EXPIRED)

FACTS = (
    "stripe_checkout_session_id",
    "stripe_payment_intent_id",
    "session_completed_at",
    "paid_at",
    "failed_at",
    "expired_at",
    "amount_paid",
    "completed_at",
)


def _event_about(purchase: dict[str, Any], news: tuple[str, str, str]) -> dict[str, Any]:
    kind, payment_status, status = news
    session = checkout_session(purchase, payment_status=payment_status, status=status)
    if news == EXPIRED:
        session["payment_intent"] = None
    return event(f"checkout.session.{kind}", session)


def _expected(told: set[tuple[str, str, str]]) -> tuple[str, list[int]]:
    if told & {COMPLETED_PAID, ASYNC_SUCCEEDED}:
        return "completed", [1000]
    for news, status in (
        (ASYNC_FAILED, "failed"),
        (COMPLETED_UNPAID, "processing"),
        (EXPIRED, "expired"),
    ):
        if news in told:
            return status, []
    return "pending", []


def _deliver_in_this_order(
    host: Host, order: list[tuple[str, str, str]], knows_session: bool
) -> None:
    user = f"user{uuid.uuid4().hex}"
    purchase = host.add_purchase(user_id=user)
    events = {news: _event_about(purchase, news) for news in order}
    if not knows_session:
        purchase = host.add_purchase(user_id=user, stripe_checkout_session_id=None)
        events = {news: _event_about(purchase, news) for news in order}
        session_id = f"cs_test_{purchase['id'].hex}"
        for document in events.values():
            document["data"]["object"]["id"] = session_id
    told: set[tuple[str, str, str]] = set()
    before = host.purchase(purchase["id"])
    for news in order:
        assert host.post_event(events[news]).status_code == 200
        told.add(news)
        after = host.purchase(purchase["id"])
        for name in FACTS:
            assert before[name] in (None, after[name]), f"{name} moved back"
        assert (after["status"], host.ledger(user)) == _expected(told)
        before = after
    assert [grant["credits"] for grant in host.grants(user_id=user)] == host.ledger(user)


orders = st.lists(st.sampled_from(NEWS), min_size=1, max_size=8)


class TestEveryOrderAndRepetition:
    """On the real thing: every prefix of every order is where it should be."""

    @short(60)
    @given(orders, st.booleans())
    def test_I5_I6_A05_A06_A07_A08_A12_any_order_ends_in_the_same_place(
        self, sqlite_host: Host, order: list[tuple[str, str, str]], knows_session: bool
    ) -> None:
        _deliver_in_this_order(sqlite_host, order, knows_session)

    @short(20)
    @given(orders, st.booleans())
    def test_I5_I6_A05_A06_A07_A08_A12_on_PostgreSQL_too(
        self, postgres_host: Host, order: list[tuple[str, str, str]], knows_session: bool
    ) -> None:
        _deliver_in_this_order(postgres_host, order, knows_session)

    def test_I5_I6_A05_A12_every_permutation_of_a_delayed_payment(self, sqlite_host: Host) -> None:
        delayed = (COMPLETED_UNPAID, ASYNC_SUCCEEDED, ASYNC_FAILED, EXPIRED)
        for order in itertools.permutations(delayed):
            _deliver_in_this_order(sqlite_host, list(order), knows_session=True)


def test_two_hosts_of_one_database_agree(new_database: Callable[[str], str]) -> None:
    url = new_database("sqlite")
    first = make_host(url)
    second = make_host(url, tables=False)
    purchase = first.add_purchase()
    assert first.pay(purchase).status_code == 200
    assert second.pay(purchase).status_code == 200
    assert first.ledger() == second.ledger() == [1000]
