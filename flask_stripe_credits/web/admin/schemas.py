"""The administrators' wire. Unlike on the buyers' routes, all money is in whole minor units."""

from __future__ import annotations

import datetime as dt
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from ...facts import PurchaseStatus
from ...integers import LARGEST_INTEGER
from ...purchase_search import LONGEST_TEXT
from ...reports import Bucket
from ..schemas import PACKAGE_CODE, UTC, PackageSchema, WholeNumber

LONGEST_REASON = 500

_MINOR_UNITS = {"description": "Whole minor units of `currency`."}
_CREDITS = {"description": "Whole credits."}


class Moment(fields.Field[dt.datetime]):
    """A day or a time in a query; UTC unless it names another zone."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dt.datetime:
        try:
            moment = dt.datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=dt.UTC)
            return moment.astimezone(dt.UTC)
        except (TypeError, ValueError, OverflowError):
            raise ValidationError("Must be like 2026-10-31 or 2026-10-31T08:00:00Z.") from None


class OneLine(fields.String):
    """Words of an operator's, for the audit log."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not (text.strip() and len(text) <= LONGEST_REASON and text.isprintable()):
            raise ValidationError(
                f"Must be one line of 1 to {LONGEST_REASON} characters that can be printed."
            )
        return text


class PurchaseFilterSchema(Schema):
    """Which purchases. All that is given must fit."""

    class Meta:
        unknown = RAISE

    status: fields.String = fields.String(
        validate=validate.OneOf([str(one) for one in PurchaseStatus])
    )
    user_id: fields.String = fields.String(metadata={"description": "Exactly so."})
    package_code: fields.String = fields.String(metadata={"description": "Exactly so."})
    since: Moment = Moment(metadata={"description": "Made then or later."})
    until: Moment = Moment(metadata={"description": "Made before then."})
    text: fields.String = fields.String(
        validate=validate.Length(1, LONGEST_TEXT),
        metadata={
            "description": "The id of a purchase, a checkout session or a payment intent; or a "
            "part of the user's id or of the package's name."
        },
    )


class PurchasesQuerySchema(PurchaseFilterSchema):
    """Which part of them."""

    limit: WholeNumber = WholeNumber(load_default=50, validate=validate.Range(1, 200))
    after: fields.UUID = fields.UUID(
        load_default=None,
        metadata={"description": "The id of the last purchase of the page before."},
    )


class AdminPurchaseSchema(Schema):
    """One purchase, whoever's it is."""

    id: fields.String = fields.String(required=True, metadata={"format": "uuid"})
    user_id: fields.String = fields.String(required=True)
    package_code: fields.String = fields.String(required=True)
    package_name: fields.String = fields.String(required=True)
    amount_credits: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)
    unit_amount: fields.Integer = fields.Integer(required=True, metadata=_MINOR_UNITS)
    amount_paid: fields.Integer = fields.Integer(
        required=True, allow_none=True, metadata=_MINOR_UNITS
    )
    amount_refunded: fields.Integer = fields.Integer(required=True, metadata=_MINOR_UNITS)
    credits_revoked: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)
    currency: fields.String = fields.String(required=True)
    status: fields.String = fields.String(required=True)
    review_reason: fields.String = fields.String(required=True, allow_none=True)
    review_decision: fields.String = fields.String(required=True, allow_none=True)
    livemode: fields.Boolean = fields.Boolean(required=True)
    created_at: UTC = UTC(required=True)
    paid_at: UTC = UTC(required=True, allow_none=True)
    completed_at: UTC = UTC(required=True, allow_none=True)
    stripe_checkout_session_id: fields.String = fields.String(required=True, allow_none=True)
    stripe_payment_intent_id: fields.String = fields.String(required=True, allow_none=True)


class EntrySchema(Schema):
    """One thing that happened to a purchase."""

    at: UTC = UTC(required=True)
    kind: fields.String = fields.String(required=True)
    title: fields.String = fields.String(
        required=True, metadata={"description": "Plain text, for people."}
    )
    actor: fields.String = fields.String(required=True, allow_none=True)
    details: fields.Dict = fields.Dict(required=True)


class AdminPurchaseDetailSchema(AdminPurchaseSchema):
    """One purchase with its story."""

    meaning: fields.String = fields.String(required=True, metadata={"description": "For people."})
    next: fields.List[str] = fields.List(fields.String(), required=True)
    timeline: fields.List[dict[str, Any]] = fields.List(fields.Nested(EntrySchema), required=True)


