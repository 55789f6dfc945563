"""What became of a purchase, in words. They say only what is so, whatever the address claims."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from ...facts import Decision, PurchaseStatus, Row
from ..own_purchases import OwnPurchase
from . import formats
from .texts import plural, text


@dataclass(frozen=True, slots=True)
class Label:
    """A status as a chip says it.

    :ivar tone: good, wait, bad or quiet.
    """

    word: str
    tone: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a purchase stands.

    :ivar is_open: something is still to come by itself: the page asks again.
    :ivar is_due: it should come within seconds: if it doesn't, the page says what to do.
    :ivar is_payable: its payment page is still open.
    :ivar is_hopeless: it can't be paid any more: the buyer may start anew.
    """

    label: Label
    title: str
    words: str
    is_open: bool = False
    is_due: bool = False
    is_payable: bool = False
    is_hopeless: bool = False


def label_of(row: Row) -> Label:
    """The status of a purchase in one or two words."""
    if row["status"] == PurchaseStatus.COMPLETED and row["amount_refunded"]:
        return Label(text("Partly refunded"), "quiet")
    if row["status"] == PurchaseStatus.FAILED and row["review_decision"] == Decision.DISMISSED:
        return Label(text("Closed"), "quiet")
    return status_labels()[row["status"]]


def status_labels() -> dict[str, Label]:
    """What each status is called."""
    return {
        PurchaseStatus.COMPLETED: Label(text("Paid"), "good"),
        PurchaseStatus.PENDING: Label(text("Not paid yet"), "wait"),
        PurchaseStatus.PROCESSING: Label(text("Processing"), "wait"),
        PurchaseStatus.FAILED: Label(text("Failed"), "bad"),
        PurchaseStatus.EXPIRED: Label(text("Expired"), "quiet"),
        PurchaseStatus.REFUNDED: Label(text("Refunded"), "quiet"),
        PurchaseStatus.DISPUTED: Label(text("Disputed"), "bad"),
        PurchaseStatus.REVIEW: Label(text("Being checked"), "wait"),
    }


def outcome_of(found: OwnPurchase, *, returned: str, now: dt.datetime) -> Outcome:
    """Put into words how the purchase stands.

    :param returned: ``paid`` or ``left``, as the link of Stripe's page says; else from elsewhere.
    """
    if found.row["status"] == PurchaseStatus.PENDING:
        return _pending(found.row, returned, now)
    return _SETTLED[found.row["status"]](found)


def _pending(row: Row, returned: str, now: dt.datetime) -> Outcome:
    label = label_of(row)
    ends = row["expires_at"]
    is_payable = row["checkout_url"] is not None and (ends is None or ends > now)
    if returned == "paid":
        words = text(
            "This usually takes a few seconds. "
            "Your credits are added as soon as the payment is confirmed."
        )
        label = Label(text("Confirming"), "wait")
        return Outcome(label, text("Confirming your payment …"), words, is_open=True, is_due=True)
    if returned == "left":
        words = text(
            "No payment has arrived and no credits were added. "
            "If your card was declined, you can go on with another one."
        )
        title = text("You left the payment page")
        return Outcome(label, title, words, is_open=True, is_payable=is_payable)
    words = text("No payment has arrived so far and no credits were added.")
    return Outcome(label, text("Not paid yet"), words, is_open=True, is_payable=is_payable)


def _processing(found: OwnPurchase) -> Outcome:
    words = text(
        "Your bank hasn't confirmed the payment yet. With a bank debit that can take several "
        "business days. Your credits are added as soon as it does; you can close this page."
    )
    return Outcome(
        label_of(found.row), text("Your payment is being processed"), words, is_open=True
    )


