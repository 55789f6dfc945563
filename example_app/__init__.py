"""A small app that sells credits: its own users, its own login, its own credit manager.

What connects it to flask-stripe-credits is ``credits`` in ``extensions.py``, ``init_app`` below,
the receiver in ``credit_manager.py`` and, to put its pages into this app's layout, the template
``flask_stripe_credits/layout.html``. Everything else is an ordinary Flask app.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import api, auth, pages, security
from .extensions import credits, csrf, db, login_manager, migrate
from .users import add_demo_users


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app. Settings come from ``config``, else from ``FLASK_…`` in the environment.

    The keys of Stripe (``STRIPE_…``) are read by the extension, from either.
    """
    app = Flask(__name__)
    app.config.update(
        SQLALCHEMY_DATABASE_URI="sqlite:///example.db",
        SESSION_COOKIE_SAMESITE="Lax",
        # Keeps the page to go to after the login out of the address, where anyone could set it.
        USE_SESSION_FOR_NEXT=True,
        STRIPE_CREDITS_PAGES="/admin/credits",
    )
    app.config.from_prefixed_env()
    app.config.update(config or {})

    db.init_app(app)
    migrate.init_app(app)
    login_manager.init_app(app)
    csrf.init_app(app)
    credits.init_app(app)

    app.register_blueprint(auth.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(api.blueprint)
    app.after_request(security.add_headers)
    app.cli.add_command(add_demo_users)
    return app
