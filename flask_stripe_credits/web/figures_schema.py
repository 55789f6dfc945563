"""Figures on the wire: the same document for the admin API and ``flask credits stats --json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from marshmallow import Schema, fields

from ..reports import Bucket, CurrencyFigures, Figures, Funnel, Takings
from .schemas import UTC

_MINOR_UNITS = {"description": "Whole minor units of the currency."}
_CREDITS = {"description": "Whole credits."}


def _money(**options: Any) -> fields.Integer:
    return fields.Integer(required=True, metadata=_MINOR_UNITS, **options)


def _count() -> fields.Integer:
    return fields.Integer(required=True)


class TakingsSchema(Schema):
    """Money of one currency in a stretch of time."""

    purchases: fields.Integer = _count()
    gross: fields.Integer = _money()
    refunded: fields.Integer = _money()
    disputed: fields.Integer = _money()
    net: fields.Integer = _money()


class TakingsStepSchema(TakingsSchema):
    """One step of the series."""

    start: UTC = UTC(required=True)


class TotalTakingsSchema(TakingsSchema):
    """The whole period."""

    average: fields.Integer = _money(allow_none=True)


class GoneBackSchema(Schema):
    """Refunds, or disputes."""

    number: fields.Integer = _count()
    amount: fields.Integer = _money()
    without_effect: fields.Integer = _count()


class LifetimeSchema(Schema):
    """From the very beginning until the end of the period."""

    buyers: fields.Integer = _count()
    takings: fields.Nested = fields.Nested(TakingsSchema, required=True)
    value: fields.Integer = _money(allow_none=True)


class CurrencyFiguresSchema(Schema):
    """The money figures of one currency."""

    currency: fields.String = fields.String(required=True)
    total: fields.Nested = fields.Nested(TotalTakingsSchema, required=True)
    steps: fields.List[dict[str, Any]] = fields.List(
        fields.Nested(TakingsStepSchema), required=True
    )
    refunds: fields.Nested = fields.Nested(GoneBackSchema, required=True)
    disputes: fields.Nested = fields.Nested(GoneBackSchema, required=True)
    lifetime: fields.Nested = fields.Nested(LifetimeSchema, required=True)


class CreditsSchema(Schema):
    """Credits in a stretch of time."""

    granted: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)
    taken_back: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)


class CreditsStepSchema(CreditsSchema):
    """One step of the series."""

    start: UTC = UTC(required=True)


class FunnelSchema(Schema):
    """What became of the purchases that were opened in the period."""

    opened: fields.Integer = _count()
    paid: fields.Integer = _count()
    paid_percent: fields.Float = fields.Float(required=True, allow_none=True)
    granted: fields.Integer = _count()
    granted_percent: fields.Float = fields.Float(required=True, allow_none=True)
    expired: fields.Integer = _count()
    expired_percent: fields.Float = fields.Float(required=True, allow_none=True)
    pending: fields.Integer = _count()
    processing: fields.Integer = _count()
    failed: fields.Integer = _count()
    review: fields.Integer = _count()


class PackageFiguresSchema(Schema):
    """What was paid for one package in one currency."""

    package_code: fields.String = fields.String(required=True)
    package_name: fields.String = fields.String(required=True, allow_none=True)
    currency: fields.String = fields.String(required=True)
    purchases: fields.Integer = _count()
    gross: fields.Integer = _money()
    credits: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)


class WebhooksSchema(Schema):
    """How the webhook does."""

    verdicts: fields.Dict = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True
    )
    last_handled_at: UTC = UTC(required=True, allow_none=True)
    failed_now: fields.Integer = _count()


class WaitingSchema(Schema):
    """What waits for an operator's decision."""

    purchases: fields.Integer = _count()
    events: fields.Integer = _count()
    orphans: fields.Integer = _count()


class UndeliveredSchema(Schema):
    """Grants that no receiver has taken."""

    grants: fields.Integer = _count()
    credits: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)
    oldest_at: UTC = UTC(required=True, allow_none=True)


class FiguresSchema(Schema):
    """Every figure of one period."""

    since: UTC = UTC(required=True)
    until: UTC = UTC(required=True)
    bucket: fields.Enum[Bucket] = fields.Enum(Bucket, by_value=True, required=True)
    package_code: fields.String = fields.String(required=True, allow_none=True)
    currencies: fields.List[dict[str, Any]] = fields.List(
        fields.Nested(CurrencyFiguresSchema), required=True
    )
    purchases: fields.Integer = _count()
    credits_sold: fields.Integer = fields.Integer(required=True, metadata=_CREDITS)
    average_credits: fields.Integer = fields.Integer(
        required=True, allow_none=True, metadata=_CREDITS
    )
    credits: fields.Nested = fields.Nested(CreditsSchema, required=True)
    credits_in_steps: fields.List[dict[str, Any]] = fields.List(
        fields.Nested(CreditsStepSchema), required=True
    )
    packages: fields.List[dict[str, Any]] = fields.List(
        fields.Nested(PackageFiguresSchema), required=True
    )
    funnel: fields.Nested = fields.Nested(FunnelSchema, required=True)
    webhooks: fields.Nested = fields.Nested(WebhooksSchema, required=True)
    waiting: fields.Nested = fields.Nested(WaitingSchema, required=True)
    undelivered: fields.Nested = fields.Nested(UndeliveredSchema, required=True)


def figures_document(figures: Figures) -> dict[str, Any]:
    """Return the figures in the names of :class:`FiguresSchema`, ready for JSON."""
    found: dict[str, Any] = FiguresSchema().dump(
        {
            **_parts(figures),
            "average_credits": figures.average_credits,
            "currencies": [_currency(one, figures) for one in figures.currencies],
            "credits_in_steps": _with_starts(figures, map(_parts, figures.credits_in_steps)),
            "funnel": _funnel(figures.funnel),
        }
    )
    return found


def _currency(one: CurrencyFigures, figures: Figures) -> dict[str, Any]:
    lifetime = {**_parts(one.lifetime), "takings": _takings(one.lifetime.takings)}
    return {
        **_parts(one),
        "total": {**_takings(one.total), "average": one.total.average},
        "steps": _with_starts(figures, map(_takings, one.steps)),
        "lifetime": {**lifetime, "value": one.lifetime.value},
    }


def _takings(takings: Takings) -> dict[str, Any]:
    return {**_parts(takings), "net": takings.net}


def _funnel(funnel: Funnel) -> dict[str, Any]:
    percents = {
        f"{name}_percent": funnel.percent(getattr(funnel, name))
        for name in ("paid", "granted", "expired")
    }
    return _parts(funnel) | percents


def _with_starts(figures: Figures, steps: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"start": start, **step} for start, step in zip(figures.starts, steps, strict=True)]


def _parts(one: Any) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}