def _completed(found: OwnPurchase) -> Outcome:
    row, posted = found.row, found.posted
    label = label_of(row)
    is_coming = not posted.is_delivered and not _is_dismissed(found)
    if row["amount_refunded"]:
        words = text(
            "%(refunded)s of %(paid)s were refunded.",
            refunded=formats.money(row["amount_refunded"], row["currency"]),
            paid=formats.money(row["amount_paid"], row["currency"]),
        )
        words = f"{words} {_kept(found)}{_asking(found)}"
        return Outcome(label, text("Partly refunded"), words, is_open=is_coming)
    if _is_closed(found):
        words = f"{_kept(found)}{_asking(found)}"
        return Outcome(Label(text("Closed"), "quiet"), text("Closed"), words)
    if is_coming or posted.credits <= 0:
        words = text("Your credits are on their way and will be there in a moment.")
        return Outcome(label, text("Payment received"), words, is_open=True, is_due=True)
    title = plural(
        "%(credits)s credit was added",
        "%(credits)s credits were added",
        posted.credits,
        credits=formats.number(posted.credits),
    )
    if not row["amount_paid"]:
        return Outcome(label, title, text("Thank you."))
    paid = formats.money(row["amount_paid"], row["currency"])
    return Outcome(
        label, title, text("Thank you. Your payment of %(paid)s has arrived.", paid=paid)
    )


def _refunded(found: OwnPurchase) -> Outcome:
    row = found.row
    paid = formats.money(row["amount_paid"], row["currency"])
    words = text("Your payment of %(paid)s was refunded.", paid=paid)
    return Outcome(label_of(row), text("Refunded"), f"{words} {_kept(found)}")


def _disputed(found: OwnPurchase) -> Outcome:
    words = text("The payment is disputed at the bank, and its credits depend on how that ends.")
    if _is_dismissed(found):
        words = text("The payment is disputed at the bank.")
    return Outcome(label_of(found.row), text("Payment disputed"), f"{words} {_kept(found)}")


def _kept(found: OwnPurchase) -> str:
    kept: int | None = found.posted.credits
    if _is_dismissed(found):
        # What wasn't delivered by then never is.
        kept = found.posted.delivered
    if kept is None:
        return text("This purchase was closed and no credits were added.")
    if kept <= 0:
        return text("None of the credits of this purchase count any more.")
    return text(
        "%(kept)s of the %(credits)s credits of this purchase remain.",
        kept=formats.number(kept),
        credits=formats.number(found.row["amount_credits"]),
    )


def _asking(found: OwnPurchase) -> str:
    """Whom to turn to, where nothing goes on by itself any more."""
    if not _is_closed(found):
        return ""
    told = text("Please contact us and give us the reference below.")
    return f" {told}"


def _is_closed(found: OwnPurchase) -> bool:
    """Dismissed, and the credits that the money is for aren't there, or not as they should be."""
    posted = found.posted
    return _is_dismissed(found) and (not posted.is_delivered or posted.credits <= 0)


def _is_dismissed(found: OwnPurchase) -> bool:
    return bool(found.row["review_decision"] == Decision.DISMISSED)


def _review(found: OwnPurchase) -> Outcome:
    words = text(
        "Something about this purchase needs a closer look, which a person is going to take. "
        "Until then its credits stay as they are."
    )
    return Outcome(label_of(found.row), text("This purchase is being checked"), words)


def _failed(found: OwnPurchase) -> Outcome:
    label = label_of(found.row)
    if _is_dismissed(found):
        words = text("This purchase was closed and no credits were added.")
        return Outcome(label, text("Closed"), words, is_hopeless=True)
    words = text(
        "Your bank didn't make the payment, so no credits were added. "
        "You can try again, also with another way to pay."
    )
    return Outcome(label, text("The payment failed"), words, is_hopeless=True)


def _expired(found: OwnPurchase) -> Outcome:
    words = text(
        "It wasn't paid in time and can't be paid any more. "
        "No payment has arrived and no credits were added."
    )
    title = text("This purchase has expired")
    return Outcome(label_of(found.row), title, words, is_hopeless=True)


_SETTLED: dict[str, Callable[[OwnPurchase], Outcome]] = {
    PurchaseStatus.PROCESSING: _processing,
    PurchaseStatus.COMPLETED: _completed,
    PurchaseStatus.REFUNDED: _refunded,
    PurchaseStatus.DISPUTED: _disputed,
    PurchaseStatus.REVIEW: _review,
    PurchaseStatus.FAILED: _failed,
    PurchaseStatus.EXPIRED: _expired,
}
