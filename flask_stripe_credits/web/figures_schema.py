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

    purchases = _count()
    gross = _money()
    refunded = _money()
    disputed = _money()
    net = _money()


class TakingsStepSchema(TakingsSchema):
    """One step of the series."""

    start = UTC(required=True)


class TotalTakingsSchema(TakingsSchema):
    """The whole period."""

    average = _money(allow_none=True)


class GoneBackSchema(Schema):
    """Refunds, or disputes."""

    number = _count()
    amount = _money()
    without_effect = _count()


class LifetimeSchema(Schema):
    """From the very beginning until the end of the period."""

    buyers = _count()
    takings = fields.Nested(TakingsSchema, required=True)
    value = _money(allow_none=True)


class CurrencyFiguresSchema(Schema):
    """The money figures of one currency."""

    currency = fields.String(required=True)
    total = fields.Nested(TotalTakingsSchema, required=True)
    steps = fields.List(fields.Nested(TakingsStepSchema), required=True)
    refunds = fields.Nested(GoneBackSchema, required=True)
    disputes = fields.Nested(GoneBackSchema, required=True)
    lifetime = fields.Nested(LifetimeSchema, required=True)


class CreditsSchema(Schema):
    """Credits in a stretch of time."""

    granted = fields.Integer(required=True, metadata=_CREDITS)
    taken_back = fields.Integer(required=True, metadata=_CREDITS)


class CreditsStepSchema(CreditsSchema):
    """One step of the series."""

    start = UTC(required=True)


class FunnelSchema(Schema):
    """What became of the purchases that were opened in the period."""

    opened = _count()
    paid = _count()
    paid_percent = fields.Float(required=True, allow_none=True)
    granted = _count()
    granted_percent = fields.Float(required=True, allow_none=True)
    expired = _count()
    expired_percent = fields.Float(required=True, allow_none=True)
    pending = _count()
    processing = _count()
    failed = _count()
    review = _count()


class PackageFiguresSchema(Schema):
    """What was paid for one package in one currency."""

    package_code = fields.String(required=True)
    package_name = fields.String(required=True, allow_none=True)
    currency = fields.String(required=True)
    purchases = _count()
    gross = _money()
    credits = fields.Integer(required=True, metadata=_CREDITS)


class WebhooksSchema(Schema):
    """How the webhook does."""

    verdicts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    last_handled_at = UTC(required=True, allow_none=True)
    failed_now = _count()


class WaitingSchema(Schema):
    """What waits for an operator's decision."""

    purchases = _count()
    events = _count()
    orphans = _count()


class UndeliveredSchema(Schema):
    """Grants that no receiver has taken."""

    grants = _count()
    credits = fields.Integer(required=True, metadata=_CREDITS)
    oldest_at = UTC(required=True, allow_none=True)


class FiguresSchema(Schema):
    """Every figure of one period."""

    since = UTC(required=True)
    until = UTC(required=True)
    bucket = fields.Enum(Bucket, by_value=True, required=True)
    package_code = fields.String(required=True, allow_none=True)
    currencies = fields.List(fields.Nested(CurrencyFiguresSchema), required=True)
    purchases = _count()
    credits_sold = fields.Integer(required=True, metadata=_CREDITS)
    average_credits = fields.Integer(required=True, allow_none=True, metadata=_CREDITS)
    credits = fields.Nested(CreditsSchema, required=True)
    credits_in_steps = fields.List(fields.Nested(CreditsStepSchema), required=True)
    packages = fields.List(fields.Nested(PackageFiguresSchema), required=True)
    funnel = fields.Nested(FunnelSchema, required=True)
    webhooks = fields.Nested(WebhooksSchema, required=True)
    waiting = fields.Nested(WaitingSchema, required=True)
    undelivered = fields.Nested(UndeliveredSchema, required=True)


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
