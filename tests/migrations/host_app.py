"""A host with tables and a history of its own. ``HOST_…`` in the environment chooses its ways."""

from __future__ import annotations

import os
import uuid
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_stripe_credits import StripeCredits

SCHEMA = os.environ.get("HOST_SCHEMA")
NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
PURCHASES = f"{SCHEMA}.credit_purchases" if SCHEMA else "credit_purchases"

db = SQLAlchemy(
    metadata=sa.MetaData(
        schema=SCHEMA, naming_convention=NAMING if "HOST_NAMING" in os.environ else None
    )
)
credits = StripeCredits(db=db)


class Note(db.Model):  # type: ignore[name-defined, misc]
    """A table of the host's that refers to ours."""

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(100), index=True)
    purchase_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey(f"{PURCHASES}.id"))


class Event(db.Model):  # type: ignore[name-defined, misc]
    """A table of the host's in another database, with a name that is ours in the first one."""

    __bind_key__ = "events"
    __tablename__ = "credit_webhook_events"

    id: Mapped[int] = mapped_column(primary_key=True)


def not_excluded(item: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
    return name not in ("excluded", "kept")


def init_migrate(app: Flask) -> None:
    # Imported as late as a host may: Alembic comes with it.
    from flask_migrate import Migrate

    options: dict[str, Any] = {"include_schemas": True} if SCHEMA else {}
    filtered = os.environ.get("HOST_INCLUDE_OBJECT")
    if filtered == "argument":
        options["include_object"] = not_excluded
    migrate = Migrate(app, db, directory=os.environ["HOST_MIGRATIONS"], **options)
    if filtered == "callback":

        @migrate.configure
        def configure(config: Any) -> Any:
            app.extensions["migrate"].configure_args["include_object"] = not_excluded
            return config


def create_app() -> Flask:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["HOST_DATABASE"]
    if "HOST_EVENTS_DATABASE" in os.environ:
        app.config["SQLALCHEMY_BINDS"] = {"events": os.environ["HOST_EVENTS_DATABASE"]}
    steps = {"db": db.init_app, "credits": credits.init_app, "migrate": init_migrate}
    for name in os.environ.get("HOST_ORDER", "db migrate credits").split():
        steps[name](app)
    return app
