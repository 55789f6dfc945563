"""Committed first, handed over afterwards: how the receivers are called and when again."""

from __future__ import annotations

import datetime as dt
import logging
from secrets import token_hex
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy.session import Session

from flask_stripe_credits import GrantSnapshot, outbox
from flask_stripe_credits.outbox import LONGEST_ERROR, pause_after
from flask_stripe_credits.signals import grant_committed, purchase_completed

from ..hosts import PREFIX, Host
from .conftest import Clock, Shop, make_shop


def test_the_grant_is_committed_and_the_purchase_completed_before_anybody_is_called(
    shop: Shop,
) -> None:
    purchase = shop.buy()
    assert shop.manager.calls == []
    assert purchase["status"] == "completed"
    grant = shop.grant(purchase)
    assert (grant["credits"], grant["delivered_at"], grant["attempts"]) == (1000, None, 0)
    shown = shop.host.client.get(f"{PREFIX}/purchases/{purchase['id']}").json
    assert (shown["status"], shown["delivered"]) == ("completed", False)
    assert shop.deliver() == 1
    shown = shop.host.client.get(f"{PREFIX}/purchases/{purchase['id']}").json
    assert (shown["status"], shown["delivered"]) == ("completed", True)
    assert shop.deliver() == 0
    assert shop.manager.called == [1000]


def test_a_refund_is_delivered_as_a_take_back_and_delivered_is_false_meanwhile(shop: Shop) -> None:
    purchase = shop.buy()
    shop.deliver()
    assert shop.refund(purchase, 400).status_code == 200
    shown = shop.host.client.get(f"{PREFIX}/purchases/{purchase['id']}").json
    assert (shown["credits_revoked"], shown["delivered"]) == (400, False)
    assert shop.deliver() == 1
    assert shop.manager.called == [1000, -400]
    assert shop.manager.calls[1].purchase.credits_revoked == 400


def test_events_that_are_delivered_again_deliver_no_grant_again(shop: Shop) -> None:
    purchase = shop.host.add_purchase()
    event = shop.host.paid_event(purchase)
    for _ in range(3):
        shop.host.post_event(event).close()
        shop.deliver()
    assert shop.manager.called == [1000]


def test_grant_committed_is_sent_once_and_at_the_commit(shop: Shop) -> None:
    told: list[tuple[int, int]] = []

    def remember(sender: object, grant: GrantSnapshot, **_: object) -> None:
        told.append((grant.credits, len(shop.manager.calls)))

    grant_committed.connect(remember, sender=shop.host.app)
    shop.buy()
    assert told == [(1000, 0)]
    shop.deliver()
    assert told == [(1000, 0)]


