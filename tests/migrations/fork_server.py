"""A process that runs ``flask`` in forks of itself, which have its imports behind them.

Each line of input is one run: its arguments, environment, folder and the file for its output. The
answer is its exit code. Alembic isn't imported: a host does that as late as it may.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys

IMPORTED = (
    *("flask.cli", "flask_sqlalchemy", "marshmallow", "marshmallow.validate", "psycopg"),
    *("sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite"),
)


def become(arguments: list[str], environment: dict[str, str], folder: str, output: str) -> None:
    """What the system does for a new process."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, number in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(descriptor, number)
    sys.path[0] = folder
    sys.argv = ["flask", *arguments]


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
            runpy.run_module("flask", run_name="__main__", alter_sys=True)
            sys.exit()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
