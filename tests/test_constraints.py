"""What the tables themselves refuse, whatever the code above them does."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from .hosts import Host

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
REVERSAL = {
    "stripe_payment_intent_id": "pi_1",
    "amount": 1,
    "currency": "usd",
    "status": "succeeded",
    "live_rank": 20,
    "created_at": NOW,
    "updated_at": NOW,
}


def _refused(host: Host, model: type[Any], *rows: dict[str, Any]) -> bool:
    """Whether the last of these rows is what the database refuses."""
    table = model.__table__
    with host.app.app_context(), host.db.engine.connect() as connection:
        for row in rows[:-1]:
            connection.execute(sa.insert(table), row)
        try:
            connection.execute(sa.insert(table), rows[-1])
        except sa.exc.IntegrityError:
            return True
    return False


def test_S3_one_session_payment_and_key_belong_to_one_purchase(host: Host) -> None:
    row = host.add_purchase(stripe_payment_intent_id="pi_1", idempotency_key="order-1")
    other = {
        "id": uuid.uuid4(),
        "stripe_checkout_session_id": "cs_test_2",
        "stripe_payment_intent_id": "pi_2",
        "idempotency_key": "order-2",
    }
    assert not _refused(host, host.credits.Purchase, row | other)
    for column in other:
        same = row | other | {column: row[column]}
        assert _refused(host, host.credits.Purchase, same), f"two rows with one {column}"
    another_user = row | other | {"idempotency_key": "order-1", "user_id": "bob"}
    assert not _refused(host, host.credits.Purchase, another_user)


def test_S3_I3_a_purchase_has_one_grant_to_a_sequence(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase)
    (grant,) = host.grants()
    assert not _refused(host, host.credits.Grant, grant | {"id": uuid.uuid4(), "sequence": 2})
    assert _refused(host, host.credits.Grant, grant | {"id": uuid.uuid4()})
    assert _refused(host, host.credits.Grant, grant | {"sequence": 2})


def test_S3_what_stripe_names_is_there_once(host: Host) -> None:
    host.pay(host.add_purchase())
    (event,) = host.rows(host.credits.WebhookEvent)
    assert _refused(host, host.credits.WebhookEvent, event)
    for model, key in (
        (host.credits.Refund, "stripe_refund_id"),
        (host.credits.Dispute, "stripe_dispute_id"),
    ):
        row = REVERSAL | {key: "x_1"}
        assert not _refused(host, model, row, row | {key: "x_2"})
        assert _refused(host, model, row, row | {"amount": 2})
    payment = {"stripe_payment_intent_id": "pi_new"}
    assert _refused(host, host.credits.Payment, payment, payment)


def test_S7_B18_money_and_credits_are_whole_numbers_of_64_bits(host: Host) -> None:
    """Read from the database, not from the models."""
    with host.app.app_context():
        inspector = sa.inspect(host.db.engine)
        found: dict[str, str] = {
            f"{table}.{column['name']}": str(column["type"])
            for table in inspector.get_table_names()
            if table.startswith("credit_")
            for column in inspector.get_columns(table)
        }
    fractions = ("NUMERIC", "DECIMAL", "FLOAT", "REAL", "DOUBLE", "MONEY")
    assert [name for name, type_ in found.items() if type_.startswith(fractions)] == []
    words = ("amount", "credits")
    amounts = {name: type_ for name, type_ in found.items() if name.split(".")[1].startswith(words)}
    assert len(amounts) >= 9
    assert set(amounts.values()) | {found["credit_packages.unit_amount"]} == {"BIGINT"}


@pytest.mark.parametrize("value", [0.5, 1000.5, "1000", None])
def test_B17_no_fraction_and_no_text_gets_into_a_grant(host: Host, value: Any) -> None:
    """SQLite would keep them in an integer column; the code never writes one."""
    purchase = host.add_purchase()
    host.pay(purchase, amount_subtotal=value, amount_total=value)
    assert host.grants() == []
    host.pay(host.add_purchase(user_id="bob"))
    assert [type(grant["credits"]) for grant in host.grants()] == [int]
