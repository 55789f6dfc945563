"""Section B: does it fit? What was paid is held against the purchase's own snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from ..hosts import Host, make_host
from ..payloads import checkout_session, event


def _totals(discount: Any = 0, tax: Any = 0, shipping: Any = 0) -> dict[str, Any]:
    return {"amount_discount": discount, "amount_tax": tax, "amount_shipping": shipping}


PROMOTIONS = {"STRIPE_CREDITS_ALLOW_PROMOTION_CODES": True}
TAX = {"STRIPE_CREDITS_AUTOMATIC_TAX": True}
FREE = {"STRIPE_CREDITS_ALLOW_FREE": True}

FREE_SESSION = {
    "payment_status": "no_payment_required",
    "payment_intent": None,
    "amount_total": 0,
    "total_details": _totals(discount=1000),
}
DISCOUNTED = {"amount_total": 900, "total_details": _totals(discount=100)}
TAXED = {"amount_total": 1190, "total_details": _totals(tax=190)}
BOTH = {"amount_total": 1071, "total_details": _totals(discount=100, tax=171)}

# id: (settings, what the session says, amount_paid) of a purchase of 1000 cents.
FITS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "B10-plain": ({}, {}, 1000),
    "B10-no details, as in old versions": ({}, {"total_details": None}, 1000),
    "B10-discount": (PROMOTIONS, DISCOUNTED, 900),
    "B10-tax": (TAX, TAXED, 1190),
    "B10-discount and tax": (PROMOTIONS | TAX, BOTH, 1071),
    "B02-free by a promotion code": (FREE | PROMOTIONS, FREE_SESSION, 0),
    "B11-shown in another currency": (
        {},
        {"presentment_details": {"presentment_amount": 150_000, "presentment_currency": "jpy"}},
        1000,
    ),
    "B31-payment intent is an object": ({}, {"payment_intent": {"id": "pi_object"}}, 1000),
}

# id: (settings, what the session says, a word of the reason)
CONTRADICTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "B02-free": (PROMOTIONS, FREE_SESSION, "cost nothing"),
    "B02-free by a discount without promotion codes": (FREE, FREE_SESSION, "discount"),
    "B02-nothing required though it costs": (
        FREE,
        {"payment_status": "no_payment_required"},
        "no payment was required",
    ),
    "B10-cheaper": ({}, {"amount_subtotal": 1, "amount_total": 1}, "amount_subtotal"),
    "B10-dearer": ({}, {"amount_subtotal": 1001, "amount_total": 1001}, "amount_subtotal"),
    "B10-discount": ({}, DISCOUNTED, "discount"),
    "B10-discount where only tax is allowed": (TAX, DISCOUNTED, "discount"),
    "B10-tax": ({}, TAXED, "tax"),
    "B10-tax where only discounts are allowed": (PROMOTIONS, TAXED, "tax"),
    "B10-parts don't add up": ({}, {"amount_total": 999}, "add up"),
    "B10-total of nothing": ({}, {"amount_total": 0}, "add up"),
    "B10-shipping": ({}, {"amount_total": 1500, "total_details": _totals(shipping=500)}, "add up"),
    "B10-no subtotal": ({}, {"amount_subtotal": None}, "amount_subtotal"),
    "B10-no total": ({}, {"amount_total": None}, "amount_total"),
    "B10-negative total": ({}, {"amount_total": -1000}, "amount_total"),
    "B17-fraction": ({}, {"amount_subtotal": 1000.0}, "amount_subtotal"),
    "B10-text": ({}, {"amount_subtotal": "1000"}, "amount_subtotal"),
    "B10-true": ({}, {"amount_subtotal": True}, "amount_subtotal"),
    "B18-huge": ({}, {"amount_subtotal": 2**70, "amount_total": 2**70}, "amount_subtotal"),
    "B11-euro": ({}, {"currency": "eur"}, "currency"),
    "B11-yen": ({}, {"currency": "jpy"}, "currency"),
    "B11-no currency": ({}, {"currency": None}, "currency"),
    "B11-currency of four letters": ({}, {"currency": "usdt"}, "currency"),
    "B12-two of them": ({}, {"amount_subtotal": 2000, "amount_total": 2000}, "amount_subtotal"),
    "B28-unknown payment status": ({}, {"payment_status": "authorized"}, "payment_status"),
    "B28-no payment status": ({}, {"payment_status": None}, "payment_status"),
}


@pytest.mark.parametrize(("config", "says", "amount_paid"), FITS.values(), ids=FITS)
def test_B02_B10_B11_what_fits_is_granted(
    configured_host: Callable[..., Host],
    user: str,
    config: dict[str, Any],
    says: dict[str, Any],
    amount_paid: int,
) -> None:
    host = configured_host(**config)
    purchase = host.add_purchase(user_id=user)
    for _ in range(2):
        answer = host.pay(purchase, **says)
        assert (answer.status_code, answer.json["verdict"]) == (200, "handled")
    assert host.ledger(user) == [1000]
    row = host.purchase(purchase["id"])
    assert (row["status"], row["amount_paid"]) == ("completed", amount_paid)


@pytest.mark.parametrize(("config", "says", "reason"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
@pytest.mark.parametrize("kind", ["completed", "async_payment_succeeded"])
def test_I8_E28_B02_B10_B11_B12_B17_B18_B28_what_contradicts_goes_to_review_with_200(
    configured_host: Callable[..., Host],
    user: str,
    config: dict[str, Any],
    says: dict[str, Any],
    reason: str,
    kind: str,
) -> None:
    host = configured_host(**config)
    purchase = host.add_purchase(user_id=user)
    document = event(f"checkout.session.{kind}", checkout_session(purchase, **says))
    for _ in range(2):
        answer = host.post_event(document)
        assert (answer.status_code, answer.json["verdict"]) == (200, "review")
    assert (host.ledger(user), host.grants(user_id=user)) == ([], [])
    row = host.purchase(purchase["id"])
    assert row["status"] == "review"
    assert reason in row["review_reason"]
    assert (row["amount_paid"], row["paid_at"], row["stripe_payment_intent_id"]) == (None,) * 3
    (audit,) = host.rows(host.credits.AuditLog, purchase_id=purchase["id"])
    assert audit["details"]["reason"] == row["review_reason"]


def test_I8_E28_B10_B11_B12_a_contradiction_on_PostgreSQL_too(postgres_host: Host) -> None:
    for config, says, _ in CONTRADICTIONS.values():
        if not config:
            answer = postgres_host.pay(postgres_host.add_purchase(), **says)
            assert (answer.status_code, answer.json["verdict"]) == (200, "review")
    assert postgres_host.ledger() == []


def test_in_review_nothing_is_granted_until_somebody_decided(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase, currency="eur")
    assert host.pay(purchase).json["verdict"] == "review"
    assert host.ledger() == []
    assert host.purchase(purchase["id"])["status"] == "review"


def test_what_is_paid_is_settled_whatever_a_later_event_says(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase)
    assert host.pay(purchase, currency="eur", amount_subtotal=1).json["verdict"] == "handled"
    assert host.ledger() == [1000]
    assert host.purchase(purchase["id"])["status"] == "completed"


def test_another_payment_intent_for_one_session_is_a_contradiction(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase, payment_status="unpaid", payment_intent="pi_1")
    assert host.pay(purchase, payment_intent="pi_2").json["verdict"] == "review"
    assert host.ledger() == []
    assert host.purchase(purchase["id"])["stripe_payment_intent_id"] == "pi_1"


@pytest.mark.parametrize("kind", ["completed", "async_payment_succeeded"])
def test_S1_B01_unpaid_waits(host: Host, kind: str) -> None:
    purchase = host.add_purchase()
    session = checkout_session(purchase, payment_status="unpaid")
    answer = host.post_event(event(f"checkout.session.{kind}", session))
    assert (answer.status_code, answer.json["verdict"]) == (200, "handled")
    row = host.purchase(purchase["id"])
    assert (row["status"], row["amount_paid"], row["paid_at"]) == ("processing", None, None)
    assert host.ledger() == []


class TestTheSnapshot:
    """I10: what a purchase grants is fixed when it is made."""

    def _package(self, host: Host) -> dict[str, Any]:
        host.load_packages()
        (package,) = host.rows(host.credits.Package, package_code="starter")
        return package

    @pytest.mark.parametrize(
        "change",
        [
            {"credits": 1},
            {"credits": 9_000_000},
            {"unit_amount": 1},
            {"unit_amount": 5_000, "credits": 1},
            {"currency": "eur"},
            {"is_active": False},
            {"package_code": "renamed", "package_name": "Renamed"},
        ],
    )
    def test_B13_B14_changes_of_the_package_change_nothing(
        self, new_database: Callable[[str], str], change: dict[str, Any]
    ) -> None:
        host = make_host(new_database("sqlite"))
        package = self._package(host)
        purchase = host.add_purchase(package_id=package["id"])
        table = host.credits.Package.__table__
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.execute(sa.update(table).where(table.c.id == package["id"]).values(change))
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]
        assert host.purchase(purchase["id"])["package_code"] == "starter"

    def test_B14_a_package_that_was_deleted_changes_nothing(self, host: Host) -> None:
        package = self._package(host)
        purchase = host.add_purchase(package_id=package["id"])
        table = host.credits.Package.__table__
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.execute(sa.delete(table).where(table.c.id == package["id"]))
        assert host.pay(purchase).status_code == 200
        assert host.ledger() == [1000]

    @pytest.mark.parametrize(
        "change",
        [
            {"credits": 0},
            {"credits": -1},
            {"credits": 2**53 + 1},
            {"unit_amount": -1},
            {"credits": None},
            {"unit_amount": None},
            {"currency": None},
        ],
    )
    def test_B15_impossible_packages_are_refused_by_the_database(
        self, host: Host, change: dict[str, Any]
    ) -> None:
        package = self._package(host)
        table = host.credits.Package.__table__
        with (
            host.app.app_context(),
            pytest.raises(sa.exc.IntegrityError),
            host.db.engine.begin() as connection,
        ):
            connection.execute(sa.update(table).where(table.c.id == package["id"]).values(change))


@pytest.mark.parametrize(
    ("currency", "unit_amount"),
    [("usd", 1000), ("jpy", 1000), ("krw", 15_000), ("kwd", 1_000), ("ugx", 500_000), ("isk", 500)],
)
def test_B16_minor_units_go_through_untouched(
    shared_host: Host, user: str, currency: str, unit_amount: int
) -> None:
    purchase = shared_host.add_purchase(user_id=user, currency=currency, unit_amount=unit_amount)
    assert shared_host.pay(purchase).status_code == 200
    row = shared_host.purchase(purchase["id"])
    assert (row["status"], row["amount_paid"]) == ("completed", unit_amount)
    assert shared_host.ledger(user) == [1000]


def test_B18_the_largest_purchase_fits_every_column(host: Host) -> None:
    purchase = host.add_purchase(amount_credits=2**53, unit_amount=2**53)
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [2**53]
    assert host.purchase(purchase["id"])["amount_paid"] == 2**53


def test_B28_an_authorisation_that_nobody_captured_grants_nothing(host: Host) -> None:
    """With manual capture Stripe completes the session unpaid; we never ask for that."""
    purchase = host.add_purchase()
    host.pay(
        purchase,
        payment_status="unpaid",
        payment_intent={"id": "pi_1", "status": "requires_capture"},
    )
    host.post_event(event("payment_intent.canceled", {"id": "pi_1", "object": "payment_intent"}))
    assert host.ledger() == []
    assert host.purchase(purchase["id"])["status"] == "processing"


@pytest.mark.parametrize("paid_without_one_before", [True, False])
def test_a_payment_intent_of_another_purchase_is_a_contradiction(
    host: Host, paid_without_one_before: bool
) -> None:
    first, second = host.add_purchase(), host.add_purchase(user_id="bob")
    assert host.pay(first, payment_intent="pi_1").status_code == 200
    if paid_without_one_before:
        assert host.pay(second, payment_intent=None).status_code == 200
    answer = host.pay(second, payment_intent="pi_1")
    assert answer.status_code == 200
    assert answer.json["verdict"] == ("handled" if paid_without_one_before else "review")
    assert host.ledger("bob") == ([1000] if paid_without_one_before else [])
    assert host.purchase(second["id"])["stripe_payment_intent_id"] is None
    assert host.ledger("alice") == [1000]
