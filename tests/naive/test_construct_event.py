"""What the library's own ``construct_event`` makes of the deliveries that we refuse."""

from __future__ import annotations

import pytest
import stripe

from flask_stripe_credits.credentials import Secret
from flask_stripe_credits.errors import InvalidSignature, PayloadTooLarge
from flask_stripe_credits.webhooks.signature import verify_signature

from ..payloads import encode, event, new_secret
from ..webhooks.hostile import BAD_SIGNATURES

# An exception that a handler of SignatureVerificationError lets through is a 500 to everybody.
CRASHED = {
    "E05-non-ASCII signature",
    "E06-body isn't UTF-8",
}
ACCEPTED = {
    "E09-from the future",
    "E09-from far in the future",
    "E13-too many signatures",
}


def _with_the_library(body: bytes, header: str | None, secret: str) -> str:
    try:
        stripe.Webhook.construct_event(body, header or "", secret)
    except stripe.SignatureVerificationError:
        return "refused"
    except Exception:
        return "crashed"
    return "accepted"


def _with_ours(body: bytes, header: str | None, secret: str) -> str:
    try:
        verify_signature(body, header, [Secret(secret)], 300)
    except (InvalidSignature, PayloadTooLarge):
        return "refused"
    return "accepted"


@pytest.mark.parametrize("name", BAD_SIGNATURES)
def test_the_table_tells_the_library_from_ours(name: str) -> None:
    secret = new_secret()
    good = encode(event("customer.created", {"id": "cus_1", "object": "customer"}))
    delivery = BAD_SIGNATURES[name](good, secret)
    expected = "crashed" if name in CRASHED else "accepted" if name in ACCEPTED else "refused"
    assert _with_the_library(*delivery, secret) == expected
    assert _with_ours(*delivery, secret) == "refused"
