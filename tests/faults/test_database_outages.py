"""C06, C07: the database stops, starts again, and ends connections while credits are granted."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot

from ..databases import dispose_engines
from ..figures import Figures, scaled
from ..hosts import Host, make_host
from ..naive.shops import Shop, complete_then_signal, event_id_first
from ..parallel import in_parallel
from ..payloads import checkout_session, dispute, event, refund
from ..postgres_keeper import Server

Document = dict[str, Any]

# What a buyer keeps of 1000 credits after each history of one payment.
KEPT = {"paid": 1000, "refunded in part": 700, "disputed": 0, "won": 1000}
LONGEST_OUTAGE_SECONDS = 60.0
# A delivery sends about a dozen statements, and some have to get through.
ODDS = 0.06


def _history(name: str, purchase: Mapping[str, Any]) -> list[Document]:
    session = checkout_session(purchase)
    payment_intent = session["payment_intent"]
    completed = event("checkout.session.completed", session)
    if name == "refunded in part":
        return [completed, event("refund.created", refund(payment_intent, 300))]
    if name in ("disputed", "won"):
        lost = dispute(payment_intent, 1000)
        won = lost | {"status": "won"}
        closed = [event("charge.dispute.closed", won)] if name == "won" else []
        return [event("charge.dispute.created", lost), completed, *closed]
    return [completed]


def _deliver(host: Host, documents: list[Document]) -> int:
    """Deliver each until it is taken; return how many deliveries were refused."""
    refused, until = 0, time.monotonic() + LONGEST_OUTAGE_SECONDS
    for document in documents:
        while (answer := host.post_event(document)).status_code != 200:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert time.monotonic() < until, "never taken"
            refused += 1
            # Stripe waits, too, before it comes again.
            time.sleep(0.005)
    return refused


def _new_histories(host: Host, purchases: int) -> list[list[Document]]:
    names = itertools.islice(itertools.cycle(KEPT), purchases)
    _drop_dead_connections(host)
    first = len(host.purchases())
    return [
        _history(name, host.add_purchase(user_id=f"{name} {number}"))
        for number, name in enumerate(names, first)
    ]


def _deliver_at_once(host: Host, histories: list[list[Document]], threads: int = 4) -> int:
    """Deliver the histories in several threads; return the refusals."""
    shares = [histories[number::threads] for number in range(threads)]
    return sum(
        in_parallel([lambda mine=mine: sum(_deliver(host, h) for h in mine) for mine in shares])
    )


def _drop_dead_connections(host: Host) -> None:
    """Before the test itself reads; what the webhook finds in the pool it has to survive."""
    with host.app.app_context():
        host.db.engine.dispose()


def _lost_and_doubled(host: Host) -> tuple[int, int]:
    _drop_dead_connections(host)
    booked: dict[str, int] = {}
    for purchase in host.purchases():
        booked[purchase["user_id"]] = 0
    for entry in host.rows(host.LedgerEntry):
        booked[entry["user_id"]] += entry["credits"]
    expected = {user: KEPT[user.rpartition(" ")[0]] for user in booked}
    return (
        sum(booked[user] < expected[user] for user in booked),
        sum(booked[user] > expected[user] for user in booked),
    )


def _assert_right(host: Host) -> None:
    assert _lost_and_doubled(host) == (0, 0)
    host.assert_exact()


# The server stops and starts.


@pytest.fixture
def own_host(own_server: Server) -> Iterator[Host]:
    """A host whose database is on a server that its test may stop."""
    name = f"own_{next(_numbers)}"
    engine = sa.create_engine(own_server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    yield make_host(own_server.url.replace("/postgres?", f"/{name}?"))
    dispose_engines()


_numbers = itertools.count()


def test_C06_a_stopped_server_is_503_and_the_redelivery_grants(
    own_server: Server, own_host: Host
) -> None:
    paid_before, paid_meanwhile = own_host.add_purchase(), own_host.add_purchase()
    assert own_host.pay(paid_before).status_code == 200
    documents = [own_host.paid_event(paid_meanwhile), own_host.paid_event(paid_before)]
    own_server.stop()
    try:
        for document in documents:
            answer = own_host.post_event(document)
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
    finally:
        own_server.start(synchronous_commit="on")
    assert own_host.ledger() == [1000]
    assert [own_host.post_event(document).status_code for document in documents] == [200, 200]
    assert own_host.ledger() == [1000, 1000]


def test_C06_a_server_that_stops_while_credits_are_granted(
    own_server: Server, own_host: Host
) -> None:
    stops = itertools.count()

    @own_host.credits.on_purchase_completed
    def stop_once(grant: GrantSnapshot, session: Session) -> None:
        session.flush()
        if next(stops) == 0:
            own_server.stop()

    document = own_host.paid_event(own_host.add_purchase())
    answer = own_host.post_event(document)
    own_server.start(synchronous_commit="on")
    assert answer.status_code == 503
    assert (own_host.ledger(), own_host.grants()) == ([], [])
    assert own_host.post_event(document).status_code == 200
    assert own_host.ledger() == [1000]


@contextmanager
def _restarting(server: Server) -> Iterator[list[int]]:
    """Stop and start the server again and again; yields what counts the stops."""
    stops: list[int] = []
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.05):
            server.stop()
            stops.append(1)
            server.start(synchronous_commit="on")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stops
    finally:
        ended.set()
        thread.join()


def test_C06_what_was_answered_with_200_survives_the_servers_crashes(
    own_server: Server, own_host: Host
) -> None:
    for _ in range(3):
        histories = _new_histories(own_host, 4)
        with _restarting(own_server) as stops:
            while not stops:
                _deliver_at_once(own_host, histories)
    _assert_right(own_host)


# The server ends single connections.


@contextmanager
def _ending(host: Host, is_next: Callable[[], bool]) -> Iterator[list[int]]:
    """End the host's connection before it sends what ``is_next`` picks; yields those ended.

    It is asked for every statement and every commit, in the thread that sends it.
    """
    with host.app.app_context():
        engine = host.db.engine
    ended: list[int] = []
    administrator = sa.create_engine(host.db_url, isolation_level="AUTOCOMMIT")

    def end(driver: Any) -> None:
        if is_next():
            ended.append(driver.info.backend_pid)
            with administrator.connect() as own:
                own.exec_driver_sql(f"SELECT pg_terminate_backend({ended[-1]}, 5000)")

    def before_statement(connection: Any, cursor: Any, *others: Any) -> None:
        end(cursor.connection)

    def before_commit(connection: sa.Connection) -> None:
        end(connection.connection.dbapi_connection)

    sa.event.listen(engine, "before_cursor_execute", before_statement)
    sa.event.listen(engine, "commit", before_commit)
    try:
        yield ended
    finally:
        sa.event.remove(engine, "before_cursor_execute", before_statement)
        sa.event.remove(engine, "commit", before_commit)
        administrator.dispose()


def _under_terminations(host: Host, terminations: int) -> tuple[int, int, int]:
    """Deliver until that many connections were ended; return deliveries, ends and refusals."""
    count = delivered = refused = 0
    chance = random.Random(terminations)
    while count < terminations:
        histories = _new_histories(host, 12)
        with _ending(host, lambda: chance.random() < ODDS) as ended:
            refused += _deliver_at_once(host, histories)
        delivered += sum(len(history) for history in histories)
        count += len(ended)
    return delivered + refused, count, refused


def test_C07_connections_that_end_at_random_lose_and_double_nothing(postgres_host: Host) -> None:
    last = postgres_host.add_purchase(user_id="paid last")
    _under_terminations(postgres_host, 20)
    # Nothing of it stays: the next request finds a connection that works.
    assert postgres_host.pay(last).status_code == 200
    _assert_right(postgres_host)


@pytest.mark.soak
def test_C07_thousands_of_connections_that_end_at_random(
    postgres_host: Host, figures: Figures
) -> None:
    deliveries, ended, refused = _under_terminations(postgres_host, scaled(2000, least=20))
    lost, doubled = _lost_and_doubled(postgres_host)
    figures(
        sessions=len(postgres_host.purchases()),
        deliveries=deliveries,
        lost=lost,
        doubled=doubled,
        terminated=ended,
        refused=refused,
    )
    _assert_right(postgres_host)


def _end_the_connection_before_each_statement(shop: Shop) -> list[int]:
    """The balance of each purchase, one for each statement that was the last."""
    balances = []
    for number in itertools.count(1):
        user = f"statement {number}"
        document = shop.host.paid_event(shop.host.add_purchase(user_id=user))
        steps = itertools.count(1)
        with _ending(shop.host, lambda steps=steps, last=number: next(steps) == last) as ended:
            shop.deliver(document)
        shop.deliver_until_taken(document)
        if not ended:
            return balances
        balances.append(shop.host.balance(user))
    raise AssertionError("unreachable")


def test_C07_a_connection_that_ends_before_any_statement_is_replaced_at_once(
    postgres_host: Host,
) -> None:
    balances = _end_the_connection_before_each_statement(Shop(postgres_host, None))
    assert balances == [1000] * len(balances)
    assert len(balances) >= 6


@pytest.mark.parametrize("handler", [complete_then_signal, event_id_first])
def test_C07_the_usual_handlers_lose_what_was_paid(
    postgres_host: Host, handler: Callable[..., None]
) -> None:
    balances = _end_the_connection_before_each_statement(Shop(postgres_host, handler))
    assert 0 in balances


def test_C07_a_failover_to_a_read_only_server_is_503_and_heals(postgres_host: Host) -> None:
    document = postgres_host.paid_event(postgres_host.add_purchase())
    _alter_database(postgres_host, "SET default_transaction_read_only = on")
    answer = postgres_host.post_event(document)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    _alter_database(postgres_host, "RESET default_transaction_read_only")
    assert postgres_host.post_event(document).status_code == 200
    assert postgres_host.ledger() == [1000]


def _alter_database(host: Host, change: str) -> None:
    """Change a setting of the database; only new connections have it."""
    engine = sa.create_engine(host.db_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(f"ALTER DATABASE {engine.url.database} {change}")
    engine.dispose()
    _drop_dead_connections(host)
