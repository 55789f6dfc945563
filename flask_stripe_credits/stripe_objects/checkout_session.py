"""A checkout session."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from ..errors import MalformedEvent
from .fields import amount, boolean, currency, mapping, parse_uuid, reference, stripe_id, text, time
from .markers import PURCHASE_MARKER, SITE_MARKER


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A Checkout Session. Amounts are minor units of ``currency``.

    :ivar site: the installation that our marker names, None without a marker.
    :ivar purchase_id: the purchase that our marker names.
    :ivar credits_told: what its metadata tells people that it is about. Decides nothing.
    """

    id: str
    mode: str | None
    livemode: bool | None
    status: str | None
    payment_status: str | None
    currency: str | None
    amount_subtotal: int | None
    amount_total: int | None
    amount_discount: int | None
    amount_tax: int | None
    amount_shipping: int | None
    payment_intent_id: str | None
    site: str | None
    purchase_id: uuid.UUID | None
    credits_told: str | None
    url: str | None
    created: dt.datetime | None
    expires_at: dt.datetime | None

    @classmethod
    def from_payload(cls, payload: object) -> CheckoutSession:
        """Read a session from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        if not isinstance(payload, dict):
            raise MalformedEvent("the checkout session is not an object")
        metadata = mapping(payload, "metadata")
        totals = mapping(payload, "total_details")
        return cls(
            id=stripe_id(payload, "id"),
            mode=text(payload, "mode"),
            livemode=boolean(payload, "livemode"),
            status=text(payload, "status"),
            payment_status=text(payload, "payment_status"),
            currency=currency(payload),
            amount_subtotal=amount(payload, "amount_subtotal"),
            amount_total=amount(payload, "amount_total"),
            amount_discount=amount(totals, "amount_discount"),
            amount_tax=amount(totals, "amount_tax"),
            amount_shipping=amount(totals, "amount_shipping"),
            payment_intent_id=reference(payload, "payment_intent"),
            site=text(metadata, SITE_MARKER),
            purchase_id=parse_uuid(metadata.get(PURCHASE_MARKER))
            or parse_uuid(payload.get("client_reference_id")),
            credits_told=text(metadata, "credits"),
            url=text(payload, "url"),
            created=time(payload, "created"),
            expires_at=time(payload, "expires_at"),
        )

    @property
    def is_paid(self) -> bool:
        """Whether Stripe has the money, or none is due."""
        return self.payment_status in ("paid", "no_payment_required")
