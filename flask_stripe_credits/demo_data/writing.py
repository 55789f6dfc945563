"""Write made-up purchases in bulk, and take them away again."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from ..checkout_params import build_params
from ..config import Settings
from ..errors import DemoDataRefused
from ..facts import PurchaseStatus
from ..models import Models
from ..origins import LOOPBACK_HOSTS
from ..snapshots import PurchaseSnapshot
from ..state import AppState
from ..unit_of_work import UnitOfWork, in_transaction
from .calendar import moments
from .marks import MARK, ids_of, new_purchase_id, new_stripe_id
from .people import People
from .plots import choose_plot
from .story import Row, Story, World
from .wares import Ware, fill_shelf

_PURCHASES_AT_A_TIME = 1_000
_API_VERSION = "2026-01-28.clover"
_SESSION_LASTS = dt.timedelta(hours=24)
_FALLBACK_URL = "http://localhost/credits?purchase={PURCHASE_ID}"


def make_demo_data(
    state: AppState,
    count: int,
    seed: int,
    until: dt.datetime,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, int]:
    """Write ``count`` made-up purchases of the year before ``until``. Commits once, at the end.

    The same seed, end and catalogue give the same rows. No receiver is called; the grants count
    as delivered.

    :param until: aware; the moment of the newest purchase, about.
    :param progress: told how many are written so far.
    :returns: how many rows were written, by table.
    :raises DemoDataRefused: it isn't the sandbox, or the database has real purchases or already
        those of this seed.
    :raises DatabaseBusy, TablesOutOfDate: nothing is written.
    """
    _require_sandbox(state.settings)
    return in_transaction(state, lambda uow: _make(uow, count, seed, until, progress))


def purge_demo_data(state: AppState) -> int:
    """Delete all made-up purchases with all that belongs to them; return how many. Commits.

    :raises DemoDataRefused: it isn't the sandbox.
    """
    _require_sandbox(state.settings)
    return in_transaction(state, _purge)


def _require_sandbox(settings: Settings) -> None:
    if settings.require_livemode():
        raise DemoDataRefused("the API key is a live key: demo data is for the sandbox only")
    host = urlsplit(settings.api_base or "").hostname or ""
    # The pytest plugin's sandbox, which is in this process, is below .localhost.
    if host not in LOOPBACK_HOSTS and not host.endswith(".localhost"):
        raise DemoDataRefused(
            "demo data is for the sandbox only: set STRIPE_CREDITS_API_BASE to its address, like "
            "http://127.0.0.1:5001"
        )


def _make(
    uow: UnitOfWork,
    count: int,
    seed: int,
    until: dt.datetime,
    progress: Callable[[int], object],
) -> dict[str, int]:
    _refuse_to_mix(uow, seed)
    tables = _Tables(uow)
    done = 0
    stories = _stories(uow, tables, count, seed, until)
    while batch := list(itertools.islice(stories, _PURCHASES_AT_A_TIME)):
        for story in batch:
            tables.add(story)
        tables.flush()
        done += len(batch)
        progress(done)
    return tables.written


def _refuse_to_mix(uow: UnitOfWork, seed: int) -> None:
    c = uow.models.table(uow.models.Purchase).c
    first, last = ids_of()
    real = sa.select(c.id).where(sa.or_(c.id < first, c.id > last)).limit(1)
    if uow.execute(real).first() is not None:
        raise DemoDataRefused("the database has purchases that aren't demo data: use another one")
    if uow.execute(sa.select(c.id).where(c.id.between(*ids_of(seed))).limit(1)).first():
        raise DemoDataRefused(f"seed {seed} is there already: take another, or --purge first")


def _stories(
    uow: UnitOfWork, tables: _Tables, count: int, seed: int, until: dt.datetime
) -> Iterator[Story]:
    settings, chance = uow.state.settings, random.Random(seed)  # noqa: S311 - no secret
    world = World(chance, until, settings.allow_free, _API_VERSION)
    people, shelf, forms = People(chance, seed), fill_shelf(uow), _Forms(settings)
    blank = dict.fromkeys(uow.models.table(uow.models.Purchase).c.keys())
    for number, at in enumerate(moments(count, until, chance), start=1):
        user_id, new = people.choose()
        if new:
            tables.add_buyer(user_id, at)
        row = blank | _opened(chance, seed, user_id, shelf.choose(chance), at, forms)
        story = Story(world, row)
        choose_plot(chance, count - number, count)(story)
        yield story


def _opened(
    chance: random.Random, seed: int, user_id: str, ware: Ware, at: dt.datetime, forms: _Forms
) -> Row:
    """A purchase whose checkout was just opened."""
    session_id = new_stripe_id(chance, "cs_test")
    row: Row = {
        "id": new_purchase_id(chance, seed),
        "user_id": user_id,
        "package_id": ware.package_id,
        "package_code": ware.package_code,
        "package_name": ware.package_name,
        "amount_credits": ware.credits,
        "unit_amount": ware.unit_amount,
        "currency": ware.currency,
        "stripe_price_id": ware.stripe_price_id,
        "stripe_checkout_session_id": session_id,
        "checkout_url": f"{forms.api_base}/c/pay/{session_id}",
        "checkout_attempt": 1,
        "expires_at": at + _SESSION_LASTS,
        "request_hash": f"{chance.getrandbits(256):064x}",
        "livemode": False,
        "status": PurchaseStatus.PENDING,
        "amount_refunded": 0,
        "credits_revoked": 0,
        "created_at": at,
        "updated_at": at,
    }
    row["checkout_params"] = forms.fill(row, ware)
    return row


class _Forms:
    """What was sent to Stripe, as wide as the real thing: it is most of a row."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.api_base = settings.api_base
        self._success_url = settings.success_url or _FALLBACK_URL
        self._cancel_url = settings.cancel_url or _FALLBACK_URL

    def fill(self, row: Row, ware: Ware) -> dict[str, Any]:
        names = dict.fromkeys(PurchaseSnapshot.__slots__)
        return build_params(
            PurchaseSnapshot.of(names | row),
            description=ware.description,
            stripe_price_id=ware.stripe_price_id,
            success_url=self._success_url,
            cancel_url=self._cancel_url,
            settings=self._settings,
            now=row["created_at"],
        )


