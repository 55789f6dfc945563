from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from flask_stripe_credits.host_migrations import VERSION_TABLE
from flask_stripe_credits.migration_lock import migration_lock
from flask_stripe_credits.models import TABLE_NAMES

from .conftest import MakeHost
from .upgraders import upgrade_at_once, upgraders

ROUNDS = 3


def test_four_processes_upgrading_at_once_all_succeed(
    new_database: Callable[[str], str], make_host: MakeHost
) -> None:
    with upgraders(4) as processes:
        for kind in ["sqlite", "postgresql"] * ROUNDS:
            url = new_database(kind)
            upgrade_at_once(processes, url)
            host = make_host(url)
            host.succeed("check")
            assert host.table_names() == TABLE_NAMES | {VERSION_TABLE}


def test_an_upgrade_waits_for_the_one_before_it(postgres_database_url: str) -> None:
    """While another session holds the lock, no upgrade begins; it goes on when that one ends."""
    engine = sa.create_engine(postgres_database_url)
    with upgraders(1) as (upgrader,):
        with migration_lock(engine) as connection:
            upgrader.ask(postgres_database_url)
            waiting = sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database() AND query LIKE '%advisory%'"
            )
            while not connection.scalar(waiting):
                connection.rollback()
            assert sa.inspect(connection).get_table_names() == []
        assert upgrader.answer()["exit_code"] == 0
