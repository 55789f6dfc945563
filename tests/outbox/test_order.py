"""Leases, and the order of a purchase's grants."""

from __future__ import annotations

import datetime as dt

import pytest

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.outbox import LEASE

from .conftest import Clock, Shop


def _booked(shop: Shop) -> int:
    return sum(shop.manager.booked.values())


class TestOrder:
    def test_a_take_back_never_overtakes_its_grant(self, shop: Shop, clock: Clock) -> None:
        def fail(grant: GrantSnapshot) -> None:
            if len(shop.manager.calls) <= 2:
                raise RuntimeError("not yet")

        shop.manager.trouble = fail
        purchase = shop.buy()
        shop.deliver()
        shop.refund(purchase)
        assert [row["credits"] for row in shop.host.grants()] == [1000, -1000]
        assert shop.deliver() == 0
        assert shop.manager.called == [1000]
        clock.pass_by(seconds=1)
        assert shop.deliver() == 0
        assert shop.manager.called == [1000, 1000]
        clock.pass_by(seconds=2)
        assert shop.deliver() == 2
        assert shop.manager.called == [1000, 1000, 1000, -1000]
        assert _booked(shop) == 0

    def test_one_run_delivers_the_whole_queue_of_a_purchase_in_order(self, shop: Shop) -> None:
        purchase = shop.buy()
        for _ in range(4):
            shop.refund(purchase, 250)
        assert shop.deliver() == 5
        assert shop.manager.called == [1000, -250, -250, -250, -250]
        assert [grant.sequence for grant in shop.manager.calls] == [1, 2, 3, 4, 5]

    def test_a_take_back_waits_while_its_grant_is_in_somebodys_hands(self, shop: Shop) -> None:
        purchase = shop.buy()

        def refund_and_try(grant: GrantSnapshot) -> None:
            if grant.sequence == 1:
                shop.refund(purchase)
                assert shop.deliver() == 0

        shop.manager.trouble = refund_and_try
        assert shop.deliver() == 1  # what became due during the run is left to the next
        assert shop.deliver() == 1
        assert shop.manager.called == [1000, -1000]


class TestLeases:
    def test_a_grant_that_is_being_handed_over_is_left_alone_for_a_minute(
        self, shop: Shop, clock: Clock
    ) -> None:
        purchase = shop.buy()
        seen: list[dt.datetime] = []

        def others_try(grant: GrantSnapshot) -> None:
            if not seen:
                seen.append(shop.grant(purchase)["claimed_until"])
                clock.pass_by(seconds=59.999)
                assert shop.deliver() == 0

        start = clock.now
        shop.manager.trouble = others_try
        assert shop.deliver() == 1
        assert seen == [start + LEASE] == [start + dt.timedelta(seconds=60)]
        assert shop.manager.called == [1000]

    def test_what_a_dead_worker_had_is_tried_again_later(self, shop: Shop, clock: Clock) -> None:
        def die(grant: GrantSnapshot) -> None:
            raise KeyboardInterrupt

        shop.manager.trouble = die
        purchase = shop.buy()
        with pytest.raises(KeyboardInterrupt):
            shop.deliver()
        shop.manager.trouble = None
        assert shop.deliver() == 0
        clock.pass_by(seconds=60)
        assert shop.deliver() == 1
        assert shop.grant(purchase)["attempts"] == 2
        assert shop.manager.calls[0].id == shop.manager.calls[1].id

    def test_a_late_success_counts_although_somebody_else_has_the_grant(
        self, shop: Shop, clock: Clock
    ) -> None:
        """The first worker slept through its lease; the second fails while the first succeeds."""
        purchase = shop.buy()

        def slow_then_failing(grant: GrantSnapshot) -> None:
            if len(shop.manager.calls) == 1:
                clock.pass_by(seconds=61)
                assert shop.deliver() == 0
            else:
                raise RuntimeError("the second one fails")

        shop.manager.trouble = slow_then_failing
        assert shop.deliver() == 1
        assert shop.grant(purchase)["delivered_at"] == clock.now
        clock.pass_by(hours=2)
        assert shop.deliver() == 0
        assert shop.manager.called == [1000, 1000]

    def test_a_late_success_after_somebody_elses_changes_nothing(
        self, shop: Shop, clock: Clock
    ) -> None:
        purchase = shop.buy()

        def slow(grant: GrantSnapshot) -> None:
            if len(shop.manager.calls) == 1:
                clock.pass_by(seconds=61)
                assert shop.deliver() == 1
                delivered = shop.grant(purchase)
                clock.pass_by(seconds=61)
                seen.append(delivered)

        seen: list[object] = []
        shop.manager.trouble = slow
        shop.deliver()
        assert [shop.grant(purchase)] == seen
        assert _booked(shop) == 1000

    @pytest.mark.parametrize("refuses", [False, True])
    def test_a_late_failure_takes_nothing_from_whoever_has_the_grant_now(
        self, shop: Shop, clock: Clock, refuses: bool
    ) -> None:
        purchase = shop.buy()

        def first_fails_late(grant: GrantSnapshot) -> None:
            if len(shop.manager.calls) == 1:
                clock.pass_by(seconds=61)
                assert shop.deliver() == 1
                if refuses:
                    raise shop.host.credits.Refuse("too late")
                raise RuntimeError("too late")

        shop.manager.trouble = first_fails_late
        assert shop.deliver() == 0
        grant = shop.grant(purchase)
        assert (grant["attempts"], grant["last_error"]) == (2, None)
        assert grant["delivered_at"] == clock.now
        assert shop.host.purchase(purchase["id"])["status"] == "completed"

    def test_a_late_failure_does_not_end_the_lease_of_others(
        self, shop: Shop, clock: Clock
    ) -> None:
        from flask_stripe_credits.errors import ReceiverFailed
        from flask_stripe_credits.outbox import claim_next, mark_failed

        purchase, state = shop.buy(), shop.host.state
        with shop.host.app.app_context():
            first = claim_next(state, None, None)
            clock.pass_by(seconds=61)
            second = claim_next(state, None, None)
            assert first is not None and second is not None
            held = shop.grant(purchase)
            mark_failed(state, first, ReceiverFailed("late"))
            assert shop.grant(purchase) == held
            assert claim_next(state, None, None) is None
