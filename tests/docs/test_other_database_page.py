"""The recipe for balances in another database, on two real ones, with a kill in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from ..outbox.conftest import Clock, CreditManager, Shop
from ..outbox.conftest import clock as clock

PAGE = "how-to/deliver-to-another-database.md"

# A worker with the page's app that is killed before it commits there, or before it marks here.
DYING_WORKER = """
import importlib.util, os, signal, sys
import sqlalchemy as sa
from flask_stripe_credits import outbox

spec = importlib.util.spec_from_file_location("page", sys.argv[1])
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)

commits = iter(range(100))

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def die_at_the_second(*_):
    if next(commits) == 1:
        die()

with page.app.app_context():
    if sys.argv[2] == "there later":
        sa.event.listen(page.db.engines["accounts"], "commit", die_at_the_second)
    elif sys.argv[2] == "there":
        sa.event.listen(page.db.engines["accounts"], "commit", die)
    else:
        outbox._mark_delivered = die
    page.credits.deliver_due()
"""


class TwoDatabases:
    """The page's app: purchases in one database, accounts in another."""

    def __init__(self, page: Any, secret: str) -> None:
        self.page = page
        self.shop = Shop(Host(page.app, page.db, page.credits, None, secret), CreditManager())

    def there(self) -> tuple[dict[str, int], dict[str, int]]:
        """Balances, and the credits of each grant's entry."""
        with self.page.app.app_context(), self.page.db.engines["accounts"].connect() as connection:
            accounts = connection.execute(sa.select(self.page.Account.__table__)).all()
            entries = connection.execute(sa.select(self.page.Entry.__table__)).all()
        return (
            {row.user_id: row.balance for row in accounts},
            {row.grant_id: row.credits for row in entries},
        )

    def assert_exact(self, balances: dict[str, int]) -> None:
        granted = {str(row["id"]): row["credits"] for row in self.shop.host.grants()}
        assert self.there() == (balances, granted)
        assert all(row["delivered_at"] for row in self.shop.host.grants())
        assert_invariants(self.page.app)

    def worker_dies(self, where: str) -> None:
        arguments = [sys.executable, "-c", DYING_WORKER, self.page.__file__, where]
        died = subprocess.run(arguments, capture_output=True, text=True)
        assert died.returncode == -signal.SIGKILL, died.stderr

    def command(self, name: str) -> str:
        result = self.page.app.test_cli_runner().invoke(args=[name])
        assert result.exit_code == 0, result.output
        return str(result.output)


@pytest.fixture(params=["sqlite and postgresql", "postgresql and sqlite", "postgresql twice"])
def two(
    request: pytest.FixtureRequest,
    load_page: Any,
    new_database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> TwoDatabases:
    here, _, there = request.param.partition(" ")
    there = here if there == "twice" else there.removeprefix("and ")
    monkeypatch.setenv("FLASK_SQLALCHEMY_BINDS", json.dumps({"accounts": new_database(there)}))
    page, secret = load_page(PAGE, new_database(here))
    with page.app.app_context():
        page.db.create_all()
    return TwoDatabases(page, secret)


@pytest.mark.parametrize("where", ["there", "here"])
def test_C22_a_worker_killed_between_two_databases_books_each_grant_once(
    two: TwoDatabases, clock: Clock, where: str
) -> None:
    for user in ("alice", "bob"):
        purchase = two.shop.buy(user_id=user)
        two.shop.refund(purchase, 400)
    two.worker_dies(where)
    booked = 0 if where == "there" else 1
    assert len(two.there()[1]) == booked
    assert not any(row["delivered_at"] for row in two.shop.host.grants())
    two.shop.deliver()  # what the dead worker had in hand has to wait for its lease, the rest not
    assert len([row for row in two.shop.host.grants() if row["delivered_at"]]) == 2
    clock.pass_by(seconds=120)
    two.shop.deliver()
    two.assert_exact({"alice": 600, "bob": 600})


def test_C22_a_worker_killed_at_its_second_commit_there_leaves_no_half_of_an_entry(
    two: TwoDatabases, clock: Clock
) -> None:
    two.shop.refund(two.shop.buy(), 400)
    two.worker_dies("there later")
    balances, entries = two.there()
    assert sum(balances.values()) == sum(entries.values()) == 1000
    clock.pass_by(seconds=120)
    two.shop.deliver()
    two.assert_exact({"alice": 600})


def test_two_workers_with_one_grant_meet_at_the_key(
    two: TwoDatabases, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = two.page
    purchase = two.shop.buy()
    get = page.db.session.get
    entry = {"grant_id": str(two.shop.grant(purchase)["id"]), "user_id": "alice", "credits": 1000}

    def overtaken(model: Any, key: str, **options: Any) -> Any:
        found = get(model, key, **options)
        if model is page.Account:
            with page.db.engines["accounts"].begin() as other:
                other.execute(
                    sa.insert(page.Account.__table__).values(user_id="alice", balance=1000)
                )
                other.execute(sa.insert(page.Entry.__table__).values(**entry))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(page.db.session, "get", overtaken)
        assert two.shop.deliver() == 0
    assert two.shop.grant(purchase)["last_error"] == "sqlalchemy.exc.IntegrityError"
    clock.pass_by(seconds=1)
    assert two.shop.deliver() == 1
    two.assert_exact({"alice": 1000})


def test_while_the_other_database_is_down_grants_wait(two: TwoDatabases, clock: Clock) -> None:
    with two.page.app.app_context():
        two.page.db.drop_all(bind_key="accounts")
    purchase = two.shop.buy()
    for seconds in (1, 2, 4):
        assert two.shop.deliver() == 0
        clock.pass_by(seconds=seconds)
    assert two.shop.grant(purchase)["attempts"] == 3
    with two.page.app.app_context():
        two.page.db.create_all(bind_key="accounts")
    assert two.shop.deliver() == 1
    two.assert_exact({"alice": 1000})


def test_what_a_restored_backup_lost_is_booked_again_once(two: TwoDatabases) -> None:
    purchase = two.shop.buy()
    two.shop.deliver()
    two.shop.refund(purchase, 400)
    two.shop.buy(user_id="bob")
    two.shop.deliver()
    taken_back = two.shop.grant(purchase, sequence=2)["id"]
    with two.page.app.app_context(), two.page.db.engines["accounts"].begin() as backup:
        backup.execute(sa.delete(two.page.Entry.__table__).where(sa.text("credits < 0")))
        backup.execute(sa.update(two.page.Account.__table__).values(balance=1000))
    assert two.command("book-missing") == f"{taken_back}: -400 credits of alice\n"
    assert two.command("book-missing") == ""
    two.assert_exact({"alice": 600, "bob": 1000})


def test_the_dying_worker_runs_the_page(two: TwoDatabases) -> None:
    assert Path(two.page.__file__).read_text().count("credits.on_grant") == 1
