"""A small app in a folder of its own, with an operator who does what the doctor says.

Commands run in this process, on an app that is made from the file and the environment as they are
then, as ``flask`` does. The running app is served on one port; it changes when it is restarted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from werkzeug.test import TestResponse

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import PREFIX
from ..serving import serving

SOURCE = r"""
from flask import Flask, jsonify, request
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_stripe_credits import StripeCredits

db = SQLAlchemy()
credits = StripeCredits(db=db)


class LedgerEntry(db.Model):
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    credits: Mapped[int]


@credits.on_grant
def book(grant, session):
    session.add(LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))


@credits.user_id_loader
def current_user_id():
    return {"Bearer let-me-in": "alice"}.get(request.headers.get("Authorization"))


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    db.init_app(app)
    Migrate(app, db)
    credits.init_app(app)

    @app.get("/balance")
    def balance():
        user_id = current_user_id()
        entries = select(func.sum(LedgerEntry.credits)).where(LedgerEntry.user_id == user_id)
        return jsonify(user_id=user_id, balance=db.session.scalar(entries) or 0)

    @app.get("/thanks")
    def thanks():
        return "Thank you.\n"

    return app
"""
ALICE = {"Authorization": "Bearer let-me-in"}
_READ = ("STRIPE_", "FLASK_")
_numbers = itertools.count()


class FreshHost:
    """Nothing but ``app.py`` and a database of the host's own.

    :ivar source: the text of ``app.py``.
    :ivar running: the app that is served; None: it refuses.
    """

    def __init__(self, folder: Path, sandbox: Sandbox, environment: pytest.MonkeyPatch) -> None:
        self.folder, self.sandbox, self._environment = folder, sandbox, environment
        self.source = SOURCE
        self.running: Flask | None = None
        self.address = ""
        self._apps: dict[object, Flask] = {}
        self.database = f"sqlite:///{folder / 'shop.db'}"
        environment.chdir(folder)
        for name in list(os.environ):
            if name.startswith(_READ):
                environment.delenv(name)
        self.set(FLASK_SQLALCHEMY_DATABASE_URI=self.database)
        app, module = self._made()
        with app.app_context():
            module.LedgerEntry.__table__.create(module.db.engine)

    def set(self, **settings: str | None) -> None:
        """Set or take away variables of the environment."""
        for name, value in settings.items():
            if value is None:
                self._environment.delenv(name, raising=False)
            else:
                self._environment.setenv(name, value)

    def read_env_file(self) -> None:
        """Set what the file ``.env`` says."""
        for line in (self.folder / ".env").read_text().splitlines():
            name, _, value = line.partition("=")
            self.set(**{name: value})

    def load(self) -> Flask:
        """The app as a new process would make it."""
        read = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_READ)))
        key = self.source, read
        if key not in self._apps:
            self._apps[key] = self._made()[0]
        return self._apps[key]

    def _made(self) -> tuple[Flask, Any]:
        (self.folder / "app.py").write_text(self.source)
        name = f"fresh_app_{next(_numbers)}"
        spec = importlib.util.spec_from_file_location(name, self.folder / "app.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self._environment.setitem(sys.modules, name, module)
        exec(compile(self.source, "app.py", "exec"), module.__dict__)
        return module.create_app(), module

    def run(self, command: str) -> Result:
        """Run a ``flask …`` command as it is printed."""
        program, *arguments = shlex.split(command)
        assert program == "flask", command
        return self.load().test_cli_runner().invoke(args=arguments)

    def do(self, *commands: str) -> None:
        """Run commands that have to work, and let the app read what they wrote."""
        for command in commands:
            result = self.run(command)
            assert result.exit_code == 0, f"{command}\n{result.output}"
        if (self.folder / ".env").exists():
            self.read_env_file()
        self.restart()

    def start(self) -> None:
        self.running = self.load()

    def restart(self) -> None:
        if self.running is not None:
            self.running = self.load()

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Serve :attr:`running`, whatever that is at the moment; gives the address."""

        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            if self.running is None:
                start_response("502 Bad Gateway", [("Content-Type", "text/plain")])
                return [b"nobody is behind this proxy\n"]
            return self.running(environ, start_response)

        with serving(application) as url:
            yield url

    def doctor(self) -> tuple[int, list[dict[str, Any]]]:
        """Ask the doctor; return the exit code and the lines that aren't ``ok``."""
        result = self.run("flask credits doctor --json")
        *lines, _ = [json.loads(line) for line in result.stdout.splitlines()]
        return result.exit_code, [line for line in lines if line["level"] != "ok"]

    def ask_to_buy(self) -> TestResponse:
        """Ask the running app for a checkout, as Alice."""
        assert self.running is not None
        client = self.running.test_client()
        # A purchase of its own, and not the checkout that is open already.
        headers = ALICE | {"Idempotency-Key": f"key-{next(_numbers)}"}
        return client.post(f"{PREFIX}/purchase", json={"package_code": "starter"}, headers=headers)

    def open(self) -> Any:
        """Open a checkout; return what the app answered."""
        answer = self.ask_to_buy()
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return answer.json

    def pay(self, session_id: str) -> int | None:
        """Pay; return what the app answered to the event of it, None when it wasn't sent."""
        self.sandbox.pay(session_id)
        self.sandbox.deliver_pending()
        (event,) = (
            event
            for event in self.sandbox.events("checkout.session.completed")
            if event["data"]["object"]["id"] == session_id
        )
        attempts = [
            attempt for one in self.sandbox.deliveries(event["id"]) for attempt in one.attempts
        ]
        return attempts[-1].status if attempts else None

    def status_of(self, purchase_id: str) -> str:
        """What the history says, which never asks Stripe."""
        client = self.load().test_client()
        listed: Any = client.get(f"{PREFIX}/history", headers=ALICE).json
        return next(one["status"] for one in listed if one["id"] == purchase_id)

    def balance(self) -> int:
        client = self.load().test_client()
        return int(client.get("/balance", headers=ALICE).json["balance"])  # type: ignore[index]

    def assert_invariants(self) -> None:
        assert_invariants(self.load())
