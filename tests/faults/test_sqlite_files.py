"""C28: a SQLite file that can't grow or be written is 503 with nothing kept, and heals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from ..hosts import Host, make_host
from ..naive.shops import Shop, event_id_first

# How much room is left decides which statement is the first that finds none.
PAGES_LEFT = range(4)


def _limit(host: Host, pragma: str) -> None:
    """Have every connection of the host's run a PRAGMA from now on."""
    with host.app.app_context():
        engine = host.db.engine
    engine.dispose()

    def run(connection: Any, record: Any) -> None:
        connection.execute(pragma).close()

    sa.event.listen(engine, "connect", run)
    host.app.extensions["limit"] = (engine, run)


def _unlimit(host: Host) -> None:
    engine, run = host.app.extensions.pop("limit")
    sa.event.remove(engine, "connect", run)
    engine.dispose()


def _fill(host: Host, pages_left: int) -> None:
    """Let the file grow by so many pages only, as on a disk that is full."""
    with host.app.app_context(), host.db.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    _limit(host, f"PRAGMA max_page_count = {pages + pages_left}")


@pytest.mark.parametrize("pages_left", PAGES_LEFT)
def test_C28_a_full_disk_keeps_nothing_that_isnt_answered_with_200(
    sqlite_host: Host, pages_left: int
) -> None:
    host = sqlite_host
    documents = [host.paid_event(host.add_purchase(user_id="x" * 200)) for _ in range(20)]
    _fill(host, pages_left)
    taken = 0
    for document in documents:
        answer = host.post_event(document)
        assert answer.status_code in (200, 503)
        taken += answer.status_code == 200
        assert host.ledger() == [1000] * taken
        assert len(host.grants()) == taken
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    _unlimit(host)
    for document in documents:
        assert host.post_event(document).status_code == 200
    assert host.ledger() == [1000] * 20
    host.assert_exact()


def test_C28_a_file_that_became_read_only_is_503_and_heals(sqlite_host: Host) -> None:
    document = sqlite_host.paid_event(sqlite_host.add_purchase())
    _limit(sqlite_host, "PRAGMA query_only = ON")
    answer = sqlite_host.post_event(document)
    assert answer.status_code == 503
    assert answer.json is not None and answer.json["code"] == "database_busy"
    assert sqlite_host.ledger() == []
    _unlimit(sqlite_host)
    assert sqlite_host.post_event(document).status_code == 200
    assert sqlite_host.ledger() == [1000]


def _lost_by(host: Host, shop: Shop, pages_left: int) -> int:
    documents = [host.paid_event(host.add_purchase(user_id="x" * 200)) for _ in range(20)]
    _fill(host, pages_left)
    for document in documents:
        shop.deliver(document)
    _unlimit(host)
    for document in documents:
        shop.deliver_until_taken(document)
    return len(documents) - len(host.ledger())


def test_C28_the_test_sees_what_an_event_id_stored_first_loses(
    new_database: Callable[[str], str],
) -> None:
    """There was room for the event's id, but not for the credits."""
    for pages_left in range(8):
        host = make_host(new_database("sqlite"))
        if _lost_by(host, Shop(host, event_id_first), pages_left) > 0:
            return
    raise AssertionError("nothing was lost: the test proves nothing")
