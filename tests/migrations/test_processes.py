from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa

from flask_stripe_credits.host_migrations import VERSION_TABLE
from flask_stripe_credits.migration_lock import migration_lock
from flask_stripe_credits.models import TABLE_NAMES

from .conftest import MakeHost

UPGRADER = Path(__file__).with_name("upgrader.py")
PROCESSES = 4
ROUNDS = 3


@contextmanager
def upgraders(count: int) -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, str(UPGRADER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.append(stack.enter_context(process))
        for process in started:
            assert answer(process) == "ready"
        yield started


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ask(process: subprocess.Popen[str], url: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{url}\n")
    process.stdin.flush()


def test_four_processes_upgrading_at_once_all_succeed(
    new_database: Callable[[str], str], make_host: MakeHost
) -> None:
    with upgraders(PROCESSES) as processes:
        for kind in ["sqlite", "postgresql"] * ROUNDS:
            url = new_database(kind)
            for process in processes:
                ask(process, url)
            results = [json.loads(answer(process)) for process in processes]
            assert Counter((result["exit_code"], result["output"]) for result in results) == {
                (0, "Applied 0001: Create the credit tables.\n"): 1,
                (0, "Nothing to do: the credit tables are at that revision already\n"): PROCESSES
                - 1,
            }
            host = make_host(url)
            host.succeed("check")
            assert host.table_names() == TABLE_NAMES | {VERSION_TABLE}


def test_an_upgrade_waits_for_the_one_before_it(postgres_database_url: str) -> None:
    """While another session holds the lock, no upgrade begins; it goes on when that one ends."""
    engine = sa.create_engine(postgres_database_url)
    with upgraders(1) as (upgrader,):
        with migration_lock(engine) as connection:
            ask(upgrader, postgres_database_url)
            waiting = sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database() AND query LIKE '%advisory%'"
            )
            while not connection.scalar(waiting):
                connection.rollback()
            assert sa.inspect(connection).get_table_names() == []
        assert json.loads(answer(upgrader))["exit_code"] == 0
