"""What is written to whom: one letter for one grant, or for a payment that failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flask import current_app

from ..balances import balance_of
from ..config import Delivery
from ..snapshots import GrantSnapshot, PurchaseSnapshot
from ..state import AppState
from ..web.pages import formats, texts

_FOLDER = "flask_stripe_credits/mail"
_LONGEST_SUBJECT = 200
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\\]{1,255}\Z")


class Kind(StrEnum):
    """What a letter is about; each has templates of this name."""

    PURCHASE = "purchase"
    REFUND = "refund"
    DISPUTE = "dispute"
    RESTORED = "restored"
    CORRECTED = "corrected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that is ready to be sent, of plain values: fit for a task queue.

    :ivar kind: ``purchase``, ``refund``, ``dispute``, ``restored``, ``corrected`` or ``failed``.
    :ivar purchase_id: 36 characters.
    :ivar user_id: whose purchase it is.
    :ivar message_id: the same at every try, so that a repeated one can be told.
    :ivar to: one address.
    :ivar subject: one line.
    :ivar text: all of it as plain text.
    :ivar html: the same as HTML.
    """

    kind: str
    purchase_id: str
    user_id: str
    message_id: str
    # What is in a letter is for its reader, not for logs.
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


def kind_of(grant: GrantSnapshot) -> Kind:
    """Return what a grant means to the buyer."""
    if grant.sequence == 1:
        return Kind.PURCHASE
    if grant.reason in ("refund_failed", "dispute_won") and grant.credits > 0:
        return Kind.RESTORED
    if grant.reason in ("refund", "dispute") and grant.credits < 0:
        return Kind(grant.reason)
    return Kind.CORRECTED


def is_address(text: object) -> bool:
    """Whether ``text`` is one plain mail address, which can't carry another header."""
    return isinstance(text, str) and text.isprintable() and _ADDRESS.match(text) is not None


def write(
    state: AppState, kind: Kind, to: str, purchase: PurchaseSnapshot, grant: GrantSnapshot | None
) -> Letter:
    """Fill a letter's templates in.

    Without the host's context processors: there may be no request, and what a page needs must not
    decide whether a buyer gets a mail.
    """
    values = _values(state, kind, purchase, grant)
    subject, text, html = (
        current_app.jinja_env.get_template(f"{_FOLDER}/{kind}.{part}").render(values)
        for part in ("subject.txt", "txt", "html")
    )
    about = purchase.id if grant is None else grant.id
    return Letter(
        kind=kind.value,
        purchase_id=purchase.id,
        user_id=purchase.user_id,
        message_id=f"<{kind}.{about}@{_domain(state)}>",
        to=to,
        subject=_one_line(subject),
        text=text.strip() + "\n",
        html=html,
    )


def _values(
    state: AppState, kind: Kind, purchase: PurchaseSnapshot, grant: GrantSnapshot | None
) -> Mapping[str, Any]:
    settings = state.settings
    # In the outbox the credit manager doesn't know of the grant yet: any balance would be old.
    known = kind is not Kind.FAILED and settings.delivery is not Delivery.OUTBOX
    pages = settings.pages is not None and settings.base_url is not None
    return {
        "purchase": purchase,
        "grant": grant,
        "balance": balance_of(state, purchase.user_id) if known else None,
        "history_url": f"{settings.base_url}{settings.pages}/history" if pages else None,
        "fsc": formats,
        "fsc_text": texts.text,
        "fsc_plural": texts.plural,
        "fsc_language": texts.language,
    }


def _one_line(text: str) -> str:
    """A subject can't begin another header, whatever a package is called."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    return " ".join(words)[:_LONGEST_SUBJECT]


def _domain(state: AppState) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", state.settings.site).strip(".-") or "local"
