"""For the tests of apps that sell credits: a pytest plugin, and what works without pytest.

pytest finds it by itself. Until a test asks for one of its fixtures it imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..deferred import public_names

if TYPE_CHECKING:
    from .invariants import assert_invariants
    from .stripe_sandbox import Delivered, StripeSandbox

__all__ = ["Delivered", "StripeSandbox", "assert_invariants"]

# Read by pytest, which is given this module by our entry point.
pytest_plugins: list[str] = ["flask_stripe_credits.testing.fixtures"]

if not TYPE_CHECKING:  # To a type checker any name would be one.
    __getattr__ = public_names(
        __name__,
        {
            "Delivered": "stripe_sandbox",
            "StripeSandbox": "stripe_sandbox",
            "assert_invariants": "invariants",
        },
    )
