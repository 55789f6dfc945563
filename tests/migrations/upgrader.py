"""A process that upgrades the database named on each line of its input, and says how it went."""

from __future__ import annotations

import json
import sys

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_stripe_credits import StripeCredits


def upgrade(url: str) -> dict[str, object]:
    db = SQLAlchemy()
    app = Flask("upgrader")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    StripeCredits(app, db)
    result = app.test_cli_runner().invoke(args=["credits", "db", "upgrade"])
    return {"exit_code": result.exit_code, "output": result.output}


if __name__ == "__main__":
    upgrade("sqlite://")
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(upgrade(line.strip())), flush=True)
