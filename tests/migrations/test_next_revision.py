"""Revisions that don't exist yet, on a year of purchases: nothing is lost, nobody has to wait."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.demo_data import make_demo_data
from flask_stripe_credits.models import CreditPurchaseMixin
from flask_stripe_credits.reading import reading
from flask_stripe_credits.reports import Period, figures
from flask_stripe_credits.web.figures_schema import figures_document

from ..figures import Figures, scaled
from ..hosts import PREFIX, Host
from ..hosts import make_host as make_shop
from ..payloads import event, refund
from .conftest import MakeHost
from .next_release import (
    CONTRACTED,
    EXPANDED,
    NextPurchase,
    NextRelease,
    PurchaseAfterNext,
    next_release,
    tables_of,
)
from .upgraders import Upgrader, upgrade_at_once, upgraders

__all__ = ["next_release"]

ROOT = Path(__file__).resolve().parents[2]
END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
LONGEST_WAIT_SECONDS = 60.0

Picture = dict[str, Any]


def run(host: Host, *arguments: str, exit_code: int = 0) -> str:
    result = host.app.test_cli_runner().invoke(args=["credits", *arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def new_shop(url: str, purchase_class: type[CreditPurchaseMixin], **options: Any) -> Host:
    """The shop as a release with this model of a purchase runs it; its tables are left alone."""
    with tables_of(purchase_class):
        return make_shop(url, tables=False, purchase_class=purchase_class, **options)


def new_year(url: str, purchases: int) -> Host:
    """A shop of this release, with a year of purchases behind it."""
    host = new_shop(url, CreditPurchaseMixin)
    run(host, "db", "upgrade")
    with host.app.app_context():
        host.LedgerEntry.__table__.create(host.db.engine)
        host.load_packages()
        make_demo_data(host.state, purchases, 1, END)
    return host


@pytest.fixture
def year(database_url: str) -> Host:
    return new_year(database_url, 2_000)


@pytest.fixture
def shop(database_url: str) -> Host:
    return new_year(database_url, 50)


def colleague(host: Host, purchase_class: type[CreditPurchaseMixin]) -> Host:
    """Another process on the database of ``host``, of a release with this model of a purchase."""
    secrets = {
        name: host.app.config[name]
        for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET_CREDITS")
    }
    other = new_shop(host.db_url, purchase_class, **secrets)
    other.webhook_secret = host.webhook_secret
    return other


def picture(host: Host) -> Picture:
    """All that mustn't change: every row, every figure, and what the audit says."""
    with host.app.app_context(), reading(host.state) as connection:
        period = Period(END - dt.timedelta(days=366), END)
        document = figures_document(figures(connection, host.state.models, period, None))
        rows = {table.name: checksum(connection, table) for table in host.state.models.tables}
    return {"figures": document, "rows": rows, "audit": run(host, "audit", "--json")}


def checksum(connection: sa.Connection, table: sa.Table) -> tuple[int, str]:
    """How many rows ``table`` has, and a digest of all columns that this release knows."""
    count, digest = 0, hashlib.sha256()
    query = sa.select(table).order_by(*table.primary_key.columns)
    for row in connection.execution_options(yield_per=1_000).execute(query):
        digest.update(repr(tuple(row)).encode())
        count += 1
    return count, digest.hexdigest()


def up_and_down(host: Host, next_release: NextRelease) -> Iterator[Picture]:
    """Yield what there is after each step of the way up, down and up again."""
    with next_release.installed():
        for command, told in (
            ("upgrade 0003", EXPANDED),
            ("upgrade", CONTRACTED),
            ("downgrade", "Undid 0004"),
            ("downgrade", "Undid 0003"),
            ("upgrade", EXPANDED + CONTRACTED),
        ):
            assert told in run(host, "db", *command.split())
            yield picture(host)


def test_C23_a_year_goes_up_and_down(year: Host, next_release: NextRelease) -> None:
    before = picture(year)
    assert before["rows"]["credit_purchases"][0] == 2_000
    assert before["figures"]["funnel"]["paid"] > 1_000
    assert json.loads(before["audit"])["breaches"] == 0
    for after in up_and_down(year, next_release):
        assert after == before
    with next_release.installed():
        expanded = colleague(year, PurchaseAfterNext)
        run(expanded, "db", "check")
        assert {row["sales_channel"] for row in expanded.purchases()} == {"web"}
        run(expanded, "db", "downgrade", "0002")
    run(year, "db", "check")


@pytest.mark.soak
def test_C23_a_long_year_goes_up_and_down(
    database_url: str, next_release: NextRelease, figures: Figures
) -> None:
    year = new_year(database_url, scaled(100_000, 1_000))
    before = picture(year)
    began = time.process_time()
    with next_release.installed():
        run(year, "db", "upgrade")
    upgrade_seconds = time.process_time() - began
    assert picture(year) == before
    with next_release.installed():
        run(year, "db", "downgrade", "0002")
    assert all(after == before for after in up_and_down(year, next_release))
    figures(purchases=before["rows"]["credit_purchases"][0], upgrade_cpu_s=upgrade_seconds)


