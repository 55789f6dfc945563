"""A process that upgrades, in a child that kills itself: ``DIRECTORY`` has the revisions.

Each line of input is a database, the revision to bring it to and the number of the changing
statement before which the child dies. The answer is that statement, or null if there were fewer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flask_stripe_credits import revisions

from .upgrader import upgrade

CHANGES = ("ALTER ", "CREATE ", "DROP ", "INSERT ", "UPDATE ")


def upgrade_until(url: str, revision: str, last: int, told: int) -> None:
    count = 0

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def before(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        nonlocal count
        count += statement.lstrip().startswith(CHANGES)
        if count == last:
            os.write(told, statement.encode()[:4000])
            os.kill(os.getpid(), signal.SIGKILL)

    result = upgrade(url, revision)
    os._exit(int(str(result["exit_code"])))


def died_at(url: str, revision: str, last: int) -> str | None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        upgrade_until(url, revision, last, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        statement = told.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return statement
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError("the upgrade failed")
    return None


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    revisions.migrations_directory = lambda: directory
    upgrade("sqlite://")
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(died_at(*json.loads(line))), flush=True)
