from __future__ import annotations

import datetime as dt
import io
import json
import logging
import re
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Request
from werkzeug.test import TestResponse

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from ..stripe_stub import NewShop

URL = f"{PREFIX}/purchase"


def buy(host: Host, code: Any = "starter", key: str | None = None, **body: Any) -> TestResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    return host.client.post(URL, json={"package_code": code} | body, headers=headers)


def problem(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    document = answer.json or {}
    assert set(document) - {"errors"} == {"type", "title", "status", "detail", "code"}
    assert document["status"] == answer.status_code
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, document["code"]


def nothing_is_written(host: Host) -> bool:
    return not host.purchases() and not host.rows(host.credits.Buyer)


def retry_after(answer: TestResponse) -> int:
    return int(answer.headers["Retry-After"])


def at_once(count: int, call: Callable[[int], TestResponse]) -> list[TestResponse]:
    """The answers of ``count`` calls that start together."""
    barrier, answers = threading.Barrier(count), list[TestResponse]()

    def run(number: int) -> None:
        barrier.wait()
        answers.append(call(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def sessions_of(stripe: Sandbox, purchase_id: str) -> list[Any]:
    return [
        session
        for session in stripe.objects("checkout.session")
        if session["client_reference_id"] == purchase_id
    ]


def test_a_purchase_is_answered_with_where_to_pay(shop: Host, stripe: Sandbox) -> None:
    answer = buy(shop)
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json or {}
    assert set(body) == {"checkout_url", "session_id", "purchase_id", "status", "expires_at"}
    (session,) = sessions_of(stripe, body["purchase_id"])
    assert body["session_id"] == session["id"]
    assert body["checkout_url"] == session["url"]
    assert body["status"] == "pending"
    expires = dt.datetime.fromtimestamp(session["expires_at"], dt.UTC)
    assert body["expires_at"] == expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    (row,) = shop.purchases()
    assert (str(row["id"]), row["user_id"]) == (body["purchase_id"], "alice")
    assert (row["amount_credits"], row["unit_amount"], row["currency"]) == (1000, 1000, "usd")
    assert row["expires_at"] == expires
    assert shop.ledger() == []


@pytest.mark.parametrize(
    ("code", "amount"),
    [("starter", 1_000), ("standard", 4_500), ("pro", 8_000), ("enterprise", 35_000)],
)
def test_B19_stripe_charges_the_shown_price_without_a_second_discount(
    small_shop: Host, stripe: Sandbox, code: str, amount: int
) -> None:
    session = stripe.session((buy(small_shop, code).json or {})["session_id"])
    assert (session["amount_total"], session["currency"]) == (amount, "usd")
    outcome = stripe.pay(session["id"])
    assert outcome.result == "paid"
    (charge,) = [
        charge
        for charge in stripe.objects("charge")
        if charge["payment_intent"] == outcome.session["payment_intent"]
    ]
    assert charge["amount"] == amount
    credits = (buy(small_shop, code).json or {})["purchase_id"]
    assert credits


def test_I9_F10_F11_price_credits_and_user_come_from_our_rows_alone(
    small_shop: Host, stripe: Sandbox
) -> None:
    """Every column of our models, and what a client might hope for, is refused."""
    columns = {
        column.name
        for model in (small_shop.credits.Purchase, small_shop.credits.Package)
        for column in model.__table__.columns
    } - {"package_code"}
    hoped_for = {"price", "price_id", "quantity", "amount", "credits", "discount", "mode", "user"}
    for name in columns | hoped_for | {"__proto__", "", "metadata[user_id]", "session_id"}:
        for value in (1, "x", None, [], {}, True):
            answer = buy(small_shop, **{name: value})
            assert problem(answer) == (422, "validation_failed"), name
            assert (answer.json or {})["errors"] == {name: ["Unknown field."]}
    assert nothing_is_written(small_shop)
    answer = small_shop.client.post(
        f"{URL}?user_id=bob&package_code=pro&quantity=9", json={"package_code": "starter"}
    )
    assert answer.status_code == 201
    (row,) = small_shop.purchases()
    assert (row["user_id"], row["package_code"]) == ("alice", "starter")


def test_F12_a_code_that_could_not_be_one_is_refused(small_shop: Host) -> None:
    for code in (
        *("Starter", "STARTER", "starter ", " starter", "starter\n", "starter\0", "st\u0430rter"),
        *("' OR 1=1 --", "starter'; DROP TABLE credit_purchases;--", "../starter", "%", "_" * 51),
        *("", "\ud800", "a" * 3_000, "starter/pro", "starter,pro"),
        *(1, 1.5, True, None, [], ["starter"], {"$ne": ""}),
    ):
        answer = buy(small_shop, code)
        assert problem(answer) == (422, "validation_failed"), code
        assert list((answer.json or {})["errors"]) == ["package_code"]
    assert nothing_is_written(small_shop)


def test_F12_an_unknown_package_and_one_not_for_sale_are_answered_alike(shop: Host) -> None:
    table = shop.credits.Package.__table__
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.package_code == "pro").values(is_active=False)
        )
    unknown, inactive = buy(shop, "no-such"), buy(shop, "pro")
    assert problem(unknown) == problem(inactive) == (404, "package_not_found")
    assert unknown.data.replace(b"no-such", b"pro") == inactive.data
    assert {**unknown.headers} == {**inactive.headers, "Content-Length": str(len(unknown.data))}
    assert nothing_is_written(shop)


def test_F13_large_deep_and_broken_bodies_are_refused(small_shop: Host) -> None:
    def post(body: bytes, **headers: str) -> tuple[int, str]:
        return problem(
            small_shop.client.post(URL, data=body, content_type="application/json", headers=headers)
        )

    assert post(b'{"package_code": "' + b"a" * 5_000 + b'"}') == (413, "payload_too_large")
    assert post(b" " * 12_000_000) == (413, "payload_too_large")
    for body in (b"[" * 2_000 + b"]" * 2_000, b'{"a":' * 600 + b"1" + b"}" * 600):
        assert post(body)[0] in (400, 422)
    assert post(b"[" * 4_096)[0] == 400
    for body in (
        *(b"", b"{", b"nonsense", b'{"package_code": NaN}', b'{"a": Infinity}', b"\xff\xfe{\0}\0"),
        *(b"\xef\xbb\xbf{}", b'{"package_code": "pro", "package_code": "starter"}', b"\xc3\x28"),
    ):
        assert post(body) == (400, "bad_request"), body
    for body in (b"null", b"[]", b'"x"', b"1", b"true"):
        assert post(body) == (422, "validation_failed"), body
    assert nothing_is_written(small_shop)


def test_F13_a_chunked_body_is_measured_as_it_is_read(small_shop: Host) -> None:
    for size, status in ((5_000, 413), (12_000_000, 413)):
        answer = small_shop.client.post(
            URL,
            input_stream=io.BytesIO(b" " * size),
            content_type="application/json",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert answer.status_code == status
    body = json.dumps({"package_code": "starter"}).encode()
    answer = small_shop.client.post(
        URL,
        input_stream=io.BytesIO(body),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 201


def test_F13_before_flask_31_a_chunked_body_is_measured_too(small_shop: Host) -> None:
    class OldRequest(Request):
        @property
        def max_content_length(self) -> int | None:  # type: ignore[override]
            return None

    class Dripping(io.BytesIO):
        """Gives less than it is asked for, as sockets do."""

        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 1_000, 10))

    small_shop.app.request_class = OldRequest
    good = json.dumps({"package_code": "starter"}).encode()
    for body, status in ((good, 201), (b" " * 5_000, 413)):
        answer = small_shop.client.post(
            URL,
            input_stream=Dripping(body),
            content_type="application/json",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert answer.status_code == status


def test_the_hosts_own_size_limit_does_not_stop_a_purchase(new_shop: NewShop) -> None:
    host = new_shop(MAX_CONTENT_LENGTH=10)
    assert buy(host).status_code == 201
    assert host.pay(host.purchases()[0]).status_code == 200
    assert host.balance() == 1000


def test_F05_only_json_is_taken(small_shop: Host) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "text/json", ""):
        answer = small_shop.client.post(
            URL, data=b'{"package_code": "starter"}', content_type=content_type
        )
        assert problem(answer) == (415, "unsupported_media_type")
        assert "application/json" in answer.json["detail"]
    assert nothing_is_written(small_shop)


def test_a_body_that_isnt_json_is_told_so(small_shop: Host) -> None:
    answer = small_shop.client.post(URL, data="{package_code}", content_type="application/json")
    assert problem(answer) == (400, "bad_request")
    assert answer.json["detail"] == "The body is not JSON."
    assert nothing_is_written(small_shop)


def test_json_may_name_its_charset(small_shop: Host) -> None:
    answer = small_shop.client.post(
        URL,
        data=b'{"package_code": "starter"}',
        content_type="application/json; charset=utf-8",
    )
    assert answer.status_code == 201


def test_E01_without_an_api_key_nothing_is_written(new_shop: NewShop) -> None:
    for key in (None, "", "sk_test_placeholder", "sk_test_" + "x" * 24):
        host = new_shop(STRIPE_SECRET_KEY=key)
        answer = buy(host)
        assert problem(answer) == (503, "not_configured")
        assert retry_after(answer) > 0
        assert nothing_is_written(host)


def test_tables_that_are_missing_are_an_outage(shop: Host) -> None:
    with shop.app.app_context():
        shop.db.drop_all()
    calls = [buy(shop), *(shop.client.get(f"{PREFIX}/{path}") for path in ("packages", "history"))]
    calls.append(shop.client.get(f"{PREFIX}/purchases/{uuid.uuid4()}"))
    for answer in calls:
        assert problem(answer) == (503, "tables_out_of_date")
        assert retry_after(answer) > 0


# The double click, with and without a key.


def test_D09_the_same_click_again_gets_the_same_checkout(shop: Host) -> None:
    first, second = buy(shop), buy(shop)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json
    assert len(shop.purchases()) == 1


def test_D09_another_click_gets_another_checkout(shop: Host) -> None:
    first = buy(shop).json or {}
    for different in (
        buy(shop, "pro"),
        buy(shop, success_url="http://localhost/elsewhere"),
        buy(shop, cancel_url="http://localhost/elsewhere"),
    ):
        assert different.status_code == 201
        assert (different.json or {})["purchase_id"] != first["purchase_id"]
    shop.user = "bob"
    theirs = buy(shop)
    assert theirs.status_code == 201
    assert (theirs.json or {})["checkout_url"] != first["checkout_url"]


def change(host: Host, purchase_id: str, **values: Any) -> None:
    table = host.credits.Purchase.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.id == uuid.UUID(purchase_id)).values(values)
        )