def test_the_revisions_find_the_schema_of_the_hosts_metadata(
    make_host: MakeHost, postgres_database_url: str, next_release: NextRelease
) -> None:
    billing = make_host(postgres_database_url, sa.MetaData(schema="billing"))
    billing.execute("CREATE SCHEMA billing")
    billing.succeed("upgrade")
    with next_release.installed():
        assert billing.succeed("upgrade") == EXPANDED + CONTRACTED
        billing.execute("SELECT sales_channel FROM billing.credit_purchases")
        billing.succeed("downgrade 0002")
    billing.succeed("check")


def test_foreign_keys_that_sqlite_enforces_lose_nothing(
    sqlite_url: str, next_release: NextRelease
) -> None:
    """Making a table anew deletes the old one: what refers to its rows must not notice."""
    year = new_year(sqlite_url, 500)
    with year.app.app_context():

        @sa.event.listens_for(year.db.engine, "connect")
        def connect(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA foreign_keys = ON")

        year.db.engine.dispose()
    before = picture(year)
    linked = [row["package_id"] for row in year.purchases()]
    assert any(linked)
    assert all(after == before for after in up_and_down(year, next_release))
    assert [row["package_id"] for row in year.purchases()] == linked
    with year.app.app_context(), year.db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


# The rolling deployment: this release and the next one, side by side.


def sell(host: Host, user_id: str = "alice") -> dict[str, Any]:
    """Sell 1,000 credits, take half of them back, and return the purchase."""
    purchase = host.add_purchase(user_id=user_id)
    assert host.pay(purchase).status_code == 200
    back = refund(host.purchase(purchase["id"])["stripe_payment_intent_id"], 500)
    assert host.post_event(event("refund.created", back)).status_code == 200
    row = host.purchase(purchase["id"])
    assert (row["status"], row["amount_refunded"], row["credits_revoked"]) == (
        "completed",
        500,
        500,
    )
    return row


def test_C23_old_code_sells_on_expanded_tables_beside_new_code(
    shop: Host, next_release: NextRelease
) -> None:
    with next_release.installed():
        new = colleague(shop, NextPurchase)
        run(new, "db", "upgrade", "0003")
    sold_by_old, sold_by_new = sell(shop), sell(new)
    assert shop.balance() == 1_000
    assert new.purchase(sold_by_old["id"])["sales_channel"] is None
    assert new.purchase(sold_by_new["id"])["sales_channel"] == "web"
    # Each finishes what the other one began.
    opened_by_old, opened_by_new = shop.add_purchase(), new.add_purchase()
    assert new.pay(opened_by_old).status_code == shop.pay(opened_by_new).status_code == 200
    assert shop.balance() == 3_000
    for host in (shop, new):
        assert len(host.client.get(f"{PREFIX}/history").json or ()) == 4
        assert json.loads(run(host, "audit", "--json"))["breaches"] == 0
    with next_release.installed():
        run(new, "db", "upgrade")
        last = colleague(shop, PurchaseAfterNext)
        assert last.purchase(sold_by_old["id"])["sales_channel"] == "web"
        run(last, "db", "check")
    sell(last)


def test_C23_code_before_the_expansion_is_refused_by_contracted_tables(
    shop: Host, next_release: NextRelease
) -> None:
    """Why it takes two releases: what it can't write is refused as a whole."""
    with next_release.installed():
        run(shop, "db", "upgrade")
    before = picture(shop)
    with pytest.raises(sa.exc.IntegrityError):
        shop.add_purchase()
    assert picture(shop) == before


def test_C23_new_code_on_old_tables_says_what_to_do(shop: Host, next_release: NextRelease) -> None:
    with next_release.installed():
        new = colleague(shop, NextPurchase)
        opened = shop.add_purchase()
        answer = new.pay(opened)
        assert (answer.status_code, answer.json["code"]) == (503, "tables_out_of_date")
        assert answer.headers["Retry-After"]
        assert shop.ledger() == []
        command = "flask credits db upgrade"
        assert command in run(new, "db", "check", exit_code=1)
        (finding,) = [
            line
            for line in map(json.loads, run(new, "doctor", "--json", exit_code=1).splitlines())
            if line.get("check") == "tables"
        ]
        assert (finding["level"], finding["command"]) == ("error", command)
        run(new, "db", "upgrade", "0003")
        # Stripe tells it again.
        assert new.pay(opened).status_code == 200
    assert shop.ledger() == [1_000]


def test_C23_old_code_knows_that_the_tables_are_newer(
    shop: Host, next_release: NextRelease
) -> None:
    with next_release.installed():
        run(shop, "db", "upgrade")
    told = "at revision 0004, which this release of flask-stripe-credits doesn't know"
    for command in ("upgrade", "downgrade", "check"):
        assert told in run(shop, "db", command, exit_code=1)


# Meanwhile, and cut off.


class Buyers:
    """Threads that buy on ``host`` until the block ends. ``answers`` are the webhook's."""

    def __init__(self, host: Host, count: int = 4) -> None:
        self.answers: list[int] = []
        self.longest_seconds = 0.0
        self._host = host
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._buy, args=(f"buyer {number}",)) for number in range(count)
        ]
        self._errors: list[BaseException] = []

    def _buy(self, user_id: str) -> None:
        try:
            while not self._stop.is_set():
                purchase = self._host.add_purchase(user_id=user_id)
                began = time.monotonic()
                self.answers.append(self._host.pay(purchase).status_code)
                took = time.monotonic() - began
                self.longest_seconds = max(self.longest_seconds, took)
        except BaseException as error:
            self._errors.append(error)

    def wait_for(self, more: int) -> None:
        """Wait until ``more`` answers have come than there are now."""
        wanted, deadline = len(self.answers) + more, time.monotonic() + LONGEST_WAIT_SECONDS
        while len(self.answers) < wanted and not self._errors:
            assert time.monotonic() < deadline
            self._stop.wait(0.01)

    def __enter__(self) -> Buyers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(LONGEST_WAIT_SECONDS)
        if self._errors:
            raise self._errors[0]


