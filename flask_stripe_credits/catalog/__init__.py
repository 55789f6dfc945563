"""The packages that are for sale: their file, their rows and their twins at Stripe."""

from __future__ import annotations

from .packages import active_packages, all_packages, find_active_package

__all__ = ["active_packages", "all_packages", "find_active_package"]
