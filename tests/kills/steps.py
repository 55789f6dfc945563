"""The steps of a request, patched into a real process from outside: the package knows none.

Every statement, every commit and the calls that matter are a step. Reaching one is published on
the board; if the fuse has burnt down, the process sends itself a signal right there.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine.default import DefaultDialect

from flask_stripe_credits import delivery, gateway, signals, stripe_objects, unit_of_work
from flask_stripe_credits.web import api, webhook
from flask_stripe_credits.webhooks import receive

from .board import Slot

_TABLES = re.compile(r"\b(?:credit_[a-z_]+|ledger_entry)\b")


class Steps:
    """Where this process publishes the step that it has reached."""

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.trace: int | None = None

    def begin(self) -> None:
        if self.slot is not None:
            self.slot.requests += 1
            self.slot.inside = True
        self.reached("request")

    def end(self) -> None:
        if self.slot is not None:
            self.slot.inside = False

    def reached(self, name: str) -> None:
        slot = self.slot
        if slot is None or not slot.inside:
            return
        slot.step = name
        if self.trace is not None:
            os.write(self.trace, f"{name}\n".encode())
        fuse = slot.fuse
        if fuse:
            slot.fuse = fuse - 1
            if fuse == 1:
                os.kill(os.getpid(), slot.weapon)


class CountedBody:
    """A WSGI answer; the request ends when its last byte was handed to the kernel."""

    def __init__(self, body: Iterable[bytes], end: Callable[[], None]) -> None:
        self._body, self._end = body, end

    def __iter__(self) -> Any:
        return iter(self._body)

    def close(self) -> None:
        self._end()
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def patch(app: Flask, steps: Steps) -> Callable[..., Iterable[bytes]]:
    """Patch the steps into this process; return the WSGI application to serve."""
    _patch_calls(steps)
    _patch_statements(steps)

    def counted(environ: Any, start_response: Any) -> Iterable[bytes]:
        try:
            steps.begin()
            body = app(environ, start_response)
            steps.reached("before response")
        except SystemExit:
            # The server's library would answer 500 and live on.
            os._exit(0)
        return CountedBody(body, steps.end)

    return counted


def _patch_calls(steps: Steps) -> None:
    returning: tuple[tuple[Any, str, str], ...] = (
        (webhook, "read_body", "read body"),
        (receive, "verify_signature", "verify"),
        (stripe_objects.Event, "from_payload", "parse"),
        (api._purchase_request, "load", "validate"),
        (unit_of_work.UnitOfWork, "__enter__", "BEGIN"),
    )
    for owner, name, step in returning:
        _around(owner, name, lambda: None, partial(steps.reached, step))
    surrounded: tuple[tuple[Any, str, str], ...] = (
        (gateway.Gateway, "create_checkout_session", "Stripe"),
        (gateway.Gateway, "retrieve_checkout_session", "Stripe"),
        (gateway.Gateway, "list_refunds_of", "Stripe"),
        (delivery, "_call_in_turn", "signal"),
        (signals.purchase_completed, "send", "signal"),
        (signals.purchase_reversed, "send", "signal"),
        (signals.purchase_restored, "send", "signal"),
        (DefaultDialect, "do_commit", "COMMIT"),
    )
    for owner, name, step in surrounded:
        before = partial(steps.reached, f"before {step}")
        _around(owner, name, before, partial(steps.reached, f"after {step}"))


def _around(
    owner: Any, name: str, before: Callable[[], object], after: Callable[[], object]
) -> None:
    original = getattr(owner, name)

    def patched(*arguments: Any, **options: Any) -> Any:
        before()
        result = original(*arguments, **options)
        after()
        return result

    # A class method comes bound out of its class and must not be bound again.
    setattr(owner, name, staticmethod(patched) if inspect.ismethod(original) else patched)


def _patch_statements(steps: Steps) -> None:
    def after_statement(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        found = _TABLES.search(statement)
        verb = statement.split(None, 1)[0]
        steps.reached(f"{verb} {found[0]}" if found else verb)

    sa.event.listen(sa.Engine, "after_cursor_execute", after_statement)
    sa.event.listen(sa.Engine, "connect", lambda *_: steps.reached("connect"))


def reach_every_call(steps: Steps) -> None:
    """Make every call of a function of the package a step, in this process and from now on."""
    package = str(Path(unit_of_work.__file__).parent)

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(package):
            steps.reached(f"call {Path(code.co_filename).stem}.{code.co_qualname}")

    sys.setprofile(note)