class TestHowReceiversAreCalled:
    def test_I14_no_transaction_of_ours_is_open(self, shop: Shop) -> None:
        """Somebody else can write every row of the purchase while the receiver runs."""
        host = shop.host

        def write_elsewhere(grant: GrantSnapshot) -> None:
            with host.db.engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
                for model in (host.credits.Purchase, host.credits.Grant):
                    table = model.__table__
                    connection.execute(sa.update(table).values(user_id=table.c.user_id))

        shop.manager.trouble = write_elsewhere
        shop.buy()
        assert shop.deliver() == 1

    def test_what_a_receiver_forgets_to_commit_is_committed(self, shop: Shop) -> None:
        """Else it would be lost at the end of the app context, and count as delivered."""
        host = shop.host

        def book(grant: GrantSnapshot) -> None:
            host.db.session.add(_entry(host, grant))

        shop.manager.trouble = book
        shop.buy()
        assert (shop.deliver(), host.ledger()) == (1, [1000])

    def test_what_a_failing_receiver_wrote_is_rolled_back(self, shop: Shop, clock: Clock) -> None:
        host = shop.host

        def book_and_fail(grant: GrantSnapshot) -> None:
            host.db.session.add(_entry(host, grant))
            host.db.session.flush()
            if len(shop.manager.calls) == 1:
                raise RuntimeError("after the flush")

        shop.manager.trouble = book_and_fail
        shop.buy()
        assert (shop.deliver(), host.ledger()) == (0, [])
        clock.pass_by(seconds=1)
        assert (shop.deliver(), host.ledger()) == (1, [1000])

    def test_a_commit_that_fails_is_an_attempt_that_failed(self, shop: Shop) -> None:
        host = shop.host

        def collide(grant: GrantSnapshot) -> None:
            taken = {"id": grant.id, "user_id": "bob", "credits": 1}
            with host.db.engine.begin() as connection:
                connection.execute(sa.insert(host.LedgerEntry.__table__), taken)
            host.db.session.add(_entry(host, grant))

        shop.manager.trouble = collide
        purchase = shop.buy()
        assert shop.deliver() == 0
        assert host.ledger("alice") == []
        assert shop.grant(purchase)["last_error"].endswith("IntegrityError")

    def test_the_callers_session_is_put_back_as_it_was(self, shop: Shop) -> None:
        host = shop.host
        purchase = shop.buy()

        def use_the_session(grant: GrantSnapshot) -> None:
            host.db.session.add(_entry(host, grant))

        shop.manager.trouble = use_the_session
        with host.app.app_context():
            session = host.db.session()
            mine = host.LedgerEntry(id="mine", user_id="bob", credits=1)
            host.db.session.add(mine)
            assert host.credits.deliver_due() == 1
            assert host.db.session() is session
            assert mine in session.new
        assert (host.ledger(), shop.grant(purchase)["last_error"]) == ([1000], None)

    def test_several_receivers_are_all_called_again_when_one_of_them_fails(
        self, shop: Shop, clock: Clock
    ) -> None:
        others: list[str] = []

        @shop.host.credits.on_purchase_completed
        def another(grant: GrantSnapshot) -> None:
            others.append(grant.id)
            if len(others) == 1:
                raise RuntimeError("once")

        shop.buy()
        shop.deliver()
        clock.pass_by(seconds=1)
        shop.deliver()
        assert len(others) == 2
        assert sum(shop.manager.booked.values()) == 1000

    def test_a_receiver_that_outlives_its_lease_is_told(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        purchase, said = shop.buy(), "somebody else may have been handed it too"
        shop.deliver()
        assert said not in caplog.text
        monkeypatch.setattr(outbox, "LEASE", dt.timedelta(0))
        shop.refund(purchase)
        shop.deliver()
        assert said in caplog.text

    def test_inside_a_hosts_transaction_that_is_rolled_back_nothing_stays(
        self, database_url: str
    ) -> None:
        """A host's test suite that wraps everything in one transaction."""
        held: list[sa.Connection] = []

        class Wrapped(Session):
            def get_bind(self, *args: Any, **kwargs: Any) -> Any:
                return held[0] if held else super().get_bind(*args, **kwargs)

        options = {"class_": Wrapped, "join_transaction_mode": "create_savepoint"}
        shop = make_shop(database_url, session_options=options)
        host = shop.host
        shop.manager.trouble = lambda grant: host.db.session.add(_entry(host, grant))
        purchase = host.add_purchase()
        with host.app.app_context(), host.db.engine.connect() as connection:
            transaction = connection.begin()
            held.append(connection)
            assert host.pay(purchase).status_code == 200
            assert host.credits.deliver_due() == 1
            assert host.db.session.get(host.LedgerEntry, shop.manager.calls[0].id) is not None
            host.db.session.remove()
            transaction.rollback()
            held.clear()
        assert (host.grants(), host.ledger()) == ([], [])

    def test_a_receiver_whose_work_nothing_would_run_has_not_taken_the_grant(
        self, shop: Shop
    ) -> None:
        async def later() -> None: ...

        def forgets_to_await(sender: object, **_: object) -> Any:
            return later()

        purchase_completed.connect(forgets_to_await, sender=shop.host.app)
        purchase = shop.buy()
        assert shop.deliver() == 0
        assert "returned a coroutine" in shop.grant(purchase)["last_error"]


def _entry(host: Host, grant: GrantSnapshot) -> Any:
    return host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)


