"""Where a buyer may be sent back to. Never decided by the ``Host`` header.

https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .config import Settings
from .errors import RedirectNotAllowed
from .origins import LOOPBACK_HOSTS, origin_of

PURCHASE_ID = "{PURCHASE_ID}"
LONGEST_URL = 2_000

# A path of ours: one slash, then printable ASCII without backslash; "//host" is another host.
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*\Z")


def resolve_redirect(
    field: str, requested: str | None, default: str | None, settings: Settings
) -> str:
    """Return the absolute address for ``success_url`` or ``cancel_url``.

    :param requested: what the request asks for, None when it asks for nothing.
    :param default: what the settings say.
    :raises RedirectNotAllowed: when there is none or the settings don't allow it.
    """
    url = requested if requested is not None else default
    if not url:
        raise RedirectNotAllowed(
            field, "", f"is missing: send one or set STRIPE_CREDITS_{field.upper()}"
        )
    if len(url.replace(PURCHASE_ID, "0" * 36)) > LONGEST_URL:
        raise RedirectNotAllowed(field, url[:100], f"is longer than {LONGEST_URL:,} characters")
    if _PATH.match(url):
        if settings.base_url is None:
            raise RedirectNotAllowed(
                field, url, "is a path, which needs STRIPE_CREDITS_BASE_URL to be set"
            )
        return settings.base_url + url
    if not is_allowed_origin(origin_of(url), settings):
        raise RedirectNotAllowed(
            field,
            url,
            "must be a path or an address whose origin is in "
            "STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS",
        )
    return url


def is_allowed_origin(origin: str | None, settings: Settings) -> bool:
    """Whether ``origin`` is one of ours; without any configured, only loopback is."""
    if origin is None:
        return False
    if settings.allowed_redirect_origins:
        return origin in settings.allowed_redirect_origins
    return urlsplit(origin).hostname in LOOPBACK_HOSTS
