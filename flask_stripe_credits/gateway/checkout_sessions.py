"""Checkout Sessions at Stripe: open, ask for, list and close them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..errors import GatewayRejected
from ..stripe_objects import CheckoutSession
from .answers import Page, created_since
from .connection import Connection

_SESSIONS = "/v1/checkout/sessions"


class CheckoutSessions(Connection):
    """The part of the gateway that is about Checkout Sessions."""

    def create_checkout_session(
        self, params: Mapping[str, Any], *, idempotency_key: str
    ) -> CheckoutSession:
        """Open a Checkout Session. Safe to repeat with the same key and parameters.

        :raises GatewayUnavailable: Stripe is unreachable, busy or broken.
        :raises GatewayRejected: Stripe refused the parameters.
        :raises GatewayKeyRefused: Stripe refused the API key.
        :raises NotConfigured: there is no usable API key.
        """
        given = {**params, "idempotency_key": idempotency_key}
        return self._asked(CheckoutSession, "post", _SESSIONS, given)

    def retrieve_checkout_session(
        self, session_id: str, *, impatient: bool = False
    ) -> CheckoutSession:
        """Ask what became of a session.

        :param impatient: give up after 3 seconds and try only once.
        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        path = f"{_SESSIONS}/{quote(session_id, safe='')}"
        return self._asked(CheckoutSession, "get", path, impatient=impatient)

    def find_checkout_session(self, session_id: str) -> CheckoutSession | None:
        """Ask what became of a session; None when Stripe knows no such session.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: this and
            all methods that page or list, as :meth:`create_checkout_session`.
        """
        try:
            return self.retrieve_checkout_session(session_id)
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return None
            raise

    def expire_checkout_session(self, session_id: str) -> CheckoutSession:
        """Close an open session, so that it can't be paid any more. Tries once, for 3 seconds.

        :raises GatewayRejected: also when the session is already complete or expired.
        :raises GatewayUnavailable, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        path = f"{_SESSIONS}/{quote(session_id, safe='')}/expire"
        return self._asked(CheckoutSession, "post", path, impatient=True)

    def page_checkout_sessions(
        self, *, since: dt.datetime, after: str | None = None
    ) -> Page[CheckoutSession]:
        """Return a page of all sessions of the account that were created at ``since`` or later."""
        return self._page(CheckoutSession, _SESSIONS, created_since(since), after)

    def has_payment_failed(self, payment_intent_id: str) -> bool:
        """Whether the payment of a completed session failed, so that it won't be paid any more.

        False as well when Stripe doesn't know it.
        """
        client = self._client()
        path = f"/v1/payment_intents/{payment_intent_id}"
        try:
            payload: Any = self._call(lambda: client.raw_request("get", path).data)
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return False
            raise
        if not isinstance(payload, Mapping) or not isinstance(payload.get("status"), str):
            raise GatewayRejected("Stripe's answer isn't a payment intent")
        # https://docs.stripe.com/payments/payment-intents/verifying-status
        return payload["status"] in ("requires_payment_method", "canceled")

    def receipt_url_of(self, payment_intent_id: str) -> str | None:
        """Return the address of the receipt for a payment, None while there is none.

        Tries once, for 3 seconds. The address is Stripe's word: check it before anybody is sent
        there.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        client = self._client(impatient=True)
        path = f"/v1/payment_intents/{payment_intent_id}"
        payload: Any = self._call(
            lambda: client.raw_request("get", path, expand=["latest_charge"]).data
        )
        charge = payload.get("latest_charge") if isinstance(payload, Mapping) else None
        url = charge.get("receipt_url") if isinstance(charge, Mapping) else None
        return url if isinstance(url, str) else None
