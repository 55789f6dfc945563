"""``flask credits refund``: give a purchase's money back."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict

import click
import sqlalchemy as sa
from flask.cli import with_appcontext

from ..errors import GatewayUnavailable, RefundRefused, StripeCreditsError
from ..money import Money
from ..purchase_search import find_purchase
from ..reading import reading
from ..refunds import Refunded, RefundOutcome, refund_purchase
from ..state import AppState, current_state
from .actor import acting, by_option
from .mode import check_live, mode_and_site
from .tables import printable

_NOT_REFUNDED = 1


@click.command("refund")
@click.argument("purchase")
@click.option("--amount", help="In the purchase's currency: 12.50. Default: all that is left.")
@click.option(
    "--reason", help="duplicate, fraudulent, requested_by_customer, or words of your own."
)
@click.option("--again", is_flag=True, help="Make another refund like one that was made before.")
@by_option
@click.option("--live", is_flag=True, help="Say that live purchases are meant.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object; amounts in minor units.")
@with_appcontext
def refund_command(
    purchase: str,
    amount: str | None,
    reason: str | None,
    again: bool,
    by: str | None,
    live: bool,
    as_json: bool,
) -> None:
    """Give the money of PURCHASE back, and take its credits back.

    PURCHASE is any id that `purchases show` takes. Without --amount all that is left goes back;
    credits are taken in proportion. Safe to run again whatever happened: what was begun is gone
    on with, and what was made isn't made twice, unless --again says so. Exit code 1 when nothing
    went back, or it isn't known.
    """
    try:
        state = current_state()
        if not as_json:
            click.echo(mode_and_site(state))
        check_live(state, writes=True, live=live)
        purchase_id, currency = _find(state, purchase)
        minor = None if amount is None else _minor(amount, currency)
        outcome = refund_purchase(
            state, purchase_id, amount=minor, reason=reason, actor=acting(by), again=again
        )
    except GatewayUnavailable as error:
        hint = "" if error.answered else ": run the same command again, it goes on where it was"
        raise click.ClickException(f"{error}{hint}") from None
    except StripeCreditsError as error:
        raise click.ClickException(printable(str(error))) from None
    click.echo(json.dumps(asdict(outcome)) if as_json else _as_text(outcome))
    if outcome.refund_status in ("failed", "canceled"):
        raise SystemExit(_NOT_REFUNDED)


def _find(state: AppState, reference: str) -> tuple[uuid.UUID, str]:
    purchases = state.models.table(state.models.Purchase).c
    with reading(state) as connection:
        id = find_purchase(connection, state.models, reference)
        if id is None:
            raise RefundRefused(
                f"there is no purchase {reference}: `flask credits purchases list` finds one"
            )
        currency = connection.execute(sa.select(purchases.currency).where(purchases.id == id))
        return id, currency.scalar_one()


def _minor(amount: str, currency: str) -> int:
    try:
        return Money.parse(amount, currency).amount
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--amount") from None


def _as_text(outcome: RefundOutcome) -> str:
    amount = Money(outcome.amount, outcome.currency)
    lines = {
        Refunded.MADE: [f"refunded {amount}: {outcome.refund_id}, {outcome.refund_status}"],
        Refunded.RESUMED: [
            f"went on with request {outcome.request_id} of {outcome.actor}",
            f"refunded {amount}: {outcome.refund_id}, {outcome.refund_status}",
        ],
        Refunded.MADE_BEFORE: [
            f"nothing done: {amount} were refunded before, asked for by {outcome.actor}: "
            f"{outcome.refund_id}, {outcome.refund_status}",
            "  add --again to give as much back once more",
        ],
    }[outcome.how]
    taken = f"{outcome.credits_revoked:,} credits taken back in all"
    lines.append(f"purchase {outcome.purchase_id}: {outcome.status}, {taken}")
    if outcome.undelivered:
        waiting = f"{outcome.undelivered} grants are posted and not delivered yet"
        lines.append(f"  {waiting}: `flask credits deliver` hands them over")
    return "\n".join(map(printable, lines))
