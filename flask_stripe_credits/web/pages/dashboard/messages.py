"""What a button came to, told on the page that follows. Kept in the session, not the address:
nobody can make a link that claims something was done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flask import session

from ....errors import FulfillmentError
from ....outbox import described

_KEY = "_stripe_credits_message"
# A browser drops a session's cookie of more than 4 kB, and signs the operator out.
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence.

    :ivar tone: ``good``, ``wait`` or ``bad``.
    """

    text: str
    tone: str = "good"


def leave_message(text: str, tone: str = "good") -> None:
    """Have the next page say ``text``."""
    session[_KEY] = asdict(Message(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…", tone))


def told(error: Exception) -> str:
    """An error as it may be shown, and be kept in the browser: of a receiver's only the class."""
    return described(error) if isinstance(error, FulfillmentError) else str(error)


def take_message() -> Message | None:
    """The message that was left, which isn't told again."""
    found: dict[str, Any] | None = session.pop(_KEY, None)
    return None if found is None else Message(**found)
