"""Whether we can tell who is asking, and what they may see."""

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


def administrators(patient: Patient) -> Iterator[Finding]:
    """Who may use the routes for operators?"""
    check = patient.state.callbacks.admin_check
    if check is None:
        yield ok("nobody: without @credits.admin_check the routes for operators answer 403")
    else:
        name = getattr(check, "__qualname__", type(check).__name__)
        yield ok(f"told by {check.__module__}.{name}")


def pages(patient: Patient) -> Iterator[Finding]:
    """Can the ready-made pages be used, if they are on?"""
    where = patient.state.settings.pages
    if where is None:
        yield ok("off: STRIPE_CREDITS_PAGES switches them on")
    elif not patient.app.secret_key:
        yield error(
            f"on at {where}, and their forms need SECRET_KEY, which isn't set",
            "set SECRET_KEY to a long random text that stays, then restart the app",
        )
    else:
        yield ok(f"on at {where}")
