"""How Stripe is called: the library's client, its time limits, and what its answers become."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..config import Settings
from ..errors import GatewayRejected, GatewayUnavailable
from ..logs import Log
from ..origins import LOOPBACK_HOSTS
from .answers import Entry, Listed, Page, page_of, read
from .refusals import translated

if TYPE_CHECKING:
    import stripe

log = Log(__name__)

T = TypeVar("T")

# What Stripe gives at most in one answer.
PAGE_SIZE = 100

# All calls of one request together stay below 25 s: a worker is usually killed after 30.
MAX_NETWORK_RETRIES = 2
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 4.5
# For questions that a buyer waits on, where we have another answer.
IMPATIENT_TIMEOUT_SECONDS = 3.0


class Connection:
    """One app's way to Stripe. Safe to share between threads.

    :param http_client: what carries the library's requests; None for connections of our own.
    """

    def __init__(self, settings: Settings, http_client: stripe.HTTPClient | None = None) -> None:
        self._settings = settings
        self._http_client = http_client
        self._clients: dict[tuple[int, bool], stripe.StripeClient] = {}

    def _page(
        self, kind: type[Listed], path: str, params: Mapping[str, Any], after: str | None
    ) -> Page[Listed]:
        """Read without the library's objects: they cost thirty times as much as the JSON."""
        client = self._client()
        params = {**params, "limit": PAGE_SIZE} | ({"starting_after": after} if after else {})
        payload: Any = self._call(lambda: client.raw_request("get", path, **params).data)
        return page_of(kind, payload)

    def _made(self, kind: type[Entry], call: Callable[[], stripe.StripeObject]) -> Entry:
        return read(kind, self._call(lambda: call().to_dict()))

    def _found(self, kind: type[Entry], call: Callable[[], stripe.StripeObject]) -> Entry | None:
        try:
            found = self._call(lambda: call().to_dict())
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return None
            raise
        return None if "deleted" in found else read(kind, found)

    def _call(self, call: Callable[[], T]) -> T:
        import stripe

        try:
            return call()
        except stripe.StripeError as error:
            # Stripe's exceptions carry bodies and headers, and its messages parts of keys.
            raise translated(error, self._settings.api_base) from None
        except (AttributeError, TypeError, ValueError) as error:
            # The library takes whatever comes back for JSON of Stripe's.
            log.error(
                "stripe_unreadable", "Stripe's answer can't be read: %s", type(error).__name__
            )
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


def _session_for(api_base: str | None) -> Any:
    if api_base is None or urlsplit(api_base).hostname not in LOOPBACK_HOSTS:
        return None
    import requests

    # A proxy from the environment can't reach our own loopback address.
    session = requests.Session()
    session.trust_env = False
    return session
