"""The app's users, and how a request says which one it comes from.

The only users are the demo's, whose passwords and tokens everybody knows. They are therefore
accepted only while the app runs on the sandbox, where no real money moves.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import click
from flask import Request, current_app
from flask.cli import with_appcontext
from flask_login import UserMixin, current_user
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.security import check_password_hash, generate_password_hash

from .extensions import credits, db, login_manager

ADMINISTRATOR = "admin"
DEMO_USERS = ("alice", "bob", ADMINISTRATOR)
DEMO_PASSWORD = "demo"  # noqa: S105 - public on purpose
ONLY_ON_SANDBOX = (
    "Demo users can log in only while the app runs on the sandbox: "
    "STRIPE_CREDITS_API_BASE isn't a loopback address."
)

login_manager.login_view = "auth.login"


class User(UserMixin, db.Model):
    """Somebody who buys and spends credits."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)  # the name to log in with
    password_hash: Mapped[str] = mapped_column(String(255))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)


@credits.admin_check
def is_administrator() -> bool:
    """Whether the signed-in user may see and change everybody's purchases."""
    return bool(current_user.get_id() == ADMINISTRATOR)


def on_sandbox() -> bool:
    """Whether payments go to a stand-in for Stripe on this machine."""
    api_base = current_app.extensions["stripe_credits"].settings.api_base
    return urlsplit(api_base or "").hostname in {"127.0.0.1", "localhost", "::1"}


def check_password(name: str, password: str) -> User | None:
    """Return the user whose name and password these are."""
    user = db.session.get(User, name)
    if user is None or not check_password_hash(user.password_hash, password):
        return None
    return user


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    """Find the user of a session cookie."""
    return db.session.get(User, user_id) if on_sandbox() else None


@login_manager.request_loader
def load_user_from_token(request: Request) -> User | None:
    """Find the user of an ``Authorization: Bearer …`` header."""
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not on_sandbox():
        return None
    token_hash = _hash_token(authorization.token or "")
    return db.session.scalar(select(User).where(User.token_hash == token_hash))


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@click.command("add-demo-users")
@with_appcontext
def add_demo_users() -> None:
    """Add the demo's users; those who are there stay as they are."""
    if not on_sandbox():
        raise click.ClickException(ONLY_ON_SANDBOX)
    password_hash = generate_password_hash(DEMO_PASSWORD)
    for name in DEMO_USERS:
        if db.session.get(User, name) is None:
            token_hash = _hash_token(f"demo-{name}")
            db.session.add(User(id=name, password_hash=password_hash, token_hash=token_hash))
    db.session.commit()
