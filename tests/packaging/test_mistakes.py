"""What a newcomer does wrong, on the wheel: each time one sentence says what to do."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.docs.pages import codes, sections, tables
from tests.example_app.demo_process import free_port

from .test_second_host import SecondHost

pytestmark = pytest.mark.packaging

PAGES = 'app.config["STRIPE_CREDITS_PAGES"] = "/credits"\n    '
INIT = "credits.init_app(app)"


@dataclass(frozen=True)
class Mistake:
    """A change of the README's app, and what is said when its author runs ``command`` next."""

    change: Callable[[str], str]
    said: str
    command: str = "setup --made-up-keys"
    environment: dict[str, str] = field(default_factory=dict)


def without(*texts: str) -> Callable[[str], str]:
    def change(app: str) -> str:
        for text in texts:
            assert text in app
            app = app.replace(text, "")
        return app

    return change


def instead(old: str, new: str) -> Callable[[str], str]:
    def change(app: str) -> str:
        assert old in app
        return app.replace(old, new)

    return change


MISTAKES = {
    "Could not locate a Flask application": Mistake(
        lambda app: "", "Use the 'flask --app' option", "dev"
    ),
    "this app has no StripeCredits": Mistake(without(INIT), "call credits.init_app(app)", "dev"),
    "StripeCredits needs your SQLAlchemy object": Mistake(
        instead("StripeCredits(db=db)", "StripeCredits()"), "credits.init_app(app, db)"
    ),
    "StripeCredits is already initialised": Mistake(
        instead(INIT, f"{INIT}; {INIT}"), "call init_app once"
    ),
    "nobody receives credits": Mistake(
        instead("@credits.on_grant", "# "), "connect your credit manager with @credits.on_grant"
    ),
    "nobody tells who is asking": Mistake(
        instead("@credits.user_id_loader", "# "), "decorate a function with @credits.user_id_loader"
    ),
    "their forms need SECRET_KEY": Mistake(
        instead("db.init_app(app)", f"{PAGES}db.init_app(app)"), "set SECRET_KEY to a long random"
    ),
    "app.config sets STRIPE_SECRET_KEY itself": Mistake(
        instead("db.init_app(app)", "app.config.from_prefixed_env(); db.init_app(app)"),
        "take it out for development",
        environment={"FLASK_STRIPE_SECRET_KEY": "sk_test_" + "of the config"},
    ),
}
# Seen in a test of the command itself, and in one of the host's own tables.
ELSEWHERE = {"another program has it", "The app's webhook doesn't work", "no such column"}


def test_the_tutorial_names_each_and_no_other() -> None:
    (rows,) = tables(sections("tutorial/first-purchase.md")["When it isn't as shown here"])
    assert {codes(row[0])[0] for row in rows[1:]} == MISTAKES.keys() | ELSEWHERE


@pytest.mark.parametrize("seen", MISTAKES)
def test_a_mistake_is_told_in_a_sentence_that_says_what_to_do(
    seen: str, tmp_path: Path, wheel_venv: Path
) -> None:
    host, mistake = SecondHost(tmp_path, wheel_venv), MISTAKES[seen]
    source = tmp_path / "app.py"
    source.write_text(mistake.change(source.read_text()))
    if not source.read_text():
        source.unlink()
    # Nobody listens there: what it says of Stripe isn't looked at.
    host.environment |= {"STRIPE_CREDITS_API_BASE": f"http://127.0.0.1:{host.sandbox_port}"}
    done = subprocess.run(
        ["flask", "credits", *mistake.command.split()],
        cwd=tmp_path,
        env=host.environment | mistake.environment,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert seen in said, said
    assert mistake.said in said, said
    assert done.returncode in (1, 2)
    # What the app itself raises when it is imported, Flask shows with a traceback.
    assert ("Traceback" in said) == seen.startswith("StripeCredits ")


def test_a_taken_port_is_told_with_another(tmp_path: Path, wheel_venv: Path) -> None:
    host = SecondHost(tmp_path, wheel_venv)
    for name in list(host.environment):
        if name.startswith("STRIPE_"):
            del host.environment[name]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            ["flask", "credits", "dev", "--sandbox-port", str(free_port())],
            cwd=tmp_path,
            env=host.environment | {"FLASK_RUN_PORT": str(port)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert re.search(rf"another program has it.*--port {port + 10}", done.stderr)
