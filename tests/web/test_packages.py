from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa

from ..hosts import PREFIX, Host
from ..stripe_stub import NewShop

FIELDS = {
    "id",
    "package_code",
    "package_name",
    "description",
    "credits",
    "price_usd",
    "unit_amount",
    "currency",
    "discount_percentage",
    "is_active",
    "stripe_price_id",
    "stripe_product_id",
}

# What the guide sells. The price is final: the discount is already in it.
GUIDE = [
    ("starter", "Starter Pack", 1_000, 10.0, 0, "Perfect for trying out the platform"),
    ("standard", "Standard Pack", 5_000, 45.0, 10, "Great value for regular users"),
    ("pro", "Pro Pack", 10_000, 80.0, 20, "Best value for power users"),
    ("enterprise", "Enterprise Pack", 50_000, 350.0, 30, "Maximum value for heavy users"),
]


def change(host: Host, code: str, **values: Any) -> None:
    table = host.credits.Package.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.package_code == code).values(values))


def add(host: Host, code: str, **values: Any) -> None:
    now = dt.datetime.now(dt.UTC)
    row = {
        "id": uuid.uuid4(),
        "package_code": code,
        "package_name": code,
        "credits": 100,
        "unit_amount": 500,
        "currency": "usd",
        "display_order": 99,
        "created_at": now,
        "updated_at": now,
    }
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.insert(host.credits.Package.__table__), row | values)


def get(host: Host, **headers: str) -> Any:
    return host.client.get(f"{PREFIX}/packages", headers=headers)


def test_S9_the_guides_packages_are_listed_in_its_names_and_order(shop: Host) -> None:
    answer = get(shop)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert all(set(package) == FIELDS for package in answer.json)
    names = ("package_code", "package_name", "credits", "price_usd", "discount_percentage")
    assert [tuple(p[name] for name in (*names, "description")) for p in answer.json] == GUIDE
    for package in answer.json:
        assert package["unit_amount"] == round(package["price_usd"] * 100)
        assert type(package["unit_amount"]) is type(package["credits"]) is int
        assert type(package["price_usd"]) is float
        assert (package["currency"], package["is_active"]) == ("usd", True)
        assert package["stripe_price_id"] is package["stripe_product_id"] is None
        assert str(uuid.UUID(package["id"])) == package["id"]


def test_ids_of_stripe_are_shown_once_a_package_is_synced(small_shop: Host) -> None:
    change(small_shop, "pro", stripe_price_id="price_1", stripe_product_id="prod_1")
    pro = get(small_shop).json[2]
    assert (pro["stripe_price_id"], pro["stripe_product_id"]) == ("price_1", "prod_1")


def test_B16_a_price_in_another_currency_than_dollars_has_no_price_usd(shop: Host) -> None:
    add(shop, "yen", unit_amount=500, currency="jpy", display_order=100)
    add(shop, "dinar", unit_amount=1_230, currency="kwd", display_order=101)
    shown = [
        (p["package_code"], p["price_usd"], p["unit_amount"], p["currency"])
        for p in get(shop).json[4:]
    ]
    assert shown == [("yen", None, 500, "jpy"), ("dinar", None, 1_230, "kwd")]


def test_a_package_that_is_not_for_sale_is_not_listed(shop: Host) -> None:
    change(shop, "standard", is_active=False)
    assert [p["package_code"] for p in get(shop).json] == ["starter", "pro", "enterprise"]


def test_packages_need_a_user_unless_they_are_public(new_shop: NewShop) -> None:
    private, public = new_shop(), new_shop(STRIPE_CREDITS_PUBLIC_PACKAGES=True)
    private.user = public.user = None
    assert get(private).status_code == 401
    assert (get(public).status_code, len(get(public).json)) == (200, 4)


def test_an_unchanged_list_is_not_sent_again_and_a_changed_one_is(small_shop: Host) -> None:
    first = get(small_shop)
    assert first.headers["Cache-Control"] == "private, no-cache"
    tag = first.headers["ETag"]
    again = get(small_shop, **{"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["Cache-Control"] == "private, no-cache"
    change(small_shop, "pro", unit_amount=8_100)
    changed = get(small_shop, **{"If-None-Match": tag})
    assert (changed.status_code, changed.json[2]["price_usd"]) == (200, 81.0)
    assert changed.headers["ETag"] != tag


def test_a_head_request_says_the_same_without_a_body(small_shop: Host) -> None:
    head = small_shop.client.head(f"{PREFIX}/packages")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == get(small_shop).headers["ETag"]


def test_F14_a_name_with_markup_stays_json(small_shop: Host) -> None:
    change(small_shop, "pro", package_name="<script>alert(1)</script>")
    answer = get(small_shop)
    assert answer.json[2]["package_name"] == "<script>alert(1)</script>"
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
