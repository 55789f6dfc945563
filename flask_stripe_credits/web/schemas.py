"""The wire: names, types and limits of everything that goes in and out.

The only home of the guide's names (``price_usd``, ``session_id``, ``stripe_payment_id``) and the
only place where a float of money exists, made from minor units.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from ..money import exponent

PACKAGE_CODE = re.compile(r"[a-z0-9_-]{1,50}\Z")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,7}\Z", re.ASCII)


def utc(value: dt.datetime | None) -> str | None:
    """RFC 3339 in UTC with ``Z``, to the second."""
    if value is None:
        return None
    return value.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def in_major_units(amount: int | None, currency: str) -> float | None:
    """The guide's numbers: ``1000, "usd"`` is ``10.0``; the float that is nearest to it."""
    return None if amount is None else amount / 10 ** exponent(currency)


class UTC(fields.DateTime):
    """A moment, as :func:`utc` writes it."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return utc(value)


class WholeNumber(fields.Field[int]):
    """A query parameter in plain digits: int() would also take `1_0`, ` 5` and Arabic digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not _WHOLE_NUMBER.match(value):
            raise ValidationError("Must be a whole number, written in digits.")
        return int(value)


class PackageSchema(Schema):
    """A package that is for sale."""

    id: fields.String = fields.String(required=True, metadata={"format": "uuid"})
    package_code: fields.String = fields.String(required=True)
    package_name: fields.String = fields.String(required=True)
    description: fields.String = fields.String(required=True, allow_none=True)
    credits: fields.Integer = fields.Integer(
        required=True, metadata={"description": "Whole credits."}
    )
    price_usd: fields.Float = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "The final price in US dollars; null in another currency."},
    )
    unit_amount: fields.Integer = fields.Integer(
        required=True, metadata={"description": "The final price in minor units of `currency`."}
    )
    currency: fields.String = fields.String(required=True)
    discount_percentage: fields.Integer = fields.Integer(
        required=True, metadata={"description": "For display only: the price is final."}
    )
    is_active: fields.Boolean = fields.Boolean(required=True)
    stripe_price_id: fields.String = fields.String(required=True, allow_none=True)
    stripe_product_id: fields.String = fields.String(required=True, allow_none=True)


class PurchaseRequestSchema(Schema):
    """What to buy and where to come back to."""

    class Meta:
        unknown = RAISE

    package_code: fields.String = fields.String(
        required=True,
        validate=validate.Regexp(
            PACKAGE_CODE, error="Must be 1 to 50 lower-case letters, digits, - or _."
        ),
        # As JSON Schema writes it, whose regular expressions are JavaScript's.
        metadata={"pattern": "^[a-z0-9_-]{1,50}$"},
    )
    success_url: fields.String = fields.String(
        metadata={"description": "A path, or an allowed address. `{PURCHASE_ID}` is replaced."}
    )
    cancel_url: fields.String = fields.String(metadata={"description": "Like `success_url`."})


class CheckoutSchema(Schema):
    """An open checkout: send the buyer to `checkout_url`."""

    checkout_url: fields.String = fields.String(required=True, allow_none=True)
    session_id: fields.String = fields.String(required=True, allow_none=True)
    purchase_id: fields.String = fields.String(required=True, metadata={"format": "uuid"})
    status: fields.String = fields.String(required=True)
    expires_at: UTC = UTC(required=True, allow_none=True)


class HistoryQuerySchema(Schema):
    """Which part of the history."""

    class Meta:
        unknown = EXCLUDE

    limit: WholeNumber = WholeNumber(load_default=50, validate=validate.Range(1, 200))
    offset: WholeNumber = WholeNumber(load_default=0, validate=validate.Range(0, 1_000_000))
    after: fields.UUID = fields.UUID(
        load_default=None,
        metadata={"description": "The id of the last purchase of the page before."},
    )


class HistoryItemSchema(Schema):
    """One purchase. Amounts are numbers in major units of `currency`."""

    id: fields.String = fields.String(required=True, metadata={"format": "uuid"})
    package_name: fields.String = fields.String(required=True)
    package_code: fields.String = fields.String(required=True)
    amount_credits: fields.Integer = fields.Integer(required=True)
    amount_paid: fields.Float = fields.Float(
        required=True, allow_none=True, metadata={"description": "Null until paid."}
    )
    amount_refunded: fields.Float = fields.Float(required=True)
    currency: fields.String = fields.String(required=True)
    credits_revoked: fields.Integer = fields.Integer(required=True)
    status: fields.String = fields.String(required=True)
    created_at: UTC = UTC(required=True)
    completed_at: UTC = UTC(required=True, allow_none=True)
    stripe_payment_id: fields.String = fields.String(required=True, allow_none=True)


class PurchaseDetailSchema(HistoryItemSchema):
    """One purchase with what its buyer can still do."""

    checkout_url: fields.String = fields.String(required=True, allow_none=True)
    expires_at: UTC = UTC(required=True, allow_none=True)
    delivered: fields.Boolean = fields.Boolean(
        required=True, metadata={"description": "The credit manager has every grant."}
    )


class WebhookAnswerSchema(Schema):
    """What became of the event."""

    received: fields.Boolean = fields.Boolean(required=True)
    verdict: fields.String = fields.String(required=True)


class LivenessSchema(Schema):
    """That a process answers."""

    status: fields.String = fields.String(required=True, metadata={"enum": ["ok"]})


class HealthSchema(Schema):
    """What was checked, and what came of it."""

    status: fields.String = fields.String(required=True, metadata={"enum": ["ok", "unavailable"]})
    settings: fields.String = fields.String(required=True, metadata={"enum": ["ok", "incomplete"]})
    database: fields.String = fields.String(
        required=True, metadata={"enum": ["ok", "down", "slow"]}
    )
    tables: fields.String = fields.String(
        required=True, metadata={"enum": ["ok", "missing", "unknown"]}
    )


class ProblemSchema(Schema):
    """An error, RFC 9457."""

    type: fields.String = fields.String(required=True)
    title: fields.String = fields.String(required=True)
    status: fields.Integer = fields.Integer(required=True)
    detail: fields.String = fields.String(required=True)
    code: fields.String = fields.String(required=True)
    errors: fields.Dict = fields.Dict()
    stripe_request_id: fields.String = fields.String()


def price_usd(package: Mapping[str, Any]) -> float | None:
    """A package's price in US dollars, None in another currency."""
    usd = package["currency"] == "usd"
    return in_major_units(package["unit_amount"], "usd") if usd else None


# What isn't a column, made from a row of ``credit_packages`` or of ``credit_purchases``.
PACKAGE_FIELDS = {"price_usd": price_usd}
HISTORY_FIELDS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "amount_paid": lambda row: in_major_units(row["amount_paid"], row["currency"]),
    "amount_refunded": lambda row: in_major_units(row["amount_refunded"], row["currency"]),
    "stripe_payment_id": lambda row: row["stripe_payment_intent_id"],
}
