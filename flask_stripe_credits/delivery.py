"""Hand one grant to the host's receivers, and insist that they took it."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Iterator

from blinker import NamedSignal
from flask import Flask
from sqlalchemy.orm import Session

from .errors import FulfillmentError, NoReceiver, ReceiverFailed, Refuse
from .logs import Log, quoted
from .signals import grant_committed, purchase_completed, purchase_restored, purchase_reversed
from .snapshots import GrantSnapshot
from .state import AppState
from .unit_of_work import Trouble, UnitOfWork, database_trouble

log: Log = Log(__name__)

SLOW_RECEIVER_SECONDS = 1.0


def deliver_in_transaction(uow: UnitOfWork, app: Flask, grant: GrantSnapshot) -> None:
    """Call the receivers inside the transaction; whatever they raise undoes it.

    :raises NoReceiver, ReceiverFailed: nobody took the grant; nothing may be kept.
    :raises Refuse: a receiver can never take it.
    """
    signal = signal_for(grant.sequence, grant.credits)
    started = time.perf_counter()
    try:
        with uow.host_session() as session:
            _check_answers(signal, grant, _call_in_turn(signal, app, grant, session))
    except (Refuse, FulfillmentError):
        raise
    except Exception as error:
        if database_trouble(error) is Trouble.PASSING:
            raise
        raise ReceiverFailed(f"a receiver of {signal.name} raised {error!r}") from error
    seconds = time.perf_counter() - started
    uow.state.measurements.receivers_called(seconds)
    if seconds > SLOW_RECEIVER_SECONDS:
        log.warning(
            "receivers_slow",
            "the receivers of %s took %.1f s, in which they held database locks",
            signal.name,
            seconds,
            purchase_id=grant.purchase_id,
            user_id=grant.user_id,
        )


def _call_in_turn(
    signal: NamedSignal, app: Flask, grant: GrantSnapshot, session: Session
) -> list[object]:
    """As ``signal.send``, and what one hasn't flushed is safe from the next, who may expire it."""
    answers: list[object] = []
    for receiver in () if signal.is_muted else signal.receivers_for(app):
        if answers:
            session.flush()
        answers.append(receiver(app, purchase=grant.purchase, grant=grant, session=session))
    return answers


def deliver_outside(state: AppState, app: Flask, grant: GrantSnapshot) -> None:
    """Call the receivers with no transaction of ours open, in an app context of their own.

    What they left in ``db.session`` is committed; the caller's own session is put back as it was.

    :raises NoReceiver, ReceiverFailed: nobody took the grant, as far as can be told.
    :raises Refuse: a receiver can never take it.
    """
    signal = signal_for(grant.sequence, grant.credits)
    try:
        with apart(state, app):
            answers = signal.send(app, purchase=grant.purchase, grant=grant, session=None)
            _check_answers(signal, grant, [answer for _, answer in answers])
            registry = state.db.session.registry
            if registry.has():
                # Or what a receiver forgot to commit is lost, and counts as delivered.
                registry().commit()
    except (Refuse, FulfillmentError):
        raise
    except Exception as error:
        raise ReceiverFailed(f"a receiver of {signal.name} raised {error!r}") from error


@contextlib.contextmanager
def apart(state: AppState, app: Flask) -> Iterator[None]:
    """An app context with a ``db.session`` of its own; the caller's is put back as it was."""
    registry = state.db.session.registry
    before = registry() if registry.has() else None
    registry.clear()
    try:
        with app.app_context():
            yield
    finally:
        if before is not None:
            registry.set(before)


def _check_answers(signal: NamedSignal, grant: GrantSnapshot, answers: list[object]) -> None:
    """Counted afterwards: a receiver that was disconnected or collected still looks connected."""
    if not answers:
        log.critical(
            "receiver_missing",
            "%d credits of purchase %s are due but no receiver is connected to %s",
            grant.credits,
            grant.purchase_id,
            signal.name,
            purchase_id=grant.purchase_id,
            user_id=grant.user_id,
        )
        raise NoReceiver(signal.name)
    for answer in answers:
        if inspect.iscoroutine(answer) or inspect.isgenerator(answer):
            answer.close()
            raise ReceiverFailed(
                f"a receiver of {signal.name} returned a {type(answer).__name__}, "
                f"which nothing would have run"
            )


def signal_for(sequence: int, credits: int) -> NamedSignal:
    """Return the signal by which a grant is handed over.

    :param sequence: which of its purchase's grants it is, from 1.
    :param credits: signed.
    """
    if sequence == 1:
        return purchase_completed
    return purchase_restored if credits > 0 else purchase_reversed


def tell_committed(app: Flask, grant: GrantSnapshot) -> None:
    """Log a grant that is committed, and send ``grant_committed``."""
    if grant.sequence == 1:
        log.info(
            "purchase_completed",
            "Successfully processed credit purchase for user %s: %d credits",
            quoted(grant.user_id),
            grant.credits,
            purchase_id=grant.purchase_id,
            user_id=grant.user_id,
        )
    grant_committed.send(app, purchase=grant.purchase, grant=grant)
