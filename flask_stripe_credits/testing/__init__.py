"""For the tests of apps that sell credits: a pytest plugin, and what works without pytest.

pytest finds it by itself. Until a test asks for one of its fixtures it imports next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .invariants import assert_invariants
    from .stripe_sandbox import Delivered, StripeSandbox

__all__ = ["Delivered", "StripeSandbox", "assert_invariants"]

# Read by pytest, which is given this module by our entry point.
pytest_plugins: list[str] = ["flask_stripe_credits.testing.fixtures"]

_HOMES = {
    "Delivered": "stripe_sandbox",
    "StripeSandbox": "stripe_sandbox",
    "assert_invariants": "invariants",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
