from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ..hosts import PREFIX, Host
from ..stripe_stub import NewShop

URL = f"{PREFIX}/history"
START = dt.datetime(2026, 11, 1, 12, 0, 0, 123_456, tzinfo=dt.UTC)

FIELDS = {
    "id",
    "package_name",
    "package_code",
    "amount_credits",
    "amount_paid",
    "amount_refunded",
    "currency",
    "credits_revoked",
    "status",
    "created_at",
    "completed_at",
    "stripe_payment_id",
}


def add(host: Host, number: int, minutes: int = 0, **values: Any) -> str:
    """A purchase with a readable id, ``minutes`` after the start."""
    row = host.add_purchase(
        id=uuid.UUID(int=number), created_at=START + dt.timedelta(minutes=minutes), **values
    )
    return str(row["id"])


def get(host: Host, query: str = "", **options: Any) -> TestResponse:
    return host.client.get(URL + query, **options)


def ids(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json or []]


def test_a_paid_purchase_is_shown_in_the_guides_names_and_numbers(host: Host) -> None:
    purchase = host.add_purchase(created_at=START)
    host.pay(purchase)
    (item,) = get(host).json or []
    assert set(item) == FIELDS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item.pop("completed_at"))
    assert item == {
        "id": str(purchase["id"]),
        "package_name": "Starter Pack",
        "package_code": "starter",
        "amount_credits": 1000,
        "amount_paid": 10.0,
        "amount_refunded": 0.0,
        "currency": "usd",
        "credits_revoked": 0,
        "status": "completed",
        "created_at": "2026-11-01T12:00:00Z",
        "stripe_payment_id": f"pi_{purchase['id'].hex[:24]}",
    }


def test_an_unpaid_purchase_has_no_amount_and_no_date_of_completion(host: Host) -> None:
    host.add_purchase()
    (item,) = get(host).json or []
    assert item["amount_paid"] is item["completed_at"] is item["stripe_payment_id"] is None
    assert item["status"] == "pending"


@pytest.mark.parametrize(
    ("currency", "paid", "refunded", "shown"),
    [
        ("usd", 1_000, 250, (10.0, 2.5)),
        ("usd", 8_075, 1, (80.75, 0.01)),
        ("jpy", 500, 500, (500.0, 500.0)),
        ("kwd", 1_230, 10, (1.23, 0.01)),
        ("isk", 50_000, 0, (500.0, 0.0)),
        ("usd", 99_999_999_999, 0, (999_999_999.99, 0.0)),
    ],
)
def test_B16_amounts_are_numbers_in_major_units_of_their_currency(
    host: Host, currency: str, paid: int, refunded: int, shown: tuple[float, float]
) -> None:
    host.add_purchase(
        currency=currency, unit_amount=paid, amount_paid=paid, amount_refunded=refunded
    )
    answer = get(host)
    (item,) = answer.json or []
    assert (item["amount_paid"], item["amount_refunded"], item["currency"]) == (*shown, currency)
    assert type(item["amount_paid"]) is type(item["amount_refunded"]) is float
    assert "e" not in re.findall(r'"amount_paid": (\S+),', answer.text)[0]


def test_S8_F21_a_date_in_another_zone_is_shown_in_utc(host: Host) -> None:
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    host.add_purchase(created_at=dt.datetime(2026, 3, 1, 2, 0, tzinfo=zone))
    assert (get(host).json or [])[0]["created_at"] == "2026-02-28T20:30:00Z"


def test_F01_each_user_sees_only_their_own_whatever_they_ask_for(host: Host) -> None:
    mine, theirs = add(host, 1, user_id="alice"), add(host, 2, 1, user_id="bob")
    for asking, expected in (("alice", [mine]), ("bob", [theirs]), ("carol", [])):
        host.user = asking
        for query in ("", "?user_id=bob", "?user_id=alice&user=bob&id=2", f"?purchase={theirs}"):
            assert ids(get(host, query, headers={"X-User-Id": "bob"})) == expected
        # Not even where somebody else's purchase lies in time can be told.
        other = theirs if asking == "alice" else mine
        for after in (other, str(uuid.uuid4())):
            assert ids(get(host, f"?after={after}")) == []
        assert "Link" not in get(host, f"?after={other}").headers


def test_history_needs_a_user(host: Host) -> None:
    host.user = None
    assert get(host).status_code == 401
    assert host.client.head(URL).status_code == 401


@pytest.mark.parametrize("name", ["limit", "offset"])
def test_F03_only_plain_digits_within_the_limits_are_numbers(host: Host, name: str) -> None:
    highest = {"limit": 200, "offset": 1_000_000}[name]
    hostile = [
        *("-1", "-0", "+5", "1e9", "1_0", " 5", "5 ", "5%0A", "٣", "१२", "0x10", "1.0", "1,0"),
        *("", "abc", "NaN", "Infinity", "null", "true", "%00", "5%00", "\ud83d\ude00", "%ff"),
        *("9" * 30, "9" * 5_000, str(2**63), str(highest + 1), "5;5", "[]", "{}"),
        *([] if name == "offset" else ["0", "00"]),
    ]
    for value in hostile:
        answer = host.client.get(f"{URL}?{name}={value.encode('utf-8', 'replace').decode()}")
        assert answer.status_code == 422, (value, answer.text)
        assert answer.content_type == "application/problem+json"
        assert (answer.json or {})["code"] == "validation_failed"
        assert list((answer.json or {})["errors"]) == [name]
    for value in ("1", "7", "0007", str(highest)):
        assert get(host, f"?{name}={value}").status_code == 200