class RefundRequestSchema(Schema):
    """How much, and why."""

    class Meta:
        unknown = RAISE

    amount: fields.Integer = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, LARGEST_INTEGER),
        metadata={
            "description": "Whole minor units of the purchase's currency; all that is left, if "
            "none is given."
        },
    )
    reason: OneLine = OneLine(
        allow_none=True,
        load_default=None,
        validate=validate.Length(1, LONGEST_REASON),
        metadata={
            "description": "`duplicate`, `fraudulent`, `requested_by_customer`, or words of "
            "your own."
        },
    )


class RefundSchema(Schema):
    """What the refund came to."""

    how: fields.String = fields.String(
        required=True, metadata={"description": "`made`, `resumed` or `made_before`."}
    )
    request_id: fields.String = fields.String(required=True, metadata={"format": "uuid"})
    purchase_id: fields.String = fields.String(required=True, metadata={"format": "uuid"})
    refund_id: fields.String = fields.String(required=True)
    amount: fields.Integer = fields.Integer(required=True, metadata=_MINOR_UNITS)
    currency: fields.String = fields.String(required=True)
    refund_status: fields.String = fields.String(required=True, allow_none=True)
    actor: fields.String = fields.String(
        required=True, metadata={"description": "Who asked for it first."}
    )
    status: fields.String = fields.String(required=True)
    credits_revoked: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)
    undelivered: fields.Integer = fields.Integer(required=True)


class ReplayedSchema(Schema):
    """What became of the event."""

    event_id: fields.String = fields.String(required=True)
    type: fields.String = fields.String(required=True, allow_none=True)
    object_id: fields.String = fields.String(required=True, allow_none=True)
    verdict: fields.String = fields.String(required=True, allow_none=True)
    purchase_id: fields.String = fields.String(required=True, allow_none=True)
    credits: fields.Integer = fields.Integer(
        required=True, metadata={"description": "Whole credits, signed, that it moved now."}
    )
    problem: fields.String = fields.String(
        required=True, allow_none=True, metadata={"description": "Why somebody has to look."}
    )


class WaitingItemSchema(Schema):
    """One thing to decide on."""

    kind: fields.String = fields.String(
        required=True, metadata={"description": "`purchase`, `event` or `orphan`."}
    )
    id: fields.String = fields.String(
        required=True, metadata={"description": "What to decide on by."}
    )
    purchase_id: fields.String = fields.String(required=True, allow_none=True)
    object_id: fields.String = fields.String(required=True, allow_none=True)
    reason: fields.String = fields.String(required=True, allow_none=True)
    since: UTC = UTC(required=True)


class ReviewRequestSchema(Schema):
    """A decision, and why."""

    class Meta:
        unknown = RAISE

    decision: fields.String = fields.String(
        required=True, validate=validate.OneOf(["accept", "dismiss"])
    )
    reason: OneLine = OneLine(required=True, validate=validate.Length(1, LONGEST_REASON))


class ReviewSchema(Schema):
    """What the decision came to."""

    purchase_id: fields.String = fields.String(required=True, allow_none=True)
    status: fields.String = fields.String(required=True, allow_none=True)
    credits_posted: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)
    credits_never_delivered: fields.Integer = fields.Integer(
        required=True,
        metadata={
            "description": "Whole credits, signed, of grants that weren't delivered when their "
            "purchase was dismissed, and never will be."
        },
    )
    refusal: fields.String = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "A receiver refused: the purchase is in review again."},
    )


class AdminPackageSchema(PackageSchema):
    """A package, for sale or not."""

    display_order: fields.Integer = fields.Integer(required=True)
    created_at: UTC = UTC(required=True)
    updated_at: UTC = UTC(required=True)


class NothingSchema(Schema):
    """An empty object: there is nothing to say."""

    class Meta:
        unknown = RAISE


class FiguresQuerySchema(Schema):
    """Of which period, of what, and in which steps."""

    class Meta:
        unknown = RAISE

    since: Moment = Moment(
        load_default=None, metadata={"description": "From then on; else from the beginning."}
    )
    until: Moment = Moment(
        load_default=None, metadata={"description": "Until just before; else now."}
    )
    package_code: fields.String = fields.String(
        load_default=None, validate=validate.Regexp(PACKAGE_CODE)
    )
    bucket: fields.Enum[Bucket] = fields.Enum(Bucket, by_value=True, load_default=None)
