"""What type checkers have to report: an ignored line without an error is an error itself."""

# A decorator that was refused leaves no type, which needn't be said twice.
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

import flask_stripe_credits
from flask_stripe_credits import GrantSnapshot, Money, StripeCredits
from flask_stripe_credits.mail import Letter

credits = StripeCredits()


@credits.on_grant  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def needs_what_nobody_hands_over(user: str) -> None: ...


@credits.on_grant  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def takes_the_grant_for_its_id(grant: str) -> None: ...


@credits.on_purchase_completed  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def needs_one_more(grant: GrantSnapshot, session: object, more: int) -> None: ...


@credits.user_id_loader  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def wants_the_user_id(user_id: str) -> str:
    return user_id


@credits.admin_check  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
async def is_always_true() -> bool:
    return False


@credits.balance_loader  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def says_it_in_words(user_id: str) -> str:
    return "many"


@credits.mail_sender  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def takes_two(letter: Letter, queue: str) -> None: ...


@credits.on_grant
def changes_the_grant(grant: GrantSnapshot) -> None:
    grant.credits = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    grant.credit  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018


# A decorated function stays what it is.
changes_the_grant("its id")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
credits.Purchases  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
credits.on_refund  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
Money(9.99, "usd")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
StripeCredits(db="sqlite://")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
flask_stripe_credits.StripeCredit  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
flask_stripe_credits.mail.sent  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