def test_F03_a_parameter_that_stands_twice_is_refused(host: Host) -> None:
    for query in ("?limit=1&limit=2", "?limit=1&limit=1", "?offset=0&offset=1", "?after=a&after=b"):
        assert get(host, query).status_code == 422
    assert get(host, "?other=1&other=2").status_code == 200


@pytest.mark.parametrize(
    "after", ["", "abc", "1", "%00", "../etc/passwd", "' OR 1=1 --", "0" * 10_000, "null"]
)
def test_F03_after_must_be_the_id_of_a_purchase(host: Host, after: str) -> None:
    answer = host.client.get(URL, query_string={"after": after})
    assert (answer.status_code, list((answer.json or {})["errors"])) == (422, ["after"])


def test_limit_and_offset_cut_a_page_of_the_newest_first(host: Host) -> None:
    added = [add(host, number, number) for number in range(1, 8)]
    newest_first = added[::-1]
    assert ids(get(host)) == newest_first
    assert ids(get(host, "?limit=3")) == newest_first[:3]
    assert ids(get(host, "?limit=3&offset=2")) == newest_first[2:5]
    assert ids(get(host, "?offset=7")) == []
    assert ids(get(host, "?offset=1000000")) == []


def test_fifty_purchases_are_shown_unless_asked_otherwise(host: Host) -> None:
    table = host.credits.Purchase.__table__
    template = host.add_purchase(id=uuid.UUID(int=1))
    rows = [
        template | {"id": uuid.UUID(int=n), "stripe_checkout_session_id": f"cs_{n}"}
        for n in range(2, 206)
    ]
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(table.insert(), rows)
    assert len(ids(get(host))) == 50
    assert len(ids(get(host, "?limit=200"))) == 200


def test_F04_following_the_links_shows_each_purchase_once_while_others_are_added(
    host: Host,
) -> None:
    # Some at the same instant: the id decides between them.
    expected = [add(host, 100 + number, number // 3) for number in range(20)]
    add(host, 999, user_id="bob")
    url, seen, pages = f"{URL}?limit=3", list[str](), 0
    while url:
        answer = host.client.get(url)
        seen += ids(answer)
        pages += 1
        add(host, 1_000 + pages, 1_000 + pages)
        link = answer.headers.get("Link")
        found = re.fullmatch(r'<(/[^>]+)>; rel="next"', link) if link else None
        assert (found is None) == (link is None)
        url = found[1] if found else ""
    assert pages == 7
    assert sorted(seen) == sorted(expected)
    assert seen == sorted(seen, key=lambda i: (-((uuid.UUID(i).int - 100) // 3), i))


def test_a_page_that_ends_exactly_has_no_next(host: Host) -> None:
    for number in range(1, 5):
        add(host, number, number)
    assert "Link" in get(host, "?limit=3").headers
    assert "Link" not in get(host, "?limit=4").headers


def test_F23_links_keep_the_path_that_the_app_is_mounted_at(small_shop: Host) -> None:
    first, _ = add(small_shop, 1, 1), add(small_shop, 2, 0)
    for root in ("", "/shop", "/mein laden>"):
        answer = small_shop.client.get(
            f"{URL}?limit=1",
            headers={"Host": "evil.test"},
            environ_overrides={"SCRIPT_NAME": root},
        )
        shown = {"/mein laden>": "/mein%20laden%3E"}.get(root, root)
        expected = f'<{shown}{URL}?limit=1&after={first}>; rel="next"'
        assert answer.headers["Link"] == expected


def test_F23_another_prefix_moves_every_route(new_shop: NewShop) -> None:
    host = new_shop(STRIPE_CREDITS_URL_PREFIX="/pay/v2")
    first, second = add(host, 1, 1), add(host, 2, 0)
    answer = host.client.get("/pay/v2/history?limit=1")
    assert (ids(answer), answer.headers["Link"]) == (
        [first],
        f'</pay/v2/history?limit=1&after={first}>; rel="next"',
    )
    assert host.client.get(f"/pay/v2/purchases/{second}").status_code == 200
    assert get(host).status_code == 404


def test_F19_no_cache_keeps_a_history(host: Host) -> None:
    assert get(host).headers["Cache-Control"] == "no-store"
    assert get(host, "?limit=x").headers["Cache-Control"] == "no-store"


def test_F24_head_asks_for_the_same_and_a_trailing_slash_is_no_redirect(host: Host) -> None:
    add(host, 1)
    head = host.client.head(URL)
    assert (head.status_code, head.data) == (200, b"")
    assert get(host, "/").status_code == 200
