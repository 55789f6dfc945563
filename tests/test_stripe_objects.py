from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_stripe_credits.errors import MalformedEvent
from flask_stripe_credits.stripe_objects import (
    CheckoutSession,
    Event,
    Price,
    Product,
    parse_uuid,
    stripe_id,
)

from .payloads import checkout_session, event

PURCHASE: dict[str, Any] = {
    "id": uuid.UUID(int=17),
    "user_id": "alice",
    "package_code": "starter",
    "amount_credits": 1000,
    "unit_amount": 1000,
    "currency": "usd",
    "stripe_checkout_session_id": "cs_test_1",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
session_keys = st.sampled_from(list(checkout_session(PURCHASE)))


def _session(**overrides: Any) -> CheckoutSession:
    return CheckoutSession.from_payload(checkout_session(PURCHASE, **overrides))


class TestCheckoutSession:
    def test_it_reads_what_Stripe_says(self) -> None:
        session = _session(
            created=1_700_000_000, expires_at=1_800_000_000, url="https://checkout.test/1"
        )
        assert session == CheckoutSession(
            id="cs_test_1",
            mode="payment",
            livemode=False,
            status="complete",
            payment_status="paid",
            currency="usd",
            amount_subtotal=1000,
            amount_total=1000,
            amount_discount=0,
            amount_tax=0,
            amount_shipping=0,
            payment_intent_id=f"pi_{PURCHASE['id'].hex[:24]}",
            site="local",
            purchase_id=PURCHASE["id"],
            credits_told="1000",
            url="https://checkout.test/1",
            created=dt.datetime.fromtimestamp(1_700_000_000, dt.UTC),
            expires_at=dt.datetime.fromtimestamp(1_800_000_000, dt.UTC),
        )

    @settings(deadline=None)
    @given(st.dictionaries(session_keys, json_values))
    def test_B31_any_value_is_read_or_is_none_but_never_of_another_type(
        self, overrides: dict[str, Any]
    ) -> None:
        try:
            session = _session(**overrides)
        except MalformedEvent:
            assert "id" in overrides
            return
        for name in ("amount_subtotal", "amount_total", "amount_discount", "amount_tax"):
            amount = getattr(session, name)
            assert amount is None or (type(amount) is int and 0 <= amount <= 2**53)
        assert session.livemode in (None, True, False)
        for name in (
            "mode",
            "status",
            "payment_status",
            "currency",
            "site",
            "payment_intent_id",
            "credits_told",
        ):
            text = getattr(session, name)
            assert text is None or (isinstance(text, str) and text.isprintable())
        assert session.purchase_id is None or isinstance(session.purchase_id, uuid.UUID)

    @pytest.mark.parametrize("payload", [None, [], "cs_test_1", 1])
    def test_E19_what_is_no_object_is_malformed(self, payload: object) -> None:
        with pytest.raises(MalformedEvent):
            CheckoutSession.from_payload(payload)

    @pytest.mark.parametrize(
        ("payment_status", "is_paid"),
        [("paid", True), ("no_payment_required", True), ("unpaid", False), (None, False)],
    )
    def test_B01_unpaid_is_not_paid(self, payment_status: str | None, is_paid: bool) -> None:
        assert _session(payment_status=payment_status).is_paid is is_paid

    def test_B06_the_metadata_is_believed_before_the_client_reference(self) -> None:
        other = str(uuid.UUID(int=18))
        assert _session(client_reference_id=other).purchase_id == PURCHASE["id"]
        assert _session(metadata=None, client_reference_id=other).purchase_id == uuid.UUID(other)


class TestEvent:
    def test_it_reads_what_Stripe_says(self) -> None:
        document = event("checkout.session.completed", {"id": "cs_1"}, id="evt_1", created=0)
        read = Event.from_payload(document)
        assert (read.id, read.type, read.object_id) == (
            "evt_1",
            "checkout.session.completed",
            "cs_1",
        )
        assert read.created == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        assert (read.livemode, read.account) == (False, None)
        assert read.data_object == {"id": "cs_1"}

    @pytest.mark.parametrize("created", [None, -1, 2**63, 1.5, "1", True, 253_402_300_800])
    def test_a_time_that_is_none_is_left_out(self, created: Any) -> None:
        document = event("customer.created", {"id": "cus_1"}, created=created)
        assert Event.from_payload(document).created is None

    @pytest.mark.parametrize(
        ("account", "read"),
        [
            (None, None),
            ("acct_1", "acct_1"),
            ({"id": "acct_1"}, "acct_1"),
            ("", "unreadable"),
            (0, "unreadable"),
            (False, "unreadable"),
            ({}, "unreadable"),
            ("acct 1", "unreadable"),
        ],
    )
    def test_B05_only_no_account_at_all_is_ours(self, account: Any, read: str | None) -> None:
        document = event("customer.created", {"id": "cus_1"}, account=account)
        assert Event.from_payload(document).account == read

    @pytest.mark.parametrize("version", [7, "", "x" * 51, "2026\n", None])
    def test_a_version_that_is_none_is_left_out(self, version: Any) -> None:
        document = event("customer.created", {"id": "cus_1"}, api_version=version)
        assert Event.from_payload(document).api_version is None


@settings(deadline=None)
@given(st.uuids())
def test_B09_a_purchase_id_is_read_in_its_one_canonical_form(key: uuid.UUID) -> None:
    assert parse_uuid(str(key)) == key
    for other in (key.hex, f"{{{key}}}", f"urn:uuid:{key}", f" {key}", f"{key}\n"):
        assert parse_uuid(other) is None
    if str(key).upper() != str(key):
        assert parse_uuid(str(key).upper()) is None


@settings(deadline=None)
@given(json_values)
def test_B09_nothing_else_is_a_purchase_id_or_a_Stripe_id(value: object) -> None:
    assert parse_uuid(value) is None
    try:
        read = stripe_id({"id": value}, "id")
    except MalformedEvent:
        return
    assert read == value and read.isascii() and 0 < len(read) <= 255


def test_D08_products_and_prices_are_read_defensively() -> None:
    product = Product.from_payload({"id": "prod_1", "name": 7, "metadata": [], "active": "yes"})
    assert product == Product("prod_1", False, None, None, None, None, None)
    price = Price.from_payload(
        {"id": "price_1", "unit_amount": "1000", "product": {"id": "prod_1"}, "type": "recurring"}
    )
    assert price == Price("price_1", False, "prod_1", None, None, False, None, None, None)