class _Tables:
    """Rows that wait to be written, by table, in the order in which they can be."""

    def __init__(self, uow: UnitOfWork) -> None:
        models = uow.models
        self._uow = uow
        self._waiting: dict[str, list[Row]] = {}
        self._inserts: dict[str, sa.Insert] = {}
        self.written: dict[str, int] = {}
        for model in _written_by(models):
            table = models.table(model)
            self._waiting[table.name] = []
            self._inserts[table.name] = sa.insert(table).inline()
            self.written[table.name] = 0

    def add(self, story: Story) -> None:
        waiting = self._waiting
        waiting["credit_purchases"].append(story.row)
        waiting["credit_grants"] += story.grants
        waiting["credit_webhook_events"] += story.events
        waiting["credit_audit_log"] += story.log
        waiting["credit_refunds"] += story.refunds.values()
        waiting["credit_disputes"] += story.disputes.values()
        if story.payment_intent_id is not None:
            payment = {"stripe_payment_intent_id": story.payment_intent_id}
            waiting["credit_payments"].append(payment)

    def add_buyer(self, user_id: str, at: dt.datetime) -> None:
        buyer = {"user_id": user_id, "stripe_customer_id": None, "created_at": at}
        self._waiting["credit_buyers"].append(buyer)

    def flush(self) -> None:
        for name, rows in self._waiting.items():
            if rows:
                self._uow.connection.execute(self._inserts[name], rows)
                self.written[name] += len(rows)
                rows.clear()


def _written_by(models: Models) -> tuple[type[Any], ...]:
    return (
        models.Buyer,
        models.Purchase,
        models.Payment,
        models.Refund,
        models.Dispute,
        models.Grant,
        models.WebhookEvent,
        models.AuditLog,
    )


def _purge(uow: UnitOfWork) -> int:
    models, whose = uow.models, ids_of()
    table, purchases = models.table, models.table(models.Purchase)
    for rows in map(table, (models.Grant, models.AuditLog, models.RefundRequest)):
        uow.execute(sa.delete(rows).where(rows.c.purchase_id.between(*whose)))
    events = table(models.WebhookEvent)
    told = events.c.stripe_event_id.startswith(f"evt_{MARK}", autoescape=True)
    # An event that failed names no purchase; one that an operator had replayed may be Stripe's.
    uow.execute(sa.delete(events).where(sa.or_(told, events.c.purchase_id.between(*whose))))
    for rows in map(table, (models.Refund, models.Dispute, models.Payment)):
        made_up = rows.c.stripe_payment_intent_id.startswith(f"pi_{MARK}", autoescape=True)
        uow.execute(sa.delete(rows).where(made_up))
    gone: int = uow.execute(sa.delete(purchases).where(purchases.c.id.between(*whose))).rowcount
    buyers = table(models.Buyer)
    made_up = buyers.c.user_id.startswith(f"{MARK}-", autoescape=True)
    without = ~sa.exists().where(purchases.c.user_id == buyers.c.user_id)
    uow.execute(sa.delete(buyers).where(made_up, without))
    return gone
