"""What the app finds around it: a sandbox instead of Stripe, and keys that are made up."""

from __future__ import annotations

import os
import secrets

from ...config import (
    API_KEY,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    WEBHOOK_SECRET_FALLBACK,
    Settings,
)

_API_BASE = "STRIPE_CREDITS_API_BASE"
_BASE_URL = "STRIPE_CREDITS_BASE_URL"
_SITE = "STRIPE_CREDITS_SITE"
_KEYS = (SECRET_KEY, API_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET, WEBHOOK_SECRET_FALLBACK)
_SECRETS = (SECRET_KEY, WEBHOOK_SECRET)


def surroundings(port: int, sandbox_url: str) -> dict[str, str]:
    """Return the environment of the app's process, with keys that nobody has had before.

    It is the only place where they are kept.
    """
    url = f"http://127.0.0.1:{port}"
    # Blank, and not missing: a .env file sets what is missing only.
    blank = {name: "" for key in _KEYS for name in (key, f"{key}_FILE")}
    made_up = {
        SECRET_KEY: f"sk_test_{secrets.token_hex(16)}",
        WEBHOOK_SECRET: f"whsec_{secrets.token_hex(24)}",
        _API_BASE: sandbox_url,
        _BASE_URL: url,
        # One machine by either name: buyers come back to the one where they are signed in.
        "STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS": f"{url} http://localhost:{port}",
        # Another port is the same site, whose purchases the sandbox remembers.
        _SITE: os.environ.get(_SITE) or "dev",
        "PYTHONUNBUFFERED": "1",
    }
    return os.environ | blank | made_up


def what_differs(settings: Settings) -> list[str]:
    """Return the settings that the app has from elsewhere than :func:`surroundings`."""
    in_use = {
        SECRET_KEY: settings.secret_key and settings.secret_key.reveal(),
        WEBHOOK_SECRET: ",".join(secret.reveal() for secret in settings.webhook_secrets),
        _API_BASE: settings.api_base,
        _BASE_URL: settings.base_url,
    }
    return [name for name, value in in_use.items() if value != os.environ.get(name)]
