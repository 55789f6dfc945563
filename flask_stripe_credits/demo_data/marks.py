"""How made-up rows are told from real ones, by their ids alone.

A purchase's id begins with ``de300000``, then the seed, and is a UUID of version 8, which is left
to applications (RFC 9562): ours are of version 4. Stripe's ids have ``demo`` behind their prefix,
users are called ``demo-1-42`` (seed, number).
"""

from __future__ import annotations

import random
import uuid

LARGEST_SEED = 0xFFFF
MARK = "demo"

_FIRST = 0xDE300000 << 96
_VERSION_AND_VARIANT = 8 << 76 | 0b10 << 62


def ids_of(seed: int | None = None) -> tuple[uuid.UUID, uuid.UUID]:
    """The lowest and the highest id of a made-up purchase, of one seed or of any."""
    low, high = (0, LARGEST_SEED) if seed is None else (seed, seed)
    first, last = _FIRST | low << 80, _FIRST | high << 80 | (1 << 80) - 1
    return uuid.UUID(int=first), uuid.UUID(int=last)


def new_purchase_id(random: random.Random, seed: int) -> uuid.UUID:
    """An id for a made-up purchase."""
    bits = random.getrandbits(74)
    free = bits >> 62 << 64 | bits & (1 << 62) - 1
    return uuid.UUID(int=_FIRST | seed << 80 | _VERSION_AND_VARIANT | free)


def new_stripe_id(random: random.Random, prefix: str) -> str:
    """An id like Stripe's, ``pi_demo…``."""
    return f"{prefix}_{MARK}{random.getrandbits(96):024x}"
