"""Whether this process can sell and grant credits right now: for load balancers."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Flask

from ..errors import DatabaseBusy, TablesOutOfDate
from ..state import state_of
from .watch import Watch

ANSWER_SECONDS = 2.0
FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """What was checked: ``ok``, or in a word what is wrong."""

    checks: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return all(found == "ok" for found in self.checks.values())


def health_of(app: Flask) -> Health:
    """Check the settings, the database and our tables, in about two seconds at most.

    The database is asked once in a second at most, however often this is. Never asks Stripe.
    """
    database, tables = _database(app)
    problems = state_of(app).settings.problems
    settings = "incomplete" if problems else "ok"
    return Health({"settings": settings, "database": database, "tables": tables})


def _database(app: Flask) -> tuple[str, str]:
    watch = _watches.get(app)
    if watch is None:
        watch = _watches[app] = Watch(_touch, seconds=ANSWER_SECONDS, fresh_seconds=FRESH_SECONDS)
    try:
        watch.look(app)
    except TablesOutOfDate:
        return "ok", "missing"
    except TimeoutError:
        return "slow", "unknown"
    except DatabaseBusy:
        return "down", "unknown"
    return "ok", "ok"


def _touch(app: Flask, connection: sa.Connection) -> None:
    """Name every column that the money's path needs, and read no row."""
    models = state_of(app).models
    for model in (models.Purchase, models.Grant, models.WebhookEvent):
        connection.execute(sa.select(models.table(model)).where(sa.false())).all()


_watches: weakref.WeakKeyDictionary[Flask, Watch[None]] = weakref.WeakKeyDictionary()
