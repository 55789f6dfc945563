"""Deliveries that must be refused, each made from a body that would grant credits if it weren't."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.test import TestResponse

from ..hosts import PREFIX, Host
from ..payloads import new_secret, sign

Delivery = tuple[bytes, str | None]


def _in_parts(header: str) -> tuple[str, str]:
    timestamp, _, signature = header.partition(",")
    return timestamp, signature.removeprefix("v1=")


def _spoil(change: Callable[[str, str], str | None]) -> Callable[[bytes, str], Delivery]:
    """Keep the body, change the good header's timestamp and signature."""

    def make(body: bytes, secret: str) -> Delivery:
        return body, change(*_in_parts(sign(body, secret)))

    return make


# The key starts with the id of the fault.
BAD_SIGNATURES: dict[str, Callable[[bytes, str], Delivery]] = {
    "E04-missing": _spoil(lambda t, v: None),
    "E04-empty": _spoil(lambda t, v: ""),
    "E04-blank": _spoil(lambda t, v: "   "),
    "E04-garbage": _spoil(lambda t, v: "garbage"),
    "E04-only commas": _spoil(lambda t, v: ",,,,"),
    "E04-only equals signs": _spoil(lambda t, v: "====,===="),
    "E04-no timestamp": _spoil(lambda t, v: f"v1={v}"),
    "E04-empty timestamp": _spoil(lambda t, v: f"t=,v1={v}"),
    "E04-timestamp is no number": _spoil(lambda t, v: f"t=now,v1={v}"),
    "E04-timestamp is negative": _spoil(lambda t, v: f"t=-{t[2:]},v1={v}"),
    "E04-timestamp is a fraction": _spoil(lambda t, v: f"{t}.0,v1={v}"),
    "E04-timestamp of 5,000 digits": _spoil(lambda t, v: f"t={'9' * 4_000},v1={v}"),
    "E04-no signature": _spoil(lambda t, v: t),
    "E04-empty signature": _spoil(lambda t, v: f"{t},v1="),
    "E04-signature is cut short": _spoil(lambda t, v: f"{t},v1={v[:-1]}"),
    "E04-signature goes on": _spoil(lambda t, v: f"{t},v1={v}0"),
    "E04-space before the signature": _spoil(lambda t, v: f"{t},v1= {v}"),
    "E04-nothing but the secret's format": _spoil(lambda t, v: f"{t},v1=whsec_"),
    "E05-non-ASCII signature": _spoil(lambda t, v: f"{t},v1=\xe9{v[1:]}"),
    "E05-non-ASCII scheme": _spoil(lambda t, v: f"{t},v\xb9={v}"),
    "E05-non-ASCII timestamp": _spoil(lambda t, v: f"t=\xb2,v1={v}"),
    "E06-body isn't UTF-8": lambda body, secret: (b"\xff\xfe" + body, sign(body, secret)),
    "E07-body has one more byte": lambda body, secret: (body + b" ", sign(body, secret)),
    "E07-empty body": lambda body, secret: (b"", sign(body, secret)),
    "E07-header of another body": lambda body, secret: (body, sign(b"{}", secret)),
    "E07-other secret": lambda body, secret: (body, sign(body, new_secret())),
    "E07-other timestamp": _spoil(lambda t, v: f"t={int(t[2:]) - 1},v1={v}"),
    "E07-v0 only": lambda body, secret: (body, sign(body, secret, scheme="v0")),
    "E07-v10": lambda body, secret: (body, sign(body, secret, scheme="v10")),
    "E07-upper-case scheme": lambda body, secret: (body, sign(body, secret, scheme="V1")),
    "E07-signed with the empty secret": lambda body, secret: (body, sign(body, "")),
    "E07-signed with the placeholder": lambda body, secret: (
        body,
        sign(body, "whsec_placeholder"),
    ),
    "E08-old": lambda body, secret: (body, sign(body, secret, at=time.time() - 302)),
    "E08-ten years old": lambda body, secret: (body, sign(body, secret, at=time.time() - 3.2e8)),
    "E08-from 1970": lambda body, secret: (body, sign(body, secret, at=0)),
    "E09-from the future": lambda body, secret: (body, sign(body, secret, at=time.time() + 302)),
    "E09-from far in the future": lambda body, secret: (body, sign(body, secret, at=9e11)),
    "E13-too many signatures": _spoil(lambda t, v: f"{t}," + "v1=0," * 16 + f"v1={v}"),
    "E30-another account's secret": lambda body, secret: (body, sign(body, new_secret())),
}


def post(host: Host, body: bytes, signature: str | None, **options: Any) -> TestResponse:
    """Deliver ``body`` with a header that may hold any character that HTTP can carry."""
    environ = {} if signature is None else {"HTTP_STRIPE_SIGNATURE": signature}
    return host.client.post(
        f"{PREFIX}/webhook",
        data=body,
        **{"content_type": "application/json", "environ_overrides": environ} | options,
    )


@contextmanager
def nothing_written(host: Host) -> Iterator[None]:
    """Every table has the same rows afterwards, and no purchase was touched."""
    before = host.row_counts(), host.purchases()
    yield
    assert (host.row_counts(), host.purchases()) == before
