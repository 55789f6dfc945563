"""Accepts purchases in review, each in a process of its own that dies at one statement of it.

Arguments: the database's URL and Stripe's. Every line of the standard input is a purchase's id
and the number of the statement, from 1; the answer is the child's exit code, or minus the signal.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Any

import sqlalchemy as sa
import stripe  # noqa: F401 - once, not in every child

from flask_stripe_credits.facts import Ruling
from flask_stripe_credits.reviews import accept

from .hosts import make_host


def accept_and_die(database_url: str, stripe_url: str, purchase_id: str, fuse: int) -> None:
    host = make_host(database_url, tables=False, STRIPE_CREDITS_API_BASE=stripe_url)
    left = fuse

    def burn(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with host.app.app_context():
        sa.event.listen(host.db.engine, "before_cursor_execute", burn)
        sa.event.listen(host.db.engine, "commit", burn)
        accept(host.state, purchase_id, Ruling("olivia", "in another process"))


def in_a_child(database_url: str, stripe_url: str, purchase_id: str, fuse: int) -> int:
    # Before any thread and any connection: the child has all modules and nothing to share.
    child = os.fork()
    if child == 0:
        try:
            accept_and_die(database_url, stripe_url, purchase_id, fuse)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        purchase_id, fuse = line.split()
        print(in_a_child(*sys.argv[1:], purchase_id, int(fuse)), flush=True)
