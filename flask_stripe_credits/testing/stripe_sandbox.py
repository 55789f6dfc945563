"""What a host's test holds of Stripe: it pays, refunds, disputes, and delivers the webhooks."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import stripe
from flask import Flask
from sqlalchemy.pool import StaticPool
from werkzeug.test import TestResponse

from ..config import SECRET_KEY, WEBHOOK_SECRET, WEBHOOK_SECRET_FALLBACK, Settings
from ..credentials import Secret
from ..errors import ConfigurationError
from ..sandbox import Sandbox
from ..sandbox.letters import signature_header
from ..state import EXTENSION_KEY, AppState, state_of
from ..unit_of_work import bind_of_writes
from .in_process import API_BASE, InProcessClient, InProcessTransport

_MOST_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Delivered:
    """One attempt to deliver an event.

    :ivar event: its id, ``evt_…``.
    :ivar type: such as ``checkout.session.completed``.
    :ivar status: HTTP status of the app's answer; None when there was none.
    :ivar error: why there was none.
    """

    event: str
    type: str
    status: int | None
    error: str | None


class StripeSandbox:
    """Stripe for one app, in this process: no socket, no network, no real money.

    While it is open, as a context manager, the app's calls to Stripe reach a sandbox of its own
    through the real ``stripe`` library. A test key and a webhook secret that the app's
    configuration lacks are made up; afterwards everything is as it was. Webhooks wait until
    :meth:`deliver`.

    :param app: on which ``StripeCredits`` is initialised.
    :param serve: whether the sandbox listens on a loopback port after all, for an app that is
        served by another process, as pytest-flask's ``live_server`` is. Open it before that
        starts. Webhooks still go to ``app`` here: both have one database.
    :raises ConfigurationError: when it isn't, or the app is configured with a live key.

    :ivar client: a ``stripe.StripeClient`` that talks to the sandbox.
    :ivar sandbox: the sandbox itself, for what isn't here.
    """

    def __init__(self, app: Flask, *, serve: bool = False) -> None:
        self._app = app
        self._before: AppState = state_of(app)
        self._settings = _usable(self._before.settings)
        self._transport = InProcessTransport(app)
        self.sandbox: Sandbox = Sandbox(
            transport=self._transport, sign_at=time.time, address=API_BASE
        )
        http_client = InProcessClient(self.sandbox.app)
        if serve:
            self.sandbox.start(deliver=False)
            self._settings = self._settings.replaced(api_base=self.sandbox.url)
        self._http_client = None if serve else http_client
        self.client: stripe.StripeClient = stripe.StripeClient(
            self._settings.require_secret_key().reveal(),
            base_addresses={"api": API_BASE},
            http_client=http_client,
        )
        self._webhook_path = f"{self._settings.url_prefix}/webhook"
        self._secret = self._settings.require_webhook_secrets()[0].reveal()
        self.sandbox.register_webhook(f"{API_BASE}{self._webhook_path}", secret=self._secret)
        self._seen = 0

    def __enter__(self) -> Self:
        # The library would write a file into the home directory of whoever runs the tests.
        self._telemetry, stripe.enable_telemetry = stripe.enable_telemetry, False
        self._app.extensions[EXTENSION_KEY] = self._before.replaced(
            settings=self._settings, http_client=self._http_client
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._app.extensions[EXTENSION_KEY] = self._before
        stripe.enable_telemetry = self._telemetry
        self.sandbox.stop()

    @property
    def events(self) -> list[stripe.Event]:
        """All events so far, oldest first."""
        return list(self.client.v1.events.list({"limit": 100}).auto_paging_iter())[::-1]

    def pay(
        self, session_id: str, card: str = "4242424242424242", *, passed: bool = True
    ) -> stripe.checkout.Session:
        """Pay as a buyer on the page would; return the session, still open if declined.

        :param card: number of a test card, or of a test bank account whose money comes later.
        :param passed: how the buyer answers 3-D Secure, if asked.
        :raises ~flask_stripe_credits.sandbox.ApiError: when there is no such session or card, or
            the session was paid or expired before.
        """
        self.sandbox.pay(session_id, card, passed=passed, wait_seconds=None)
        return self.client.v1.checkout.sessions.retrieve(session_id)

    def refund(self, payment: str, amount: int | None = None, **given: Any) -> stripe.Refund:
        """Refund a payment as the merchant would in Stripe's dashboard.

        :param payment: id of the checkout session or of the payment intent.
        :param amount: minor units; None for all that is left.
        :param given: as for ``sandbox.refund``: ``status="pending"``, ``reason``.
        :raises ~flask_stripe_credits.sandbox.ApiError: when there is nothing to refund, or
            not so much.
        :raises ValueError: for a session that isn't paid.
        """
        made = self.sandbox.refund(self._intent_of(payment), amount, **given)
        return self.client.v1.refunds.retrieve(made["id"])

    def dispute(self, payment: str, amount: int | None = None, **given: Any) -> stripe.Dispute:
        """Have the buyer's bank dispute a payment.

        :param payment: id of the checkout session or of the payment intent.
        :param amount: minor units; None for the whole charge.
        :param given: as for ``sandbox.dispute``: ``inquiry=True``, ``reason``.
        :raises ~flask_stripe_credits.sandbox.ApiError: when the payment took no money.
        :raises ValueError: for a session that isn't paid.
        """
        made = self.sandbox.dispute(self._intent_of(payment), amount, **given)
        return self.client.v1.disputes.retrieve(made["id"])

    def advance(self, by: float | dt.timedelta) -> None:
        """Put Stripe's clock forward, not the app's: sessions expire, retries become due.

        :param by: seconds, or a timedelta.
        """
        self.sandbox.advance(by.total_seconds() if isinstance(by, dt.timedelta) else by)

    def deliver(self, *, retries: bool = True) -> list[Delivered]:
        """Deliver the webhooks that wait to the app; return every attempt, in its order.

        :param retries: whether also what the app refuses is sent again, up to three times, and
            what is delayed; the clock is put forward for it. Otherwise only what is due now.
        """
        self.sandbox.deliver_pending()
        for _ in range(_MOST_ROUNDS if retries else 0):
            waiting = [one.due_at for one in self.sandbox.deliveries() if one.state == "pending"]
            if not waiting:
                break
            self.sandbox.advance(max(0.0, min(waiting) - self.sandbox.clock.time()) + 0.001)
            self.sandbox.deliver_pending()
        return self._news()

    def chaos(self, **chosen: Any) -> None:
        """Have deliveries go wrong from now on, always alike for one ``seed``; without arguments
        no more.

        :param chosen: as for :class:`~flask_stripe_credits.sandbox.Chaos`: ``duplicate``,
            ``reorder``, ``drop``, ``delay``, ``parallel``, ``early``, ``wrong_signature``,
            ``stale``, ``api_version``, ``seed``.
        :raises ValueError: for one that there isn't, or a value that makes no sense.
        :raises ConfigurationError: for ``parallel`` where the database is one connection only.
        """
        if chosen.get("parallel", 1) > 1 and self._has_one_connection():
            raise ConfigurationError(
                "parallel deliveries need a connection each, but this app's database is one "
                "connection only (an outer transaction, or SQLite in memory)"
            )
        self.sandbox.chaos(**chosen)

    def signed_webhook(self, event: Mapping[str, Any] | stripe.StripeObject) -> TestResponse:
        """Deliver one event to the app now, signed with its secret; return the app's answer.

        :param event: one of :attr:`events`, or any document.
        """
        document = event.to_dict() if isinstance(event, stripe.StripeObject) else dict(event)
        body = json.dumps(document, default=str).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature_header([self._secret], body, int(time.time())),
        }
        return self._transport.post(self._webhook_path, headers, body)

    def _intent_of(self, payment: str) -> str:
        if not payment.startswith("cs_"):
            return payment
        session = self.sandbox.session(payment)
        if session["payment_status"] == "unpaid" or session["payment_intent"] is None:
            raise ValueError(f"checkout session {payment} isn't paid")
        return str(session["payment_intent"])

    def _news(self) -> list[Delivered]:
        rows = self.sandbox.store.query(
            "SELECT attempts.id, event, status, error FROM attempts"
            " JOIN deliveries ON deliveries.id = attempts.delivery"
            " WHERE attempts.id > ? ORDER BY attempts.id",
            self._seen,
        )
        if rows:
            self._seen = rows[-1][0]
        types = {event["id"]: event["type"] for event in self.sandbox.events()}
        return [Delivered(event, types[event], status, error) for _, event, status, error in rows]

    def _has_one_connection(self) -> bool:
        with self._app.app_context():
            bind = bind_of_writes(self._before, self._before.db.session())
            return not hasattr(bind, "pool") or isinstance(bind.pool, StaticPool)


def _usable(settings: Settings) -> Settings:
    """Return the settings with a test key and a webhook secret, made up where they lack."""
    if settings.livemode:
        raise ConfigurationError(
            f"{SECRET_KEY} is a live key. The sandbox doesn't start beside one: configure the app "
            "of your tests with a test key, or with none"
        )
    kept = {SECRET_KEY, WEBHOOK_SECRET, WEBHOOK_SECRET_FALLBACK}
    return settings.replaced(
        secret_key=settings.secret_key or Secret("sk_test_" + secrets.token_hex(12)),
        livemode=False,
        webhook_secrets=settings.webhook_secrets or (Secret("whsec_" + secrets.token_hex(16)),),
        api_base=API_BASE,
        problems={key: text for key, text in settings.problems.items() if key not in kept},
    )