class TestFailures:
    @pytest.mark.parametrize("failures", [1, 3])
    def test_C15_a_receiver_that_fails_a_few_times_has_each_grant_in_the_end(
        self, shop: Shop, clock: Clock, failures: int
    ) -> None:
        def fail(grant: GrantSnapshot) -> None:
            if len(shop.manager.calls) <= failures:
                raise ConnectionError("the service is down")

        shop.manager.trouble = fail
        purchase = shop.buy()
        for number in range(failures):
            assert shop.deliver() == 0
            grant = shop.grant(purchase)
            pause = dt.timedelta(seconds=2**number)
            assert grant["next_attempt_at"] == clock.now + pause
            assert (grant["attempts"], grant["claimed_until"]) == (number + 1, None)
            assert (grant["delivered_at"], grant["last_error"]) == (None, "ConnectionError")
            clock.pass_by(seconds=2**number - 0.001)
            assert shop.deliver() == 0
            assert len(shop.manager.calls) == number + 1
            clock.pass_by(seconds=0.001)
        assert shop.deliver() == 1
        grant = shop.grant(purchase)
        assert (grant["attempts"], grant["last_error"]) == (failures + 1, None)
        assert len({call.id for call in shop.manager.calls}) == 1
        assert sum(shop.manager.booked.values()) == 1000

    def test_the_pause_doubles_up_to_an_hour(self) -> None:
        pauses = [pause_after(attempt).total_seconds() for attempt in range(1, 14)]
        assert pauses == [*(2**n for n in range(12)), 3600]
        assert pause_after(2**31).total_seconds() == 3600

    def test_one_run_tries_each_grant_once_however_long_it_takes(
        self, shop: Shop, clock: Clock
    ) -> None:
        def fail_slowly(grant: GrantSnapshot) -> None:
            clock.pass_by(seconds=10)
            raise TimeoutError

        shop.manager.trouble = fail_slowly
        purchases = [shop.buy() for _ in range(3)]
        assert shop.deliver() == 0
        assert [shop.grant(one)["attempts"] for one in purchases] == [1, 1, 1]

    def test_a_failing_grant_keeps_nobody_else_waiting(self, shop: Shop) -> None:
        bad = shop.buy()
        good = [shop.buy(user_id="bob") for _ in range(2)]

        def fail(grant: GrantSnapshot) -> None:
            if grant.purchase_id == str(bad["id"]):
                raise RuntimeError("this one")

        shop.manager.trouble = fail
        assert shop.deliver() == 2
        assert all(shop.grant(one)["delivered_at"] for one in good)

    def test_I13_neither_secrets_nor_endless_texts_are_kept(self, shop: Shop, clock: Clock) -> None:
        secret = "token-" + token_hex(16)

        def fail(grant: GrantSnapshot) -> None:
            raise RuntimeError(f"401 for https://user:{secret}@credits.test/" + "x" * 10_000)

        shop.manager.trouble = fail
        purchase = shop.buy()
        shop.deliver()
        assert shop.grant(purchase)["last_error"] == "RuntimeError"

        def refuse(grant: GrantSnapshot) -> None:
            raise shop.host.credits.Refuse("y" * 10_000)

        shop.manager.trouble = refuse
        clock.pass_by(seconds=1)
        shop.deliver()
        assert len(shop.grant(purchase)["last_error"]) == LONGEST_ERROR

    def test_C19_without_a_receiver_nothing_is_lost_and_it_is_loud(
        self, database_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        shop = make_shop(database_url, receiver=None)
        purchase = shop.buy()
        assert shop.deliver() == 0
        loud = [r for r in caplog.records if r.levelno == logging.CRITICAL]
        assert "no receiver is connected to purchase_completed" in loud[-1].getMessage()
        assert "no receiver is connected" in shop.grant(purchase)["last_error"]

        @shop.host.credits.on_grant
        def take(grant: GrantSnapshot) -> None:
            shop.manager.take(grant)

        clock.pass_by(seconds=1)
        assert shop.deliver() == 1
        assert shop.manager.called == [1000]
