"""Accepts a purchase in review in a process of its own, and dies at one statement of it.

Arguments: the database's URL, Stripe's, the purchase and the number of the statement, from 1.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import sqlalchemy as sa

from flask_stripe_credits.facts import Ruling
from flask_stripe_credits.reviews import accept

from .hosts import make_host


def main(database_url: str, stripe_url: str, purchase_id: str, fuse: str) -> None:
    host = make_host(database_url, tables=False, STRIPE_CREDITS_API_BASE=stripe_url)
    left = int(fuse)

    def burn(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with host.app.app_context():
        sa.event.listen(host.db.engine, "before_cursor_execute", burn)
        sa.event.listen(host.db.engine, "commit", burn)
        accept(host.state, purchase_id, Ruling("olivia", "in another process"))


if __name__ == "__main__":
    main(*sys.argv[1:])
