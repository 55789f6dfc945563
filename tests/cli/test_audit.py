from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_stripe_credits.invariants import Rule

from ..docs.pages import read, tables
from ..hosts import Host, make_host


def audit(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "audit", *arguments])


def paid(host: Host) -> dict[str, Any]:
    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 200
    return purchase


def lose_credits(host: Host, purchase: dict[str, Any]) -> None:
    grants = host.state.models.table(host.credits.Grant)
    lost = sa.update(grants).where(grants.c.purchase_id == purchase["id"]).values(credits=999)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(lost)


def test_G05_exit_code_0_without_a_breach(host: Host) -> None:
    paid(host)
    result = audit(host)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "Stripe in test mode, site local",
        "1 purchases, 1 grants: 1000 credits due, 1000 posted, 0 breaches",
    ]


def test_G05_exit_code_1_and_the_purchase_the_numbers_and_what_to_do(host: Host) -> None:
    paid(host)
    purchase = paid(host)
    lose_credits(host, purchase)
    result = audit(host)
    assert result.exit_code == 1
    assert result.output.splitlines()[1:] == [
        f"BREACH conservation: purchase {purchase['id']}: 1000 credits are due, 999 are posted",
        "  what to do: `flask credits reconcile --apply` asks Stripe and posts the difference",
        "2 purchases, 2 grants: 2000 credits due, 1999 posted, 1 breaches",
    ]


def test_json_is_one_object_a_line(host: Host) -> None:
    purchase = paid(host)
    lose_credits(host, purchase)
    host.pay(host.add_purchase(), currency="eur")
    result = audit(host, "--json")
    assert result.exit_code == 1
    breach, summary = map(json.loads, result.output.splitlines())
    assert breach == {
        "rule": "conservation",
        "problem": "1000 credits are due, 999 are posted",
        "purchase_id": str(purchase["id"]),
        "what_to_do": "`flask credits reconcile --apply` asks Stripe and posts the difference",
    }
    assert summary == {
        "purchases": 2,
        "grants": 1,
        "credits_due": 1000,
        "credits_posted": 999,
        "breaches": 1,
        "waiting": {"purchase": 1, "event": 0, "orphan": 0, "failed event": 0},
    }


def test_what_waits_for_an_operator_is_said(host: Host) -> None:
    host.pay(host.add_purchase(), currency="eur")
    result = audit(host)
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "waiting: purchase: 1"


def test_it_needs_no_key_and_no_stripe(database_url: str) -> None:
    host = make_host(database_url, STRIPE_SECRET_KEY="", STRIPE_CREDITS_SITE="elsewhere")
    result = audit(host)
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == "Stripe in unknown mode, site elsewhere"


def test_exit_code_2_when_it_cannot_look(database_url: str) -> None:
    result = audit(make_host(database_url, tables=False))
    assert result.exit_code == 2
    assert "flask credits db upgrade" in result.output


@pytest.mark.parametrize("arguments", [["--nonsense"], ["everything"]])
def test_exit_code_2_for_wrong_arguments(sqlite_host: Host, arguments: list[str]) -> None:
    assert audit(sqlite_host, *arguments).exit_code == 2


def test_every_rule_is_on_the_page() -> None:
    rows = next(tables(read("how-to/audit.md")))
    assert [row[0].strip("`") for row in rows[1:]] == list(Rule)
