"""The webhook endpoint that we want to have at Stripe, and how one differs from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from ..config import Settings
from ..credentials import Secret
from ..stripe_objects import WebhookEndpoint

# What the handlers are written and tested for. Pinned, so that neither an update of the library
# nor the account's default changes the events that an endpoint gets.
API_VERSION = "2026-10-28.endive"

_ROUTE = "/webhook"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an endpoint should be.

    :ivar path: of our webhook route; the app may be mounted below another one.
    :ivar events: the types of events that we handle, sorted.
    :ivar live: whether live money is handled.
    """

    url: str
    path: str
    events: tuple[str, ...]
    api_version: str
    live: bool


class Kind(StrEnum):
    """In what an endpoint differs from what we want."""

    MISSING_EVENTS = "missing_events"
    EXTRA_EVENTS = "extra_events"
    DISABLED = "disabled"
    API_VERSION = "api_version"
    NOT_HTTPS = "not_https"
    OTHER_PATH = "other_path"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, in words for people."""

    kind: Kind
    message: str


def webhook_url(settings: Settings) -> str | None:
    """Return our webhook's public address; None without ``STRIPE_CREDITS_BASE_URL``."""
    if settings.base_url is None:
        return None
    return settings.base_url + settings.url_prefix + _ROUTE


def wanted_endpoint(settings: Settings, url: str, event_types: Iterable[str]) -> Wanted:
    """Return what the endpoint at ``url`` should be.

    :param event_types: the types that we handle: ``webhooks.handlers.HANDLERS``.
    :raises NotConfigured: there is no usable API key to tell the mode.
    """
    return Wanted(
        url=url,
        path=settings.url_prefix + _ROUTE,
        events=tuple(sorted(event_types)),
        api_version=API_VERSION,
        live=settings.require_livemode(),
    )


def ours(endpoints: Iterable[WebhookEndpoint], url: str) -> list[WebhookEndpoint]:
    """Return those that send to ``url``, in the given order; two while a secret is rotated."""
    address = _address(url)
    return [one for one in endpoints if one.url is not None and _address(one.url) == address]


def compare(endpoint: WebhookEndpoint, wanted: Wanted) -> list[Difference]:
    """Return how ``endpoint`` differs from what is wanted; empty when it is right."""
    return [*_events(endpoint, wanted), *_state(endpoint, wanted), *_target(endpoint, wanted)]


def fingerprint(secret: Secret) -> str:
    """Return what tells a signing secret apart without telling it: kept in the endpoint's metadata.

    64 bits of SHA-256; a secret has far more, so that none can be found from it.
    """
    return hashlib.sha256(secret.reveal().encode()).hexdigest()[:16]


def secret_of(endpoint: WebhookEndpoint, secrets: Sequence[Secret]) -> Secret | None:
    """Return the one of ``secrets`` that signs for ``endpoint``, None if none does.

    None as well without a ``secret_fingerprint``: only ``flask credits webhook`` leaves one.
    """
    marked = endpoint.secret_fingerprint
    return next((secret for secret in secrets if fingerprint(secret) == marked), None)


def _events(endpoint: WebhookEndpoint, wanted: Wanted) -> list[Difference]:
    enabled, events = set(endpoint.enabled_events), set(wanted.events)
    found = []
    if "*" in enabled:
        found.append(Difference(Kind.EXTRA_EVENTS, "it sends events of every type"))
        return found
    if missing := sorted(events - enabled):
        told = f"it doesn't send {', '.join(missing)}"
        found.append(Difference(Kind.MISSING_EVENTS, told))
    if extra := sorted(enabled - events):
        told = f"it sends what nobody handles: {', '.join(extra)}"
        found.append(Difference(Kind.EXTRA_EVENTS, told))
    return found


def _state(endpoint: WebhookEndpoint, wanted: Wanted) -> list[Difference]:
    found = []
    if not endpoint.is_enabled:
        found.append(Difference(Kind.DISABLED, f"it is {endpoint.status or 'not enabled'}"))
    if endpoint.api_version != wanted.api_version:
        has = endpoint.api_version or "the account's default"
        told = f"its API version is {has}, not {wanted.api_version}"
        found.append(Difference(Kind.API_VERSION, told))
    return found


def _target(endpoint: WebhookEndpoint, wanted: Wanted) -> list[Difference]:
    found = []
    url = endpoint.url or ""
    if wanted.live and not url.lower().startswith("https://"):
        found.append(Difference(Kind.NOT_HTTPS, f"its address isn't https: {endpoint.url}"))
    if not url.partition("?")[0].rstrip("/").endswith(wanted.path):
        told = f"its address doesn't end with {wanted.path}: {endpoint.url}"
        found.append(Difference(Kind.OTHER_PATH, told))
    return found


def _address(url: str) -> tuple[object, ...]:
    """The parts of a URL that decide where it leads."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return (url,)
    return (parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query)
