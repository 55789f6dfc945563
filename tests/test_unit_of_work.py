from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from flask import g
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot, unit_of_work
from flask_stripe_credits.errors import DatabaseBusy, TablesOutOfDate
from flask_stripe_credits.unit_of_work import (
    MAX_TRIES,
    Trouble,
    UnitOfWork,
    database_trouble,
    in_transaction,
)

from .driver_modes import SQLITE_MODES, prepare
from .hosts import Host, make_host
from .parallel import await_waiting, in_parallel

QUICK_LOCKS: dict[str, Any] = {"connect_args": {"options": "-c lock_timeout=40ms"}}
QUICK_DEADLOCKS: dict[str, Any] = {"connect_args": {"options": "-c deadlock_timeout=20ms"}}


def _booking_host(
    database_url: str, before_booking: Callable[[Host, GrantSnapshot, Session], None], **config: Any
) -> Host:
    """A host whose receiver does something else first."""

    def book(grant: GrantSnapshot, session: Session) -> None:
        before_booking(host, grant, session)
        session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))

    host = make_host(database_url, receiver=book, **config)
    return host


@contextmanager
def _holding(host: Host, *statements: str, commit: bool = False) -> Iterator[sa.Connection]:
    """Another connection that has run ``statements`` in a transaction."""
    engine = sa.create_engine(host.db_url, connect_args=_driver_mode(host))
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        yield connection
        if commit:
            connection.commit()
        else:
            connection.rollback()
    engine.dispose()


def _driver_mode(host: Host) -> dict[str, Any]:
    return {"isolation_level": None} if host.db_url.startswith("sqlite") else {}