STEPS = [
    pytest.param("0002", "0003", EXPANDED, CreditPurchaseMixin, id="expand"),
    pytest.param("0003", "0004", CONTRACTED, NextPurchase, id="contract"),
]


@pytest.mark.parametrize(("start", "end", "applied", "purchase_class"), STEPS)
def test_C23_two_upgrades_at_once_while_buyers_buy(
    shop: Host,
    next_release: NextRelease,
    start: str,
    end: str,
    applied: str,
    purchase_class: type[CreditPurchaseMixin],
) -> None:
    """One of them upgrades, once. Everybody gets what they paid for, at once."""
    host = colleague(shop, purchase_class)
    with next_release.installed():
        run(host, "db", "upgrade", start)
    before = host.row_counts()["credit_grants"]
    with upgraders(2, sys.executable, next_release.directory) as processes, Buyers(host) as buyers:
        buyers.wait_for(5)
        upgrade_at_once(processes, host.db_url, end, applied)
        buyers.wait_for(5)
    assert set(buyers.answers) == {200}
    assert host.row_counts()["credit_grants"] == before + len(buyers.answers)
    assert host.ledger() == [1_000] * len(buyers.answers)
    assert json.loads(run(host, "audit", "--json"))["breaches"] == 0


@pytest.fixture
def killed_upgrade(next_release: NextRelease) -> Iterator[Callable[..., str | None]]:
    """A function that upgrades a database in a process that is killed before its nth change."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.migrations.killed_upgrader", str(next_release.directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        upgrader = Upgrader(process)
        assert upgrader.read() == "ready"

        def upgrade(url: str, revision: str, last: int) -> str | None:
            assert process.stdin is not None
            process.stdin.write(json.dumps([url, revision, last]) + "\n")
            process.stdin.flush()
            statement: str | None = json.loads(upgrader.read())
            return statement

        yield upgrade


@pytest.mark.parametrize(("start", "end", "applied", "purchase_class"), STEPS)
def test_C23_an_upgrade_killed_anywhere_can_be_run_again(
    shop: Host,
    next_release: NextRelease,
    killed_upgrade: Callable[..., str | None],
    start: str,
    end: str,
    applied: str,
    purchase_class: type[CreditPurchaseMixin],
) -> None:
    """Killed before its first change, its second, …: the shop sells on, and loses nothing."""
    host = colleague(shop, purchase_class)
    with next_release.installed():
        run(host, "db", "upgrade", start)
    before, kills = picture(host), []
    while statement := killed_upgrade(shop.db_url, end, len(kills) + 1):
        kills.append(statement)
        assert picture(host) == before
        sell(host)
        before = picture(host)
    # From the first to the note that it is done.
    assert any("ALTER TABLE" in statement for statement in kills)
    assert any("flask_stripe_credits_version SET version_num" in told for told in kills), kills
    assert picture(host) == before
    sell(host)
    newest = NextPurchase if end == "0003" else PurchaseAfterNext
    with next_release.installed():
        finished = colleague(host, newest)
        assert run(finished, "db", "upgrade", end).startswith("Nothing to do")
        assert end in run(finished, "db", "current")
        run(finished, "db", "upgrade")
        run(colleague(host, PurchaseAfterNext), "db", "check")
