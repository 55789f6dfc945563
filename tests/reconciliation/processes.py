"""``flask credits reconcile`` as a process of its own, on a host's database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..hosts import Host

ROOT = Path(__file__).parents[2]
_APP = """
import atexit, json, os, pathlib, re, signal
import sqlalchemy as sa
from flask_stripe_credits.gateway import Gateway
from flask_stripe_credits.signals import grant_committed
from tests.hosts import make_host

host = make_host({url!r}, receiver=False, tables=False, **{settings!r})
app, calls = host.app, {{"inside": 0, "after": 0}}
counts = {{"statements": 0, "pages": 0}}
page_checkout_sessions = Gateway.page_checkout_sessions


def die(where):
    calls[where] += 1
    if calls[where] == 3 and os.environ["DIE"] == where:
        os.kill(os.getpid(), signal.SIGKILL)


@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count_statement(*_):
    counts["statements"] += 1


def count_page(*arguments, **named):
    counts["pages"] += 1
    return page_checkout_sessions(*arguments, **named)


Gateway.page_checkout_sessions = count_page


@atexit.register
def tell_counts():
    # What getrusage tells of a child is at least what its parent had.
    status = pathlib.Path("/proc/self/status").read_text()
    counts["peak"] = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
    pathlib.Path({counts!r}).write_text(json.dumps(counts))


@host.credits.on_grant
def book(grant, session):
    session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
    session.flush()
    die("inside")


@grant_committed.connect_via(app)
def told(*arguments, **named):
    die("after")
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    :ivar cpu_seconds: of its own, without the database's and Stripe's.
    :ivar peak_kilobytes: the most memory that it had; 0 when it was killed, as what follows.
    :ivar statements: what the database was told.
    :ivar pages: of Stripe's list of checkout sessions.
    """

    code: int
    output: str
    errors: str
    cpu_seconds: float
    peak_kilobytes: int
    statements: int
    pages: int


def reconcile_process(host: Host, folder: Path, *arguments: str, die: str = "") -> Ended:
    """Run the command to its end.

    :param die: ``inside`` the transaction of the third grant, or ``after`` its commit.
    """
    keys = ("STRIPE_SECRET_KEY", "STRIPE_CREDITS_API_BASE")
    app, out, err, counts = (folder / name for name in ("shop_app.py", "out", "err", "counts"))
    counts.write_text('{"peak": 0, "statements": 0, "pages": 0}')
    settings = {key: host.app.config[key] for key in keys}
    app.write_text(_APP.format(url=host.db_url, settings=settings, counts=str(counts)))
    with out.open("wb") as output, err.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", app, "credits", "reconcile", *arguments],
            env=os.environ | {"DIE": die, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    counted = json.loads(counts.read_text())
    return Ended(
        code=process.returncode,
        output=out.read_text(),
        errors=err.read_text(),
        cpu_seconds=cpu_seconds,
        peak_kilobytes=counted["peak"],
        statements=counted["statements"],
        pages=counted["pages"],
    )
