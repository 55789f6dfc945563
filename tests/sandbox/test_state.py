from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from subprocess import run

import pytest
import stripe

from flask_stripe_credits.sandbox import (
    AddressUnusable,
    ApiError,
    Sandbox,
    StateFileUnusable,
    create_sandbox,
    sandbox_of,
)

from .conftest import new_client, open_session
from .receiver import Receiver


def test_everything_survives_a_restart_undelivered_webhooks_too(
    tmp_path: Path, receiver: Receiver
) -> None:
    state = tmp_path / "sandbox.db"
    with Sandbox(state=state) as sandbox:
        sandbox.start(deliver=False)
        receiver.statuses = [500]
        sandbox.register_webhook(receiver.url, enabled_events=["checkout.session.completed"])
        id = open_session(new_client(sandbox)).id
        unpaid = open_session(new_client(sandbox)).id
        sandbox.pay(id)
        (before,) = sandbox.events("checkout.session.completed")
    with Sandbox(state=state) as sandbox:
        sandbox.start()
        client = new_client(sandbox)
        assert client.v1.checkout.sessions.retrieve(id).payment_status == "paid"
        assert client.v1.checkout.sessions.retrieve(unpaid).status == "open"
        assert sandbox.wait_idle(5)
        (delivery,) = sandbox.deliveries(before["id"])
        assert [attempt.status for attempt in delivery.attempts] == [500, 200]


def test_a_state_file_in_use_says_so(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.db"
    with Sandbox(state=state), pytest.raises(StateFileUnusable, match="in use"):
        Sandbox(state=state)
    code = (
        "import sys; from pathlib import Path; from flask_stripe_credits.sandbox import Sandbox;"
        "Sandbox(state=Path(sys.argv[1]))"
    )
    with Sandbox(state=state):
        other = run([sys.executable, "-c", code, state], capture_output=True, text=True)
        assert "in use by another sandbox" in other.stderr
    Sandbox(state=state).stop()


def test_a_state_file_is_nobody_elses_to_read(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.db"
    with Sandbox(state=state) as sandbox:
        sandbox.register_webhook("http://127.0.0.1:9/hook")
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes["sandbox.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_a_state_file_of_another_version_says_so(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.db"
    with closing(sqlite3.connect(state)) as older:
        older.execute("CREATE TABLE objects (id TEXT, kind TEXT)")
    with pytest.raises(StateFileUnusable, match="remove it"):
        Sandbox(state=state)
    with closing(sqlite3.connect(state)) as untouched:
        assert untouched.execute("SELECT name FROM sqlite_master").fetchall() == [("objects",)]


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look", None])
def test_a_state_file_that_cannot_be_used_says_so(tmp_path: Path, content: bytes | None) -> None:
    state = tmp_path / ("file" if content else "no/such/folder/file")
    if content:
        state.write_bytes(content)
    with pytest.raises(StateFileUnusable, match="can't be used"):
        Sandbox(state=state)


def test_a_full_sandbox_says_so_and_keeps_what_it_has(sandbox: Sandbox) -> None:
    id = open_session(new_client(sandbox)).id
    before = sandbox.store.query("SELECT count(*) FROM objects")
    sandbox.store.most_objects = before[0][0]
    with pytest.raises(stripe.RateLimitError, match="The sandbox is full"):
        open_session(new_client(sandbox))
    with pytest.raises(ApiError, match="full"):
        sandbox.pay(id)
    assert sandbox.store.query("SELECT count(*) FROM objects") == before
    assert sandbox.session(id)["status"] == "open"


def test_a_taken_port_and_an_open_address_are_refused() -> None:
    with Sandbox().start() as first, Sandbox() as second:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(AddressUnusable, match="taken"):
            second.start(port=port)
        with pytest.raises(AddressUnusable, match="loopback"):
            second.start(host="0.0.0.0")


def test_stopping_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox().start()
    open_session(new_client(sandbox))
    sandbox.stop()
    sandbox.stop()
    assert set(threading.enumerate()) <= before


def test_it_works_in_process_without_a_port() -> None:
    app = create_sandbox()
    assert app.test_client().get("/").status_code == 200
    with sandbox_of(app) as sandbox, pytest.raises(RuntimeError):
        _ = sandbox.url


def test_importing_the_sandbox_does_not_import_stripe() -> None:
    code = (
        "import sys; from flask_stripe_credits.sandbox import Sandbox;"
        "from flask_stripe_credits.sandbox.api_version import newest;"
        "Sandbox().stop(); sys.exit('stripe' in sys.modules)"
    )
    assert run([sys.executable, "-c", code]).returncode == 0
