"""What a host's start gains in CPU time: the import and ``init_app``, in processes of their own."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence

_HOST = """
import sys, time
import flask, flask_migrate, flask_sqlalchemy, marshmallow, sqlalchemy as sa, sqlalchemy.orm

app = flask.Flask("host")
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db = flask_sqlalchemy.SQLAlchemy()

class User(db.Model):
    id = sa.orm.mapped_column(sa.Integer, primary_key=True)

db.init_app(app)
flask_migrate.Migrate(app, db)
with app.app_context():
    db.session.execute(sa.select(1))

started = time.process_time()
from flask_stripe_credits import StripeCredits
imported = time.process_time()
credits = StripeCredits(db=db)
credits.init_app(app)
ended = time.process_time()
assert "stripe" not in sys.modules
print(imported - started, ended - imported)
"""


def cold_starts(count: int) -> Sequence[tuple[float, float]]:
    """Seconds of CPU for the import and for ``init_app``, of ``count`` fresh processes."""
    found = []
    for _ in range(count):
        ended = subprocess.run(
            [sys.executable, "-c", _HOST], capture_output=True, text=True, check=True
        )
        imported, initialised = map(float, ended.stdout.split())
        found.append((imported, initialised))
    return found


def median_milliseconds(starts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The medians of both parts."""
    imported, initialised = zip(*starts, strict=True)
    return statistics.median(imported) * 1000, statistics.median(initialised) * 1000
