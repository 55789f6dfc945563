"""What the host's own guards leave alone.

The webhook is authenticated by its signature, so it is left out of the host's CSRF protection and
rate limits. What acts on a cookie has a guard of ours, in :mod:`.protection`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from flask import Blueprint, current_app


def exempt_from_host(blueprint: Blueprint, *unlimited: Callable[..., Any]) -> None:
    """Leave the blueprint out of Flask-WTF's check, and what machines ask out of Flask-Limiter's.

    Both are asked at the first request, in the one hook that Flask runs before every
    ``before_request`` function, so that the order of ``init_app`` calls doesn't matter.
    """
    known: weakref.WeakSet[Any] = weakref.WeakSet()

    @blueprint.url_value_preprocessor
    def exempt(endpoint: str | None, values: dict[str, Any] | None) -> None:
        extensions = current_app.extensions
        csrf = extensions.get("csrf")
        if csrf is not None and csrf not in known:
            known.add(csrf)
            csrf.exempt(blueprint)
        for limiter in extensions.get("limiter", ()):
            if limiter not in known:
                known.add(limiter)
                for view in unlimited:
                    limiter.exempt(view)
