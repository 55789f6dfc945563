"""What goes back of a payment: refunds, disputes, and the charge that both are about."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import MalformedEvent
from .fields import amount, currency, mapping, parse_uuid, reference, stripe_id, text, time
from .markers import REQUEST_MARKER, SITE_MARKER


@dataclass(frozen=True, slots=True)
class Refund:
    """A Refund. ``amount`` is minor units of ``currency``.

    :ivar site: the installation that our marker names, None without a marker.
    :ivar request_id: the operator's request that our marker names.
    """

    id: str
    payment_intent_id: str | None
    amount: int | None
    currency: str | None
    status: str | None
    created: dt.datetime | None = None
    site: str | None = None
    request_id: uuid.UUID | None = None

    @classmethod
    def from_payload(cls, payload: object) -> Refund:
        """Read a refund from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        if not isinstance(payload, dict):
            raise MalformedEvent("the refund is not an object")
        metadata = mapping(payload, "metadata")
        return cls(
            id=stripe_id(payload, "id"),
            payment_intent_id=reference(payload, "payment_intent"),
            amount=amount(payload, "amount"),
            currency=currency(payload),
            status=text(payload, "status"),
            created=time(payload, "created"),
            site=text(metadata, SITE_MARKER),
            request_id=parse_uuid(metadata.get(REQUEST_MARKER)),
        )


@dataclass(frozen=True, slots=True)
class Dispute:
    """A Dispute. ``amount`` is minor units of ``currency``.

    :ivar withdrawals: how often money moved for it: 1 withdrawn, 2 returned as well.
    """

    id: str
    payment_intent_id: str | None
    amount: int | None
    currency: str | None
    status: str | None
    withdrawals: int
    created: dt.datetime | None = None

    @classmethod
    def from_payload(cls, payload: object) -> Dispute:
        """Read a dispute from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        if not isinstance(payload, dict):
            raise MalformedEvent("the dispute is not an object")
        moved = payload.get("balance_transactions")
        return cls(
            id=stripe_id(payload, "id"),
            payment_intent_id=reference(payload, "payment_intent"),
            amount=amount(payload, "amount"),
            currency=currency(payload),
            status=text(payload, "status"),
            withdrawals=min(len(moved), 2) if isinstance(moved, list) else 0,
            created=time(payload, "created"),
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """What a Charge says of its refunds.

    :ivar amount_refunded: minor units, failed refunds left out.
    :ivar refunds: all of them, as API versions before 2022-11-15 tell; None: Stripe must be asked.
    """

    payment_intent_id: str | None
    amount_refunded: int | None
    refunds: tuple[Refund, ...] | None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Charge:
        """Read a charge from Stripe's JSON.

        :raises MalformedEvent: when one of its refunds has no id.
        """
        refunds = mapping(payload, "refunds")
        data = refunds.get("data")
        complete = isinstance(data, list) and refunds.get("has_more") is False
        return cls(
            payment_intent_id=reference(payload, "payment_intent"),
            amount_refunded=amount(payload, "amount_refunded"),
            refunds=tuple(map(Refund.from_payload, data or ())) if complete else None,
        )
