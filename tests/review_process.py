"""Accepts purchases in review, each in a process of its own that dies at one statement of it.

Arguments: the database's URL and Stripe's. Every line of the standard input is a purchase's id
and the number of the statement, from 1; the answer is the child's exit code, or minus the signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
import uuid
from typing import Any

import sqlalchemy as sa
import stripe  # noqa: F401 - once, not in every child

from flask_stripe_credits.errors import ReviewError
from flask_stripe_credits.facts import Ruling
from flask_stripe_credits.reviews import accept

from .hosts import Host, make_host

RULING = Ruling("olivia", "in another process")


def warm_up(host: Host) -> None:
    """Import and compile what every child would; no connection may outlive the fork."""
    with host.app.app_context():
        with contextlib.suppress(ReviewError):
            accept(host.state, str(uuid.uuid4()), RULING)
        host.db.engine.dispose()


def accept_and_die(host: Host, purchase_id: str, fuse: int) -> None:
    left = fuse

    def burn(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with host.app.app_context():
        sa.event.listen(host.db.engine, "before_cursor_execute", burn)
        sa.event.listen(host.db.engine, "commit", burn)
        accept(host.state, purchase_id, RULING)


def in_a_child(host: Host, purchase_id: str, fuse: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            accept_and_die(host, purchase_id, fuse)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    database_url, stripe_url = sys.argv[1:]
    shop = make_host(database_url, tables=False, STRIPE_CREDITS_API_BASE=stripe_url)
    warm_up(shop)
    for line in sys.stdin:
        purchase_id, fuse = line.split()
        print(in_a_child(shop, purchase_id, int(fuse)), flush=True)
