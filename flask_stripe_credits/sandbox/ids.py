"""Ids that look like Stripe's: a prefix for the kind of object and random letters and digits."""

from __future__ import annotations

import secrets
import string

_ALPHABET = (string.ascii_letters + string.digits).encode()
# Bytes to characters: a little unevenly, but in one step.
_AS_CHARACTERS = bytes(_ALPHABET[number % len(_ALPHABET)] for number in range(256))
_RANDOM_CHARACTERS = {"cs_test_": 58, "req_": 14, "whsec_": 32}


def new_id(prefix: str) -> str:
    """Return a new unguessable id, e.g. ``new_id("pi_")``."""
    raw = secrets.token_bytes(_RANDOM_CHARACTERS.get(prefix, 24))
    return prefix + raw.translate(_AS_CHARACTERS).decode()
