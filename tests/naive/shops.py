"""Webhook handlers as they are usually written, and ours, behind one interface.

The five orders of steps that were measured before this package was written: what each of them
gets wrong is what our tests must be able to see.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from flask_stripe_credits.webhooks.signature import verify_signature

from ..hosts import PREFIX, Host
from ..payloads import encode, sign

Document = dict[str, Any]
Handler = Callable[[Host, Session, Document], None]


class Shop:
    """A host whose webhook is either ours or a naive one."""

    def __init__(self, host: Host, handler: Handler | None) -> None:
        self.host = host
        self.path = f"{PREFIX}/webhook"
        if handler is not None:
            self.path = serve(host, handler)

    def deliver(self, document: Document) -> TestResponse:
        body = encode(document)
        header = {"Stripe-Signature": sign(body, self.host.webhook_secret)}
        return self.host.client.post(self.path, data=body, headers=header)

    def deliver_until_taken(self, document: Document) -> None:
        for _ in range(5):
            if self.deliver(document).status_code == 200:
                return
        raise RuntimeError("never taken: the check proves nothing")


def serve(host: Host, handler: Handler) -> str:
    """Have ``host``'s app serve ``handler`` too; return its path."""
    path = f"/naive/{handler.__name__}"
    host.app.add_url_rule(path, path, _view(host, handler), methods=["POST"])
    return path


def _view(host: Host, handler: Handler) -> Callable[[], tuple[str, int]]:
    def webhook() -> tuple[str, int]:
        body = request.get_data()
        header = request.headers.get("Stripe-Signature")
        verify_signature(body, header, host.state.settings.webhook_secrets, 300)
        try:
            handler(host, host.db.session(), request.get_json(force=True))
        except sa.exc.OperationalError:
            host.db.session.rollback()
            return "", 503
        return "", 200

    return webhook


def _purchase(host: Host, session: Session, document: Document) -> Any:
    key = uuid.UUID(document["data"]["object"]["metadata"]["purchase_id"])
    return session.execute(
        sa.select(host.credits.Purchase).where(host.credits.Purchase.id == key)
    ).scalar_one()


def _allocate(host: Host, session: Session, purchase: Any, key: str | None = None) -> None:
    """What the credit manager does when it hears the signal."""
    session.add(
        host.LedgerEntry(
            id=key or str(uuid.uuid4()),
            user_id=purchase.user_id,
            credits=purchase.amount_credits,
        )
    )
    session.flush()


def _note_event(host: Host, session: Session, document: Document) -> bool:
    """Whether the event is new."""
    now = dt.datetime.now(dt.UTC)
    session.add(
        host.credits.WebhookEvent(
            stripe_event_id=document["id"],
            type=document["type"],
            verdict="handled",
            received_at=now,
            updated_at=now,
        )
    )
    try:
        session.flush()
    except sa.exc.IntegrityError:
        session.rollback()
        return False
    return True


def complete_then_signal(host: Host, session: Session, document: Document) -> None:
    """The guide's order: set completed, commit, then signal."""
    purchase = _purchase(host, session, document)
    if purchase.status == "completed":
        return
    purchase.status = "completed"
    session.commit()
    _allocate(host, session, purchase)
    session.commit()


def signal_then_complete(host: Host, session: Session, document: Document) -> None:
    """The credit manager commits its own work first."""
    purchase = _purchase(host, session, document)
    if purchase.status == "completed":
        return
    _allocate(host, session, purchase)
    session.commit()
    purchase.status = "completed"
    session.commit()


def event_id_first(host: Host, session: Session, document: Document) -> None:
    """The event id is stored and committed, then the work is done."""
    if not _note_event(host, session, document):
        return
    session.commit()
    purchase = _purchase(host, session, document)
    _allocate(host, session, purchase)
    purchase.status = "completed"
    session.commit()


def event_id_in_one_transaction(host: Host, session: Session, document: Document) -> None:
    """Duplicates are told apart by the event's id only."""
    if not _note_event(host, session, document):
        return
    purchase = _purchase(host, session, document)
    _allocate(host, session, purchase)
    purchase.status = "completed"
    session.commit()


def guarded_update(host: Host, session: Session, document: Document) -> None:
    """One transaction, decided by an UPDATE and backed by a unique key: right, if nothing else."""
    purchase = _purchase(host, session, document)
    table = host.credits.Purchase.__table__
    failed = document["type"].endswith("async_payment_failed")
    changed = session.execute(
        sa.update(table)
        .where(table.c.id == purchase.id, table.c.status == "pending")
        .values(status="failed" if failed else "completed")
    )
    if changed.rowcount and not failed:
        _allocate(host, session, purchase, key=str(purchase.id))
    session.commit()


NAIVE: tuple[Handler, ...] = (
    complete_then_signal,
    signal_then_complete,
    event_id_first,
    event_id_in_one_transaction,
    guarded_update,
)
