"""Webhook endpoints: where events are sent, and the secrets that sign them."""

from __future__ import annotations

import ipaddress
import math
from urllib.parse import urlsplit

from .errors import invalid, no_such
from .ids import new_id
from .objects import webhooks
from .params import WebAddress
from .store import Json, Where
from .world import World


def create(world: World, params: Json, *, secret: str | None = None) -> tuple[Json, str]:
    """Keep a new endpoint; return it and its signing secret.

    :param secret: None to make one.
    """
    secret = secret or new_id("whsec_")
    endpoint = webhooks.endpoint(params, world.now())
    world.store.add(endpoint, {"secrets": [secret]})
    return endpoint, secret


def register(
    world: World, url: str, *, secret: str | None = None, enabled_events: list[str] | None = None
) -> tuple[Json, str]:
    """Make sure that ``url`` is an enabled endpoint; return it and its signing secret.

    Safe to repeat: an endpoint with this URL is updated, and keeps its secret unless one is given.

    :raises ApiError: when ``url`` isn't a web address on this machine.
    """
    WebAddress().read(url, "url")
    check_target(world, url)
    wanted = {"enabled_events": enabled_events or ["*"], "status": "enabled"}
    with world.store.transaction():
        existing = world.store.find("webhook_endpoint", [Where("url", "=", url)], limit=1)
        if not existing:
            new = {"url": url, "api_version": world.api_version, **wanted}
            return create(world, new, secret=secret)
        endpoint = {**existing[0], **wanted}
        secret = secret or world.store.hidden(endpoint["id"])["secrets"][0]
        world.store.save(endpoint, {"secrets": [secret]})
        return endpoint, str(secret)


def rotate(world: World, id: str, *, keep_old_seconds: float) -> str:
    """Give an endpoint a new secret and return it; belongs into a transaction.

    :param keep_old_seconds: how long events are signed with the old one too; 0 for not at all.
    :raises ApiError: when there is no such endpoint.
    """
    endpoint = world.store.get("webhook_endpoint", id)
    if endpoint is None:
        raise no_such("webhook_endpoint", id)
    old = world.store.hidden(id)["secrets"][0]
    secret = new_id("whsec_")
    hidden: Json = {"secrets": [secret]}
    if keep_old_seconds > 0:
        hidden = {"secrets": [secret, old], "old_until": world.clock.time() + keep_old_seconds}
    world.store.save(endpoint, hidden)
    return secret


def retire_secrets(world: World) -> None:
    """Sign no longer with old secrets whose time is over."""
    for endpoint in world.store.find("webhook_endpoint"):
        hidden = world.store.hidden(endpoint["id"])
        if hidden.get("old_until", math.inf) <= world.clock.time():
            with world.store.transaction():
                world.store.save(endpoint, {"secrets": hidden["secrets"][:1]})


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only be this machine."""
    if not host:
        return False
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_target(world: World, url: str) -> None:
    """Refuse to send payments' events off this machine.

    :raises ApiError: when ``url`` isn't a loopback address and only such are allowed.
    """
    if not world.remote_webhooks and not is_loopback(urlsplit(url).hostname):
        raise invalid(
            "The sandbox only delivers to this machine: use an address such as "
            "http://127.0.0.1:5000/…",
            param="url",
            code="url_invalid",
        )
