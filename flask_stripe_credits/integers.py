"""How large a whole number may be, of credits or of minor units."""

from __future__ import annotations

# JSON numbers are exact up to here. Stripe's largest amount for most currencies is eight digits.
LARGEST_INTEGER = 2**53
