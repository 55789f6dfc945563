"""What we read of Stripe's objects, taken from plain dicts of any API version.

Metadata is a pointer, never a quantity: of it only the site and the purchase's id are read.
Fields that are missing or of an unexpected type are None, and None never matches anything.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from .config import Secret
from .errors import MalformedEvent

SITE_MARKER = "flask_stripe_credits"
PURCHASE_MARKER = "purchase_id"
PACKAGE_MARKER = "package_code"
REQUEST_MARKER = "refund_request"
# Which signing secret of an endpoint was handed over: a part of its SHA-256.
FINGERPRINT_MARKER = "secret_fingerprint"

_STRIPE_ID = re.compile(r"[A-Za-z0-9_]{1,255}\Z")
_EVENT_TYPE = re.compile(r"[a-z0-9_.]{1,255}\Z")
_CURRENCY = re.compile(r"[a-z]{3}\Z")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A Checkout Session. Amounts are minor units of ``currency``.

    :ivar site: the installation that our marker names, None without a marker.
    :ivar purchase_id: the purchase that our marker names.
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
    url: str | None
    created: dt.datetime | None
    expires_at: dt.datetime | None

    @classmethod
    def from_payload(cls, payload: object) -> CheckoutSession:
        """Read a session from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        if not isinstance(payload, Mapping):
            raise MalformedEvent("the checkout session is not an object")
        metadata = _mapping(payload, "metadata")
        totals = _mapping(payload, "total_details")
        return cls(
            id=stripe_id(payload, "id"),
            mode=_text(payload, "mode"),
            livemode=_boolean(payload, "livemode"),
            status=_text(payload, "status"),
            payment_status=_text(payload, "payment_status"),
            currency=_currency(payload),
            amount_subtotal=_amount(payload, "amount_subtotal"),
            amount_total=_amount(payload, "amount_total"),
            amount_discount=_amount(totals, "amount_discount"),
            amount_tax=_amount(totals, "amount_tax"),
            amount_shipping=_amount(totals, "amount_shipping"),
            payment_intent_id=_reference(payload, "payment_intent"),
            site=_text(metadata, SITE_MARKER),
            purchase_id=parse_uuid(metadata.get(PURCHASE_MARKER))
            or parse_uuid(payload.get("client_reference_id")),
            url=_text(payload, "url"),
            created=_time(payload, "created"),
            expires_at=_time(payload, "expires_at"),
        )

    @property
    def is_paid(self) -> bool:
        """Whether Stripe has the money, or none is due."""
        return self.payment_status in ("paid", "no_payment_required")


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
        if not isinstance(payload, Mapping):
            raise MalformedEvent("the refund is not an object")
        metadata = _mapping(payload, "metadata")
        return cls(
            id=stripe_id(payload, "id"),
            payment_intent_id=_reference(payload, "payment_intent"),
            amount=_amount(payload, "amount"),
            currency=_currency(payload),
            status=_text(payload, "status"),
            created=_time(payload, "created"),
            site=_text(metadata, SITE_MARKER),
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
        if not isinstance(payload, Mapping):
            raise MalformedEvent("the dispute is not an object")
        moved = payload.get("balance_transactions")
        return cls(
            id=stripe_id(payload, "id"),
            payment_intent_id=_reference(payload, "payment_intent"),
            amount=_amount(payload, "amount"),
            currency=_currency(payload),
            status=_text(payload, "status"),
            withdrawals=min(len(moved), 2) if isinstance(moved, list) else 0,
            created=_time(payload, "created"),
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
        refunds = _mapping(payload, "refunds")
        data = refunds.get("data")
        complete = isinstance(data, list) and refunds.get("has_more") is False
        return cls(
            payment_intent_id=_reference(payload, "payment_intent"),
            amount_refunded=_amount(payload, "amount_refunded"),
            refunds=tuple(map(Refund.from_payload, data or ())) if complete else None,
        )


@dataclass(frozen=True, slots=True)
class Product:
    """A Product.

    :ivar site: the installation that our marker names, None without a marker.
    :ivar package_code: the package that our marker names.
    :ivar default_price_id: which of its prices the Dashboard shows first.
    """

    id: str
    active: bool
    name: str | None
    description: str | None
    site: str | None
    package_code: str | None
    default_price_id: str | None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Product:
        """Read a product from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        metadata = _mapping(payload, "metadata")
        name, description = payload.get("name"), payload.get("description")
        return cls(
            id=stripe_id(payload, "id"),
            active=_boolean(payload, "active") is True,
            name=name if isinstance(name, str) else None,
            description=description if isinstance(description, str) else None,
            site=_text(metadata, SITE_MARKER),
            package_code=_text(metadata, PACKAGE_MARKER),
            default_price_id=_reference(payload, "default_price"),
        )


@dataclass(frozen=True, slots=True)
class Price:
    """A Price. ``unit_amount`` is minor units of ``currency``; None unless it is a plain price.

    :ivar site: the installation that our marker names, None without a marker.
    :ivar package_code: the package that our marker names.
    """

    id: str
    active: bool
    product_id: str | None
    unit_amount: int | None
    currency: str | None
    is_one_time: bool
    lookup_key: str | None
    site: str | None
    package_code: str | None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Price:
        """Read a price from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        metadata = _mapping(payload, "metadata")
        return cls(
            id=stripe_id(payload, "id"),
            active=_boolean(payload, "active") is True,
            product_id=_reference(payload, "product"),
            unit_amount=_amount(payload, "unit_amount"),
            currency=_currency(payload),
            is_one_time=_text(payload, "type") == "one_time",
            lookup_key=_text(payload, "lookup_key"),
            site=_text(metadata, SITE_MARKER),
            package_code=_text(metadata, PACKAGE_MARKER),
        )


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """A webhook endpoint: where Stripe sends which events.

    :ivar enabled_events: types of events, or ``*`` for all.
    :ivar api_version: the version that events are written in; None: the account's default.
    :ivar site: the installation that our marker names, None without a marker.
    :ivar secret_fingerprint: of the signing secret that was handed over, as our marker tells.
    :ivar secret: the signing secret; only the answer to its creation tells it.
    """

    id: str
    url: str | None
    status: str | None
    enabled_events: tuple[str, ...]
    api_version: str | None
    livemode: bool | None
    created: dt.datetime | None
    site: str | None
    secret_fingerprint: str | None
    # Never shown: not in a log, not in an error tracker.
    secret: Secret | None = field(default=None, repr=False)

    @classmethod
    def from_payload(cls, payload: object) -> WebhookEndpoint:
        """Read an endpoint from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        if not isinstance(payload, Mapping):
            raise MalformedEvent("the webhook endpoint is not an object")
        metadata = _mapping(payload, "metadata")
        secret = _text(payload, "secret")
        return cls(
            id=stripe_id(payload, "id"),
            url=_text(payload, "url"),
            status=_text(payload, "status"),
            enabled_events=_texts(payload, "enabled_events"),
            api_version=_text(payload, "api_version"),
            livemode=_boolean(payload, "livemode"),
            created=_time(payload, "created"),
            site=_text(metadata, SITE_MARKER),
            secret_fingerprint=_text(metadata, FINGERPRINT_MARKER),
            secret=Secret(secret) if secret else None,
        )

    @property
    def is_enabled(self) -> bool:
        """Whether Stripe sends events there."""
        return self.status == "enabled"


@dataclass(frozen=True, slots=True)
class Event:
    """A snapshot event.

    :ivar account: the connected account the event is about, None for our own.
    :ivar payload: the whole event as Stripe sent it.
    """

    id: str
    type: str
    created: dt.datetime | None
    api_version: str | None
    livemode: bool | None
    account: str | None
    # Left out of what logs and error trackers show of it.
    payload: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_payload(cls, payload: object) -> Event:
        """Read an event from Stripe's JSON.

        :raises MalformedEvent: when it isn't a snapshot event. Thin events
            (``v2.core.event``) carry no object and belong to another kind of endpoint.
        """
        if not isinstance(payload, Mapping):
            raise MalformedEvent("the body is not a JSON object")
        if payload.get("object") == "v2.core.event":
            raise MalformedEvent("thin events aren't supported: use snapshot events")
        kind = payload.get("type")
        if not isinstance(kind, str) or not _EVENT_TYPE.match(kind):
            raise MalformedEvent("the event has no type")
        if not isinstance(_mapping(payload, "data").get("object"), Mapping):
            raise MalformedEvent("the event has no data.object")
        version = _text(payload, "api_version")
        return cls(
            id=stripe_id(payload, "id"),
            type=kind,
            created=_time(payload, "created"),
            api_version=version if version and len(version) <= 50 else None,
            livemode=_boolean(payload, "livemode"),
            account=_account(payload),
            payload=payload,
        )

    @property
    def data_object(self) -> Mapping[str, Any]:
        """The object the event is about, as it was then (``data.object``)."""
        return cast(Mapping[str, Any], self.payload["data"]["object"])

    @property
    def object_id(self) -> str | None:
        """The id of the object the event is about."""
        return _reference(self.payload["data"], "object")


def parse_uuid(value: object) -> uuid.UUID | None:
    """Return the UUID written in ``value`` in its canonical form, or None."""
    return uuid.UUID(value) if isinstance(value, str) and _UUID.match(value) else None


def is_stripe_id(text: str) -> bool:
    """Whether this could be an id of Stripe's."""
    return _STRIPE_ID.match(text) is not None


def stripe_id(payload: Mapping[str, Any], key: str) -> str:
    """Return one of Stripe's ids.

    :raises MalformedEvent: when there is none or it could not be one.
    """
    value = payload.get(key)
    if not isinstance(value, str) or not _STRIPE_ID.match(value):
        raise MalformedEvent(f"{key} is missing or no Stripe id")
    return value


def _reference(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and _STRIPE_ID.match(value) else None


def _account(payload: Mapping[str, Any]) -> str | None:
    """Anything but none is somebody else's account, also what can't be read."""
    if payload.get("account") is None:
        return None
    return _reference(payload, "account") or "unreadable"


def _mapping(payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = payload.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    if not isinstance(value, str) or not value or len(value) > 5_000:
        return None
    return value if value.isprintable() else None


def _texts(payload: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = payload.get(key)
    if not isinstance(values, list):
        return ()
    return tuple(value for value in values if isinstance(value, str))


def _boolean(payload: Mapping[str, Any], key: str) -> bool | None:
    value = payload.get(key)
    return value if isinstance(value, bool) else None


def _amount(payload: Mapping[str, Any], key: str) -> int | None:
    value = payload.get(key)
    return value if type(value) is int and 0 <= value <= 2**53 else None


def _currency(payload: Mapping[str, Any]) -> str | None:
    value = payload.get("currency")
    return value if isinstance(value, str) and _CURRENCY.match(value) else None


def _time(payload: Mapping[str, Any], key: str) -> dt.datetime | None:
    value = payload.get(key)
    if type(value) is not int or not 0 <= value <= _LATEST:
        return None
    return dt.datetime.fromtimestamp(value, dt.UTC)
