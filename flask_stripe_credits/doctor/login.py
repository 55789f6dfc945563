"""Whether we can tell who is buying."""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Finding, error, ok
from .patient import Patient


def login(patient: Patient) -> Iterator[Finding]:
    """Is there a user_id_loader, or a Flask-Login that knows users?"""
    loader = patient.state.callbacks.user_id_loader
    manager = getattr(patient.app, "login_manager", None)
    if loader is not None:
        name = getattr(loader, "__qualname__", type(loader).__name__)
        yield ok(f"users are told by {loader.__module__}.{name}")
    elif manager is None:
        yield error(
            "nobody tells who is asking: every buyer is answered with 401",
            "decorate a function with @credits.user_id_loader, or use Flask-Login",
        )
    elif not any(getattr(manager, name, None) for name in ("_user_callback", "_request_callback")):
        yield error(
            "Flask-Login has no function that loads users",
            "decorate one with @login_manager.user_loader",
        )
    else:
        yield ok("users are told by Flask-Login")
