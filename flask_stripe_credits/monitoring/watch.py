"""Looks into the database now and then, in bounded time: whoever watches must not hang with it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import sqlalchemy as sa
from flask import Flask

from ..deadlines import run_within
from ..errors import DatabaseBusy, TablesOutOfDate
from ..measurements import DatabaseTrouble
from ..reading import reading
from ..state import state_of
from ..unit_of_work import bind_of_writes

T = TypeVar("T")

Trouble = DatabaseBusy | TablesOutOfDate | TimeoutError
_TROUBLES = (DatabaseBusy, TablesOutOfDate, TimeoutError)


class Watch(Generic[T]):
    """Asks the database of an app one thing, and remembers the answer for a moment.

    Never two at once in a process, and never another while one hangs. Safe in threads and
    after a fork.

    :param ask: given a connection whose statements see one moment.
    :param seconds: how long to wait for an answer.
    :param fresh_seconds: how long an answer, or that there was none, is good enough.
    """

    def __init__(
        self, ask: Callable[[Flask, sa.Connection], T], *, seconds: float, fresh_seconds: float
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._fresh_seconds = fresh_seconds
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._hangs = False
        self._known_until = 0.0
        self._known: T | Trouble = TimeoutError("nothing is known yet")

    def look(self, app: Flask) -> T:
        """Return the answer.

        :raises TimeoutError: there was none in time.
        :raises DatabaseBusy, TablesOutOfDate: the database can't be read.
        """
        if self._process != os.getpid():
            self._forget()
        if not self._lock.acquire(timeout=self._seconds):
            raise TimeoutError("somebody else is still waiting for the database")
        try:
            if time.monotonic() >= self._known_until:
                self._known = self._answer(app)
                self._known_until = time.monotonic() + self._fresh_seconds
            known = self._known
        finally:
            self._lock.release()
        if isinstance(known, _TROUBLES):
            raise type(known)(*known.args)
        return known

    def _answer(self, app: Flask) -> T | Trouble:
        if self._hangs:
            return TimeoutError("the database still hasn't answered")
        try:
            with app.app_context():
                return self._asked(app)
        except (DatabaseBusy, TablesOutOfDate) as error:
            # Without what it remembers: the frames of a traceback would keep the app alive.
            return type(error)(*error.args)
        except TimeoutError as error:
            state_of(app).measurements.database_failed(DatabaseTrouble.TIMEOUT)
            return TimeoutError(*error.args)

    def _asked(self, app: Flask) -> T:
        state = state_of(app)
        factory = state.db.session.session_factory
        bind = bind_of_writes(state, factory.class_(**factory.kw))
        if isinstance(bind, sa.Connection):
            # A test suite that wraps everything in one transaction: no other thread may use it.
            return self._ask(app, bind)

        def ask() -> T:
            self._hangs = True
            try:
                with app.app_context(), reading(state) as connection:
                    if connection.dialect.name == "postgresql":
                        milliseconds = int(self._seconds * 1_000)
                        connection.execute(sa.text(f"SET LOCAL statement_timeout = {milliseconds}"))
                    return self._ask(app, connection)
            finally:
                self._hangs = False

        return run_within(self._seconds, ask)
