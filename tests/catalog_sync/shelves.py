"""What the tests of sync do: run the command, look at Stripe, change packages on both sides."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from stripe import StripeClient

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from ..payloads import new_api_key

CODES = ["starter", "standard", "pro", "enterprise"]
REFUSED = " (until then Stripe refuses every checkout)"
# For what no database takes part in.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def sync(host: Host, *arguments: str) -> Result:
    """Run ``flask credits sync``; anything but an exit code is a bug."""
    result = host.app.test_cli_runner().invoke(args=["credits", "sync", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def applied(host: Host, *arguments: str) -> list[str]:
    """Apply everything; return the lines."""
    result = sync(host, "--apply", *arguments)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def told(lines: list[str], code: str) -> str:
    """Return what was told of one package."""
    (line,) = (line for line in lines if line.startswith(f"{code}: "))
    return line.removeprefix(f"{code}: ")


def planned(host: Host, code: str) -> str:
    """Return what would be done for one package."""
    return told(sync(host).output.splitlines(), code).removesuffix(REFUSED)


def in_sync(host: Host) -> bool:
    return sync(host).exit_code == 0


def packages(host: Host, *arguments: str, stdin: str | None = None) -> None:
    """Run ``flask credits packages``."""
    result = host.app.test_cli_runner().invoke(
        args=["credits", "packages", *arguments], input=stdin
    )
    assert result.exit_code == 0, result.output


def buy(host: Host, code: str) -> dict[str, Any]:
    """Open a checkout and return the purchase."""
    answer = host.client.post(f"{PREFIX}/purchase", json={"package_code": code})
    assert answer.status_code in (200, 201), answer.text
    return host.purchase((answer.json or {})["purchase_id"])


def pay(host: Host, sandbox: Sandbox, purchase: dict[str, Any]) -> None:
    """Pay an open checkout and deliver Stripe's event."""
    session_id = purchase["stripe_checkout_session_id"]
    sandbox.pay(session_id)
    (event,) = (
        event
        for event in sandbox.events("checkout.session.completed")
        if event["data"]["object"]["id"] == session_id
    )
    assert host.post_event(event).json == {"received": True, "verdict": "handled"}


def at_stripe(sandbox: Sandbox, kind: str) -> list[dict[str, Any]]:
    """All objects of a kind, oldest first."""
    return list(reversed(list(sandbox.store.find(kind))))


def one(sandbox: Sandbox, kind: str, id: str) -> dict[str, Any]:
    return next(found for found in at_stripe(sandbox, kind) if found["id"] == id)


def dashboard(sandbox: Sandbox) -> StripeClient:
    """Stripe in the hands of somebody at the Dashboard."""
    return StripeClient(new_api_key(), base_addresses={"api": sandbox.url})


def row_of(host: Host, code: str) -> dict[str, Any]:
    (row,) = host.rows(host.credits.Package, package_code=code)
    return row


def change(host: Host, code: str, **values: Any) -> None:
    """Change a row behind everybody's back."""
    table = host.state.models.table(host.credits.Package)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.package_code == code).values(values))


def audited(host: Host, action: str) -> list[dict[str, Any]]:
    rows = sorted(host.rows(host.credits.AuditLog, action=action), key=lambda row: row["id"])
    return [row["details"] | {"by": row["actor"]} for row in rows]
