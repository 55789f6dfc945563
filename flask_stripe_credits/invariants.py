"""What must be true of every purchase and its grants, whatever happened. Pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .facts import Decision, Reversals, Row, posts_nothing, results_of, target

# Facts and grants are written together, so a moment would do; nobody is woken up for a moment.
OVERDUE = dt.timedelta(minutes=5)

NOTHING_WENT_BACK = Reversals()


class Rule(StrEnum):
    """The invariants, by the name that operators read."""

    CONSERVATION = "conservation"
    PAID_NOT_GRANTED = "paid_not_granted"
    GRANTED_TWICE = "granted_twice"
    SEQUENCE = "sequence"
    FIRST_GRANT = "first_grant"
    BOUNDS = "bounds"
    USER = "user"
    RESULT = "result"
    FACT = "fact"
    DECISION = "decision"
    CURRENCY = "currency"
    SHARED = "shared"
    UNDELIVERED = "undelivered"
    DELIVERY_ORDER = "delivery_order"
    STRAY = "stray"
    LOG = "log"


_POST_THE_DIFFERENCE = "`flask credits reconcile --apply` asks Stripe and posts the difference"
_BY_HAND = (
    "somebody or something else wrote to our tables: find out who before you mend it; "
    "`flask credits purchases show ID` tells the purchase's story"
)

WHAT_TO_DO = {
    Rule.CONSERVATION: _POST_THE_DIFFERENCE,
    Rule.PAID_NOT_GRANTED: _POST_THE_DIFFERENCE,
    Rule.GRANTED_TWICE: _BY_HAND,
    Rule.SEQUENCE: _BY_HAND,
    Rule.FIRST_GRANT: _BY_HAND,
    Rule.BOUNDS: _BY_HAND,
    Rule.USER: _BY_HAND,
    Rule.RESULT: "`flask credits reconcile --apply` computes it again",
    Rule.FACT: _BY_HAND,
    Rule.DECISION: _BY_HAND,
    Rule.CURRENCY: "compare it with Stripe's Dashboard; it takes no credits back",
    Rule.SHARED: "the database lacks a unique constraint: run `flask credits db check`",
    Rule.UNDELIVERED: "look at the credit manager, then run `flask credits deliver`",
    Rule.DELIVERY_ORDER: _BY_HAND,
    Rule.LOG: "a line of the audit log is missing: find out who deletes there",
    Rule.STRAY: "was a backup restored? Compare with Stripe: `flask credits reconcile`",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """One invariant that doesn't hold.

    :ivar purchase_id: 36 characters; None when it isn't about one purchase.
    :ivar problem: what is wrong, with the numbers.
    """

    rule: Rule
    problem: str
    purchase_id: str | None = None

    @property
    def what_to_do(self) -> str:
        return WHAT_TO_DO[self.rule].replace(" ID`", f" {self.purchase_id or 'ID'}`")

    def __str__(self) -> str:
        whose = "" if self.purchase_id is None else f" purchase {self.purchase_id}:"
        return f"{self.rule}:{whose} {self.problem}"


@dataclass(frozen=True, slots=True)
class Account:
    """All that the database knows about one purchase.

    :ivar grants: by sequence.
    :ivar foreign: refunds and disputes of its payment that are in another currency.
    """

    purchase: Row
    grants: Sequence[Row] = ()
    reversals: Reversals = NOTHING_WENT_BACK
    foreign: Sequence[str] = ()

    @property
    def posted(self) -> int:
        """The credits of all grants."""
        return sum(grant["credits"] for grant in self.grants)

    def due(self, *, allow_free: bool) -> int:
        """The credits that should be posted; what is posted where a decision keeps it so."""
        if posts_nothing(self.purchase):
            return self.posted
        return target(self.purchase, self.reversals, allow_free=allow_free)


def breaches_of(account: Account, *, allow_free: bool, now: dt.datetime) -> Iterator[Breach]:
    """Check one purchase.

    :param now: aware; what is overdue is measured against it.
    """
    purchase_id = str(account.purchase["id"])
    due = account.due(allow_free=allow_free)
    checks = (
        _conservation(account, due, now),
        _ledger(account),
        _results(account, due),
        _facts(account),
        _delivery(account, now),
    )
    for check in checks:
        for rule, problem in check:
            yield Breach(rule, problem, purchase_id)


_Found = Iterator[tuple[Rule, str]]


def _conservation(account: Account, due: int, now: dt.datetime) -> _Found:
    posted, paid_at = account.posted, account.purchase["paid_at"]
    if posted == due:
        return
    if not account.grants and paid_at is not None and paid_at < now - OVERDUE:
        yield Rule.PAID_NOT_GRANTED, f"paid since {paid_at:%Y-%m-%d %H:%M}, {due} credits are due"
    else:
        yield Rule.CONSERVATION, f"{due} credits are due, {posted} are posted"


def _ledger(account: Account) -> _Found:
    """The grants by themselves: in a row, the first one the purchase, never too much."""
    grants, credits = account.grants, account.purchase["amount_credits"]
    firsts = [grant["sequence"] for grant in grants if grant["reason"] == "purchase"]
    if len(firsts) > 1:
        yield Rule.GRANTED_TWICE, f"grants {_listed(firsts)} all have the reason `purchase`"
    sequences = [grant["sequence"] for grant in grants]
    if sequences != list(range(1, len(grants) + 1)):
        yield Rule.SEQUENCE, f"its grants are numbered {_listed(sequences)}"
    elif grants and (grants[0]["credits"] < 0 or grants[0]["reason"] != "purchase"):
        first = f"{grants[0]['credits']} credits for the reason `{grants[0]['reason']}`"
        yield Rule.FIRST_GRANT, f"its first grant is {first}"
    elif len(firsts) < 2:
        yield from _bounds(grants, credits)
    for grant in grants:
        if grant["user_id"] != account.purchase["user_id"]:
            whose = f"{grant['user_id']!r}, the purchase {account.purchase['user_id']!r}"
            yield Rule.USER, f"grant {grant['sequence']} belongs to {whose}"


def _bounds(grants: Sequence[Row], credits: int) -> _Found:
    balance = 0
    for grant in grants:
        balance += grant["credits"]
        if not 0 <= balance <= credits:
            yield Rule.BOUNDS, f"{balance} of {credits} credits after grant {grant['sequence']}"


def _results(account: Account, due: int) -> _Found:
    """The columns that follow from the facts."""
    purchase = account.purchase
    expected = results_of(purchase, account.reversals, due)
    if account.posted == due:
        expected["completed_at"] = account.grants[0]["created_at"] if account.grants else None
    for name, value in expected.items():
        if purchase[name] != value:
            yield Rule.RESULT, f"{name} is {purchase[name]}, the facts say {value}"


def _facts(account: Account) -> _Found:
    purchase = account.purchase
    if purchase["paid_at"] is not None:
        for name in ("amount_paid", "stripe_checkout_session_id"):
            if purchase[name] is None:
                yield Rule.FACT, f"it is paid, but {name} is empty"
    elif purchase["amount_paid"] is not None:
        yield Rule.FACT, f"amount_paid is {purchase['amount_paid']}, but it isn't paid"
    decision = purchase["review_decision"]
    if decision is not None:
        if decision not in tuple(Decision):
            yield Rule.DECISION, f"nobody can decide `{decision}`"
        for name in ("review_reason", "reviewed_at", "reviewed_by", "review_note"):
            if purchase[name] is None:
                yield Rule.DECISION, f"it is {decision}, but {name} is empty"
    for fact in account.foreign:
        yield Rule.CURRENCY, f"{fact}, the purchase is in {purchase['currency']}"


def _delivery(account: Account, now: dt.datetime) -> _Found:
    waiting = [grant for grant in account.grants if grant["delivered_at"] is None]
    if not waiting:
        return
    first = waiting[0]
    overtaken = [
        grant["sequence"]
        for grant in account.grants
        if grant["delivered_at"] is not None and grant["sequence"] > first["sequence"]
    ]
    if overtaken:
        earlier = f"before {first['sequence']}"
        yield Rule.DELIVERY_ORDER, f"grants {_listed(overtaken)} were delivered {earlier}"
    # A refused grant waits for the decision, and after a dismissal for nothing.
    if first["created_at"] < now - OVERDUE and not posts_nothing(account.purchase):
        since = f"grant {first['sequence']} since {first['created_at']:%Y-%m-%d %H:%M}"
        tries = f"{first['attempts']} attempts, last error: {first['last_error']}"
        yield Rule.UNDELIVERED, f"{len(waiting)} grants wait, {since} ({tries})"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
