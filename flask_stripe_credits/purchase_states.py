"""What a purchase's state means to an operator, and what helps next. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .facts import Decision, PurchaseStatus, Row, posts_nothing
from .money import Money


@dataclass(frozen=True, slots=True)
class State:
    """Where a purchase stands.

    :ivar meaning: a sentence for people.
    :ivar next: what can be done, in order of usefulness; names commands.
    """

    meaning: str
    next: tuple[str, ...] = ()


def state_of_purchase(purchase: Row, *, undelivered: Sequence[int] = ()) -> State:
    """Tell what the status of ``purchase`` means.

    :param purchase: a row of ``credit_purchases``.
    :param undelivered: the credits, signed, of each grant that the credit manager has not been
        handed.
    """
    state = _MEANINGS[PurchaseStatus(purchase["status"])](purchase)
    if undelivered and purchase["review_decision"] == Decision.DISMISSED:
        meaning = (
            f"{_money(purchase)} {purchase['reviewed_by']} dismissed it: {_never(undelivered)}."
        )
        return State(meaning, state.next)
    if undelivered and not posts_nothing(purchase):
        meaning = f"{state.meaning} {len(undelivered)} of its grants aren't delivered yet."
        state = State(meaning, ("`flask credits deliver` hands over what waits", *state.next))
    return state


def _money(purchase: Row) -> str:
    """What became of the money alone, where the credits are another story."""
    if purchase["status"] == PurchaseStatus.DISPUTED:
        return "The buyer's bank withdrew the money."
    if purchase["status"] == PurchaseStatus.REFUNDED:
        return "All that was paid went back."
    if purchase["amount_refunded"]:
        back, paid = _of(purchase, "amount_refunded"), _of(purchase, "amount_paid")
        return f"It is paid; {back} of {paid} went back."
    return "It is paid."


def _never(undelivered: Sequence[int]) -> str:
    given = sum(credits for credits in undelivered if credits > 0)
    taken = -sum(credits for credits in undelivered if credits < 0)
    what = [f"{given:,} credits"] if given else []
    what += [f"{taken:,} credits to take back"] if taken else []
    return f"{' and '.join(what)} were recorded and will never be handed over"


def _pending(purchase: Row) -> State:
    ask = "`flask credits reconcile --apply` asks Stripe whether it was paid"
    if purchase["stripe_checkout_session_id"] is None:
        return State("No checkout was opened at Stripe yet: the attempt was cut short.", (ask,))
    return State("The buyer has a checkout and hasn't paid, as far as we were told.", (ask,))


def _processing(purchase: Row) -> State:
    return State(
        "The buyer went through the checkout; the money is on its way, as a bank debit's is for "
        "days. No credits until it arrives.",
        ("`flask credits reconcile --apply` asks Stripe whether it arrived",),
    )


def _completed(purchase: Row) -> State:
    money = _refund(purchase)
    if not purchase["amount_refunded"]:
        return State("It is paid, and its credits are granted.", money)
    return State(
        f"It is paid; {_of(purchase, 'amount_refunded')} of {_of(purchase, 'amount_paid')} went "
        f"back, and {purchase['credits_revoked']:,} of {purchase['amount_credits']:,} credits "
        f"were taken back.",
        money,
    )


def _failed(purchase: Row) -> State:
    if purchase["review_decision"] == Decision.DISMISSED:
        meaning = f"{purchase['reviewed_by']} dismissed it: it never brings credits."
        return State(meaning, ("if money was paid for it, refund it in Stripe's Dashboard",))
    return State("The payment failed. Nothing was paid, and no credits were granted.")


def _expired(purchase: Row) -> State:
    return State("The checkout expired unpaid. The buyer can start another one.")


def _refunded(purchase: Row) -> State:
    meaning = "All that was paid went back"
    if purchase["review_decision"] == Decision.DISMISSED:
        return State(f"{meaning}; its credits stay as they were when it was dismissed.")
    return State(f"{meaning}, and all of its credits were taken back.")


def _disputed(purchase: Row) -> State:
    meaning = (
        "The buyer's bank withdrew the money, and the credits for it were taken back. They are "
        "given back if the dispute is won."
    )
    if purchase["review_decision"] == Decision.DISMISSED:
        meaning = (
            "The buyer's bank withdrew the money; its credits stay as they were when it was "
            "dismissed."
        )
    return State(meaning, ("answer the dispute in Stripe's Dashboard before its deadline",))


def _review(purchase: Row) -> State:
    id, reason = purchase["id"], purchase["review_reason"]
    return State(
        f"It waits for a decision and no credits move: {reason}.",
        (
            f'`flask credits review accept {id} --reason "…"` has it count as Stripe says',
            f'`flask credits review dismiss {id} --reason "…"` leaves it as it is, for good',
        ),
    )


def _refund(purchase: Row) -> tuple[str, ...]:
    if not purchase["amount_paid"]:
        return ()
    return (f"`flask credits refund {purchase['id']}` gives the money back",)


def _of(purchase: Row, column: str) -> Money:
    return Money(purchase[column] or 0, purchase["currency"])


_MEANINGS: dict[PurchaseStatus, Callable[[Row], State]] = {
    PurchaseStatus.PENDING: _pending,
    PurchaseStatus.PROCESSING: _processing,
    PurchaseStatus.COMPLETED: _completed,
    PurchaseStatus.FAILED: _failed,
    PurchaseStatus.EXPIRED: _expired,
    PurchaseStatus.REFUNDED: _refunded,
    PurchaseStatus.DISPUTED: _disputed,
    PurchaseStatus.REVIEW: _review,
}