def test_D09_a_click_is_only_the_same_while_its_checkout_can_be_paid(
    shop: Host, stripe: Sandbox
) -> None:
    now = dt.datetime.now(dt.UTC)
    purchase_id = (buy(shop).json or {})["purchase_id"]
    change(shop, purchase_id, created_at=now - dt.timedelta(minutes=11))
    assert buy(shop).status_code == 201, "older than ten minutes"
    second = (buy(shop).json or {})["purchase_id"]
    change(shop, second, expires_at=now - dt.timedelta(seconds=1))
    assert buy(shop).status_code == 201, "expired"
    shop.pay(shop.purchase((buy(shop).json or {})["purchase_id"]))
    assert buy(shop).status_code == 201, "paid"
    table = shop.credits.Package.__table__
    for changed in ({"unit_amount": 1_100}, {"credits": 1_200}, {"stripe_price_id": None}):
        with shop.app.app_context(), shop.db.engine.begin() as connection:
            connection.execute(
                sa.update(table).where(table.c.package_code == "starter").values(changed)
            )
        again = buy(shop)
        expected = 200 if "stripe_price_id" in changed else 201
        assert again.status_code == expected, f"the package changed: {changed}"
        row = shop.purchase((again.json or {})["purchase_id"])
        assert (
            row["unit_amount"] == stripe.session(row["stripe_checkout_session_id"])["amount_total"]
        )


