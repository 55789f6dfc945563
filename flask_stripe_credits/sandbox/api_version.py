"""Which version of Stripe's API the sandbox speaks: that of the installed library."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

# From these dates on (the names of the versions don't matter) Stripe refuses what it took before.
NEW_UI_MODES = "2026-03-25"
NO_PAYMENT_METHOD_TYPES = "2026-09-30"
# Whose parameters are taken from callers who name no version: Stripe's command-line client, which
# still writes some that newer versions refuse.
OF_ACCOUNT = "2026-08-26.dahlia"

_CURRENT = re.compile(r"""^\s+CURRENT\s*=\s*["']([^"']+)["']""", re.MULTILINE)
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?\Z")


def is_version(text: str) -> bool:
    """Whether ``text`` is written like a version: ``2026-10-28.endive``."""
    return _VERSION.match(text) is not None


def at_least(version: str, date: str) -> bool:
    """Whether ``version`` is of ``date`` or newer."""
    return version[:10] >= date


@cache
def newest() -> str:
    """Return the API version that the installed ``stripe`` library is pinned to.

    Read from the library's own source where possible, since importing it costs 150 ms.
    """
    spec = importlib.util.find_spec("stripe")
    for folder in spec.submodule_search_locations or () if spec else ():
        source = Path(folder) / "_api_version.py"
        if source.is_file() and (found := _CURRENT.search(source.read_text("utf-8"))):
            return found[1]
    import stripe

    return stripe.api_version
