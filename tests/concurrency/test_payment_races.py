"""A refund, a dispute and the completion of one payment at the same instant, in any number.

Before the completion is committed nobody knows which purchase the payment belongs to: only the lock
on the payment itself makes one of them see the other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot

from ..figures import Figures, scaled
from ..hosts import Host, make_host
from ..parallel import LONGEST_WAIT_SECONDS, await_waiting
from ..payloads import checkout_session, dispute, event, refund
from .meetings import deliver_at_once, engine_of
from .mutants import (
    Mutant,
    mutate,
    no_payment_lock,
    payment_do_nothing,
    purchase_found_before_the_payment_is_locked,
)

Document = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Race:
    """Events of one purchase of 1000 credits for 1000 cents that arrive at once.

    :ivar earlier: events that have arrived before.
    """

    name: str
    at_once: Callable[[Row], list[Document]]
    credits: int
    status: str
    earlier: Callable[[Row], list[Document]] = lambda purchase: []


def _completed(purchase: Row) -> Document:
    return event("checkout.session.completed", checkout_session(purchase))


def _refund(purchase: Row, amount: int) -> Document:
    payment_intent = checkout_session(purchase)["payment_intent"]
    return event("refund.created", refund(payment_intent, amount))


def _dispute(purchase: Row, amount: int) -> Document:
    payment_intent = checkout_session(purchase)["payment_intent"]
    return event("charge.dispute.created", dispute(payment_intent, amount))


def _refund_and_completed(purchase: Row) -> list[Document]:
    return [_completed(purchase), _refund(purchase, 1000)]


def _dispute_and_completed(purchase: Row) -> list[Document]:
    return [_completed(purchase), _dispute(purchase, 1000)]


def _three(purchase: Row) -> list[Document]:
    return [_completed(purchase), _refund(purchase, 300), _dispute(purchase, 500)]


def _seven(purchase: Row) -> list[Document]:
    """One event alone tells of the session: a second would read again, and heal what was missed."""
    first, second, disputed = (
        _refund(purchase, 200),
        _refund(purchase, 100),
        _dispute(purchase, 300),
    )
    again = [
        event("refund.updated", first["data"]["object"]),
        second,
        event("charge.dispute.funds_withdrawn", disputed["data"]["object"]),
    ]
    return [_completed(purchase), first, second, disputed, *again]


def _early_refund(purchase: Row) -> list[Document]:
    return [_refund(purchase, 100)]


RACES = (
    Race("A09 refund and completed", _refund_and_completed, 0, "refunded"),
    Race("A10 dispute and completed", _dispute_and_completed, 0, "disputed"),
    Race("B27 three", _three, 200, "disputed"),
    Race("B27 seven", _seven, 400, "disputed"),
    Race("A10 after an early refund", _dispute_and_completed, 0, "disputed", _early_refund),
)


@dataclass
class Outcome:
    """What became of several purchases that went through one race."""

    wrong: list[tuple[int, str]]
    refused: int
    deliveries: int


def run(host: Host, race: Race, times: int) -> Outcome:
    """Race ``times`` purchases, one after another; what was refused is delivered again."""
    outcome = Outcome([], 0, 0)
    for number in range(times):
        user = f"{race.name} {number}"
        purchase = host.add_purchase(user_id=user)
        for document in race.earlier(purchase):
            assert host.post_event(document).status_code == 200
        documents = race.at_once(purchase)
        statuses = deliver_at_once(host, documents)
        outcome.deliveries += len(documents)
        for document, status in zip(documents, statuses, strict=True):
            while status == 503:
                outcome.refused += 1
                status = host.post_event(document).status_code
            assert status == 200
        found = (host.balance(user), host.purchase(purchase["id"])["status"])
        if found != (race.credits, race.status):
            outcome.wrong.append(found)
    return outcome


def _race(host: Host, race: Race, times: int, caplog: pytest.LogCaptureFixture) -> Outcome:
    caplog.set_level(logging.INFO)
    outcome = run(host, race, times)
    assert outcome.wrong == []
    # The locks are taken in one order and before anything is read: nobody has to try again.
    assert outcome.refused == 0
    assert "tried again" not in caplog.text
    host.assert_exact()
    return outcome


races = pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)


@races
def test_A09_A10_B27_at_once(host: Host, race: Race, caplog: pytest.LogCaptureFixture) -> None:
    _race(host, race, 12, caplog)


@pytest.mark.soak
@races
def test_A09_A10_B27_at_once_300_times(
    host: Host, race: Race, caplog: pytest.LogCaptureFixture, figures: Figures
) -> None:
    times = scaled(300)
    outcome = _race(host, race, times, caplog)
    figures(sessions=times, deliveries=outcome.deliveries, lost=0, doubled=0)


@races
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_A09_A10_B27_at_once_in_stricter_isolation(
    postgres_database_url: str, race: Race, level: str
) -> None:
    """Who would have read the past is told to try again."""
    host = make_host(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": level})
    assert run(host, race, 5).wrong == []
    host.assert_exact()


@pytest.mark.soak
@races
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_A09_A10_B27_at_once_in_stricter_isolation_300_times(
    postgres_database_url: str, race: Race, level: str, figures: Figures
) -> None:
    host = make_host(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": level})
    outcome = run(host, race, scaled(300))
    figures(
        sessions=scaled(300),
        deliveries=outcome.deliveries,
        lost=len(outcome.wrong),
        doubled=0,
        refused=outcome.refused,
    )
    assert outcome.wrong == []
    host.assert_exact()


@pytest.mark.parametrize(
    ("mutant", "race"),
    [
        *((no_payment_lock, race) for race in RACES),
        (payment_do_nothing, RACES[-1]),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
def test_C14_the_races_see_that_the_payment_isnt_locked(
    postgres_host: Host, mutant: Mutant, race: Race, patient: None
) -> None:
    mutate(postgres_host, mutant)
    assert len(run(postgres_host, race, 5).wrong) == 5


def _refund_while_granting(url: str, mutant: Mutant | None) -> Host:
    """A full refund that has to wait for the completion, which is in the middle of its grant."""

    def book(grant: GrantSnapshot, session: Session) -> None:
        values = {"id": grant.id, "user_id": grant.user_id, "credits": grant.credits}
        session.add(host.LedgerEntry(**values))
        if grant.credits > 0:
            refunding.start()
            await_waiting(engine_of(host), refunding)

    host = make_host(url, receiver=book)
    if mutant is not None:
        mutate(host, mutant)
    purchase = host.add_purchase()
    refunding = threading.Thread(target=lambda: host.post_event(_refund(purchase, 1000)))
    assert host.post_event(_completed(purchase)).status_code == 200
    refunding.join(LONGEST_WAIT_SECONDS)
    return host


def test_A09_a_refund_that_waited_finds_the_purchase_that_was_linked_meanwhile(
    postgres_database_url: str,
) -> None:
    host = _refund_while_granting(postgres_database_url, None)
    assert host.ledger() == [1000, -1000]
    host.assert_exact()


def test_C14_both_locks_of_a_refund_in_one_statement_would_miss_it(
    postgres_database_url: str,
) -> None:
    """A statement finds by what was committed when it began, however long it waited since."""
    host = _refund_while_granting(
        postgres_database_url, purchase_found_before_the_payment_is_locked
    )
    assert host.ledger() == [1000]


def test_a_session_that_is_stored_while_its_payment_is_locked_is_found(
    postgres_host: Host,
) -> None:
    host, answers = postgres_host, list[int]()
    purchase = host.add_purchase()
    completed = _completed(purchase)
    purchases, payments = (
        model.__table__ for model in (host.credits.Purchase, host.credits.Payment)
    )
    engine, column = engine_of(host), purchases.c.stripe_checkout_session_id
    with engine.begin() as connection:
        connection.execute(sa.update(purchases).values({column: None}))
    paying = threading.Thread(target=lambda: answers.append(host.post_event(completed).status_code))
    with engine.begin() as holding:
        locked = completed["data"]["object"]["payment_intent"]
        holding.execute(sa.insert(payments).values(stripe_payment_intent_id=locked))
        paying.start()
        await_waiting(engine, paying)
        with engine.begin() as connection:
            stored = {column: purchase["stripe_checkout_session_id"]}
            connection.execute(sa.update(purchases).values(stored))
    paying.join(LONGEST_WAIT_SECONDS)
    assert (answers, host.ledger()) == ([200], [1000])
    host.assert_exact()


def test_every_party_comes_to_the_meeting(postgres_host: Host) -> None:
    """The statements that it waits for are still the ones that are executed."""
    seen: list[str] = []
    engine = engine_of(postgres_host)
    sa.event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    purchase = postgres_host.add_purchase()
    for document in _three(purchase):
        assert postgres_host.post_event(document).status_code == 200
    found = "\n".join(seen)
    assert all(words in found for words in ("AS posted", "credit_refunds", "credit_disputes"))
