"""A process that delivers what is due from an outbox, as ``flask credits deliver`` does: a script.

``python -m tests.benchmarks.outbox_worker SHOP_DATABASE BOOKS_DATABASE``: says that it is ready,
begins when it is told to, says how many CPU seconds it took for that, and ends when it may.
"""

from __future__ import annotations

import sys
import time

import sqlalchemy as sa

from flask_stripe_credits import GrantSnapshot

from ..hosts import make_host

# What a credit manager elsewhere takes to answer: so long that what the machine has else to do
# hardly counts beside it.
ANSWERS_AFTER_SECONDS = 0.1
BOOKS = "CREATE TABLE booked (id varchar(36), credits bigint)"
_BOOK = sa.text("INSERT INTO booked VALUES (:id, :credits)")


def main(database: str, books: str) -> None:
    engine = sa.create_engine(books)

    def book(grant: GrantSnapshot) -> None:
        time.sleep(ANSWERS_AFTER_SECONDS)
        with engine.begin() as connection:
            connection.execute(_BOOK, {"id": grant.id, "credits": grant.credits})

    host = make_host(
        database, receiver=book, tables=False, watched=False, STRIPE_CREDITS_DELIVERY="outbox"
    )
    with host.app.app_context():
        for one in (engine, host.db.engine):
            # It stays open in the pool.
            one.connect().close()
        print("ready", flush=True)
        sys.stdin.readline()
        started = time.process_time()
        host.credits.deliver_due()
        print(time.process_time() - started, flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