class TestRetries:
    def test_C09_receivers_that_deadlock_are_tried_again_until_both_are_done(
        self, postgres_database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        both_hold_one = threading.Barrier(2)
        calls = itertools.count()

        def lock_in_opposite_order(host: Host, grant: GrantSnapshot, session: Session) -> None:
            first, second = ("a", "b") if next(calls) == 0 else ("b", "a")
            for name in (first, second):
                session.execute(
                    sa.select(host.LedgerEntry).where(host.LedgerEntry.id == name).with_for_update()
                )
                if name == first and not both_hold_one.broken:
                    try:
                        both_hold_one.wait(30)
                    except threading.BrokenBarrierError:
                        continue
                    both_hold_one.abort()

        host = _booking_host(
            postgres_database_url,
            lock_in_opposite_order,
            SQLALCHEMY_ENGINE_OPTIONS=QUICK_DEADLOCKS,
        )
        with host.app.app_context():
            for name in "ab":
                host.db.session.add(host.LedgerEntry(id=name, user_id="x", credits=0))
            host.db.session.commit()
        purchases = [host.add_purchase(), host.add_purchase(user_id="bob")]
        with caplog.at_level(logging.INFO):
            answers = in_parallel([lambda p=p: host.pay(p) for p in purchases])
        assert [answer.status_code for answer in answers] == [200, 200]
        assert "transaction tried again after" in caplog.text
        assert (host.ledger("alice"), host.ledger("bob")) == ([1000], [1000])

    def test_C09_a_lock_that_is_never_freed_ends_in_503_and_heals(
        self, postgres_database_url: str
    ) -> None:
        host = make_host(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS=QUICK_LOCKS)
        purchase = host.add_purchase()
        before = host.row_counts()
        with _holding(host, "SELECT * FROM credit_purchases FOR UPDATE"):
            answer = host.pay(purchase)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json is not None and answer.json["code"] == "database_busy"
        assert host.row_counts() == before | {"credit_webhook_events": 1}
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]

    @pytest.mark.parametrize("isolation_level", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_C09_a_serialization_failure_is_tried_again(
        self,
        postgres_database_url: str,
        isolation_level: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        host = make_host(
            postgres_database_url,
            SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": isolation_level},
        )
        purchase = host.add_purchase()
        caplog.set_level(logging.INFO)
        answers: list[Any] = []
        held = "UPDATE credit_purchases SET updated_at = now()"
        with _holding(host, held, commit=True):
            thread = threading.Thread(target=lambda: answers.append(host.pay(purchase)))
            thread.start()
            await_waiting(_engine(host), thread)
        thread.join(30)
        assert [answer.status_code for answer in answers] == [200]
        assert "transaction tried again after" in caplog.text
        assert host.ledger() == [1000]

    @pytest.mark.parametrize(
        "isolation_level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
    )
    def test_A01_duplicates_at_once_grant_once_in_every_isolation_level(
        self, postgres_database_url: str, isolation_level: str
    ) -> None:
        host = make_host(
            postgres_database_url,
            SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": isolation_level},
        )
        for _ in range(4):
            purchase = host.add_purchase()
            answers = in_parallel([lambda p=purchase: host.pay(p)] * 4)
            while any(answer.status_code == 503 for answer in answers):
                answers = [host.pay(purchase)]
            assert {answer.status_code for answer in answers} == {200}
        assert host.ledger() == [1000] * 4

    def test_C10_a_locked_SQLite_file_is_tried_again(
        self,
        new_database: Callable[[str], str],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        host = make_host(
            new_database("sqlite"),
            SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.02}},
        )
        purchase = host.add_purchase()
        with _holding(host, "BEGIN IMMEDIATE") as other, caplog.at_level(logging.INFO):
            # The pause before the second try is when the other one lets go.
            monkeypatch.setattr(unit_of_work.time, "sleep", lambda seconds: other.rollback())
            assert host.pay(purchase).status_code == 200
        assert "transaction tried again after OperationalError" in caplog.text
        assert host.ledger() == [1000]

    def test_C10_a_SQLite_file_that_stays_locked_ends_in_503_and_heals(
        self, new_database: Callable[[str], str]
    ) -> None:
        host = make_host(
            new_database("sqlite"),
            SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.02}},
        )
        purchase = host.add_purchase()
        before = host.row_counts()
        with _holding(host, "BEGIN IMMEDIATE"):
            answer = host.pay(purchase)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert host.row_counts() == before
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]

    def test_no_try_starts_after_the_longest_retry_time(
        self, sqlite_host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unit_of_work, "LONGEST_RETRY_SECONDS", -1.0)
        tries = itertools.count()

        def work(uow: UnitOfWork) -> None:
            next(tries)
            raise _passing()

        with sqlite_host.app.app_context(), pytest.raises(DatabaseBusy):
            in_transaction(sqlite_host.state, work)
        assert next(tries) == 1

    def test_it_gives_up_after_a_few_tries_and_names_the_cause(self, sqlite_host: Host) -> None:
        tries = itertools.count()

        def work(uow: UnitOfWork) -> None:
            next(tries)
            raise _passing()

        with sqlite_host.app.app_context(), pytest.raises(DatabaseBusy) as caught:
            in_transaction(sqlite_host.state, work)
        assert next(tries) == MAX_TRIES
        assert isinstance(caught.value.__cause__, sa.exc.OperationalError)

    def test_other_exceptions_are_not_tried_again_and_undo_everything(self, host: Host) -> None:
        before = host.row_counts()
        tries = itertools.count()

        def work(uow: UnitOfWork) -> None:
            next(tries)
            uow.execute(uow.sql.lock_buyer, {"user_id": "alice", "created_at": uow.now})
            raise LookupError

        with host.app.app_context(), pytest.raises(LookupError):
            in_transaction(host.state, work)
        assert next(tries) == 1
        assert host.row_counts() == before


def _passing() -> sa.exc.OperationalError:
    return sa.exc.OperationalError("", {}, Exception("database is locked"))


def _engine(host: Host) -> sa.Engine:
    with host.app.app_context():
        return host.db.engine


