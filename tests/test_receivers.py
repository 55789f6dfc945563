from __future__ import annotations

import contextlib
import gc
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot, PurchaseSnapshot, StripeCredits
from flask_stripe_credits.errors import ConfigurationError, ReceiverFailed
from flask_stripe_credits.signals import (
    purchase_completed,
    purchase_restored,
    purchase_reversed,
)
from flask_stripe_credits.testing import assert_invariants

from .hosts import Host, make_host
from .payloads import new_api_key, new_secret

NOTHING_KEPT = "nothing is kept"
KEPT = "kept"


def _entry(host: Host, grant: GrantSnapshot) -> Any:
    return host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)


def plain(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))


def through_db_session(host: Host, grant: GrantSnapshot, session: Session) -> None:
    assert host.db.session() is session
    host.db.session.add(_entry(host, grant))


def flushes(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()


def commits(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    host.db.session.commit()


def commits_twice(host: Host, grant: GrantSnapshot, session: Session) -> None:
    commits(host, grant, session)
    host.db.session.commit()
    assert host.db.session.scalar(sa.select(sa.func.count(host.LedgerEntry.id))) == 1


def queries(host: Host, grant: GrantSnapshot, session: Session) -> None:
    purchase = session.get(host.credits.Purchase, uuid.UUID(grant.purchase_id))
    assert purchase is not None and purchase.user_id == grant.user_id
    assert session.scalars(sa.select(host.LedgerEntry)).all() == []
    session.add(_entry(host, grant))


def nested_savepoint_fails_and_is_caught(
    host: Host, grant: GrantSnapshot, session: Session
) -> None:
    entry = _entry(host, grant)
    session.add(entry)
    session.flush()
    session.expunge(entry)
    with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
        session.add(_entry(host, grant))
        session.flush()


def reads_core_connection(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.connection().execute(
        sa.insert(host.LedgerEntry.__table__),
        {"id": grant.id, "user_id": grant.user_id, "credits": grant.credits},
    )


def raises(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    raise RuntimeError("the credit manager is broken")


def commits_then_raises(host: Host, grant: GrantSnapshot, session: Session) -> None:
    commits(host, grant, session)
    raise RuntimeError("the credit manager is broken")


def rolls_back_and_says_nothing(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    host.db.session.rollback()


def commits_then_rolls_back(host: Host, grant: GrantSnapshot, session: Session) -> None:
    commits(host, grant, session)
    host.db.session.rollback()


def rolls_back_and_books_again(host: Host, grant: GrantSnapshot, session: Session) -> None:
    rolls_back_and_says_nothing(host, grant, session)
    session.add(_entry(host, grant))
    with contextlib.suppress(Exception):
        session.commit()


def rolls_back_by_hand_and_books_again(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.flush()
    session.execute(sa.text("ROLLBACK"))
    session.add(_entry(host, grant))
    session.commit()


def closes(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    host.db.session.close()


def removes(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    host.db.session.remove()


def removes_and_reads_on(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    host.db.session.remove()
    host.db.session.execute(sa.select(sa.func.count(host.LedgerEntry.id)))


def resets(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.reset()


def invalidates(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.invalidate()


def forgets_what_is_not_flushed(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.expunge_all()


def forgets_what_is_flushed(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    session.expunge_all()


def swallows_a_failed_flush(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    session.expunge_all()
    session.add(_entry(host, grant))
    with pytest.raises(sa.exc.IntegrityError):
        session.flush()


def swallows_a_failed_statement(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    with pytest.raises(sa.exc.DBAPIError):
        session.execute(sa.text("SELECT * FROM no_such_table"))
    session.execute(sa.select(sa.func.count(host.LedgerEntry.id)))


def leaves_a_duplicate_to_the_flush(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.execute(
        sa.insert(host.LedgerEntry.__table__),
        {"id": grant.id, "user_id": grant.user_id, "credits": grant.credits},
    )
    session.add(_entry(host, grant))


def rolls_back_the_connection(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    session.connection().rollback()


def commits_the_connection(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    session.connection().commit()


def rolls_back_by_hand(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    session.execute(sa.text("ROLLBACK"))


def commits_by_hand_and_raises(host: Host, grant: GrantSnapshot, session: Session) -> None:
    session.add(_entry(host, grant))
    session.flush()
    session.execute(sa.text("COMMIT"))
    raise RuntimeError("the credit manager is broken")


HARSH = (
    rolls_back_the_connection,
    commits_the_connection,
    rolls_back_by_hand,
    commits_by_hand_and_raises,
)


STYLES: dict[Callable[[Host, GrantSnapshot, Session], None], str] = {
    plain: KEPT,
    through_db_session: KEPT,
    flushes: KEPT,
    commits: KEPT,
    commits_twice: KEPT,
    queries: KEPT,
    nested_savepoint_fails_and_is_caught: KEPT,
    reads_core_connection: KEPT,
    forgets_what_is_flushed: KEPT,
    raises: NOTHING_KEPT,
    commits_then_raises: NOTHING_KEPT,
    rolls_back_and_says_nothing: NOTHING_KEPT,
    rolls_back_and_books_again: NOTHING_KEPT,
    rolls_back_by_hand_and_books_again: NOTHING_KEPT,
    closes: NOTHING_KEPT,
    removes: NOTHING_KEPT,
    removes_and_reads_on: NOTHING_KEPT,
    resets: NOTHING_KEPT,
    invalidates: NOTHING_KEPT,
    forgets_what_is_not_flushed: NOTHING_KEPT,
    swallows_a_failed_flush: NOTHING_KEPT,
    leaves_a_duplicate_to_the_flush: NOTHING_KEPT,
}


class Styled:
    """A receiver whose style can be changed between deliveries."""

    def __init__(self) -> None:
        self.host: Host | None = None
        self.style: Callable[[Host, GrantSnapshot, Session], None] = plain
        self.calls = 0

    def receiver(self) -> Callable[..., None]:
        def on_grant(grant: GrantSnapshot, session: Session) -> None:
            assert self.host is not None
            self.calls += 1
            self.style(self.host, grant, session)

        return on_grant


@pytest.fixture
def styled(database_url: str) -> Styled:
    found = Styled()
    found.host = make_host(database_url, receiver=found.receiver())
    return found


def _pay(styled: Styled) -> tuple[Host, dict[str, Any], int]:
    host = styled.host
    assert host is not None
    purchase = host.add_purchase()
    return host, purchase, host.pay(purchase).status_code


@pytest.mark.parametrize("style", [s for s, end in STYLES.items() if end == KEPT])
def test_C17_a_receiver_may_use_the_session_as_any_view_does(
    styled: Styled, style: Callable[..., None]
) -> None:
    styled.style = style
    host, purchase, status = _pay(styled)
    assert status == 200
    assert host.ledger() == [1000]
    assert host.purchase(purchase["id"])["status"] == "completed"
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]
    assert styled.calls == 1


@pytest.mark.parametrize("style", [s for s, end in STYLES.items() if end == NOTHING_KEPT])
def test_C17_a_receiver_that_fails_or_ends_the_transaction_leaves_nothing_behind(
    styled: Styled, style: Callable[..., None]
) -> None:
    styled.style = style
    host, purchase, status = _pay(styled)
    assert status == 503
    assert host.ledger() == []
    assert host.grants() == []
    assert host.purchase(purchase["id"]) == purchase
    (inbox,) = host.rows(host.credits.WebhookEvent)
    assert (inbox["verdict"], inbox["error_class"]) == ("failed", "ReceiverFailed")
    styled.style = plain
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]
    assert host.purchase(purchase["id"])["status"] == "completed"


@pytest.mark.parametrize("style", HARSH)
def test_C17_even_one_that_takes_the_transaction_away_loses_and_doubles_nothing(
    styled: Styled, style: Callable[..., None]
) -> None:
    styled.style = style
    host, purchase, status = _pay(styled)
    assert status == 503 or host.ledger() == [1000]
    styled.style = plain
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]
    row = host.purchase(purchase["id"])
    assert row["status"] == "completed" and row["completed_at"] is not None
    assert host.pay(host.add_purchase()).status_code == 200


def _only_the_second_try_is_kept(host: Host) -> None:
    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 503
    assert (host.ledger(), host.grants()) == ([], [])
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]
    assert_invariants(host.app)


def rolls_back(session: Session, connection: sa.Connection) -> None:
    session.rollback()


def closes_it(session: Session, connection: sa.Connection) -> None:
    session.close()


@pytest.mark.parametrize("commits", [False, True])
@pytest.mark.parametrize("end", [rolls_back, closes_it])
@pytest.mark.parametrize("level", [None, "AUTOCOMMIT"])
def test_C17_a_connection_that_a_receiver_has_kept_writes_nothing_when_the_transaction_is_gone(
    database_url: str, level: str | None, end: Callable[..., None], commits: bool
) -> None:
    tries: list[str] = []

    def book(grant: GrantSnapshot, session: Session) -> None:
        tries.append(grant.id)
        connection = session.connection()
        if len(tries) == 1:
            end(session, connection)
        # An entry without the grant's id for a key: nothing else keeps a second one out.
        entry = {"id": f"entry {len(tries)}", "user_id": "alice", "credits": grant.credits}
        connection.execute(sa.insert(host.LedgerEntry.__table__), entry)
        if commits and len(tries) == 1:
            connection.commit()

    options = {} if level is None else {"isolation_level": level}
    host = make_host(database_url, receiver=book, SQLALCHEMY_ENGINE_OPTIONS=options)
    _only_the_second_try_is_kept(host)


class TenantSession(FlaskSession):
    """Gives the engine options at every call, as hosts with a schema for each tenant do."""

    tenant: Any = "everybody"

    def get_bind(self, *args: Any, **kwargs: Any) -> sa.Engine | sa.Connection:
        bind = super().get_bind(*args, **kwargs)
        return bind.execution_options(tenant=self.tenant) if isinstance(bind, sa.Engine) else bind


def test_C17_a_session_that_gives_its_engine_options_joins_the_transaction(
    database_url: str,
) -> None:
    tries: list[str] = []

    def book(grant: GrantSnapshot, session: Session) -> None:
        tries.append(grant.id)
        entry = {"id": f"entry {len(tries)}", "user_id": "alice", "credits": grant.credits}
        session.add(host.LedgerEntry(**entry))
        session.commit()
        if len(tries) == 1:
            raise RuntimeError("not today")

    host = make_host(database_url, receiver=book, session_options={"class_": TenantSession})
    _only_the_second_try_is_kept(host)


def expires_all(session: Session, entry: Any) -> None:
    session.expire_all()


def expires(session: Session, entry: Any) -> None:
    session.expire(entry)


def refreshes(session: Session, entry: Any) -> None:
    session.refresh(entry)


def locks(session: Session, entry: Any) -> None:
    session.refresh(entry, with_for_update=True)


def expunges(session: Session, entry: Any) -> None:
    session.expunge(entry)


@pytest.mark.parametrize("forget", [expires_all, expires, refreshes, locks, expunges])
def test_C20_what_one_receiver_hasnt_flushed_is_safe_from_the_other(
    database_url: str, forget: Callable[..., None]
) -> None:
    """Whichever of them is called first: blinker knows no order."""
    host = make_host(database_url, receiver=False)
    with host.app.app_context():
        host.db.session.add(host.LedgerEntry(id="balance", user_id="alice", credits=0))
        host.db.session.commit()

    def add(grant: GrantSnapshot, session: Session) -> None:
        entry = session.get(host.LedgerEntry, "balance")
        assert entry is not None
        forget(session, entry)
        entry = session.get(host.LedgerEntry, "balance")
        assert entry is not None
        entry.credits += grant.credits

    @host.credits.on_grant
    def one(grant: GrantSnapshot, session: Session) -> None:
        add(grant, session)

    @host.credits.on_grant
    def other(grant: GrantSnapshot, session: Session) -> None:
        add(grant, session)

    assert host.pay(host.add_purchase()).status_code == 200
    assert host.ledger() == [2000]


def test_C18_a_swallowed_SQL_error_is_kept_only_where_the_database_still_answers(
    styled: Styled,
) -> None:
    styled.style = swallows_a_failed_statement
    host, purchase, status = _pay(styled)
    if host.db_url.startswith("sqlite"):
        assert (status, host.ledger()) == (200, [1000])
        return
    assert (status, host.ledger(), host.grants()) == (503, [], [])
    styled.style = plain
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]


def test_C15_a_receiver_that_fails_three_times_is_called_until_it_succeeds(
    styled: Styled,
) -> None:
    styled.style = raises
    host, purchase, status = _pay(styled)
    statuses = [status, host.pay(purchase).status_code, host.pay(purchase).status_code]
    styled.style = plain
    statuses.append(host.pay(purchase).status_code)
    assert statuses == [503, 503, 503, 200]
    assert host.ledger() == [1000]


def test_C15_the_answer_to_a_failed_delivery_asks_for_patience_and_says_nothing_else(
    styled: Styled,
) -> None:
    styled.style = raises
    host = styled.host
    assert host is not None
    answer = host.pay(host.add_purchase())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"].isdigit()
    assert answer.json is not None
    assert answer.json["code"] == "fulfillment_failed"
    assert b"credit manager" not in answer.data


def test_C20_the_second_of_two_receivers_raises_and_the_first_ones_work_is_undone(
    database_url: str,
) -> None:
    host = make_host(database_url)
    broken = True

    @host.credits.on_grant
    def second(grant: GrantSnapshot) -> None:
        if broken:
            raise RuntimeError("no")

    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 503
    assert (host.ledger(), host.grants()) == ([], [])
    broken = False
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]


def test_C16_a_slow_receiver_is_logged(
    sqlite_host: Host, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_stripe_credits.delivery.SLOW_RECEIVER_SECONDS", 0.0)
    with caplog.at_level(logging.WARNING):
        assert sqlite_host.pay(sqlite_host.add_purchase()).status_code == 200
    assert "the receivers of purchase_completed took" in caplog.text
    assert sqlite_host.ledger() == [1000]


def test_C16_a_quick_receiver_is_not(sqlite_host: Host, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert sqlite_host.pay(sqlite_host.add_purchase()).status_code == 200
    assert "the receivers" not in caplog.text


class TestNobodyListens:
    def test_C19_a_due_grant_without_a_receiver_is_not_written(
        self, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = make_host(database_url, receiver=False)
        purchase = host.add_purchase()
        before = host.row_counts()
        answer = host.pay(purchase)
        assert answer.status_code == 503
        assert "no receiver is connected to purchase_completed" in caplog.text
        assert "CRITICAL" in {record.levelname for record in caplog.records}
        assert host.purchase(purchase["id"]) == purchase
        assert host.row_counts() == before | {"credit_webhook_events": 1}
        (inbox,) = host.rows(host.credits.WebhookEvent)
        assert (inbox["verdict"], inbox["error_class"]) == ("failed", "NoReceiver")

    def test_C19_it_heals_once_a_receiver_is_connected(self, database_url: str) -> None:
        host = make_host(database_url, receiver=False)
        purchase = host.add_purchase()
        document = host.paid_event(purchase)
        assert host.post_event(document).status_code == 503

        @host.credits.on_purchase_completed
        def book(grant: GrantSnapshot, session: Session) -> None:
            session.add(_entry(host, grant))

        assert host.post_event(document).status_code == 200
        assert host.ledger() == [1000]
        (inbox,) = host.rows(host.credits.WebhookEvent)
        assert (inbox["verdict"], inbox["attempts"]) == ("handled", 2)
        assert inbox["error_class"] is None

    def test_C19_a_receiver_that_was_disconnected_doesnt_count(self, sqlite_host: Host) -> None:
        host = make_host(str(sqlite_host.db_url), receiver=False)

        def book(sender: Flask, **arguments: Any) -> None:
            raise AssertionError("it was disconnected")

        purchase_completed.connect(book, sender=host.app)
        purchase_completed.disconnect(book, sender=host.app)
        assert host.pay(host.add_purchase()).status_code == 503
        assert host.grants() == []

    def test_C19_a_receiver_that_was_garbage_collected_doesnt_count(
        self, sqlite_host: Host
    ) -> None:
        host = make_host(str(sqlite_host.db_url), receiver=False)

        def connect_a_closure() -> None:
            def book(sender: Flask, **arguments: Any) -> None:
                raise AssertionError("it is gone")

            purchase_completed.connect(book, sender=host.app)

        connect_a_closure()
        gc.collect()
        assert host.pay(host.add_purchase()).status_code == 503
        assert host.grants() == []

    def test_C19_a_receiver_of_another_app_doesnt_count(
        self, new_database: Callable[[str], str]
    ) -> None:
        listening = make_host(new_database("sqlite"))
        deaf = make_host(new_database("sqlite"), receiver=False)
        assert deaf.pay(deaf.add_purchase()).status_code == 503
        assert (listening.ledger(), deaf.grants()) == ([], [])

    def test_C19_a_muted_signal_reaches_nobody(self, sqlite_host: Host) -> None:
        with purchase_completed.muted():
            assert sqlite_host.pay(sqlite_host.add_purchase()).status_code == 503
        assert (sqlite_host.ledger(), sqlite_host.grants()) == ([], [])

    def test_C19_a_receiver_of_the_other_signals_doesnt_count(self, sqlite_host: Host) -> None:
        host = make_host(str(sqlite_host.db_url), receiver=False)

        @host.credits.on_purchase_reversed
        @host.credits.on_purchase_restored
        def book(grant: GrantSnapshot) -> None:
            raise AssertionError("not for a first grant")

        assert host.pay(host.add_purchase()).status_code == 503


class TestRawSignals:
    def test_a_raw_connection_to_one_app_hears_it(self, sqlite_host: Host) -> None:
        host = make_host(str(sqlite_host.db_url), receiver=False)
        heard: list[dict[str, Any]] = []

        def book(sender: Flask, **arguments: Any) -> None:
            heard.append({"sender": sender} | arguments)

        purchase_completed.connect(book, sender=host.app)
        assert host.pay(host.add_purchase()).status_code == 200
        (call,) = heard
        assert call["sender"] is host.app
        assert set(call) == {"sender", "purchase", "grant", "session"}
        assert isinstance(call["grant"], GrantSnapshot)
        assert call["grant"].purchase == call["purchase"]

    def test_C21_a_raw_coroutine_function_fails_the_delivery(self, sqlite_host: Host) -> None:
        host = make_host(str(sqlite_host.db_url), receiver=False)

        async def book(sender: Flask, **arguments: Any) -> None:
            raise AssertionError("never awaited")

        purchase_completed.connect(book, sender=host.app)
        assert host.pay(host.add_purchase()).status_code == 503
        assert host.grants() == []

    def test_C21_a_plain_function_that_returns_a_coroutine_fails_the_delivery(
        self, sqlite_host: Host
    ) -> None:
        host = make_host(str(sqlite_host.db_url), receiver=False)

        async def book() -> None:
            raise AssertionError("never awaited")

        @host.credits.on_grant
        def start(grant: GrantSnapshot) -> Any:
            return book()

        assert host.pay(host.add_purchase()).status_code == 503
        assert host.grants() == []


class TestRegistering:
    @pytest.fixture
    def credits(self) -> StripeCredits:
        return StripeCredits()

    def test_it_returns_the_function(self, credits: StripeCredits) -> None:
        def book(grant: GrantSnapshot) -> None: ...

        assert credits.on_grant(book) is book
        assert credits.on_purchase_completed(book) is book
        assert credits.on_purchase_reversed(book) is book
        assert credits.on_purchase_restored(book) is book

    def test_C21_coroutine_functions_are_refused(self, credits: StripeCredits) -> None:
        async def book(grant: GrantSnapshot) -> None: ...

        with pytest.raises(ConfigurationError, match="coroutine"):
            credits.on_grant(book)

    def test_C21_generator_functions_are_refused_because_calling_one_runs_nothing(
        self, credits: StripeCredits
    ) -> None:
        def book(grant: GrantSnapshot) -> Iterator[None]:
            yield

        async def book_later(grant: GrantSnapshot) -> Any:
            yield

        for function in (book, book_later):
            with pytest.raises(ConfigurationError, match="generator function"):
                credits.on_grant(function)

    def test_arguments_that_nobody_passes_are_refused(self, credits: StripeCredits) -> None:
        def book(grants: GrantSnapshot) -> None: ...

        def positional(grant: GrantSnapshot, /) -> None: ...

        for function in (book, positional):
            with pytest.raises(ConfigurationError, match="needs an argument"):
                credits.on_grant(function)

    @pytest.mark.parametrize("thing", [None, "book", 3, object()])
    def test_what_cant_be_called_is_refused(self, credits: StripeCredits, thing: Any) -> None:
        with pytest.raises(ConfigurationError, match="must be a function"):
            credits.on_grant(thing)

    def test_what_has_no_signature_is_refused(self, credits: StripeCredits) -> None:
        with pytest.raises(ConfigurationError):
            credits.on_grant(dict.fromkeys)
        with pytest.raises(ConfigurationError):
            credits.on_grant(type)


def _no_arguments(host: Host) -> Callable[..., None]:
    def receiver() -> None:
        host.received.append(None)  # type: ignore[arg-type]

    return receiver


def _only_the_purchase(host: Host) -> Callable[..., None]:
    def receiver(purchase: PurchaseSnapshot) -> None:
        assert isinstance(purchase, PurchaseSnapshot)
        host.received.append(None)  # type: ignore[arg-type]

    return receiver


def _everything_by_name(host: Host) -> Callable[..., None]:
    def receiver(*, session: Session, grant: GrantSnapshot, purchase: PurchaseSnapshot) -> None:
        assert isinstance(session, Session)
        assert grant.purchase == purchase
        host.received.append(grant)

    return receiver


def _with_a_default(host: Host) -> Callable[..., None]:
    def receiver(grant: GrantSnapshot, verbose: bool = True) -> None:
        assert verbose
        host.received.append(grant)

    return receiver


def _keywords(host: Host) -> Callable[..., None]:
    def receiver(**arguments: Any) -> None:
        assert set(arguments) == {"purchase", "grant", "session"}
        host.received.append(arguments["grant"])

    return receiver


def _star(host: Host) -> Callable[..., None]:
    def receiver(*ignored: Any, grant: GrantSnapshot) -> None:
        assert ignored == ()
        host.received.append(grant)

    return receiver


def _bound_method(host: Host) -> Callable[..., None]:
    class Manager:
        def book(self, grant: GrantSnapshot) -> None:
            host.received.append(grant)

    return Manager().book


@pytest.mark.parametrize(
    "make",
    [
        _no_arguments,
        _only_the_purchase,
        _everything_by_name,
        _with_a_default,
        _keywords,
        _star,
        _bound_method,
    ],
)
def test_a_receiver_gets_the_arguments_that_it_names(
    sqlite_host: Host, make: Callable[[Host], Callable[..., None]]
) -> None:
    host = make_host(str(sqlite_host.db_url), receiver=False)
    host.credits.on_grant(make(host))
    gc.collect()
    assert host.pay(host.add_purchase()).status_code == 200
    assert len(host.received) == 1


def test_C19_closures_are_kept_alive_by_the_app_alone(sqlite_host: Host) -> None:
    booked = []
    app = Flask("forgetful")
    app.config |= {
        "SQLALCHEMY_DATABASE_URI": sqlite_host.db_url,
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": new_secret(),
    }

    def initialise() -> None:
        db = SQLAlchemy()
        credits = StripeCredits(db=db)
        credits.on_grant(lambda grant: booked.append(grant))
        db.init_app(app)
        credits.init_app(app)

    initialise()
    gc.collect()
    assert len(list(purchase_completed.receivers_for(app))) == 1


def test_C19_a_factory_that_runs_twice_doesnt_grant_twice(
    sqlite_host: Host,
) -> None:
    host = sqlite_host

    def factory() -> None:
        @host.credits.on_grant
        def book(grant: GrantSnapshot) -> None:
            host.received.append(grant)

    factory()
    factory()
    assert host.pay(host.add_purchase()).status_code == 200
    assert len(host.received) == 2, "once by the host's own receiver, once by the factory's"


def _bare(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(grant: GrantSnapshot) -> Any:
        return function(grant)

    return wrapper


class _Manager:
    def __init__(self) -> None:
        self.booked: list[int] = []

    def book(self, grant: GrantSnapshot) -> None:
        self.booked.append(grant.credits)


def _two_lambdas(first: list[int], second: list[int]) -> Sequence[Callable[..., Any]]:
    return [lambda grant: first.append(grant.credits), lambda grant: second.append(grant.credits)]


def _two_of_a_decorator(first: list[int], second: list[int]) -> Sequence[Callable[..., Any]]:
    return [_bare(one) for one in _two_lambdas(first, second)]


def _two_of_a_loop(first: list[int], second: list[int]) -> Sequence[Callable[..., Any]]:
    return [lambda grant, to=to: to.append(grant.credits) for to in (first, second)]


def _two_of_a_closure(first: list[int], second: list[int]) -> Sequence[Callable[..., Any]]:
    def of(booked: list[int]) -> Callable[..., Any]:
        return lambda grant: booked.append(grant.credits)

    return [of(first), of(second)]


def _methods_of_two(first: list[int], second: list[int]) -> Sequence[Callable[..., Any]]:
    return [_Manager().book, _Manager().book]


@pytest.mark.parametrize(
    "two",
    [_two_lambdas, _two_of_a_decorator, _two_of_a_loop, _two_of_a_closure, _methods_of_two],
)
def test_C19_another_receiver_of_the_same_name_is_refused_and_not_dropped(
    sqlite_host: Host, two: Callable[..., Sequence[Callable[..., Any]]]
) -> None:
    booked: list[int] = []
    first, second = two(booked, [])
    sqlite_host.credits.on_grant(first)
    with pytest.raises(ConfigurationError, match=r"another receiver is called .*functools\.wraps"):
        sqlite_host.credits.on_grant(second)
    assert sqlite_host.credits.on_grant(first) is first
    assert sqlite_host.pay(sqlite_host.add_purchase()).status_code == 200
    if two is not _methods_of_two:
        assert booked == [1000]


def test_C19_a_factory_that_runs_again_with_other_objects_replaces_its_receivers(
    new_database: Callable[[str], str],
) -> None:
    host = make_host(new_database("sqlite"), receiver=False)

    def factory() -> tuple[_Manager, list[int]]:
        manager, counted = _Manager(), []
        host.credits.on_grant(manager.book)

        @host.credits.on_grant
        @_bare
        def count(grant: GrantSnapshot) -> None:
            counted.append(grant.credits)

        return manager, counted

    before, counted_before = factory()
    other = Flask("other")
    other.config |= host.app.config
    host.db.init_app(other)
    host.credits.init_app(other)
    after, counted = factory()
    assert host.pay(host.add_purchase()).status_code == 200
    assert (before.booked, counted_before) == ([], [])
    assert (after.booked, counted) == ([1000], [1000])


def test_C19_two_apps_of_one_factory_hear_only_their_own_grants(
    new_database: Callable[[str], str],
) -> None:
    first, second = (make_host(new_database("sqlite")) for _ in range(2))
    assert first.pay(first.add_purchase()).status_code == 200
    assert (first.ledger(), second.ledger()) == ([1000], [])
    assert second.pay(second.add_purchase(user_id="bob")).status_code == 200
    assert (first.ledger(), second.ledger()) == ([1000], [1000])
    assert (len(first.received), len(second.received)) == (1, 1)


def test_one_StripeCredits_serves_several_apps(new_database: Callable[[str], str]) -> None:
    host = make_host(new_database("sqlite"))
    other = Flask("other")
    other.config |= {
        key: host.app.config[key] for key in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET_CREDITS")
    }
    other.config["SQLALCHEMY_DATABASE_URI"] = new_database("sqlite")
    host.db.init_app(other)
    host.credits.init_app(other)
    with other.app_context():
        host.db.create_all()
    second = Host(other, host.db, host.credits, host.LedgerEntry, host.webhook_secret)

    heard = []

    @host.credits.on_grant
    def late(grant: GrantSnapshot) -> None:
        heard.append(grant.user_id)

    assert second.pay(second.add_purchase(user_id="bob")).status_code == 200
    assert (host.ledger(), second.ledger()) == ([], [1000])
    assert host.pay(host.add_purchase()).status_code == 200
    assert (host.ledger(), second.ledger()) == ([1000], [1000])
    assert heard == ["bob", "alice"]


def test_an_app_can_be_collected_though_it_has_receivers(
    new_database: Callable[[str], str],
) -> None:
    gc.collect()
    before = len(purchase_reversed.receivers), len(purchase_restored.receivers)
    make_host(new_database("sqlite"))
    gc.collect()
    assert (len(purchase_reversed.receivers), len(purchase_restored.receivers)) == before


def test_C17_a_session_that_a_receiver_keeps_begins_no_transaction_of_its_own(
    host: Host,
) -> None:
    """It belongs to our transaction, and what came later would be written by nobody's."""
    kept: list[Session] = []
    host.credits.on_grant(lambda grant, session: kept.append(session))
    assert host.pay(host.add_purchase()).status_code == 200
    (session,) = kept
    session.add(host.LedgerEntry(id="late", user_id="alice", credits=1))
    with host.app.app_context(), pytest.raises(ReceiverFailed, match="or has kept it"):
        session.commit()
    session.close()
    host.assert_exact()
