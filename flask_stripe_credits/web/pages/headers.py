"""Headers of every page: nothing inline, nothing from elsewhere, nothing kept."""

from __future__ import annotations

from flask import Response

from ...config import Settings
from ...origins import origin_of
from ...state import current_state

STRIPE_CHECKOUT = "https://checkout.stripe.com"


def protect_answer(response: Response) -> Response:
    """Add what isn't there yet; what the host's own ``after_request`` sets comes later and wins."""
    headers = response.headers
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # Flask-WTF wants the referrer of our own pages on https.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Content-Security-Policy", content_security_policy(current_state().settings))
    return response


def content_security_policy(settings: Settings) -> str:
    """Our policy. Browsers hold the redirect after a form's POST against ``form-action`` too."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            f"form-action 'self' {checkout_origin(settings)}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def checkout_origin(settings: Settings) -> str:
    """Where Stripe's payment page, or the sandbox's, is."""
    return (settings.api_base and origin_of(settings.api_base)) or STRIPE_CHECKOUT


def is_form_target(url: str, settings: Settings) -> bool:
    """Whether our policy lets a form's redirect lead to ``url``."""
    return origin_of(url) == checkout_origin(settings)
