"""Verify that Stripe signed a body, before anything of it is read.

https://docs.stripe.com/webhooks#verify-manually. Our own code rather than the SDK's: that one
raises TypeError for a non-ASCII signature and UnicodeDecodeError for a body that isn't UTF-8,
takes timestamps from any future, knows one secret, and costs an import of 150 ms.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Sequence

from ..credentials import Secret
from ..errors import InvalidSignature, PayloadTooLarge
from ..logs import Log

log: Log = Log(__name__)

LONGEST_HEADER = 4_096
MOST_SIGNATURES = 16

_TIMESTAMP = re.compile(r"[0-9]{1,12}\Z", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


def verify_signature(
    body: bytes, header: str | None, secrets: Sequence[Secret], tolerance_seconds: int
) -> None:
    """Return when ``header`` proves that ``body`` was signed with one of ``secrets`` just now.

    :param header: ``t=<Unix seconds>,v1=<hex>[,v1=<hex>…]``; other schemes are ignored.
    :param tolerance_seconds: how far the timestamp may lie in the past or the future.
    :raises PayloadTooLarge: the header is longer than any real one.
    :raises InvalidSignature: in every other case. The message is for the log.
    """
    if not header:
        raise InvalidSignature("no Stripe-Signature header")
    if len(header) > LONGEST_HEADER:
        raise PayloadTooLarge("the Stripe-Signature header is too long")
    timestamp, signatures = _parse(header)
    signed = timestamp.encode() + b"." + body
    if not _is_signed(signed, signatures, secrets):
        raise InvalidSignature("no signature matches")
    age = time.time() - int(timestamp)
    if abs(age) > tolerance_seconds:
        raise InvalidSignature(
            f"it is {age:.0f} s old and {tolerance_seconds} s are tolerated: "
            f"is this machine's clock right?"
        )


def signature_header(body: bytes, secret: Secret, at: int) -> str:
    """Return the ``Stripe-Signature`` with which Stripe would deliver ``body``.

    :param at: seconds since the epoch.
    """
    return f"t={at},v1={_mark(f'{at}.'.encode() + body, secret)}"


def _parse(header: str) -> tuple[str, list[str]]:
    timestamp, signatures = "", []
    for item in header.split(","):
        scheme, _, value = item.partition("=")
        if scheme == "t":
            timestamp = value
        elif scheme == "v1":
            signatures.append(value)
    if not _TIMESTAMP.match(timestamp):
        raise InvalidSignature("the header has no timestamp")
    if not 0 < len(signatures) <= MOST_SIGNATURES:
        raise InvalidSignature("the header has no signature, or too many")
    return timestamp, [value for value in signatures if _SIGNATURE.match(value)]


def _is_signed(signed: bytes, signatures: list[str], secrets: Sequence[Secret]) -> bool:
    for number, secret in enumerate(secrets, start=1):
        expected = _mark(signed, secret)
        for signature in signatures:
            if hmac.compare_digest(expected, signature):
                if number > 1:
                    log.info("webhook_other_secret", "webhook signed with secret number %d", number)
                return True
    return False


def _mark(signed: bytes, secret: Secret) -> str:
    return hmac.digest(secret.reveal().encode(), signed, "sha256").hex()
