"""Where Stripe sends a buyer of our pages back to: what the settings say, else to our own page."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request

from ...config import Settings
from ...origins import LOOPBACK_HOSTS, origin_of
from ...redirects import resolve_redirect


def return_addresses(settings: Settings) -> tuple[str, str]:
    """Return the success and the cancel address.

    :raises RedirectNotAllowed: they are paths, and neither ``STRIPE_CREDITS_BASE_URL`` nor a
        loopback address says where the app is.
    """
    return (
        resolve_redirect("success_url", None, _absolute(settings.success_url, settings), settings),
        resolve_redirect("cancel_url", None, _absolute(settings.cancel_url, settings), settings),
    )


def _absolute(url: str | None, settings: Settings) -> str | None:
    """Complete a path on the developer's own machine, under the name that the buyer calls it by.

    There nobody may have set a base URL yet, and a session of ``localhost`` isn't one of
    ``127.0.0.1``.
    """
    here = origin_of(request.host_url)
    if url is None or not url.startswith("/") or here is None:
        return url
    listed = settings.base_url is None or (
        _is_own_machine(settings.base_url) and here in settings.allowed_redirect_origins
    )
    return here + request.script_root + url if listed and _is_own_machine(here) else url


def _is_own_machine(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK_HOSTS
