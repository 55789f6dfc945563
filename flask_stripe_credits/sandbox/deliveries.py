"""Delivering events: signed, retried, and never in the way of whoever caused them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import events, letters
from .chaos import Chaos, Spoiled
from .store import Json
from .transport import Transport
from .world import World

RETRY_AFTER_SECONDS = (1.0, 5.0, 25.0)
TIMEOUT_SECONDS = 10.0
_WORKERS = 4
_SWEEP_SECONDS = 1.0

logger: logging.Logger = logging.getLogger("flask_stripe_credits.sandbox")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver an event.

    :ivar at: seconds since the epoch.
    :ivar seconds: how long it took.
    :ivar status: HTTP status of the answer, or None.
    :ivar error: why there was no answer, or None.
    :ivar answer: the beginning of the answer's body, or None.
    """

    at: float
    seconds: float
    status: int | None
    error: str | None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to one endpoint.

    :ivar state: ``pending``, ``sending``, ``delivered``, ``failed`` (given up) or ``canceled``
        (the endpoint was removed or disabled).
    """

    id: int
    event: str
    endpoint: str
    state: str
    due_at: float
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    id: int
    event: Json
    endpoint: Json


class Courier:
    """Takes queued deliveries to their endpoints.

    Either in threads of its own, between ``start()`` and ``stop()``, or in the caller's with
    ``deliver_pending()``.

    :param retry_after_seconds: how long after each failed attempt the next one follows.
    :param on_tick: called about once a second while the threads run.
    """

    def __init__(
        self,
        world: World,
        transport: Transport,
        *,
        retry_after_seconds: Sequence[float] = RETRY_AFTER_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        on_tick: Callable[[], None] = lambda: None,
        sign_at: Callable[[], float] | None = None,
    ) -> None:
        self._world = world
        self._transport = transport
        self._retry_after_seconds = tuple(retry_after_seconds)
        self._timeout_seconds = timeout_seconds
        self._on_tick = on_tick
        self._chaos = Chaos()
        # Deliveries up to this id have their copies and their delay.
        self._disturbed = 0
        self._sign_at = sign_at or world.clock.time
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._news = threading.Condition()
        self._news_count = 0
        world.store.after_commit(self.wake)

    @property
    def chaos(self) -> Chaos:
        """What goes wrong, of what waits and of what comes."""
        return self._chaos

    @chaos.setter
    def chaos(self, chaos: Chaos) -> None:
        with self._world.store.transaction():
            self._chaos = chaos
            self._disturbed = 0
        self.wake()

    @property
    def running(self) -> bool:
        """Whether threads deliver by themselves."""
        return bool(self._threads)

    def start(self) -> None:
        """Start the threads; does nothing when they run."""
        if self._threads:
            return
        self._stopping.clear()
        targets = [self._work] * _WORKERS + [self._tick]
        self._threads = [
            threading.Thread(target=target, name=f"sandbox-courier-{number}", daemon=True)
            for number, target in enumerate(targets)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and wait for them; what is under way goes back into the queue."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            while thread.is_alive():
                # Again and again: one may have been about to connect.
                self._transport.abort()
                thread.join(0.05)
        self._threads = []

    def wake(self) -> None:
        """Have the threads look again: something is due, or the clock was put forward."""
        with self._news:
            self._news_count += 1
            self._news.notify_all()

    def deliver_pending(self) -> int:
        """Deliver everything that is due, here and now; return the number of attempts."""
        attempts = 0
        while jobs := self._claim_together():
            if len(jobs) == 1:
                self._deliver(jobs[0])
            else:
                with ThreadPoolExecutor(len(jobs)) as pool:
                    list(pool.map(self._deliver, jobs))
            attempts += len(jobs)
        return attempts

    def deliver_early(self) -> None:
        """Before an API call returns: deliver what it caused, if chaos wants that."""
        if self._chaos.early:
            self.deliver_pending()
            self._wait_until("state = 'sending'", (), self._timeout_seconds)

    def _claim_together(self) -> list[_Job]:
        jobs: list[_Job] = []
        while len(jobs) < self._chaos.parallel and (job := self._claim()) is not None:
            jobs.append(job)
        return jobs

    def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until every delivery was taken or given up; return whether that came in time."""
        return self._wait_until("state IN ('pending', 'sending')", (), timeout_seconds)

    def wait_for_first_attempts(self, event_id: str, timeout_seconds: float) -> bool:
        """Wait until each endpoint of an event answered once, or failed to."""
        if not self.running:
            self.deliver_pending()
        return self._wait_until(
            "event = ? AND state IN ('pending', 'sending') AND NOT EXISTS"
            " (SELECT * FROM attempts WHERE attempts.delivery = deliveries.id)",
            (event_id,),
            timeout_seconds,
        )

    def resend(self, event_id: str) -> None:
        """Queue an event for every endpoint that wants it, though they may have it already.

        :raises KeyError: when there is no such event.
        """
        store = self._world.store
        event = store.get("event", event_id)
        if event is None:
            raise KeyError(event_id)
        with store.transaction():
            events.resend(self._world, event)

    def log(self, event_id: str | None = None) -> list[Delivery]:
        """Return the deliveries of one event or of all, oldest first."""
        rows = self._world.store.query(
            "SELECT id, event, endpoint, state, due_at FROM deliveries"
            " WHERE event = ? OR ? IS NULL ORDER BY id",
            event_id,
            event_id,
        )
        return [
            Delivery(id, event, endpoint, state, due_at, self._attempts(id))
            for id, event, endpoint, state, due_at in rows
        ]

    def _attempts(self, delivery_id: int) -> tuple[Attempt, ...]:
        rows = self._world.store.query(
            "SELECT at, seconds, status, error, answer FROM attempts"
            " WHERE delivery = ? ORDER BY id",
            delivery_id,
        )
        return tuple(Attempt(*row) for row in rows)

    def _wait_until(self, none_such: str, values: tuple[str, ...], timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        sql = f"SELECT EXISTS (SELECT * FROM deliveries WHERE {none_such})"  # noqa: S608
        while True:
            seen = self._news_count
            if not self._world.store.query(sql, *values)[0][0]:
                return True
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping.is_set():
                return False
            self._sleep(seen, left)

    def _sleep(self, seen: int, seconds: float) -> None:
        with self._news:
            if self._news_count == seen and not self._stopping.is_set():
                self._news.wait(seconds)

    def _work(self) -> None:
        while not self._stopping.is_set():
            seen = self._news_count
            job = self._claim()
            if job is not None:
                self._deliver(job)
            else:
                self._sleep(seen, self._seconds_until_next())

    def _tick(self) -> None:
        while not self._stopping.wait(_SWEEP_SECONDS):
            self._on_tick()

    def _seconds_until_next(self) -> float:
        [(due_at,)] = self._world.store.query(
            "SELECT min(due_at) FROM deliveries WHERE state = 'pending'"
        )
        return 60.0 if due_at is None else max(0.0, due_at - self._world.clock.time())

    def _claim(self) -> _Job | None:
        store = self._world.store
        with store.transaction():
            self._disturbed = events.disturb(self._world, self._chaos, self._disturbed)
            rows = store.query(
                "SELECT id, event, endpoint FROM deliveries WHERE state = 'pending'"
                " AND due_at <= ? ORDER BY due_at, id LIMIT ?",
                self._world.clock.time(),
                -1 if self._chaos.reorder else 1,
            )
            if not rows:
                return None
            id, event_id, endpoint_id = min(rows, key=lambda row: self._chaos.rank(row[0]))
            store.query("UPDATE deliveries SET state = 'sending' WHERE id = ?", id)
            event = store.get("event", event_id)
            endpoint = store.get("webhook_endpoint", endpoint_id)
        return _Job(id, event or {}, endpoint or {})

    def _spoiled(self, job: _Job) -> Spoiled | None:
        tried = len(self._attempts(job.id))
        last = tried >= len(self._retry_after_seconds)
        return self._chaos.spoils(job.id, tried, last=last)

    def _deliver(self, job: _Job) -> None:
        if job.endpoint.get("status") != "enabled":
            self._finish(job, "canceled")
            return
        at, started = self._world.clock.time(), time.monotonic()
        answer, error = None, None
        spoiled = self._spoiled(job)
        try:
            if spoiled is Spoiled.DROPPED:
                raise TimeoutError(spoiled.value)
            letter = letters.write(
                self._world, job.event, job.endpoint, self._chaos, spoiled, self._sign_at()
            )
            answer = self._transport.send(letter, self._timeout_seconds)
        except OSError as problem:
            error = str(problem) or type(problem).__name__
        if answer is None and self._stopping.is_set():
            self._finish(job, "pending")
            return
        seconds = time.monotonic() - started
        if answer is None:
            attempt = Attempt(at, seconds, None, error)
        else:
            attempt = Attempt(at, seconds, answer.status, None, answer.body)
        came = attempt.status if attempt.status is not None else error
        about = (job.event["type"], job.endpoint["url"], came, 1000 * seconds)
        logger.info("%s -> %s: %s (%.0f ms)", *about)
        self._keep(job, attempt)

    def _keep(self, job: _Job, attempt: Attempt) -> None:
        store = self._world.store
        with store.transaction():
            store.query(
                "INSERT INTO attempts (delivery, at, seconds, status, error, answer)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                job.id,
                attempt.at,
                attempt.seconds,
                attempt.status,
                attempt.error,
                attempt.answer,
            )
            failures = len(self._attempts(job.id))
            if attempt.status is not None and 200 <= attempt.status < 300:
                self._finish(job, "delivered")
            elif failures > len(self._retry_after_seconds):
                self._finish(job, "failed")
            else:
                store.query(
                    "UPDATE deliveries SET state = 'pending', due_at = ? WHERE id = ?",
                    self._world.clock.time() + self._retry_after_seconds[failures - 1],
                    job.id,
                )

    def _finish(self, job: _Job, state: str) -> None:
        with self._world.store.transaction():
            self._world.store.query("UPDATE deliveries SET state = ? WHERE id = ?", state, job.id)