def test_D04_a_key_names_one_purchase_for_ever(shop: Host) -> None:
    first = buy(shop, key="order-1")
    purchase_id = (first.json or {})["purchase_id"]
    change(
        shop,
        purchase_id,
        created_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=400),
    )
    again = buy(shop, key="order-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    other = buy(shop, key="order-2")
    assert (other.json or {})["purchase_id"] != purchase_id
    assert len(shop.purchases()) == 2


def test_D09_a_key_with_another_body_is_refused(shop: Host) -> None:
    buy(shop, key="order-1")
    for answer in (
        buy(shop, "pro", key="order-1"),
        buy(shop, key="order-1", cancel_url="http://localhost/x"),
    ):
        assert problem(answer) == (422, "idempotency_key_reused")
    assert len(shop.purchases()) == 1


def test_D10_the_key_of_another_user_means_nothing(shop: Host) -> None:
    mine = buy(shop, key="order-1").json or {}
    shop.user = "bob"
    theirs = buy(shop, key="order-1").json or {}
    assert theirs["checkout_url"] != mine["checkout_url"]
    assert [row["user_id"] for row in shop.purchases()] == ["alice", "bob"]


def test_D09_a_key_that_is_not_printable_ascii_is_refused(small_shop: Host) -> None:
    for key in ("", " " * 256, "x" * 256, "schlüssel", "a\tb", "a\x7fb"):
        answer = small_shop.client.post(
            URL,
            json={"package_code": "starter"},
            environ_overrides={"HTTP_IDEMPOTENCY_KEY": key.encode().decode("latin-1")},
        )
        assert problem(answer) == (400, "bad_request"), key
    assert nothing_is_written(small_shop)


def test_D09_any_printable_ascii_is_a_key(small_shop: Host) -> None:
    keys = ["x", "x" * 255, '"quoted"', "a b", "~!@#$%^&*()'; DROP TABLE--"]
    for key in keys:
        assert buy(small_shop, key=key).status_code == 201
    assert [row["idempotency_key"] for row in small_shop.purchases()] == keys


def test_D09_twenty_posts_with_one_key_open_one_session(shop: Host, stripe: Sandbox) -> None:
    answers = at_once(20, lambda number: buy(shop, key="order-1"))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer) == (409, "idempotency_key_in_flight")
            assert 1 <= retry_after(answer) <= 30
    (row,) = shop.purchases()
    opened = [answer.json for answer in answers if answer.status_code == 201]
    assert all(body == opened[0] for body in opened)
    assert len(sessions_of(stripe, str(row["id"]))) == 1
    assert buy(shop, key="order-1").json == opened[0]


