"""Refunds and disputes at Stripe."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ..errors import GatewayRejected
from ..stripe_objects import Dispute, Refund
from .answers import Listed, Page, created_since, read
from .connection import Connection


class Reversals(Connection):
    """The part of the gateway that is about refunds and disputes."""

    def create_refund(self, params: Mapping[str, Any], *, idempotency_key: str) -> Refund:
        """Give money back. Safe to repeat with the same key and parameters, for a day.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        client = self._client()
        return self._made(
            Refund,
            lambda: client.v1.refunds.create(
                dict(params),  # type: ignore[arg-type]
                {"idempotency_key": idempotency_key},
            ),
        )

    def list_refunds_of(self, payment_intent_id: str) -> list[Refund]:
        """Return all refunds of one payment, however many. Tries once, for 3 s.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        client = self._client(impatient=True)
        params: Any = {"payment_intent": payment_intent_id, "limit": 100}
        found = self._call(
            lambda: [
                refund.to_dict() for refund in client.v1.refunds.list(params).auto_paging_iter()
            ]
        )
        return [read(Refund, refund) for refund in found]

    def page_refunds(self, *, since: dt.datetime, after: str | None = None) -> Page[Refund]:
        """Return a page of all refunds of the account that were created at ``since`` or later."""
        return self._page(Refund, "/v1/refunds", created_since(since), after)

    def page_disputes(self, *, since: dt.datetime, after: str | None = None) -> Page[Dispute]:
        """Return a page of all disputes of the account that were created at ``since`` or later."""
        return self._page(Dispute, "/v1/disputes", created_since(since), after)

    def page_refunds_of(self, payment_intent_id: str, after: str | None = None) -> Page[Refund]:
        """Return a page of the refunds of one payment, empty if Stripe doesn't know it."""
        return self._page_of(Refund, "/v1/refunds", payment_intent_id, after)

    def page_disputes_of(self, payment_intent_id: str, after: str | None = None) -> Page[Dispute]:
        """Return a page of the disputes of one payment, empty if Stripe doesn't know it."""
        return self._page_of(Dispute, "/v1/disputes", payment_intent_id, after)

    def _page_of(
        self, kind: type[Listed], path: str, payment_intent_id: str, after: str | None
    ) -> Page[Listed]:
        try:
            return self._page(kind, path, {"payment_intent": payment_intent_id}, after)
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return Page([], None)
            raise
