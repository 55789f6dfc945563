"""Events of one checkout session at the same instant: one grant, whoever comes first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from flask_stripe_credits.unit_of_work import UnitOfWork

from ..driver_modes import SQLITE_MODES, prepare
from ..figures import Figures, scaled
from ..hosts import Host, make_host
from ..naive.shops import Handler, Shop, complete_then_signal, event_id_in_one_transaction
from ..parallel import in_parallel
from ..payloads import checkout_session, event
from .meetings import deliver_at_once
from .mutants import mutate, no_purchase_lock, no_write_lock

THREADS = 32

Document = dict[str, Any]
Row = Mapping[str, Any]
Events = Callable[[Row], list[Document]]


def one_event(purchase: Row) -> list[Document]:
    return [event("checkout.session.completed", checkout_session(purchase))] * THREADS


def different_events(purchase: Row) -> list[Document]:
    session = checkout_session(purchase)
    types = ("completed", "async_payment_succeeded") * (THREADS // 2)
    return [event(f"checkout.session.{type_}", session) for type_ in types]


def _deliver(shop: Shop, events: Events, sessions: int) -> int:
    """Deliver the events of each session at once, and again until taken; count the refusals."""
    refused = 0
    for number in range(sessions):
        documents = events(shop.host.add_purchase(user_id=f"user {number}"))
        answers = in_parallel([lambda d=document: shop.deliver(d) for document in documents])
        for document, answer in zip(documents, answers, strict=True):
            if answer.status_code != 200:
                refused += 1
                shop.deliver_until_taken(document)
    return refused


def _lost_and_doubled(host: Host, sessions: int) -> tuple[int, int]:
    balances = [host.balance(f"user {number}") for number in range(sessions)]
    return sum(b < 1000 for b in balances), sum(b > 1000 for b in balances)


both_kinds = pytest.mark.parametrize("events", [one_event, different_events])


@both_kinds
def test_A01_A03_thirty_two_threads_grant_once(host: Host, events: Events) -> None:
    refused = _deliver(Shop(host, None), events, 3)
    assert host.ledger() == [1000] * 3
    assert _lost_and_doubled(host, 3) == (0, 0)
    assert refused == 0
    host.assert_exact()


@pytest.mark.soak
@both_kinds
def test_A01_A03_thirty_two_threads_and_200_sessions(
    host: Host, events: Events, figures: Figures
) -> None:
    sessions = scaled(200)
    refused = _deliver(Shop(host, None), events, sessions)
    lost, doubled = _lost_and_doubled(host, sessions)
    figures(
        sessions=sessions,
        deliveries=sessions * THREADS + refused,
        lost=lost,
        doubled=doubled,
        refused=refused,
    )
    assert (lost, doubled) == (0, 0)
    assert host.ledger() == [1000] * sessions


@pytest.mark.parametrize(
    ("handler", "events"),
    [(complete_then_signal, one_event), (event_id_in_one_transaction, different_events)],
)
def test_A01_A03_thirty_two_threads_see_what_the_usual_handlers_double(
    host: Host, handler: Handler, events: Events
) -> None:
    _deliver(Shop(host, handler), events, 3)
    lost, doubled = _lost_and_doubled(host, 3)
    assert lost + doubled > 0


# Without a payment intent only the purchase's own row is there to be locked.


def completed_twice(purchase: Row) -> list[Document]:
    session = checkout_session(purchase, payment_intent=None)
    return [event("checkout.session.completed", session) for _ in range(2)]


def completed_and_expired(purchase: Row) -> list[Document]:
    paid = checkout_session(purchase, payment_intent=None)
    unpaid = paid | {"status": "expired", "payment_status": "unpaid"}
    return [
        event("checkout.session.completed", paid),
        event("checkout.session.expired", unpaid),
    ]


def paid_and_failed(purchase: Row) -> list[Document]:
    paid = checkout_session(purchase, payment_intent=None)
    return [
        event("checkout.session.async_payment_succeeded", paid),
        event("checkout.session.async_payment_failed", paid | {"payment_status": "unpaid"}),
    ]


PAIRS = (completed_twice, completed_and_expired, paid_and_failed)


def _wrong(host: Host, pair: Events, times: int) -> list[tuple[Sequence[int], int, str]]:
    """What isn't as it should be: answers, balance and status of each purchase."""
    wrong = []
    for number in range(times):
        user = f"user {number}"
        purchase = host.add_purchase(user_id=user)
        statuses = deliver_at_once(host, pair(purchase))
        found = (statuses, host.balance(user), host.purchase(purchase["id"])["status"])
        if found != ([200, 200], 1000, "completed"):
            wrong.append(found)
    return wrong


pairs = pytest.mark.parametrize("pair", PAIRS)


@pairs
def test_A03_A07_A08_two_events_of_a_session_at_once(host: Host, pair: Events) -> None:
    assert _wrong(host, pair, 10) == []


@pytest.mark.soak
@pairs
def test_A03_A07_A08_two_events_of_a_session_at_once_300_times(
    host: Host, pair: Events, figures: Figures
) -> None:
    times = scaled(300)
    assert _wrong(host, pair, times) == []
    figures(sessions=times, deliveries=2 * times, lost=0, doubled=0)


def test_C14_the_race_sees_that_the_purchase_isnt_locked(
    postgres_host: Host, patient: None
) -> None:
    mutate(postgres_host, no_purchase_lock)
    assert len(_wrong(postgres_host, completed_twice, 5)) == 5


def test_C10_C14_the_race_sees_that_SQLite_isnt_locked(
    sqlite_host: Host, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    monkeypatch.setattr(UnitOfWork, "_open_transaction", lambda uow: None)
    # One of them may find the file locked, try again and so be right.
    assert len(_wrong(sqlite_host, completed_twice, 5)) >= 3


def test_C10_C14_the_race_sees_that_a_reader_turns_writer(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """A host that begins each transaction itself: only our first statement takes the lock."""
    caplog.set_level(logging.INFO)
    for mutant, retried in ((None, False), (no_write_lock, True)):
        host = make_host(
            new_database("sqlite"), SQLALCHEMY_ENGINE_OPTIONS=SQLITE_MODES["begin event"]
        )
        prepare(host, "begin event", "wal")
        if mutant is not None:
            mutate(host, mutant)
        caplog.clear()
        assert _wrong(host, completed_twice, 3) == []
        assert ("tried again" in caplog.text) is retried


def test_I3_even_without_the_locks_nothing_is_doubled(
    host: Host, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    """The unique key of grants is the backstop: 503, and right at the next delivery."""
    monkeypatch.setattr(UnitOfWork, "_open_transaction", lambda uow: None)
    mutate(host, no_purchase_lock)
    for number in range(3):
        documents = completed_twice(host.add_purchase(user_id=f"user {number}"))
        assert sorted(deliver_at_once(host, documents)) == [200, 503]
        for document in documents:
            assert host.post_event(document).status_code == 200
    assert _lost_and_doubled(host, 3) == (0, 0)