def test_D09_twenty_posts_without_a_key_open_one_session(shop: Host, stripe: Sandbox) -> None:
    answers = at_once(20, lambda number: buy(shop))
    assert {answer.status_code for answer in answers} <= {200, 201}
    (row,) = shop.purchases()
    assert {answer.text for answer in answers} == {answers[0].text}
    (session,) = sessions_of(stripe, str(row["id"]))
    assert session["id"] == row["stripe_checkout_session_id"]


def test_B33_different_packages_at_once_are_different_purchases(
    shop: Host, stripe: Sandbox
) -> None:
    codes = ["starter", "standard", "pro", "enterprise"]
    answers = at_once(4, lambda number: buy(shop, codes[number]))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({(answer.json or {})["session_id"] for answer in answers}) == 4
    assert sorted(row["package_code"] for row in shop.purchases()) == sorted(codes)


# Limits.


def test_D11_too_many_checkouts_in_an_hour_have_to_wait(
    database_url: str, new_shop: NewShop
) -> None:
    host = new_shop(database_url, STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR=2)
    buy(host, "starter", key="a")
    first = host.purchases()[0]
    change(host, str(first["id"]), created_at=first["created_at"] - dt.timedelta(minutes=50))
    buy(host, "standard")
    answer = buy(host, "pro")
    assert problem(answer) == (429, "too_many_sessions")
    assert 590 <= retry_after(answer) <= 600
    assert buy(host, "starter", key="a").status_code == 201, "a known key is no new checkout"
    assert buy(host, "standard").status_code == 200, "nor is the same click"
    host.user = "bob"
    assert buy(host, "pro").status_code == 201, "the limit is each user's own"
    host.user = "alice"
    change(host, str(first["id"]), created_at=first["created_at"] - dt.timedelta(minutes=61))
    assert buy(host, "pro").status_code == 201


def test_D11_twenty_checkouts_at_once_stay_within_the_limit(
    database_url: str, new_shop: NewShop
) -> None:
    host = new_shop(database_url, STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR=3)
    answers = at_once(12, lambda number: buy(host, key=f"order-{number}"))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 9
    assert len(host.purchases()) == 3


def test_D11_at_the_cap_the_oldest_open_session_is_closed(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    host = new_shop(database_url, STRIPE_CREDITS_MAX_OPEN_SESSIONS=2)
    bodies = [buy(host, code).json or {} for code in ("starter", "standard", "pro")]
    at_stripe = [stripe.session(body["session_id"])["status"] for body in bodies]
    assert at_stripe == ["expired", "open", "open"]
    assert [host.purchase(body["purchase_id"])["status"] for body in bodies] == [
        "expired",
        "pending",
        "pending",
    ]
    host.user = "bob"
    buy(host, "starter")
    assert stripe.session(bodies[1]["session_id"])["status"] == "open"


def test_D11_a_session_that_was_paid_meanwhile_is_not_closed_and_pays(
    new_shop: NewShop, stripe: Sandbox
) -> None:
    host = new_shop(STRIPE_CREDITS_MAX_OPEN_SESSIONS=1)
    first = buy(host, "starter").json or {}
    assert stripe.pay(first["session_id"]).result == "paid"
    assert buy(host, "pro").status_code == 201
    assert host.purchase(first["purchase_id"])["status"] == "pending"
    host.pay(host.purchase(first["purchase_id"]))
    assert host.balance() == 1000


def test_F15_what_a_client_sends_forges_no_line_of_the_log(
    small_shop: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    evil = "alice\nCRITICAL flask: all is lost\x1b[2J"
    small_shop.user = evil
    assert buy(small_shop, key="k").status_code == 201
    buy(small_shop, "no-such\nCRITICAL")
    small_shop.client.get(f"{PREFIX}/purchases/%0aCRITICAL%1b")
    assert any("Created checkout session" in record.getMessage() for record in caplog.records)
    ours = [r for r in caplog.records if r.name.startswith("flask_stripe_credits.")]
    for record in ours:
        if not record.name.startswith("flask_stripe_credits.sandbox"):
            assert re.search(r"[\n\r\x1b]", record.getMessage()) is None
