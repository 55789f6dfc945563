"""The only module that talks to Stripe, and the only one that imports ``stripe`` — lazily.

``import stripe`` costs 140 to 190 ms, so a web worker pays it at its first call, not at its
start, and the webhook's path never does.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from .config import Settings
from .errors import GatewayKeyRefused, GatewayRejected, GatewayUnavailable, MalformedEvent
from .origins import LOOPBACK_HOSTS
from .stripe_objects import CheckoutSession, Dispute, Price, Product, Refund

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)

T = TypeVar("T")
Entry = TypeVar("Entry", CheckoutSession, Dispute, Price, Product, Refund)

# What Stripe gives at most in one answer.
PAGE_SIZE = 100

# All calls of one request together stay below 25 s: a worker is usually killed after 30.
MAX_NETWORK_RETRIES = 2
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 4.5
# For questions that a buyer waits on, where we have another answer.
IMPATIENT_TIMEOUT_SECONDS = 3.0


Listed = TypeVar("Listed", CheckoutSession, Dispute, Refund)


@dataclass(frozen=True, slots=True)
class Page(Generic[Listed]):
    """A part of one of Stripe's lists, newest first.

    :ivar after: what to ask for the next page with; None: this was the last one.
    """

    items: list[Listed]
    after: str | None


class Gateway:
    """Stripe, as one app with one key sees it. Safe to share between threads.

    :param http_client: what carries the library's requests; None for connections of our own.
    """

    def __init__(self, settings: Settings, http_client: stripe.HTTPClient | None = None) -> None:
        self._settings = settings
        self._http_client = http_client
        self._clients: dict[tuple[int, bool], stripe.StripeClient] = {}

    def create_checkout_session(
        self, params: Mapping[str, Any], *, idempotency_key: str
    ) -> CheckoutSession:
        """Open a Checkout Session. Safe to repeat with the same key and parameters.

        :raises GatewayUnavailable: Stripe is unreachable, busy or broken.
        :raises GatewayRejected: Stripe refused the parameters.
        :raises GatewayKeyRefused: Stripe refused the API key.
        :raises NotConfigured: there is no usable API key.
        """
        client = self._client()
        return self._session(
            lambda: client.v1.checkout.sessions.create(
                dict(params),  # type: ignore[arg-type]
                {"idempotency_key": idempotency_key},
            )
        )

    def retrieve_checkout_session(
        self, session_id: str, *, impatient: bool = False
    ) -> CheckoutSession:
        """Ask what became of a session.

        :param impatient: give up after 3 seconds and try only once.
        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        client = self._client(impatient)
        return self._session(lambda: client.v1.checkout.sessions.retrieve(session_id))

    def expire_checkout_session(self, session_id: str) -> CheckoutSession:
        """Close an open session, so that it can't be paid any more. Tries once, for 3 seconds.

        :raises GatewayRejected: also when the session is already complete or expired.
        :raises GatewayUnavailable, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        client = self._client(impatient=True)
        return self._session(lambda: client.v1.checkout.sessions.expire(session_id))

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
        return [_read(Refund, refund) for refund in found]

    def retrieve_product(self, product_id: str) -> Product | None:
        """Return a product, None when there is none with this id.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: this and
            all methods about products and prices, as :meth:`create_checkout_session`.
        """
        client = self._client()
        return self._found(Product, lambda: client.v1.products.retrieve(product_id))

    def list_products(self) -> list[Product]:
        """Return all products of the account, archived ones too."""
        client = self._client()
        found = self._call(
            lambda: [
                product.to_dict()
                for product in client.v1.products.list({"limit": 100}).auto_paging_iter()
            ]
        )
        return [_read(Product, product) for product in found]

    def create_product(self, params: Mapping[str, Any], *, idempotency_key: str) -> Product:
        """Make a product. Safe to repeat with the same key and parameters."""
        client = self._client()
        return self._made(
            Product,
            lambda: client.v1.products.create(
                dict(params),  # type: ignore[arg-type]
                {"idempotency_key": idempotency_key},
            ),
        )

    def update_product(self, product_id: str, params: Mapping[str, Any]) -> Product:
        """Change a product. Safe to repeat."""
        client = self._client()
        return self._made(
            Product,
            lambda: client.v1.products.update(
                product_id,
                dict(params),  # type: ignore[arg-type]
            ),
        )

    def retrieve_price(self, price_id: str) -> Price | None:
        """Return a price, None when there is none with this id."""
        client = self._client()
        return self._found(Price, lambda: client.v1.prices.retrieve(price_id))

    def find_price_by_lookup_key(self, lookup_key: str) -> Price | None:
        """Return the price in use that has this lookup key; Stripe lets only one have it."""
        client = self._client()
        params: Any = {"lookup_keys": [lookup_key], "active": True}
        found = self._call(
            lambda: [price.to_dict() for price in client.v1.prices.list(params).data]
        )
        return _read(Price, found[0]) if found else None

    def create_price(self, params: Mapping[str, Any], *, idempotency_key: str) -> Price:
        """Make a price. Safe to repeat with the same key and parameters."""
        client = self._client()
        return self._made(
            Price,
            lambda: client.v1.prices.create(
                dict(params),  # type: ignore[arg-type]
                {"idempotency_key": idempotency_key},
            ),
        )

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

    def page_checkout_sessions(
        self, *, since: dt.datetime, after: str | None = None
    ) -> Page[CheckoutSession]:
        """Return a page of all sessions of the account that were created at ``since`` or later."""
        return self._page(CheckoutSession, "/v1/checkout/sessions", _created(since), after)

    def page_refunds(self, *, since: dt.datetime, after: str | None = None) -> Page[Refund]:
        """Return a page of all refunds of the account that were created at ``since`` or later."""
        return self._page(Refund, "/v1/refunds", _created(since), after)

    def page_disputes(self, *, since: dt.datetime, after: str | None = None) -> Page[Dispute]:
        """Return a page of all disputes of the account that were created at ``since`` or later."""
        return self._page(Dispute, "/v1/disputes", _created(since), after)

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

    def _page(
        self, kind: type[Listed], path: str, params: Mapping[str, Any], after: str | None
    ) -> Page[Listed]:
        """Read without the library's objects: they cost thirty times as much as the JSON."""
        client = self._client()
        params = {**params, "limit": PAGE_SIZE} | ({"starting_after": after} if after else {})
        payload: Any = self._call(lambda: client.raw_request("get", path, **params).data)
        if not isinstance(payload, Mapping) or not isinstance(payload.get("data"), list):
            raise GatewayRejected(f"Stripe's answer isn't a list of {kind.__name__}s")
        items = [_read(kind, item) for item in payload["data"]]
        more = payload.get("has_more") is True and bool(items)
        return Page(items, items[-1].id if more else None)

    def _made(self, kind: type[Entry], call: Callable[[], stripe.StripeObject]) -> Entry:
        return _read(kind, self._call(lambda: call().to_dict()))

    def _found(self, kind: type[Entry], call: Callable[[], stripe.StripeObject]) -> Entry | None:
        try:
            found = self._call(lambda: call().to_dict())
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return None
            raise
        return None if "deleted" in found else _read(kind, found)

    def _session(self, call: Callable[[], stripe.checkout.Session]) -> CheckoutSession:
        payload = self._call(lambda: call().to_dict())
        try:
            return CheckoutSession.from_payload(payload)
        except MalformedEvent as error:
            raise GatewayRejected(f"Stripe's answer isn't a checkout session: {error}") from None

    def _call(self, call: Callable[[], T]) -> T:
        import stripe

        try:
            return call()
        except stripe.StripeError as error:
            # Stripe's exceptions carry bodies and headers, and its messages parts of keys.
            raise _translated(error, self._settings.api_base) from None
        except (AttributeError, TypeError, ValueError) as error:
            # The library takes whatever comes back for JSON of Stripe's.
            logger.error("Stripe's answer can't be read: %s", type(error).__name__)
            raise GatewayUnavailable("Stripe's answer can't be read") from None

    def _client(self, impatient: bool = False) -> stripe.StripeClient:
        # A client used before a fork must not be used after it: both would share one socket.
        key = (os.getpid(), impatient)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._new_client(impatient)
        return client

    def _new_client(self, impatient: bool) -> stripe.StripeClient:
        secret_key = self._settings.require_secret_key()
        import stripe

        timeout = (
            (IMPATIENT_TIMEOUT_SECONDS / 3, IMPATIENT_TIMEOUT_SECONDS * 2 / 3)
            if impatient
            else (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        )
        api_base = self._settings.api_base
        _quiet_the_library()
        return stripe.StripeClient(
            secret_key.reveal(),
            max_network_retries=0 if impatient else MAX_NETWORK_RETRIES,
            http_client=self._http_client
            or stripe.RequestsClient(timeout=timeout, session=_session_for(api_base)),
            base_addresses={"api": api_base} if api_base else None,
        )


def _quiet_the_library() -> None:
    """Keep what Stripe answers, names and addresses too, out of a host's log at INFO or DEBUG.

    Unless the host has set a level for the library's logger itself.
    """
    library = logging.getLogger("stripe")
    if library.level == logging.NOTSET:
        library.setLevel(logging.WARNING)


def _read(kind: type[Entry], payload: Mapping[str, Any]) -> Entry:
    try:
        return kind.from_payload(payload)
    except MalformedEvent as error:
        raise GatewayRejected(f"Stripe's answer isn't a {kind.__name__}: {error}") from None


def _created(since: dt.datetime) -> dict[str, Any]:
    return {"created": {"gte": max(0, int(since.timestamp()))}}


def _session_for(api_base: str | None) -> Any:
    if api_base is None or urlsplit(api_base).hostname not in LOOPBACK_HOSTS:
        return None
    import requests

    # A proxy from the environment can't reach our own loopback address.
    session = requests.Session()
    session.trust_env = False
    return session


def _translated(error: stripe.StripeError, api_base: str | None) -> Exception:
    import stripe

    status, request_id = error.http_status, error.request_id
    detail = error.error
    code = getattr(detail, "code", None) or error.code or getattr(detail, "type", None)
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        logger.error("Stripe refused the API key (request %s)", request_id)
        return GatewayKeyRefused("Stripe refused the API key", code=code, request_id=request_id)
    if isinstance(error, (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError)):
        answered = status is not None and status >= 500
        name = type(error).__name__
        logger.warning("Stripe unavailable: %s %s %s (request %s)", name, status, code, request_id)
        where = ""
        if status is None and api_base is not None:
            where = f": no answer from STRIPE_CREDITS_API_BASE, {api_base}"
        return GatewayUnavailable(
            f"Stripe is not available ({name}){where}",
            code=code,
            request_id=request_id,
            answered=answered,
        )
    param = getattr(detail, "param", None)
    logger.error("Stripe rejected %s: %s (request %s)", param, code, request_id)
    return GatewayRejected(
        f"Stripe rejected the request: {code or type(error).__name__}"
        + (f" ({param})" if param else ""),
        code=code,
        request_id=request_id,
    )
