"""API keys: any test key will do, a live key never."""

from __future__ import annotations

import base64
import binascii
import re

from flask import Request

from ..errors import ApiError, invalid

_TEST_KEY = re.compile(r"(sk|rk)_test_[A-Za-z0-9_]+\Z")


def check_key(request: Request) -> None:
    """Let requests with a secret or restricted test key pass.

    :raises ApiError: 401 for every other.
    """
    key = _key(request.headers.get("Authorization", ""))
    if not key:
        raise invalid(
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). Any key "
            "that starts with sk_test_ will do for this sandbox.",
            status=401,
        )
    if "_live_" in key:
        raise invalid(
            "This is a sandbox on your own machine and you sent it a live API key. It was not "
            "kept, but it has no business here: use any key that starts with sk_test_.",
            status=401,
        )
    if not _TEST_KEY.match(key):
        raise _refused(key)


def _key(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode("ascii").partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _refused(key: str) -> ApiError:
    shown = f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return invalid(
        f"Invalid API Key provided: {shown}. This sandbox takes any key that starts with sk_test_ "
        "or rk_test_.",
        status=401,
    )
