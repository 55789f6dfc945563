"""A process that upgrades a database for each line of its input, and says how it went.

A line is the database and the revision to bring it to, as JSON.

Its argument, if it has one, is the directory of revisions that it takes instead of the package's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_stripe_credits import StripeCredits, revisions


def upgrade(url: str, revision: str = "head") -> dict[str, object]:
    db = SQLAlchemy()
    app = Flask("upgrader")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    StripeCredits(app, db)
    result = app.test_cli_runner().invoke(args=["credits", "db", "upgrade", revision])
    return {"exit_code": result.exit_code, "output": result.output}


if __name__ == "__main__":
    if sys.argv[1:]:
        revisions.migrations_directory = lambda: Path(sys.argv[1])
    upgrade("sqlite://")
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(upgrade(*json.loads(line))), flush=True)
