"""What is read from a million purchases: a user's history, and the dashboard's figures.

A page must cost the same however many purchases there are, wherever in the list it is.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import request

from flask_stripe_credits.demo_data import make_demo_data

from ..hosts import PREFIX, Host, make_host
from .dashboard import figures_of_a_year
from .databases import Databases
from .measuring import Contestant, Request, measure, send
from .report import table
from .sizes import Size

END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
# Of fewer rows, a database may read all and be right.
PLANNERS_CARE = 100_000
ITEMS = 50
FEW, MANY = "few", "many"
_INDEXES = re.compile(r"(?:Scan(?: Backward)? using|INDEX) (ix_credit_purchases_\w+)")
# What has to read all that match before it can show the first. PostgreSQL's incremental sort, or
# SQLite's of the right part, only puts those in order that were made in the same microsecond.
_READS_ALL = re.compile(
    r"Seq Scan on credit_purchases|^(?: *-> +)?Sort "
    r"|TEMP B-TREE FOR ORDER BY|SCAN credit_purchases(?! USING)",
    re.MULTILINE,
)
_IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Page:
    """A page of purchases.

    :ivar path: of the request; a ``{after}`` becomes the id of the purchase before the page.
    :ivar items: how many purchases such a page has at most.
    :ivar skipped: how many there are before the page.
    :ivar where: which purchases they are, in SQL.
    """

    title: str
    path: str
    items: int
    where: str
    user: str = "olivia"
    skipped: int = 0


def million(made: Databases, size: Size) -> str:
    """The pages and the figures, from the same rows."""
    host = _filled(made, size)
    return f"{_pages(host, made, size)}\n\n{figures_of_a_year(host, made, size, END)}"


def _filled(made: Databases, size: Size) -> Host:
    """A year of made-up purchases, two of whose users have 50 and ``size.of_one_user`` of them."""
    host = make_host(made.create(), watched=False, STRIPE_CREDITS_PAGES="/credits")
    host.load_packages()
    host.credits.admin_check(lambda: True)
    with host.app.app_context():
        make_demo_data(host.state, size.purchases, 1, END)
        with host.db.engine.begin() as connection:
            for user, count in ((MANY, size.of_one_user), (FEW, ITEMS)):
                _give_to(connection, host, user, count, size.purchases)
        options: Any = {"isolation_level": "AUTOCOMMIT"}
        with host.db.engine.connect().execution_options(**options) as connection:
            # As PostgreSQL does by itself a minute after so many rows were written.
            connection.exec_driver_sql("VACUUM ANALYZE" if made.processes() else "ANALYZE")
    return host


def _give_to(connection: sa.Connection, host: Host, user: str, count: int, purchases: int) -> None:
    """Make ``user`` the buyer of every so many-th purchase, from the first to the last."""
    c = host.credits.Purchase.__table__.c
    number = sa.func.row_number().over(order_by=c.created_at).label("number")
    numbered = sa.select(c.id, number).where(c.user_id != MANY).subquery()
    step = purchases // count
    chosen = sa.select(numbered.c.id).where(numbered.c.number % step == step // 2).limit(count)
    connection.execute(sa.update(c.id.table).where(c.id.in_(chosen)).values(user_id=user))


def _pages(host: Host, made: Databases, size: Size) -> str:
    """A table of pages, each beside the first of its kind."""
    host.credits.user_id_loader(lambda: request.headers["X-User"])
    rows = []
    for kind in (_of_the_api(size), _of_the_filters(size), _of_the_operators(size)):
        requests = {page.title: _request(host, page) for page in kind}
        indexes = {title: _read_by(host, one) for title, one in requests.items()}
        taken = measure(
            [
                Contestant(title, host.app, lambda count, one=one: [one] * count)
                for title, one in requests.items()
            ],
            rounds=size.tries,
            batch=size.batch // 4,
            clock=made.clock(),
        )
        first = kind[0].title
        for title in requests:
            assert size.purchases < PLANNERS_CARE or indexes[title] is not None, title
            cpu = f"{taken.milliseconds(title):.2f} ms"
            rows.append((title, cpu, taken.ratio(title, first), f"`{indexes[title]}`"))
    return table(("page", "CPU, with the database's", "of the first of its kind", "read by"), rows)


def _of_the_api(size: Size) -> Sequence[Page]:
    path, many = f"{PREFIX}/history?limit={ITEMS}", f"{size.of_one_user:,}"
    of_few, of_many = f"user_id = '{FEW}'", f"user_id = '{MANY}'"
    middle = size.of_one_user // 2
    after = path + "&after={after}"
    return [
        Page(f"a user of {ITEMS}", path, ITEMS, of_few, FEW),
        Page(f"a user of {many}, the first", path, ITEMS, of_many, MANY),
        Page(f"a user of {many}, in the middle", after, ITEMS, of_many, MANY, middle),
        Page(f"a user of {many}, the last", after, ITEMS, of_many, MANY, size.of_one_user - ITEMS),
    ]


def _of_the_filters(size: Size) -> Sequence[Page]:
    path, many = "/credits/history?since=2026-02-01&until=2026-09-30", f"{size.of_one_user:,}"
    dates = "created_at >= '2026-02-01' AND created_at < '2026-10-01'"
    of_few, of_many = f"user_id = '{FEW}' AND {dates}", f"user_id = '{MANY}' AND {dates}"
    paid, rare = "status = 'completed'", "status = 'refunded'"
    after, third = "&after={after}", size.of_one_user // 3
    return [
        Page(f"filtered by date, a user of {ITEMS}", path, 20, of_few, FEW),
        Page(f"filtered by date, a user of {many}", path, 20, of_many, MANY),
        Page("the same, in the middle", path + after, 20, of_many, MANY, third),
        Page(
            f"by date and `completed`, a user of {many}",
            f"{path}&status=completed{after}",
            20,
            f"{of_many} AND {paid}",
            MANY,
            third,
        ),
        Page(
            f"by date and `refunded`, a user of {many}",
            f"{path}&status=refunded",
            20,
            f"{of_many} AND {rare}",
            MANY,
        ),
    ]


def _of_the_operators(size: Size) -> Sequence[Page]:
    path, paid = f"{PREFIX}/admin/purchases?limit={ITEMS}", "status = 'completed'"
    after, deep = "&after={after}", size.purchases // 2
    return [
        Page("the operator's list", path, ITEMS, "true"),
        Page("the operator's list, in the middle", path + after, ITEMS, "true", skipped=deep),
        Page("`completed`", f"{path}&status=completed", ITEMS, paid),
        Page(
            "`completed`, in the middle",
            f"{path}&status=completed{after}",
            ITEMS,
            paid,
            skipped=deep // 2,
        ),
    ]


def _request(host: Host, page: Page) -> Request:
    """The request for a page, which was answered with the purchases that belong on it."""
    skipped = max(page.skipped - 1, 0)
    query = (
        f"SELECT id FROM credit_purchases WHERE {page.where} ORDER BY created_at DESC, id "
        f"LIMIT {page.items + bool(page.skipped)} OFFSET {skipped}"
    )
    with host.app.app_context(), host.db.engine.connect() as connection:
        found = [str(uuid.UUID(str(id))) for id in connection.exec_driver_sql(query).scalars()]
    after = found.pop(0) if page.skipped else ""
    asked = Request("GET", page.path.format(after=after), headers={"X-User": page.user})
    status, body = send(host.app, asked.environ())
    shown = list(dict.fromkeys(_IDS.findall(body.decode())))
    assert status.startswith("200") and found and shown == found, f"{page}: {status}, {shown}"
    return asked


def _read_by(host: Host, asked: Request) -> str | None:
    """The index that gave the purchases in their order; None when all rows were read and sorted."""
    with host.app.app_context():
        engine = host.db.engine
    said: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM credit_purchases" in statement and "ORDER BY" in statement:
            said.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    send(host.app, asked.environ())
    sa.event.remove(engine, "before_cursor_execute", note)
    ((statement, parameters),) = said
    explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    plan = "\n".join(str(row[-1]) for row in rows)
    indexes = set(_INDEXES.findall(plan))
    return indexes.pop() if len(indexes) == 1 and not _READS_ALL.search(plan) else None
