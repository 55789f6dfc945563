"""The credit manager: an append-only ledger, and the receiver that fills it.

A balance is the sum of its entries. It may be negative: when a purchase is refunded after its
credits were spent, the ledger says so.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from sqlalchemy import BigInteger, DateTime, ForeignKey, String, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from flask_stripe_credits.errors import Refuse
from flask_stripe_credits.snapshots import GrantSnapshot

from .extensions import credits, db
from .users import User


class LedgerEntry(db.Model):
    """One change of a user's credits. Entries are added, never changed."""

    __tablename__ = "ledger_entries"

    # The grant's id for entries that come from purchases: the same grant can't be added twice.
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id), index=True)
    credits: Mapped[int] = mapped_column(BigInteger)  # signed
    reason: Mapped[str] = mapped_column(String(40))
    purchase_id: Mapped[str | None] = mapped_column(String(36), index=True)
    created_at: Mapped[dt.datetime] = mapped_column(
        DateTime(timezone=True), default=lambda: dt.datetime.now(dt.UTC)
    )


@credits.on_grant
def apply(grant: GrantSnapshot, session: Session) -> None:
    """Enter a purchase, refund or dispute; ``grant.credits`` is signed. Commits nothing."""
    if session.get(User, grant.user_id) is None:
        raise Refuse(f"there is no user {grant.user_id}")
    session.add(
        LedgerEntry(
            id=grant.id,
            user_id=grant.user_id,
            credits=grant.credits,
            reason=grant.reason,
            purchase_id=grant.purchase_id,
        )
    )


class NotEnoughCredits(Exception):
    """The balance doesn't cover what was asked for.

    :ivar balance: whole credits that are there.
    """

    def __init__(self, balance: int) -> None:
        super().__init__(f"only {balance:,} credits are left")
        self.balance = balance


@credits.balance_loader
def balance_of(user_id: str) -> int:
    """Return the user's credits; negative when more were taken back than were left."""
    entries = select(func.sum(LedgerEntry.credits)).where(LedgerEntry.user_id == user_id)
    return int(db.session.scalar(entries) or 0)


def entries_of(user_id: str, limit: int = 50) -> Sequence[LedgerEntry]:
    """Return the user's latest entries, the newest first."""
    newest = (LedgerEntry.created_at.desc(), LedgerEntry.id)
    entries = select(LedgerEntry).where(LedgerEntry.user_id == user_id).order_by(*newest)
    return db.session.scalars(entries.limit(limit)).all()


def spend(user_id: str, credits: int, reason: str) -> None:
    """Take ``credits`` (positive) from the user's balance and commit.

    :raises NotEnoughCredits: when the balance doesn't cover them; nothing is changed.
    """
    if credits <= 0:
        raise ValueError("credits to spend must be positive")
    # Lock first, then read: of two requests at once, the second sees what the first has spent.
    db.session.execute(update(User).where(User.id == user_id).values(id=User.id))
    balance = balance_of(user_id)
    if balance < credits:
        db.session.rollback()
        raise NotEnoughCredits(balance)
    db.session.add(
        LedgerEntry(id=str(uuid.uuid4()), user_id=user_id, credits=-credits, reason=reason)
    )
    db.session.commit()
