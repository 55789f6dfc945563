"""The packages' twins at Stripe: a Product for each, and a Price for what it costs now.

Stripe is asked first and told afterwards, with no transaction open; each id is committed as
soon as it is known. Whatever died half-way or ran at the same time, nothing is made twice: a
product's id, and a price's lookup key, are made from what it is for, and Stripe has them once.
"""

from __future__ import annotations

from .apply import apply_sync
from .plan import PackagePlan, compare, plan_sync

__all__ = ["PackagePlan", "apply_sync", "compare", "plan_sync"]
