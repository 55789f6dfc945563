"""Limits of one buyer hold for the whole shop: in every worker process and thread of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from flask_stripe_credits import checkout, checkout_limits
from flask_stripe_credits.errors import DatabaseBusy
from flask_stripe_credits.facts import Row
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.unit_of_work import UnitOfWork

from ..hosts import Host
from ..stripe_stub import EXPIRE, NewShop
from .test_purchase import at_once, buy

PROCESSES = 3
PER_HOUR = 5
OPEN = 2


class Worker:
    """One worker process of the shop."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    def ask(self, keys: list[str]) -> None:
        self._stdin.write(json.dumps(keys) + "\n")
        self._stdin.flush()

    def read(self) -> str:
        return self._stdout.readline().strip()


@contextmanager
def workers(host: Host, **settings: Any) -> Iterator[list[Worker]]:
    """Worker processes of the shop that ``host`` is, ready to sell."""
    settings["STRIPE_CREDITS_API_BASE"] = host.app.config["STRIPE_CREDITS_API_BASE"]
    command = [sys.executable, "-m", "tests.web.buyer_process", host.db_url, json.dumps(settings)]
    with ExitStack() as stack:
        started = [
            Worker(
                stack.enter_context(
                    subprocess.Popen(
                        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                    )
                )
            )
            for _ in range(PROCESSES)
        ]
        for worker in started:
            assert worker.read() == "ready"
        yield started


def test_D11_C13_C14_the_limits_hold_across_worker_processes(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    host = new_shop(database_url)
    limits = {
        "STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR": PER_HOUR,
        "STRIPE_CREDITS_MAX_OPEN_SESSIONS": OPEN,
    }
    with workers(host, **limits) as started:
        for number, worker in enumerate(started):
            worker.ask([f"order-{number}-{each}" for each in range(4)])
        answers = [answer for worker in started for answer in json.loads(worker.read())]
    statuses = Counter(answer["status"] for answer in answers)
    assert statuses == {201: PER_HOUR, 429: PROCESSES * 4 - PER_HOUR}
    for answer in answers:
        if answer["status"] == 429:
            assert 3_590 <= int(answer["retry_after"]) <= 3_600
    opened = [answer["session"] for answer in answers if answer["status"] == 201]
    at_stripe = Counter(stripe.session(session)["status"] for session in opened)
    assert at_stripe == {"open": OPEN, "expired": PER_HOUR - OPEN}
    here = Counter(row["status"] for row in host.purchases())
    assert here == {"pending": OPEN, "expired": PER_HOUR - OPEN}


def test_D11_C14_at_the_cap_parallel_checkouts_leave_the_newest_open(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    host = new_shop(database_url, STRIPE_CREDITS_MAX_OPEN_SESSIONS=3)
    answers = at_once(12, lambda number: buy(host, key=f"order-{number}"))
    assert {answer.status_code for answer in answers} == {201}
    rows = host.purchases()
    at_stripe = Counter(stripe.session(r["stripe_checkout_session_id"])["status"] for r in rows)
    assert at_stripe == {"open": 3, "expired": 9}
    assert Counter(row["status"] for row in rows) == {"pending": 3, "expired": 9}


def test_D11_a_session_that_is_being_closed_is_neither_handed_out_nor_closed_again(
    database_url: str, new_shop: NewShop, stripe: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    host = new_shop(database_url, STRIPE_CREDITS_MAX_OPEN_SESSIONS=1)
    closed: list[str] = []
    answers = [buy(host, "starter")]

    def click_again(session: Any) -> None:
        closed.append(session["id"])
        stripe.faults.next(EXPIRE, before_reply=lambda session: closed.append(session["id"]))
        answers.append(buy(host, "starter"))

    stripe.faults.next(EXPIRE, before_reply=click_again)
    second = buy(host, "standard")
    stripe.faults.clear()
    assert [answer.status_code for answer in (*answers, second)] == [201, 201, 201]
    first, third, other = [(answer.json or {})["session_id"] for answer in (*answers, second)]
    assert closed == [first, other]
    assert "could not be expired" not in caplog.text
    assert [stripe.session(each)["status"] for each in (first, other, third)] == [
        "expired",
        "expired",
        "open",
    ]


def test_D11_the_checkout_is_open_even_if_no_room_could_be_made(
    database_url: str, new_shop: NewShop, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = new_shop(database_url, STRIPE_CREDITS_MAX_OPEN_SESSIONS=1)
    first = (buy(host, "starter").json or {})["session_id"]

    def busy(*_: Any, **__: Any) -> None:
        raise DatabaseBusy("the database gave up")

    with monkeypatch.context() as patch:
        patch.setattr(checkout_limits, "settle", busy)
        answer = buy(host, "standard")
    assert answer.status_code == 201
    assert stripe.session((answer.json or {})["session_id"])["status"] == "open"
    assert stripe.session(first)["status"] == "expired"
    assert [row["checkout_claimed_until"] for row in host.purchases()] == [None, None]


def test_D11_C14_two_that_store_their_sessions_at_once_see_each_other(
    database_url: str, new_shop: NewShop, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = new_shop(database_url, STRIPE_CREDITS_MAX_OPEN_SESSIONS=1)
    host.user = "bob"
    buy(host)  # Whatever is slow the first time.
    host.user = "alice"
    both_stored = threading.Barrier(2)
    claim_superseded = checkout.claim_superseded

    def claim_once_both_stored(uow: UnitOfWork, row: Row) -> tuple[str, ...]:
        # Under the buyer's lock the second one never comes while the first one waits.
        with contextlib.suppress(threading.BrokenBarrierError):
            both_stored.wait(2.0)
        return claim_superseded(uow, row)

    monkeypatch.setattr(checkout, "claim_superseded", claim_once_both_stored)
    answers = at_once(2, lambda number: buy(host, key=f"order-{number}"))
    opened = [(answer.json or {})["session_id"] for answer in answers]
    assert sorted(stripe.session(session)["status"] for session in opened) == ["expired", "open"]
