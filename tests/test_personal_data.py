"""What is kept about people, held against the page that says so, and how it is taken out."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flask_stripe_credits.models import build_models
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from .docs.pages import sections
from .hosts import PREFIX, Host
from .stripe_stub import NewShop

# Texts that can't be about a person: ours, Stripe's ids and words, and what is for sale.
ABOUT_NOBODY = {
    "credit_packages": "package_code package_name description currency stripe_product_id "
    "stripe_price_id",
    "credit_purchases": "package_code package_name currency stripe_price_id "
    "stripe_checkout_session_id checkout_url request_hash stripe_payment_intent_id "
    "review_decision status",
    "credit_refund_requests": "stripe_refund_id",
    "credit_payments": "stripe_payment_intent_id",
    "credit_refunds": "stripe_refund_id stripe_payment_intent_id currency status package_code",
    "credit_disputes": "stripe_dispute_id stripe_payment_intent_id currency status package_code",
    "credit_grants": "reason cause package_code",
    "credit_webhook_events": "stripe_event_id type object_id api_version verdict error_class",
    "credit_audit_log": "action",
}


def test_every_column_that_could_hold_something_about_a_person_is_on_the_page() -> None:
    told = set(
        re.findall(r"`(credit_\w+\.\w+)`", sections("explanation/security.md")["Personal data"])
    )
    assert told == {
        f"{table.name}.{column.name}"
        for table in build_models(sa.MetaData()).tables
        for column in table.columns
        if isinstance(column.type, (sa.String, sa.JSON))
        and column.name not in ABOUT_NOBODY.get(table.name, "").split()
    }


def test_what_is_about_nobody_is_a_column() -> None:
    tables = {table.name: table for table in build_models(sa.MetaData()).tables}
    for name, columns in ABOUT_NOBODY.items():
        assert set(columns.split()) <= set(tables[name].columns.keys())


# The card's last four digits on their own: within a random id they may be.
LAST_FOUR = re.compile(r"(?<![\w-])4242(?![\w-])")


def bought(shop: Host, stripe: Sandbox, marker: str) -> dict[str, Any]:
    """A purchase that was paid at Stripe's page, half of it refunded, and told to us."""
    answer = shop.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert answer.status_code == 201, answer.text
    session_id = answer.json["session_id"]
    stripe.pay(session_id, email=f"{marker}@shop.test", name=marker, wait_seconds=None)
    intent = stripe.session(session_id)["payment_intent"]
    stripe.refund(intent, 500)
    assert LAST_FOUR.search(json.dumps(stripe.events()))
    for told in stripe.events():
        if told["data"]["object"].get("payment_intent") == intent:
            assert shop.post_event(told).status_code == 200
    (purchase,) = shop.purchases(id=shop.purchases()[-1]["id"])
    assert (purchase["status"], purchase["credits_revoked"]) == ("completed", 500)
    return purchase


def test_no_key_no_card_and_nothing_of_the_payer_is_in_the_database_file(
    new_shop: NewShop, stripe: Sandbox
) -> None:
    shop = new_shop()
    marker = secrets.token_hex(8)
    purchase = bought(shop, stripe, marker)
    with shop.app.app_context():
        with shop.db.engine.connect() as connection:
            for table in shop.state.models.tables:
                rows = str(connection.execute(sa.select(table)).all())
                assert LAST_FOUR.search(rows) is None, table.name
        shop.db.engine.dispose()
    file = Path(shop.db_url.removeprefix("sqlite:///")).read_bytes()
    assert purchase["stripe_payment_intent_id"].encode() in file
    for secret in (
        shop.app.config["STRIPE_SECRET_KEY"],
        shop.webhook_secret,
        shop.app.config["SECRET_KEY"],
        "4242424242424242",
        marker,
    ):
        assert secret.encode() not in file, secret


def test_a_user_can_be_erased_and_the_books_still_hold(shop: Host, stripe: Sandbox) -> None:
    """As the page says: another id in three columns, and two columns emptied."""
    shop.user = f"user-{secrets.token_hex(8)}"
    purchase = bought(shop, stripe, secrets.token_hex(8))
    models = shop.credits
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        for model in (models.Purchase, models.Grant, models.Buyer):
            table: Any = model.__table__
            mine = sa.update(table).where(table.c.user_id == shop.user).values(user_id="erased-1")
            connection.execute(mine)
        rows: Any = models.Purchase.__table__
        emptied = sa.update(rows).where(rows.c.user_id == "erased-1")
        connection.execute(emptied.values(checkout_params={}, metadata={}))
    assert_invariants(shop.app)
    with shop.app.app_context(), shop.db.engine.connect() as connection:
        for table in shop.state.models.tables:
            assert shop.user not in str(connection.execute(sa.select(table)).all()), table.name
    assert shop.client.get(f"{PREFIX}/history").json == []
    # What Stripe tells later is still understood.
    stripe.refund(purchase["stripe_payment_intent_id"], 500)
    for told in stripe.events("refund.created"):
        if told["data"]["object"]["payment_intent"] == purchase["stripe_payment_intent_id"]:
            assert shop.post_event(told).status_code == 200
    assert shop.purchase(purchase["id"])["status"] == "refunded"
    assert_invariants(shop.app)
