"""Questions about the key and the account rather than about what was sold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import GatewayRejected
from .connection import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """Whatever Stripe answered.

    :ivar document: the JSON.
    :ivar date: what Stripe's clock said, to the second; None if the answer doesn't tell.
    :ivar received: what ours said then.
    """

    document: Mapping[str, Any]
    date: dt.datetime | None
    received: dt.datetime


class Questions(Connection):
    """The part of the gateway that an operator's tools ask."""

    def ask(self, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Read what ``path`` names, such as ``/v1/account``. Tries once, for 3 s.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: as
            :meth:`create_checkout_session`.
        """
        client = self._client(impatient=True)
        response = self._call(lambda: client.raw_request("get", path, **(params or {})))
        if not isinstance(response.data, Mapping):
            raise GatewayRejected("Stripe's answer isn't an object")
        return Answer(response.data, _date_of(response.headers), dt.datetime.now(dt.UTC))

    def ask_to_change(self, path: str) -> None:
        """Change nothing of what ``path`` names, to see whether the key may. Tries once, for 3 s.

        :param path: of an object with an id that no object has.
        :raises GatewayKeyRefused: it may not; ``permission`` says what it lacks.
        :raises GatewayRejected: it may, and there is no such object.
        :raises GatewayUnavailable, NotConfigured: as :meth:`create_checkout_session`.
        """
        client = self._client(impatient=True)
        self._call(lambda: client.raw_request("post", path))


def api_version() -> str:
    """Return the API version that the installed library asks Stripe for."""
    import stripe

    return stripe.api_version


def _date_of(headers: Mapping[str, str]) -> dt.datetime | None:
    told = headers.get("Date")
    try:
        found = parsedate_to_datetime(told) if told else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found