class TestAfterTheCommit:
    def test_it_runs_once_in_order_and_its_exceptions_are_logged(
        self, sqlite_host: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        done: list[str] = []
        tries = itertools.count()

        def fail() -> None:
            done.append("failed")
            raise LookupError("nobody cares")

        def work(uow: UnitOfWork) -> str:
            uow.after_commit(fail)
            uow.after_commit(lambda: done.append("second"))
            if next(tries) == 0:
                raise _passing()
            return "result"

        with sqlite_host.app.app_context():
            assert in_transaction(sqlite_host.state, work) == "result"
        assert done == ["failed", "second"]
        assert "nobody cares" in caplog.text

    def test_it_doesnt_run_when_nothing_was_committed(self, sqlite_host: Host) -> None:
        done: list[str] = []

        def work(uow: UnitOfWork) -> None:
            uow.after_commit(lambda: done.append("told"))
            raise LookupError

        with sqlite_host.app.app_context(), pytest.raises(LookupError):
            in_transaction(sqlite_host.state, work)
        assert done == []


class TestSQLiteModes:
    """Whatever the driver was told, there is one transaction with the write lock from its start."""

    @pytest.fixture(params=["delete", "wal"])
    def journal_mode(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture(params=SQLITE_MODES)
    def mode_host(
        self,
        request: pytest.FixtureRequest,
        new_database: Callable[[str], str],
        journal_mode: str,
    ) -> Host:
        self.fails = True
        self.others_could_write: list[bool] = []
        host = _booking_host(
            new_database("sqlite"),
            self._before_booking,
            SQLALCHEMY_ENGINE_OPTIONS=SQLITE_MODES[request.param],
        )
        prepare(host, request.param, journal_mode)
        return host

    def _before_booking(self, host: Host, grant: GrantSnapshot, session: Session) -> None:
        self.others_could_write.append(_can_write(host))
        if self.fails:
            session.execute(
                sa.insert(host.LedgerEntry.__table__),
                {"id": grant.id, "user_id": grant.user_id, "credits": grant.credits},
            )
            session.commit()
            raise RuntimeError("not today")

    def test_C10_it_holds_the_write_lock_and_undoes_everything(self, mode_host: Host) -> None:
        host = mode_host
        purchase = host.add_purchase()
        assert host.pay(purchase).status_code == 503
        assert (host.ledger(), host.grants()) == ([], [])
        assert host.purchase(purchase["id"]) == purchase
        self.fails = False
        assert host.pay(purchase).status_code == 200
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]
        assert self.others_could_write == [False, False]

    def test_A01_duplicates_at_once_grant_once(self, mode_host: Host) -> None:
        self.fails = False
        purchase = mode_host.add_purchase()
        answers = in_parallel([lambda: mode_host.pay(purchase)] * 3)
        assert [answer.status_code for answer in answers] == [200] * 3
        assert mode_host.ledger() == [1000]

    def test_C10_the_write_lock_is_taken_before_anything_is_read(self, mode_host: Host) -> None:
        def work(uow: UnitOfWork) -> bool:
            return _can_write(mode_host)

        with mode_host.app.app_context():
            assert in_transaction(mode_host.state, work) is False
        assert _can_write(mode_host) is True

    def test_a_database_in_memory_works_and_undoes_everything(self) -> None:
        self.fails = True

        def fail_first(host: Host, grant: GrantSnapshot, session: Session) -> None:
            if self.fails:
                raise RuntimeError("not today")

        host = _booking_host("sqlite://", fail_first)
        purchase = host.add_purchase()
        assert host.pay(purchase).status_code == 503
        assert (host.ledger(), host.grants()) == ([], [])
        self.fails = False
        assert host.pay(purchase).status_code == 200
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]


def _can_write(host: Host) -> bool:
    """Whether another connection could write to the SQLite file now."""
    engine = sa.create_engine(host.db_url, connect_args={"timeout": 0, "isolation_level": None})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("ROLLBACK")
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()
    return True


class TestAutocommitOnPostgreSQL:
    def test_an_engine_in_autocommit_mode_still_gets_a_transaction(
        self, postgres_database_url: str
    ) -> None:
        fails = True

        def fail_first(host: Host, grant: GrantSnapshot, session: Session) -> None:
            if fails:
                raise RuntimeError("not today")

        host = _booking_host(
            postgres_database_url,
            fail_first,
            SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": "AUTOCOMMIT"},
        )
        purchase = host.add_purchase()
        assert host.pay(purchase).status_code == 503
        assert (host.ledger(), host.grants()) == ([], [])
        fails = False
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]
        with _engine(host).connect() as connection:
            connection.exec_driver_sql("VACUUM credit_payments")


