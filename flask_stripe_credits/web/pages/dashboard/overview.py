"""The overview: figures of a period, from :mod:`....reports` and nowhere else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import render_template, request, url_for

from ....reading import reading
from ....reports import CurrencyFigures, Figures, Period, figures
from ....state import current_state
from ..texts import plural, text
from . import words
from .charts import share
from .dates import span
from .drawings import credits_drawing, revenue_drawing
from .messages import take_message
from .packages import package_names
from .selection import EVERYTHING, PRESETS, Selection, read_selection


@dataclass(frozen=True, slots=True)
class Preset:
    """A link to a usual period."""

    label: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the conversion: how many got there, and of how many in percent."""

    label: str
    number: int
    percent: Decimal | None


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that somebody should look at."""

    text: str
    url: str | None = None


def overview(actor: str) -> str:
    """The page with all figures."""
    state = current_state()
    selection = read_selection(request.args, dt.datetime.now(dt.UTC).date())
    with reading(state) as connection:
        found = figures(connection, state.models, _period(selection), selection.package_code)
        packages = package_names(connection, state.models)
    currencies = in_order_of_size(found.currencies)
    return render_template(
        "flask_stripe_credits/dashboard/overview.html",
        selection=selection,
        presets=_presets(selection),
        packages=packages,
        period=span(found.since.date(), _last_day(found)),
        figures=found,
        currencies=currencies,
        drawings={one.currency: revenue_drawing(found, one) for one in currencies},
        credits=credits_drawing(found),
        stages=list(stages(found)),
        endings=list(endings(found)),
        concerns=list(concerns(found)),
        most_bought=max((one.purchases for one in found.packages), default=0),
        share=share,
        message=take_message(),
        words=words,
    )


def _period(selection: Selection) -> Period:
    since, now = selection.since, dt.datetime.now(dt.UTC)
    # The future has no figures; a period that lies in it is empty.
    if since is not None and selection.until is None and since >= now:
        return Period(since, since + dt.timedelta(days=1))
    return Period(since, selection.until)


def _last_day(found: Figures) -> dt.date:
    return (found.until - dt.timedelta(microseconds=1)).date()


def in_order_of_size(currencies: Sequence[CurrencyFigures]) -> list[CurrencyFigures]:
    """Those with anything to tell, the one with most purchases first."""
    told = [
        one
        for one in currencies
        if one.total.purchases or one.refunds.number or one.disputes.number
    ]
    return sorted(told, key=lambda one: (-one.total.purchases, one.currency))


def stages(found: Figures) -> Iterator[Stage]:
    """How far the checkouts of the period got."""
    funnel = found.funnel
    for label, number in (
        (text("Opened"), funnel.opened),
        (text("Paid"), funnel.paid),
        (text("Granted"), funnel.granted),
    ):
        yield Stage(label, number, funnel.percent(number))


def endings(found: Figures) -> Iterator[Stage]:
    """Where those are that weren't paid; only what there is."""
    funnel = found.funnel
    for label, number in (
        (text("Abandoned"), funnel.expired),
        (text("Failed"), funnel.failed),
        (text("Still open"), funnel.pending),
        (text("Bank debit on its way"), funnel.processing),
        (text("In review"), funnel.review),
    ):
        if number:
            yield Stage(label, number, funnel.percent(number))


def concerns(found: Figures) -> Iterator[Concern]:
    """What waits for somebody now, whatever the period."""
    waiting = found.waiting.purchases + found.waiting.events + found.waiting.orphans
    if waiting:
        told = plural(
            "One thing waits for a decision",
            "%(count)s things wait for a decision",
            waiting,
            count=f"{waiting:,}",
        )
        yield Concern(told, url_for("stripe_credits_pages.dashboard_reviews"))
    failed = found.webhooks.failed_now
    if failed:
        yield Concern(
            plural(
                "One event of Stripe's failed and wasn't handled since",
                "%(count)s events of Stripe's failed and weren't handled since",
                failed,
                count=f"{failed:,}",
            ),
            url_for("stripe_credits_pages.dashboard_reviews"),
        )
    grants = found.undelivered.grants
    if grants:
        yield Concern(
            plural(
                "One grant waits for the credit manager",
                "%(count)s grants wait for the credit manager",
                grants,
                count=f"{grants:,}",
            )
        )


def _presets(selection: Selection) -> list[Preset]:
    names = {
        "7d": text("7 days"),
        "30d": text("30 days"),
        "90d": text("90 days"),
        "12m": text("1 year"),
        EVERYTHING: text("All"),
    }
    endpoint = "stripe_credits_pages.dashboard"
    links: list[Preset] = []
    for preset in (*PRESETS, EVERYTHING):
        values: dict[str, Any] = selection.query(preset)
        links.append(Preset(names[preset], url_for(endpoint, **values), selection.preset == preset))
    return links
