"""One sandbox, as its operator and tests hold it: start, pay, look, stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from flask import Flask

from . import api_version, debits, endpoints, refunds, sessions
from .acts import Acts
from .app import build
from .chaos import Chaos
from .clock import Clock
from .deliveries import RETRY_AFTER_SECONDS, TIMEOUT_SECONDS, Courier, Delivery
from .faults import Faults
from .server import Server
from .store import Json, Store, Where
from .transport import HttpTransport, Transport
from .world import World


class Sandbox(Acts):
    """A local stand-in for Stripe.

    Without ``start()`` it lives in the caller's threads: ``app`` answers requests, and
    ``deliver_pending()`` delivers webhooks. With it, it listens on a port and delivers by itself.

    :param state: a file that keeps everything over a restart; None for memory.
    :param clock: what time it is; ``advance()`` puts it forward.
    :param transport: how webhooks get to their endpoints; None for HTTP.
    :param retry_after_seconds: how long after each failed delivery the next one follows.
    :param remote_webhooks: whether events may be sent to other machines.
    :param settle_after_seconds: how long banks take over debits and pending refunds, which then end
        as their test numbers say; None to leave it to ``settle_payment()`` and
        ``settle_refund()``.
    :param sign_at: the time that signatures carry; None for that of ``clock``. An app checks it
        against its own clock, which ``advance()`` doesn't put forward.
    :param address: of its pages while it doesn't listen.
    :raises StateFileUnusable: when ``state`` is in use or can't be used.

    :ivar app: the Flask app.
    :ivar store: all objects, as JSON.
    :ivar faults: misbehaviour on demand.
    """

    def __init__(
        self,
        *,
        state: Path | None = None,
        clock: Clock | None = None,
        transport: Transport | None = None,
        retry_after_seconds: Sequence[float] = RETRY_AFTER_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        remote_webhooks: bool = False,
        settle_after_seconds: float | None = None,
        sign_at: Callable[[], float] | None = None,
        address: str = "http://localhost",
    ) -> None:
        self._settle_after_seconds = settle_after_seconds
        self.clock: Clock = clock or Clock()
        self.store: Store = Store(state)
        self.faults: Faults = Faults()
        self._world = World(
            self.store, self.clock, api_version.newest(), address, remote_webhooks=remote_webhooks
        )
        self.courier: Courier = Courier(
            self._world,
            transport or HttpTransport(),
            retry_after_seconds=retry_after_seconds,
            timeout_seconds=timeout_seconds,
            on_tick=self._let_time_pass,
            sign_at=sign_at,
        )
        self.app: Flask = build(self._world, self.courier, self.faults, self)
        self.app.extensions["stripe_sandbox"] = self
        self._server: Server | None = None

    def start(self, host: str = "127.0.0.1", port: int = 0, *, deliver: bool = True) -> Self:
        """Listen on a loopback address, and unless told otherwise deliver webhooks in threads.

        :param port: 0 for any free one.
        :raises AddressUnusable: when it can't be bound.
        """
        self._server = Server(self.app, self.clock, host, port)
        self._world = replace(self._world, url=self._server.url)
        if deliver:
            self.courier.start()
        return self

    def stop(self) -> None:
        """End every thread, close the store and release its file. Safe to repeat."""
        self.faults.release()
        self.courier.stop()
        if self._server is not None:
            self._server.stop()
            self._server = None
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the API, e.g. ``http://127.0.0.1:5001``.

        :raises RuntimeError: before ``start()``.
        """
        if self._server is None:
            raise RuntimeError("the sandbox isn't listening: call start() first")
        return self._server.url

    def register_webhook(
        self, url: str, *, secret: str | None = None, enabled_events: Sequence[str] = ("*",)
    ) -> str:
        """Send events to ``url`` from now on; return the secret that signs them.

        Safe to repeat: the same URL is updated.

        :param secret: ``whsec_…``; None for a new one, or the one that this URL has already.
        :raises ApiError: when ``url`` isn't a web address on this machine.
        """
        _, used = endpoints.register(
            self._world, url, secret=secret, enabled_events=list(enabled_events)
        )
        return used

    def session(self, session_id: str) -> Json:
        """Return a checkout session as the API would.

        :raises ApiError: when there is none.
        """
        return sessions.get(self._world, session_id)

    def objects(self, kind: str) -> list[Json]:
        """Return all objects of a kind (``"charge"``, ``"checkout.session"``), oldest first."""
        return self.store.find(kind)[::-1]

    def events(self, type: str | None = None) -> list[Json]:
        """Return all events, or those of one type, oldest first."""
        where = [Where("type", "=", type)] if type is not None else []
        return self.store.find("event", where)[::-1]

    def deliveries(self, event_id: str | None = None) -> list[Delivery]:
        """Return the delivery log, of one event or all, oldest first."""
        return self.courier.log(event_id)

    def resend(self, event_id: str) -> None:
        """Deliver an event again to every endpoint that wants it.

        :raises KeyError: when there is no such event.
        """
        self.courier.resend(event_id)

    def deliver_pending(self) -> int:
        """Deliver what is due in this thread, after expiring what is over; return the attempts."""
        self._let_time_pass()
        return self.courier.deliver_pending()

    def chaos(self, **chosen: Any) -> None:
        """Have deliveries go wrong from now on, also those that wait; without arguments no more.

        :param chosen: the fields of ``Chaos``: ``chaos(duplicate=2, reorder=True, drop=0.1)``.
        :raises ValueError: for one that there isn't, or a value that makes no sense.
        """
        self.courier.chaos = Chaos.chosen(chosen)

    def wait_idle(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until every delivery was taken or given up; return whether that came in time."""
        return self.courier.wait_idle(timeout_seconds)

    def advance(self, seconds: float) -> None:
        """Put the clock forward: sessions expire, retries become due."""
        self.clock.advance(seconds)
        self._let_time_pass()
        self.courier.wake()

    def _let_time_pass(self) -> None:
        endpoints.retire_secrets(self._world)
        sessions.expire_overdue(self._world)
        if self._settle_after_seconds is not None:
            debits.settle_overdue(self._world, self._settle_after_seconds)
            refunds.settle_overdue(self._world, self._settle_after_seconds)


def create_sandbox(*, state: Path | None = None, clock: Clock | None = None) -> Flask:
    """Return a new sandbox's app; its ``Sandbox`` is ``app.extensions["stripe_sandbox"]``.

    :raises StateFileUnusable: when ``state`` is in use or can't be used.
    """
    return Sandbox(state=state, clock=clock).app


def sandbox_of(app: Flask) -> Sandbox:
    """Return the sandbox behind an app of ``create_sandbox``."""
    sandbox: Sandbox = app.extensions["stripe_sandbox"]
    return sandbox
