"""What the tests of reconciliation do: buy without webhooks, change rows, run the command."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host

CLEAN, SOMEBODY, DRIFT = 0, 1, 2
# For what no database takes part in.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def buy(host: Host, user: str = "alice", code: str = "starter") -> dict[str, Any]:
    """Open a checkout and return the purchase."""
    host.user = user
    answer = host.client.post(f"{PREFIX}/purchase", json={"package_code": code})
    assert answer.status_code in (200, 201), answer.text
    return host.purchase((answer.json or {})["purchase_id"])


def buy_and_pay(
    host: Host, stripe: Sandbox, user: str = "alice", code: str = "starter"
) -> dict[str, Any]:
    """Open a checkout and pay it; no webhook tells us."""
    purchase = buy(host, user, code)
    stripe.pay(purchase["stripe_checkout_session_id"])
    return purchase


def payment_of(stripe: Sandbox, purchase: dict[str, Any]) -> str:
    """Return the payment intent of a purchase, whether we know it or not."""
    intent: str = stripe.session(purchase["stripe_checkout_session_id"])["payment_intent"]
    return intent


def run(host: Host, *arguments: str) -> Result:
    """Run ``flask credits reconcile``; anything but an exit code is a bug."""
    result = host.app.test_cli_runner().invoke(args=["credits", "reconcile", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def plan(host: Host, *arguments: str) -> list[str]:
    """Return the kinds of what differs, having made sure that looking changed nothing."""
    before = everything(host)
    found = kinds(host, *arguments)
    assert everything(host) == before
    return found


def kinds(host: Host, *arguments: str) -> list[str]:
    """Return the kinds of what a run tells, in order."""
    return [finding["kind"] for finding in findings(host, *arguments)]


def findings(host: Host, *arguments: str) -> list[dict[str, Any]]:
    """Return what a run tells."""
    *told, summary = run(host, "--json", *arguments).stdout.splitlines()
    assert json.loads(summary)["finished"]
    return [json.loads(line) for line in told]


def repair(host: Host) -> None:
    """Repair everything; all of it has to be repairable, and then nothing differs any more."""
    result = run(host, "--apply")
    assert result.exit_code == CLEAN, result.output
    assert_in_line(host)


def assert_in_line(host: Host) -> None:
    result = run(host)
    assert result.exit_code == CLEAN, result.output
    assert "nothing differs" in result.output


def everything(host: Host) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables."""
    with host.app.app_context(), host.db.engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in host.db.metadata.sorted_tables
        }


def change(host: Host, purchase: dict[str, Any], **values: Any) -> None:
    """Write into a purchase what nobody but a test writes."""
    table = host.credits.Purchase.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == purchase["id"]).values(values))


def make_older(host: Host, purchase: dict[str, Any], **ago: float) -> None:
    """Have a purchase be older than it is, by ``days=`` or ``hours=``."""
    change(host, purchase, created_at=purchase["created_at"] - dt.timedelta(**ago))


def make_older_at_stripe(stripe: Sandbox, id_: str, *, days: int) -> None:
    """Have something at Stripe be older than it is."""
    found = stripe.store.get_any(id_)
    assert found is not None
    created = found["created"] - days * 86_400
    stripe.store.save({**found, "created": created})
    stripe.store.query("UPDATE objects SET created = ? WHERE id = ?", created, id_)


def lose_rows(host: Host, *purchases: dict[str, Any]) -> None:
    """Forget purchases, as a restored backup does: their grants and events are gone as well."""
    ids = [purchase["id"] for purchase in purchases]
    credits = host.credits
    with host.app.app_context(), host.db.engine.begin() as connection:
        for model in (credits.WebhookEvent, credits.AuditLog, credits.Grant):
            table = model.__table__
            connection.execute(sa.delete(table).where(table.c.purchase_id.in_(ids)))
        table = credits.Purchase.__table__
        connection.execute(sa.delete(table).where(table.c.id.in_(ids)))
