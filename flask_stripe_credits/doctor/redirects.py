"""Where buyers come back to."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ..config import Settings
from ..errors import RedirectNotAllowed
from ..origins import LOOPBACK_HOSTS
from ..redirects import resolve_redirect
from .findings import Finding, error, ok, warning
from .patient import Patient


def redirects(patient: Patient) -> Iterator[Finding]:
    """May buyers be sent back to the app, and only there?"""
    settings = patient.state.settings
    found = [
        *_base_url(settings, live=patient.livemode),
        *_loopback(settings, live=patient.livemode),
        *_defaults(settings),
    ]
    yield from found
    if not found:
        yield ok(f"back to {', '.join(settings.allowed_redirect_origins)}")


def _base_url(settings: Settings, *, live: bool) -> Iterator[Finding]:
    if settings.base_url is not None:
        return
    advice = "set STRIPE_CREDITS_BASE_URL to the app's public address, then restart the app"
    if settings.allowed_redirect_origins:
        yield warning("STRIPE_CREDITS_BASE_URL isn't set: paths can't be return addresses", advice)
    elif live:
        yield error(
            "STRIPE_CREDITS_BASE_URL isn't set: buyers could only be sent back to this machine",
            advice,
        )
    else:
        yield warning(
            "STRIPE_CREDITS_BASE_URL isn't set: only this machine's own addresses are return "
            "addresses",
            advice,
        )
    if settings.site == "local":
        yield warning(
            "the site is `local`, as on every machine where nobody set it: two of them at one "
            "Stripe account take each other's events for their own",
            "STRIPE_CREDITS_BASE_URL or STRIPE_CREDITS_SITE names it",
        )


def _loopback(settings: Settings, *, live: bool) -> Iterator[Finding]:
    """In live mode nobody should be sent to their own machine."""
    named = {"STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS": settings.allowed_redirect_origins}
    if settings.base_url is not None:
        named = {"STRIPE_CREDITS_BASE_URL": (settings.base_url,)} | named
    for setting, addresses in named.items():
        own = [one for one in addresses if urlsplit(one).hostname in LOOPBACK_HOSTS]
        if live and own:
            yield error(
                f"{setting} names this machine ({', '.join(own)}), and the key is a live one",
                "name the public https address, then restart the app",
            )
            return


def _defaults(settings: Settings) -> Iterator[Finding]:
    for field in ("success_url", "cancel_url"):
        default: str | None = getattr(settings, field)
        if default is None:
            continue
        try:
            resolve_redirect(field, None, default, settings)
        except RedirectNotAllowed as refused:
            asked_by = f"STRIPE_CREDITS_{field.upper()}"
            if settings.pages is not None and default.startswith(f"{settings.pages}/"):
                asked_by = f"the pages at {settings.pages}"
            yield error(
                f"{asked_by}: {refused}",
                "every purchase that names no address of its own is answered with 422",
            )
