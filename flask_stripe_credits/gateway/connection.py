"""How Stripe is called: the library's client, its time limits, and what its answers become."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..config import Settings
from ..errors import GatewayOtherMode, GatewayRejected, GatewayUnavailable
from ..logs import Log
from ..measurements import Measurements
from ..origins import LOOPBACK_HOSTS
from . import limits
from .answers import Entry, Listed, Page, page_of, read
from .refusals import translated

if TYPE_CHECKING:
    import stripe

log: Log = Log(__name__)

T = TypeVar("T")

# What Stripe gives at most in one answer.
PAGE_SIZE = 100


class Connection:
    """One app's way to Stripe. Safe to share between threads.

    :param http_client: what carries the library's requests; None for connections of our own.
    :param measurements: what is told of every call.
    """

    def __init__(
        self,
        settings: Settings,
        http_client: stripe.HTTPClient | None = None,
        measurements: Measurements | None = None,
    ) -> None:
        self._settings = settings
        self._http_client = http_client
        self._measurements = measurements or Measurements()
        self._answered = threading.local()
        self._clients: dict[tuple[int, bool], stripe.StripeClient] = {}

    def _page(
        self, kind: type[Listed], path: str, params: Mapping[str, Any], after: str | None
    ) -> Page[Listed]:
        """Read without the library's objects: they cost thirty times as much as the JSON."""
        client = self._client()
        params = {**params, "limit": PAGE_SIZE} | ({"starting_after": after} if after else {})
        payload: Any = self._call(lambda: client.raw_request("get", path, **params).data)
        return self._readable(lambda: page_of(kind, payload))

    def _asked(
        self,
        kind: type[Entry],
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        impatient: bool = False,
    ) -> Entry:
        """Ask without the library's objects, which cost as much as two of our transactions.

        :param params: also takes ``idempotency_key``.
        """
        client = self._client(impatient)
        payload: Any = self._call(lambda: client.raw_request(method, path, **(params or {})).data)
        return self._readable(lambda: read(kind, payload))

    def _made(self, kind: type[Entry], call: Callable[[], stripe.StripeObject]) -> Entry:
        made = self._call(lambda: call().to_dict())
        return self._readable(lambda: read(kind, made))

    def _found(self, kind: type[Entry], call: Callable[[], stripe.StripeObject]) -> Entry | None:
        try:
            found = self._call(lambda: call().to_dict())
        except GatewayOtherMode:
            raise
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return None
            raise
        if "deleted" in found:
            return None
        return self._readable(lambda: read(kind, found))

    def _readable(self, read: Callable[[], T]) -> T:
        """Have an answer that isn't what was asked for name Stripe's request."""
        try:
            return read()
        except GatewayRejected as error:
            error.request_id = self._request_id
            raise

    def _call(self, call: Callable[[], T]) -> T:
        import stripe

        try:
            return call()
        except stripe.StripeError as error:
            # Stripe's exceptions carry bodies and headers, and its messages parts of keys.
            raise translated(error, self._settings.api_base, self._request_id) from None
        except (AttributeError, TypeError, ValueError) as error:
            # The library takes whatever comes back for JSON of Stripe's.
            log.error(
                "stripe_unreadable",
                "Stripe's answer can't be read: %s",
                type(error).__name__,
                stripe_request_id=self._request_id,
            )
            raise GatewayUnavailable(
                "Stripe's answer can't be read", request_id=self._request_id
            ) from None

    @property
    def _request_id(self) -> str | None:
        """Stripe's id of what this thread asked last."""
        return getattr(self._answered, "request_id", None)

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

        from .transport import Bounded, Requests

        api_base = self._settings.api_base
        _quiet_the_library()
        lent = self._http_client
        carrier = lent or Requests(impatient, trust_env=not _is_loopback(api_base))
        return stripe.StripeClient(
            secret_key.reveal(),
            max_network_retries=0 if impatient else limits.MAX_NETWORK_RETRIES,
            # What was lent goes over no network, where there is nothing to wait for.
            http_client=Bounded(carrier, self._measurements, self._answered, pauses=lent is None),
            base_addresses={"api": api_base} if api_base else None,
        )


def _quiet_the_library() -> None:
    """Keep what Stripe answers, names and addresses too, out of a host's log at INFO or DEBUG.

    Unless the host has set a level for the library's logger itself.
    """
    library = logging.getLogger("stripe")
    if library.level == logging.NOTSET:
        library.setLevel(logging.WARNING)


def _is_loopback(api_base: str | None) -> bool:
    """Whether a proxy of the environment couldn't reach it."""
    return api_base is not None and urlsplit(api_base).hostname in LOOPBACK_HOSTS