class TestDatabaseGone:
    def test_C06_a_server_that_isnt_there_is_503_and_nothing_is_lost(
        self, postgres_database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = make_host(postgres_database_url)
        purchase = host.add_purchase()
        document = host.paid_event(purchase)
        away = sa.engine.make_url(postgres_database_url).set(
            host="127.0.0.1", port=9, query={}, password="x"
        )
        dead = make_host_without_tables(
            away.render_as_string(hide_password=False), host.webhook_secret
        )
        answer = dead.post_event(document)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "could not be noted either" in caplog.text
        assert host.post_event(document).status_code == 200
        assert host.ledger() == [1000]

    def test_C15_a_failure_that_cannot_be_noted_for_any_reason_is_503_all_the_same(
        self, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(grant: GrantSnapshot) -> None:
            raise RuntimeError("not today")

        host = make_host(database_url, receiver=fail)

        @sa.event.listens_for(_engine(host), "before_cursor_execute")
        def refuse(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
            if statement.startswith("INSERT INTO credit_webhook_events"):
                raise sa.exc.ProgrammingError(statement, {}, Exception("who knows why"))

        assert host.pay(host.add_purchase()).status_code == 503
        assert "could not be noted either" in caplog.text
        assert (host.ledger(), host.grants()) == ([], [])

    def test_C07_connections_that_died_in_the_pool_are_replaced(self, postgres_host: Host) -> None:
        purchase = postgres_host.add_purchase()
        _terminate_all(postgres_host)
        assert postgres_host.pay(purchase).status_code == 200
        assert postgres_host.ledger() == [1000]

    def test_C07_a_connection_that_dies_in_the_middle_loses_and_doubles_nothing(
        self, postgres_database_url: str
    ) -> None:
        deaths = iter([True, True, False])

        def die(host: Host, grant: GrantSnapshot, session: Session) -> None:
            if next(deaths, False):
                _terminate_all(host)

        host = _booking_host(postgres_database_url, die)
        purchase = host.add_purchase()
        statuses = [host.pay(purchase).status_code]
        while statuses[-1] == 503 and len(statuses) < 5:
            statuses.append(host.pay(purchase).status_code)
        assert statuses[-1] == 200
        assert host.ledger() == [1000]
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]

    def test_C28_a_read_only_SQLite_file_is_503_and_heals(
        self, new_database: Callable[[str], str]
    ) -> None:
        url = new_database("sqlite")
        host = make_host(url)
        purchase = host.add_purchase()
        document = host.paid_event(purchase)
        read_only = make_host_without_tables(
            url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true", host.webhook_secret
        )
        answer = read_only.post_event(document)
        assert answer.status_code == 503
        assert host.ledger() == []
        assert host.post_event(document).status_code == 200
        assert host.ledger() == [1000]

    def test_a_SQLite_folder_that_is_gone_is_503(self, tmp_path: Path) -> None:
        host = make_host_without_tables(f"sqlite:///{tmp_path / 'no' / 'such.sqlite'}")
        answer = host.pay(_unsaved_purchase())
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0

    def test_missing_tables_are_503_and_the_log_says_how_to_make_them(
        self, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = make_host_without_tables(database_url)
        answer = host.pay(_unsaved_purchase())
        assert answer.status_code == 503
        assert answer.json is not None and answer.json["code"] == "tables_out_of_date"
        assert "flask credits db upgrade" in caplog.text
        with host.app.app_context(), pytest.raises(TablesOutOfDate):
            in_transaction(
                host.state, lambda uow: uow.execute(uow.sql.find_session, {"session_id": "x"})
            )


def make_host_without_tables(database_url: str, secret: str | None = None) -> Host:
    overrides = {} if secret is None else {"STRIPE_WEBHOOK_SECRET_CREDITS": secret}
    host = make_host(database_url, tables=False, **overrides)
    host.webhook_secret = secret or host.webhook_secret
    return host


def _unsaved_purchase() -> dict[str, Any]:
    return {
        "id": "0b7f5f7c-56a2-4a5c-8e43-6a1c9a3d7f10",
        "user_id": "alice",
        "package_code": "starter",
        "amount_credits": 1000,
        "unit_amount": 1000,
        "currency": "usd",
        "stripe_checkout_session_id": "cs_test_1",
    }


def _terminate_all(host: Host) -> None:
    """End every other connection to the host's database."""
    engine = sa.create_engine(host.db_url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


class TestPool:
    SMALL: ClassVar[dict[str, Any]] = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 5}

    def test_C11_one_delivery_needs_one_connection(self, database_url: str) -> None:
        host = make_host(
            database_url,
            SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 1, "max_overflow": 0, "pool_timeout": 1},
        )
        for _ in range(3):
            assert host.pay(host.add_purchase()).status_code == 200
        assert host.ledger() == [1000] * 3

    def test_C11_a_host_that_reads_before_each_request_needs_two(self, database_url: str) -> None:
        host = make_host(database_url, SQLALCHEMY_ENGINE_OPTIONS=self.SMALL)

        @host.app.before_request
        def read() -> None:
            host.db.session.scalar(sa.select(sa.func.count(host.LedgerEntry.id)))

        for _ in range(3):
            assert host.pay(host.add_purchase()).status_code == 200
        assert host.ledger() == [1000] * 3

    def test_C11_an_exhausted_pool_is_503_after_one_wait_and_heals(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = make_host(
            database_url,
            SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05},
        )
        purchase = host.add_purchase()
        tries: list[UnitOfWork] = []
        begin = UnitOfWork.__enter__

        def count(uow: UnitOfWork) -> UnitOfWork:
            tries.append(uow)
            return begin(uow)

        monkeypatch.setattr(UnitOfWork, "__enter__", count)
        with _engine(host).connect():
            answer = host.pay(purchase)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert len(tries) == 1
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]


class TestTheCallersSession:
    def test_it_is_put_back_and_expired_never_committed_or_removed(self, database_url: str) -> None:
        host = make_host(database_url)
        purchase = host.add_purchase()
        seen: dict[str, Any] = {}

        @host.app.before_request
        def read_before() -> None:
            g.session = host.db.session()
            g.row = host.db.session.get(host.credits.Purchase, purchase["id"])
            seen["before"] = g.row.status
            # The caller is done with its own work; what it left half-done isn't ours to commit.
            host.db.session.commit()
            g.row = host.db.session.get(host.credits.Purchase, purchase["id"])
            host.db.session.rollback()
            g.session.add(host.LedgerEntry(id="half-done", user_id="alice", credits=7))

        @host.app.after_request
        def read_after(response: Any) -> Any:
            seen["same"] = host.db.session() is g.session
            seen["new"] = len(g.session.new)
            g.session.expunge_all()
            row = host.db.session.get(host.credits.Purchase, purchase["id"])
            seen["after"] = row.status
            return response

        assert host.pay(purchase).status_code == 200
        assert seen == {"before": "pending", "same": True, "new": 1, "after": "completed"}
        assert host.ledger() == [1000]

    def test_what_it_had_loaded_is_read_again(self, database_url: str) -> None:
        host = make_host(database_url, session_options={"expire_on_commit": False})
        purchase = host.add_purchase()
        seen: list[str] = []

        @host.app.before_request
        def load() -> None:
            g.row = host.db.session.get(host.credits.Purchase, purchase["id"])
            seen.append(g.row.status)
            host.db.session.commit()

        @host.app.after_request
        def look(response: Any) -> Any:
            seen.append(g.row.status)
            return response

        assert host.pay(purchase).status_code == 200
        assert seen == ["pending", "completed"]

    def test_no_session_is_left_behind_where_there_was_none(self, host: Host) -> None:
        left: list[bool] = []

        @host.app.after_request
        def look(response: Any) -> Any:
            left.append(host.db.session.registry.has())
            return response

        assert host.pay(host.add_purchase()).status_code == 200
        assert left == [False]
        assert host.ledger() == [1000]

    def test_the_receivers_session_keeps_the_hosts_class_and_options(
        self, database_url: str
    ) -> None:
        class HostSession(FlaskSession):
            pass

        seen: list[Session] = []

        def look(host: Host, grant: GrantSnapshot, session: Session) -> None:
            seen.append(session)
            assert host.db.session() is session

        def make(**options: Any) -> Host:
            return make_host(
                database_url,
                receiver=lambda grant, session: look(host, grant, session),
                session_options=options,
            )

        host = make(class_=HostSession, autoflush=False)
        assert host.pay(host.add_purchase()).status_code == 200
        (session,) = seen
        assert isinstance(session, HostSession)
        assert session.autoflush is False


class TestHostsInOneTransaction:
    """Hosts' own test suites that wrap everything in a transaction and roll it back."""

    @pytest.fixture(params=["engines", "get_bind"])
    def way(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @contextmanager
    def wrapped(self, host: Host, way: str) -> Iterator[sa.Connection]:
        engine = _engine(host)
        with host.app.app_context(), engine.connect() as connection:
            transaction = connection.begin()
            if way == "engines":
                host.db.engines[None] = connection  # type: ignore[assignment]
            else:
                self.connection: sa.Connection | None = connection
            try:
                yield connection
            finally:
                self.connection = None
                host.db.engines[None] = engine
                transaction.rollback()

    def make(self, database_url: str, receiver: Callable[..., None] | bool = True) -> Host:
        outer = self
        self.connection = None

        class HostSession(FlaskSession):
            def get_bind(self, *arguments: Any, **keywords: Any) -> Any:
                if outer.connection is not None:
                    return outer.connection
                return super().get_bind(*arguments, **keywords)

        return make_host(database_url, receiver=receiver, session_options={"class_": HostSession})

    def test_a_delivery_lands_in_the_hosts_transaction_and_is_rolled_back_with_it(
        self, database_url: str, way: str
    ) -> None:
        host = self.make(database_url)
        purchase = host.add_purchase()
        before = host.row_counts()
        with self.wrapped(host, way) as connection:
            for _ in range(2):
                assert host.pay(purchase).status_code == 200
            assert _ledger(host, connection) == [1000]
            assert connection.in_transaction()
        assert host.row_counts() == before
        assert host.purchase(purchase["id"]) == purchase

    def test_a_failed_delivery_is_undone_alone(self, database_url: str, way: str) -> None:
        fails = True

        def book(grant: GrantSnapshot, session: Session) -> None:
            session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
            session.flush()
            if fails:
                raise RuntimeError("not today")

        host = self.make(database_url, book)
        purchase = host.add_purchase()
        before = host.row_counts()
        with self.wrapped(host, way) as connection:
            connection.execute(
                sa.insert(host.LedgerEntry.__table__),
                {"id": "the host's", "user_id": "x", "credits": 7},
            )
            assert host.pay(purchase).status_code == 503
            assert _ledger(host, connection) == [7]
            fails = False
            assert host.pay(purchase).status_code == 200
            assert sorted(_ledger(host, connection)) == [7, 1000]
        assert host.row_counts() == before


def _ledger(host: Host, connection: sa.Connection) -> list[int]:
    return list(connection.scalars(sa.select(host.LedgerEntry.__table__.c.credits)))


class FakeDriverError(Exception):
    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class LikePsycopg2(Exception):
    def __init__(self, state: str) -> None:
        super().__init__("the database gave up")
        self.pgcode = state


class LikePg8000(Exception):
    def __init__(self, state: str) -> None:
        super().__init__({"S": "ERROR", "C": state, "M": "the database gave up"})


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (sa.exc.TimeoutError(), Trouble.DOWN),
        (LookupError(), None),
        (sa.exc.InvalidRequestError(), None),
        *(
            (sa.exc.OperationalError("", {}, FakeDriverError("", state)), trouble)
            for state, trouble in {
                "40001": Trouble.PASSING,
                "40P01": Trouble.PASSING,
                "55P03": Trouble.PASSING,
                "57P01": Trouble.DOWN,
                "57014": Trouble.DOWN,
                "53300": Trouble.DOWN,
                "08006": Trouble.DOWN,
                "25006": Trouble.DOWN,
                "42P01": Trouble.NO_TABLES,
                "42703": Trouble.NO_TABLES,
                "23505": None,
                "22003": None,
                "42601": None,
            }.items()
        ),
        *(
            (sa.exc.DBAPIError("", {}, driver(state)), trouble)
            for driver in (LikePsycopg2, LikePg8000)
            for state, trouble in {
                "40001": Trouble.PASSING,
                "40P01": Trouble.PASSING,
                "42P01": Trouble.NO_TABLES,
                "23505": None,
            }.items()
        ),
        *(
            (sa.exc.OperationalError("", {}, FakeDriverError(message)), trouble)
            for message, trouble in {
                "database is locked": Trouble.PASSING,
                "database table is locked": Trouble.PASSING,
                "no such table: credit_purchases": Trouble.NO_TABLES,
                "no such column: credit_purchases.x": Trouble.NO_TABLES,
                "table credit_grants has no column named package_code": Trouble.NO_TABLES,
                "attempt to write a readonly database": Trouble.DOWN,
                "disk I/O error": Trouble.DOWN,
                "connection refused": Trouble.DOWN,
            }.items()
        ),
        (sa.exc.IntegrityError("", {}, FakeDriverError("UNIQUE constraint failed")), None),
        (
            sa.exc.OperationalError("", {}, FakeDriverError(""), connection_invalidated=True),
            Trouble.PASSING,
        ),
    ],
)
def test_trouble_is_told_from_bugs(error: BaseException, trouble: Trouble | None) -> None:
    assert database_trouble(error) is trouble
