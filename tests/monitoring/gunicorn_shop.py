"""The app that gunicorn serves in a test, and its settings, as the documentation has them."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from prometheus_client import Counter, multiprocess

from flask_stripe_credits import GrantSnapshot, StripeCredits

THEIRS = Counter("host_requests_total", "What the host counts itself")


def create_app() -> Flask:
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db = SQLAlchemy(app)
    credits = StripeCredits(app, db)

    @credits.on_grant
    def take(grant: GrantSnapshot) -> None:
        THEIRS.inc()

    return app


def child_exit(server: Any, worker: Any) -> None:
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
