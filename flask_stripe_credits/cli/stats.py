"""``flask credits stats``: the figures of a period."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import click
from flask.cli import with_appcontext

from ..errors import InvalidFilter, StripeCreditsError
from ..money import Money
from ..reading import reading
from ..reports import Bucket, CurrencyFigures, Figures, Funnel, Period, Takings, figures
from ..state import AppState, current_state
from ..web.figures_schema import figures_document
from .mode import mode_if_known
from .moments import Since
from .tables import table

_MONEY = ("PURCHASES", "GROSS", "REFUNDED", "DISPUTED", "NET")


@click.command("stats")
@click.option(
    "--since",
    type=Since(),
    default="30d",
    show_default=True,
    help="From then on: 35d, 12h, a date or time.",
)
@click.option("--until", type=Since(future=True), help="Until just before then; default: now.")
@click.option("--package", "package_code", metavar="CODE", help="Only of this package.")
@click.option(
    "--bucket",
    type=click.Choice([str(one) for one in Bucket]),
    help="How long a step of the series is; default: what suits the period.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object; money in minor units.")
@with_appcontext
def stats_command(
    since: dt.datetime,
    until: dt.datetime | None,
    package_code: str | None,
    bucket: str | None,
    as_json: bool,
) -> None:
    """Show what was sold, and how the shop does: money, credits, buyers, webhooks.

    The same figures as the operator's dashboard and the admin API. Reads only, and asks nobody
    but the database. Days, weeks and months are those of UTC.
    """
    try:
        state = current_state()
        found = _read(state, Period(since, until), package_code, bucket)
    except InvalidFilter as error:
        raise click.UsageError(f"--{error.field}: {error}") from None
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(figures_document(found)))
        return
    click.echo(mode_if_known(state))
    click.echo("\n\n".join(_sections(found)))


def _read(state: AppState, period: Period, package_code: str | None, bucket: str | None) -> Figures:
    step = None if bucket is None else Bucket(bucket)
    with reading(state) as connection:
        return figures(connection, state.models, period, package_code, bucket=step)


def _sections(found: Figures) -> Iterator[str]:
    package = "all packages" if found.package_code is None else f"package {found.package_code}"
    yield f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC, {package}"
    yield _checkouts(found.funnel)
    if found.currencies:
        yield _money(found)
        yield _gone_back(found)
        yield _buyers(found)
    if found.packages:
        yield _packages(found)
    yield _credits(found)
    yield _series(found)
    yield _health(found)


def _checkouts(funnel: Funnel) -> str:
    def row(name: str, number: int) -> tuple[str, str, str]:
        percent = funnel.percent(number)
        return name, f"{number:,}", "" if percent is None else f"{percent} %"

    rows = [
        row("opened", funnel.opened),
        row("paid", funnel.paid),
        row("granted", funnel.granted),
        row("abandoned", funnel.expired),
        row("failed", funnel.failed),
        row("on their way", funnel.processing),
        row("still open", funnel.pending),
        row("in review", funnel.review),
    ]
    return table(("CHECKOUTS", "", ""), rows, numbers={1, 2})


def _money(found: Figures) -> str:
    rows = [
        (one.currency, *_takings(one.currency, one.total), _amount(one.total.average, one.currency))
        for one in found.currencies
    ]
    return table(("MONEY", *_MONEY, "AVERAGE"), rows, numbers=range(1, 7))


def _gone_back(found: Figures) -> str:
    rows = [
        (f"{one.currency} {name}", *parts)
        for one in found.currencies
        for name, back in (("refunds", one.refunds), ("disputes", one.disputes))
        for parts in [
            (f"{back.number:,}", _amount(back.amount, one.currency), f"{back.without_effect:,}")
        ]
    ]
    return table(("MONEY THAT WENT BACK", "", "AMOUNT", "WITHOUT EFFECT"), rows, numbers={1, 2, 3})


def _buyers(found: Figures) -> str:
    return table(
        ("BUYERS UNTIL THEN", "", "PURCHASES", "NET", "LIFETIME VALUE"),
        [_lifetime(one) for one in found.currencies],
        numbers={1, 2, 3, 4},
    )


def _lifetime(one: CurrencyFigures) -> tuple[str, ...]:
    lifetime = one.lifetime
    return (
        one.currency,
        f"{lifetime.buyers:,}",
        f"{lifetime.takings.purchases:,}",
        _amount(lifetime.takings.net, one.currency),
        _amount(lifetime.value, one.currency),
    )


def _packages(found: Figures) -> str:
    rows = [
        (
            one.package_code,
            one.package_name or "",
            f"{one.purchases:,}",
            _amount(one.gross, one.currency),
            f"{one.credits:,}",
        )
        for one in found.packages
    ]
    heading = ("PACKAGES", "", "PURCHASES", "GROSS", "CREDITS")
    return table(heading, rows, numbers={2, 3, 4})


def _credits(found: Figures) -> str:
    average = found.average_credits
    rows = [
        ("bought", f"{found.credits_sold:,}"),
        ("a purchase", "" if average is None else f"{average:,}"),
        ("granted", f"{found.credits.granted:,}"),
        ("taken back", f"{found.credits.taken_back:,}"),
    ]
    return table(("CREDITS", ""), rows, numbers={1})


def _series(found: Figures) -> str:
    """What happened in each step, but for those in which nothing did."""
    rows = []
    for place, start in enumerate(found.starts):
        day, credits = f"{start:%Y-%m-%d}", found.credits_in_steps[place]
        for one in found.currencies:
            if one.steps[place] != Takings():
                rows.append((day, one.currency, *_takings(one.currency, one.steps[place]), "", ""))
        if credits.granted or credits.taken_back:
            words = (f"{credits.granted:,}", f"{credits.taken_back:,}")
            rows.append((day, "credits", *[""] * len(_MONEY), *words))
    heading = (f"BY {found.bucket.upper()}", "", *_MONEY, "GRANTED", "TAKEN BACK")
    return table(heading, rows, numbers=range(2, 9)) if rows else f"{heading[0]}: nothing"


def _health(found: Figures) -> str:
    verdicts = ", ".join(f"{number:,} {name}" for name, number in found.webhooks.verdicts.items())
    last, oldest = found.webhooks.last_handled_at, found.undelivered.oldest_at
    waiting = found.waiting
    rows = [
        ("events", verdicts or "none"),
        ("last handled", "never" if last is None else f"{last:%Y-%m-%d %H:%M} UTC"),
        ("failed now", f"{found.webhooks.failed_now:,}"),
        (
            "to decide on",
            f"{waiting.purchases:,} purchases, {waiting.events:,} events, "
            f"{waiting.orphans:,} orphans",
        ),
        (
            "undelivered",
            f"{found.undelivered.grants:,} grants"
            + ("" if oldest is None else f", the oldest of {oldest:%Y-%m-%d %H:%M} UTC"),
        ),
    ]
    return table(("WEBHOOKS", ""), rows)


def _takings(currency: str, takings: Takings) -> tuple[str, ...]:
    amounts = (takings.gross, takings.refunded, takings.disputed, takings.net)
    return f"{takings.purchases:,}", *(_amount(amount, currency) for amount in amounts)


def _amount(amount: int | None, currency: str) -> str:
    return "" if amount is None else str(Money(amount, currency))
