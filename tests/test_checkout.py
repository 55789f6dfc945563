"""Stripe at its worst while a checkout is opened: the row is kept and the same request resumes."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from flask_stripe_credits import checkout, checkout_limits, signals
from flask_stripe_credits.gateway import limits
from flask_stripe_credits.sandbox import Sandbox

from .hosts import PREFIX, Host
from .payloads import checkout_session, event, new_api_key
from .stripe_stub import CREATE, EXPIRE, NewShop, StripeStub

URL = f"{PREFIX}/purchase"
KEYS = [None, "order-1"]

with_and_without_key = pytest.mark.parametrize("key", KEYS, ids=["click", "key"])


def buy(host: Host, key: str | None = None, code: str = "starter") -> TestResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    return host.client.post(URL, json={"package_code": code}, headers=headers)


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, (answer.json or {}).get("code", "")


def only_row(host: Host) -> dict[str, Any]:
    (row,) = host.purchases()
    return row


def sessions_of(stripe: Sandbox, row: dict[str, Any]) -> list[Any]:
    return [
        session
        for session in stripe.objects("checkout.session")
        if session["client_reference_id"] == str(row["id"])
    ]


def resumes(host: Host, stripe: Sandbox, key: str | None, *, sessions: int = 1) -> None:
    """The same request opens the purchase that is there already, and it can be paid."""
    before = only_row(host)
    assert before["status"] == "pending"
    assert before["checkout_url"] is before["stripe_checkout_session_id"] is None
    answer = buy(host, key)
    assert answer.status_code == 201, answer.text
    row = only_row(host)
    assert row["id"] == before["id"]
    assert row["checkout_url"] == (answer.json or {})["checkout_url"]
    assert len(sessions_of(stripe, row)) == sessions
    again = buy(host, key)
    assert (again.status_code, again.json) == (201 if key else 200, answer.json)
    host.pay(row)
    assert host.ledger() == [1000]


@with_and_without_key
def test_D01_stripe_that_is_down_is_told_and_the_purchase_is_resumed(
    database_url: str, new_shop: NewShop, stripe: Sandbox, quick_retries: None, key: str | None
) -> None:
    # Nobody listens there, and nothing can.
    host = new_shop(database_url, STRIPE_CREDITS_API_BASE="http://127.0.0.1:9")
    for _ in range(2):
        answer = buy(host, key)
        assert code_of(answer) == (503, "stripe_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.content_type == "application/problem+json"
        assert only_row(host)["status"] == "pending"
    assert host.ledger() == []
    with_stripe = new_shop(
        database_url,
        STRIPE_WEBHOOK_SECRET_CREDITS=host.webhook_secret,
    )
    with_stripe.webhook_secret = host.webhook_secret
    resumes(with_stripe, stripe, key)


@with_and_without_key
@pytest.mark.parametrize(
    "fault",
    [
        {"reset": True},
        {"hang_seconds": 0.6},
        {"reset": True, "after_work": True},
        {"hang_seconds": 0.6, "after_work": True},
    ],
    ids=["reset", "hang", "answer-lost", "answer-late"],
)
def test_D01_one_lost_answer_is_asked_for_again_within_the_request(
    shop: Host,
    stripe: Sandbox,
    give_up_soon: Callable[[], None],
    fault: dict[str, Any],
    key: str | None,
) -> None:
    stripe.faults.next(CREATE, **fault)
    if "hang_seconds" in fault:
        give_up_soon()
    answer = buy(shop, key)
    while answer.status_code == 503 and "hang_seconds" in fault:
        # The key is in use at Stripe until the first try is through: a later request helps.
        answer = buy(shop, key)
    assert answer.status_code == 201, answer.text
    assert len(sessions_of(stripe, only_row(shop))) == 1


@with_and_without_key
@pytest.mark.parametrize("after_work", [False, True], ids=["before", "after"])
def test_D01_a_connection_that_keeps_breaking_leaves_one_session(
    shop: Host, stripe: Sandbox, key: str | None, after_work: bool
) -> None:
    for _ in range(3):
        stripe.faults.next(CREATE, reset=True, after_work=after_work)
    assert code_of(buy(shop, key)) == (503, "stripe_unavailable")
    row = only_row(shop)
    assert len(sessions_of(stripe, row)) == (1 if after_work else 0)
    assert row["checkout_attempt"] == 1, "the next try must have the same idempotency key"
    resumes(shop, stripe, key)


def limit_rate(stripe: Sandbox) -> None:
    """For as often as it is asked for one purchase."""
    for _ in range(1 + limits.MAX_NETWORK_RETRIES):
        stripe.faults.next(CREATE, status=429)


@with_and_without_key
def test_D02_rate_limiting_by_stripe_is_an_outage(
    shop: Host, stripe: Sandbox, key: str | None
) -> None:
    limit_rate(stripe)
    answer = buy(shop, key)
    assert code_of(answer) == (503, "stripe_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert only_row(shop)["checkout_attempt"] == 1
    resumes(shop, stripe, key)


@with_and_without_key
@pytest.mark.parametrize("after_work", [False, True], ids=["before", "after"])
def test_D03_an_error_that_stripe_keeps_under_the_key_is_left_behind(
    shop: Host, stripe: Sandbox, key: str | None, after_work: bool
) -> None:
    stripe.faults.next(CREATE, status=500, after_work=after_work)
    assert code_of(buy(shop, key)) == (503, "stripe_unavailable")
    assert only_row(shop)["checkout_attempt"] == 2
    # The session of the lost attempt is tolerated: paying it never pays twice for credits.
    resumes(shop, stripe, key, sessions=2 if after_work else 1)


@with_and_without_key
@pytest.mark.parametrize("status", [401, 403])
def test_D05_a_refused_key_is_our_problem_not_the_buyers(
    shop: Host,
    stripe: Sandbox,
    caplog: pytest.LogCaptureFixture,
    key: str | None,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    stripe.faults.next(CREATE, status=status)
    answer = buy(shop, key)
    assert code_of(answer) == (503, "stripe_refused_key")
    assert int(answer.headers["Retry-After"]) > 0
    secret = shop.state.settings.require_secret_key().reveal()
    for text in (answer.text, caplog.text):
        assert secret not in text
        assert secret[-6:] not in text
    assert "Stripe refused the API key" in caplog.text
    resumes(shop, stripe, key)


@with_and_without_key
@pytest.mark.parametrize("status", [400, 402, 404])
def test_D06_a_parameter_that_stripe_refuses_is_a_bad_gateway(
    shop: Host, stripe: Sandbox, key: str | None, status: int
) -> None:
    stripe.faults.next(CREATE, status=status)
    answer = buy(shop, key)
    assert code_of(answer) == (502, "stripe_rejected")
    assert "on purpose" not in answer.text, "the text of Stripe's error is not the buyer's"
    resumes(shop, stripe, key)


def test_D06_a_price_that_stripe_does_not_know_is_a_bad_gateway(
    shop: Host, stripe: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    table = shop.credits.Package.__table__
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(stripe_price_id="price_gone"))
    assert code_of(buy(shop)) == (502, "stripe_rejected")
    assert "resource_missing" in caplog.text
    assert only_row(shop)["checkout_url"] is None


@pytest.mark.parametrize("unit_amount", [1, 49, 100_000_000])
def test_B35_a_price_that_stripe_would_not_charge_sells_nothing(
    shop: Host, stripe: Sandbox, unit_amount: int
) -> None:
    """Stripe's smallest and largest charge differ by currency and change: it is asked."""
    table = shop.credits.Package.__table__
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(unit_amount=unit_amount))
    answer = buy(shop, "order-1")
    assert code_of(answer) == (502, "stripe_rejected")
    assert "amount" not in answer.text, "the text of Stripe's error is not the buyer's"
    row = only_row(shop)
    assert (row["status"], row["checkout_url"]) == ("pending", None)
    assert sessions_of(stripe, row) == []
    assert shop.ledger() == []


def test_D07_a_hanging_stripe_is_given_up(
    shop: Host, stripe: Sandbox, give_up_soon: Callable[[], None]
) -> None:
    for _ in range(3):
        stripe.faults.next(CREATE, hang_seconds=60.0)
    give_up_soon()
    started = time.monotonic()
    assert code_of(buy(shop)) == (503, "stripe_unavailable")
    assert time.monotonic() - started < 30
    stripe.faults.clear()
    # The sandbox still works at the first try, and keeps its idempotency key for it.
    assert only_row(shop)["checkout_attempt"] == 1


def answer_of(row_wanted: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    session = checkout_session(row_wanted, status="open", payment_status="unpaid")
    return session | {"url": "https://checkout.test/pay", "payment_intent": None} | overrides


class Stubbed:
    """A host whose Stripe is the stub, and the row that it will have made."""

    def __init__(self, host: Host, stub: StripeStub) -> None:
        self.host, self.stub = host, stub
        assert buy(host).status_code in (502, 503)
        self.row = only_row(host)

    def answered(self, **overrides: Any) -> TestResponse:
        self.stub.answer(answer_of(self.row, **overrides))
        return buy(self.host)


@pytest.fixture
def stubbed(new_shop: NewShop, stub: StripeStub, quick_retries: None) -> Stubbed:
    return Stubbed(new_shop(STRIPE_CREDITS_API_BASE=stub.url), stub)


def test_D08_an_answer_that_does_not_fit_the_purchase_gives_nobody_an_address(
    stubbed: Stubbed,
) -> None:
    for wrong in (
        {"amount_subtotal": 999},
        {"amount_subtotal": 1001, "amount_total": 1000},
        {"amount_subtotal": None},
        {"amount_subtotal": "1000"},
        {"currency": "eur"},
        {"currency": None},
        {"mode": "subscription"},
        {"livemode": True},
        {"livemode": None},
        {"url": None},
        {"url": ""},
        {"url": "javascript:alert(1)"},
        {"url": "http://checkout.test/pay"},
        {"url": "//checkout.test/pay"},
        {"id": None},
        {"id": "cs_test/../x"},
    ):
        answer = stubbed.answered(**wrong)
        assert code_of(answer) == (502, "stripe_rejected"), wrong
        assert "checkout.test" not in answer.text
        row = only_row(stubbed.host)
        assert row["checkout_url"] is row["stripe_checkout_session_id"] is None
        assert (row["id"], row["status"]) == (stubbed.row["id"], "pending")
    good = stubbed.answered()
    assert good.status_code == 201
    assert (good.json or {})["checkout_url"] == "https://checkout.test/pay"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500, 503])
def test_D08_an_answer_of_another_shape_is_no_bug_of_ours(stubbed: Stubbed, status: int) -> None:
    for body in (
        *(b"", b"{}", b"[]", b"null", b'"x"', b"1", b"true", b"<html>", b"{", b"\xff"),
        *(b'{"id": []}', b'{"error": []}', b'{"error": "x"}', b'{"error": null}'),
    ):
        stubbed.stub.answer(body, status)
        answer = buy(stubbed.host)
        assert answer.status_code in (502, 503), (body, answer.text)
        assert only_row(stubbed.host)["checkout_url"] is None
    assert stubbed.answered().status_code == 201


def test_D08_a_redirect_by_stripe_is_not_followed_with_our_key(
    stubbed: Stubbed, stripe: Sandbox
) -> None:
    stubbed.stub.answer(b"", 307, Location=f"{stripe.url}/v1/checkout/sessions")
    assert buy(stubbed.host).status_code in (502, 503)
    assert sessions_of(stripe, stubbed.row) == []


def test_a_session_without_an_expiry_is_taken(stubbed: Stubbed) -> None:
    answer = stubbed.answered(expires_at=None)
    assert (answer.status_code, (answer.json or {})["expires_at"]) == (201, None)


# What is sent.


def sent_keys(stub: StripeStub) -> list[str]:
    return [
        headers["Idempotency-Key"]
        for call, headers, _ in stub.requests
        if call == "POST /v1/checkout/sessions"
    ]


def test_D03_each_attempt_sends_the_same_bytes_under_its_own_key(stubbed: Stubbed) -> None:
    stub, host = stubbed.stub, stubbed.host
    stub.requests.clear()
    first = only_row(host)["checkout_attempt"]
    stub.answer({"error": {"type": "api_error"}}, 500)
    buy(host)
    buy(host)
    purchase_id = stubbed.row["id"]
    keys = list(dict.fromkeys(sent_keys(stub)))
    assert keys == [f"flask-stripe-credits-{purchase_id}-a{n}" for n in (first, first + 1)]
    assert len(sent_keys(stub)) == 6, "three tries a request"
    assert len({body for _, _, body in stub.requests}) == 1


def test_the_request_says_which_version_and_key_it_uses(stubbed: Stubbed) -> None:
    secret = stubbed.host.state.settings.require_secret_key().reveal()
    for _, headers, _ in stubbed.stub.requests:
        assert headers["Authorization"] == f"Bearer {secret}"
        assert headers["Stripe-Version"]


def test_a_configured_expiry_that_ran_out_is_set_anew_under_another_key(
    new_shop: NewShop, stripe: Sandbox, quick_retries: None
) -> None:
    host = new_shop(STRIPE_CREDITS_SESSION_EXPIRES_SECONDS=2_100)
    for _ in range(3):
        stripe.faults.next(CREATE, reset=True)
    assert buy(host, "order-1").status_code == 503
    row = only_row(host)
    overdue = int(time.time()) + 1_000
    table = host.credits.Purchase.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        params = row["checkout_params"] | {"expires_at": overdue}
        connection.execute(sa.update(table).values(checkout_params=params))
    answer = buy(host, "order-1")
    assert answer.status_code == 201, answer.text
    after = only_row(host)
    assert after["checkout_attempt"] == 2
    assert after["checkout_params"]["expires_at"] >= int(time.time()) + 2_000
    assert {**after["checkout_params"], "expires_at": 0} == {
        **row["checkout_params"],
        "expires_at": 0,
    }


def test_I10_a_resumed_purchase_sells_what_was_asked_for_at_first(
    shop: Host, stripe: Sandbox
) -> None:
    limit_rate(stripe)
    buy(shop, "order-1")
    table = shop.credits.Package.__table__
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(
            sa.update(table)
            .where(table.c.package_code == "starter")
            .values(unit_amount=99_900, credits=1, is_active=False)
        )
    session = stripe.session((buy(shop, "order-1").json or {})["session_id"])
    assert session["amount_total"] == 1_000
    shop.pay(only_row(shop))
    assert shop.ledger() == [1000]


# Who is faster.


def test_A11_a_webhook_before_our_answer_is_there_grants_once(shop: Host, stripe: Sandbox) -> None:
    def pay_at_once(session: Any) -> None:
        outcome = stripe.pay(session["id"])
        document = event("checkout.session.completed", outcome.session)
        assert shop.post_event(document).json == {"received": True, "verdict": "handled"}

    stripe.faults.next(CREATE, before_reply=pay_at_once)
    answer = buy(shop)
    assert (answer.status_code, (answer.json or {})["status"]) == (201, "completed")
    assert shop.ledger() == [1000]
    row = only_row(shop)
    assert row["checkout_url"] == (answer.json or {})["checkout_url"]
    shop.pay(row)
    assert shop.ledger() == [1000]


def test_D01_a_session_that_was_paid_after_its_answer_was_lost_grants(
    shop: Host, stripe: Sandbox
) -> None:
    for _ in range(3):
        stripe.faults.next(CREATE, reset=True, after_work=True)
    assert buy(shop, "order-1").status_code == 503
    (session,) = sessions_of(stripe, only_row(shop))
    shop.post_event(event("checkout.session.completed", stripe.pay(session["id"]).session))
    assert shop.ledger() == [1000]
    answer = buy(shop, "order-1")
    assert (answer.json or {})["status"] == "completed"
    assert shop.ledger() == [1000]


def test_I14_no_connection_is_held_while_stripe_is_asked(shop: Host, stripe: Sandbox) -> None:
    with shop.app.app_context():
        engine = shop.db.engine
    held: list[str] = []

    def look(_: Any) -> None:
        held.append(f"{engine.pool.checkedout()} checked out")  # type: ignore[attr-defined]
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                rows = connection.execute(
                    sa.text(
                        "SELECT state, query FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                        "AND datname = current_database() AND xact_start IS NOT NULL"
                    )
                )
                held.extend(f"{state}: {query}" for state, query in rows)
            else:
                connection.execute(sa.text("BEGIN IMMEDIATE"))

    for call in (CREATE, "GET /v1/checkout/sessions/*"):
        stripe.faults.next(call, before_reply=look)
    purchase_id = (buy(shop).json or {})["purchase_id"]
    assert shop.client.get(f"{PREFIX}/purchases/{purchase_id}").status_code == 200
    assert held == ["0 checked out", "0 checked out"]


def test_C02_the_lease_of_a_dead_request_ends(shop: Host, stripe: Sandbox) -> None:
    """Killed between our row and Stripe's answer."""
    limit_rate(stripe)
    buy(shop, "order-1")
    table = shop.credits.Purchase.__table__
    now = dt.datetime.now(dt.UTC)
    for until, status in ((now + checkout.LEASE, 409), (now - dt.timedelta(seconds=1), 201)):
        with shop.app.app_context(), shop.db.engine.begin() as connection:
            connection.execute(sa.update(table).values(checkout_claimed_until=until))
        answer = buy(shop, "order-1")
        assert answer.status_code == status
        if status == 409:
            assert 28 <= int(answer.headers["Retry-After"]) <= 30
    assert len(sessions_of(stripe, only_row(shop))) == 1


def test_purchase_created_is_told_once_for_each_purchase(shop: Host, stripe: Sandbox) -> None:
    told: list[Any] = []

    def listen(sender: Flask, purchase: Any) -> None:
        told.append((sender, purchase))

    with signals.purchase_created.connected_to(listen, sender=shop.app):
        limit_rate(stripe)
        buy(shop)
        assert told == []
        body = buy(shop).json or {}
        buy(shop)
    ((sender, purchase),) = told
    assert sender is shop.app
    assert (purchase.id, purchase.checkout_url) == (body["purchase_id"], body["checkout_url"])


def test_a_failing_receiver_of_purchase_created_does_not_lose_the_checkout(
    shop: Host, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sender: Flask, purchase: Any) -> None:
        raise RuntimeError("mail is down")

    with signals.purchase_created.connected_to(fail, sender=shop.app):
        assert buy(shop).status_code == 201
    assert "mail is down" in caplog.text


# Making room.


def test_D07_a_session_that_cannot_be_closed_does_not_stop_the_next(
    new_shop: NewShop, stripe: Sandbox, quick_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = new_shop(STRIPE_CREDITS_MAX_OPEN_SESSIONS=1)
    first = (buy(host, code="starter").json or {})["session_id"]
    second = (buy(host, code="standard").json or {})["session_id"]
    assert stripe.session(first)["status"] == "expired"
    stripe.faults.next(EXPIRE, hang_seconds=60.0)
    # Only the call that hangs is impatient.
    monkeypatch.setattr(limits, "IMPATIENT_TIMEOUT_SECONDS", 0.6)
    started = time.monotonic()
    assert buy(host, code="pro").status_code == 201
    assert time.monotonic() - started < 30
    monkeypatch.setattr(limits, "IMPATIENT_TIMEOUT_SECONDS", 60.0)
    assert stripe.session(second)["status"] == "open"
    assert buy(host, code="enterprise").status_code == 201
    stripe.faults.clear()
    assert stripe.session(second)["status"] == "expired", "the next purchase closes what was left"


def test_D07_only_so_much_time_is_spent_on_closing_sessions(
    new_shop: NewShop, stripe: Sandbox, quick_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_host = new_shop()
    url = database_host.app.config["SQLALCHEMY_DATABASE_URI"]
    codes = ("starter", "standard", "pro")
    opened = [(buy(database_host, code=code).json or {})["session_id"] for code in codes]
    host = new_shop(url, STRIPE_CREDITS_MAX_OPEN_SESSIONS=1)
    monkeypatch.setattr(checkout_limits, "LONGEST_MAKING_ROOM_SECONDS", 0.0)
    assert buy(host, code="enterprise").status_code == 201
    assert sorted(stripe.session(session)["status"] for session in opened) == [
        "expired",
        "open",
        "open",
    ]


def test_D07_an_outage_while_closing_sessions_ends_it(
    new_shop: NewShop, stripe: Sandbox, quick_retries: None
) -> None:
    roomy = new_shop()
    codes = ("starter", "standard", "pro")
    opened = [(buy(roomy, code=code).json or {})["session_id"] for code in codes]
    url = roomy.app.config["SQLALCHEMY_DATABASE_URI"]
    host = new_shop(url, STRIPE_CREDITS_MAX_OPEN_SESSIONS=1)
    asked: list[Any] = []
    for _ in codes:
        stripe.faults.next(EXPIRE, status=429, before_reply=asked.append)
    assert buy(host, code="enterprise").status_code == 201
    assert len(asked) == 1
    assert {stripe.session(session)["status"] for session in opened} == {"open"}


def test_B30_another_mode_than_the_purchases_opens_nothing(
    new_shop: NewShop, stub: StripeStub
) -> None:
    """A purchase begun with a test key is not resumed with a live one."""
    host = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    stub.answer({"error": {"type": "invalid_request_error"}}, 429)
    buy(host, "order-1")
    live = new_shop(
        host.app.config["SQLALCHEMY_DATABASE_URI"],
        STRIPE_SECRET_KEY=new_api_key("live"),
        STRIPE_CREDITS_API_BASE=stub.url,
    )
    stub.answer(answer_of(only_row(host), livemode=True))
    assert code_of(buy(live, "order-1")) == (422, "idempotency_key_reused")
    assert only_row(host)["checkout_url"] is None


@with_and_without_key
def test_B30_a_checkout_of_the_other_mode_is_handed_out_to_nobody(
    database_url: str, new_shop: NewShop, stripe: Sandbox, key: str | None
) -> None:
    shop = new_shop(database_url)
    tried = buy(shop, key).json["checkout_url"]
    live = new_shop(database_url, STRIPE_SECRET_KEY=new_api_key("live"))
    answer = buy(live, key)
    # The click wants a new checkout, for which the sandbox refuses a live key.
    assert answer.status_code == (503 if key is None else 422)
    assert tried not in answer.text
    assert sorted(row["livemode"] for row in live.purchases()) == (
        [False, True] if key is None else [False]
    )


def test_D01_D04_a_session_that_nobody_got_and_that_expired_gives_way_to_another(
    shop: Host, stripe: Sandbox, quick_retries: None
) -> None:
    """Else the key would name a purchase without an address for ever."""
    for _ in range(limits.MAX_NETWORK_RETRIES + 1):
        stripe.faults.next(CREATE, reset=True, after_work=True)
    assert buy(shop, "order-1").status_code == 503
    (lost,) = sessions_of(stripe, only_row(shop))
    stripe.expire(lost["id"])
    expired = event("checkout.session.expired", stripe.session(lost["id"]))
    assert shop.post_event(expired).status_code == 200
    assert only_row(shop)["status"] == "expired"
    answer = buy(shop, "order-1")
    assert answer.status_code == 201, answer.text
    row = only_row(shop)
    assert row["status"] == "pending"
    assert row["checkout_url"] == answer.json["checkout_url"]
    assert row["stripe_checkout_session_id"] != lost["id"]
    # What comes of the first one later is nobody's news.
    assert shop.post_event(event(expired["type"], expired["data"]["object"])).status_code == 200
    assert only_row(shop)["status"] == "pending"
    shop.pay(row)
    assert shop.ledger() == [1000]
    shop.assert_exact()


@with_and_without_key
def test_D03_what_stripe_refused_is_asked_for_as_it_is_set_now(
    shop: Host, stripe: Sandbox, quick_retries: None, key: str | None
) -> None:
    wrong = {"nonsense": "1"}
    shop.credits.checkout_session_params(lambda purchase, params: {**params, **wrong})
    assert code_of(buy(shop, key)) == (502, "stripe_rejected")
    wrong.clear()
    resumes(shop, stripe, key)


def test_D03_a_purchase_whose_price_is_gone_at_stripe_is_sold_for_what_it_was(
    new_shop: NewShop, stripe: Sandbox, quick_retries: None
) -> None:
    shop = new_shop(packages=False)
    run = shop.app.test_cli_runner().invoke
    assert run(args=["credits", "packages", "load"]).exit_code == 0
    assert run(args=["credits", "sync", "--apply"]).exit_code == 0
    for _ in range(limits.MAX_NETWORK_RETRIES + 1):
        stripe.faults.next(CREATE, reset=True)
    assert buy(shop, "order-1").status_code == 503
    old = only_row(shop)["stripe_price_id"]
    assert old is not None
    edited = run(args=["credits", "packages", "edit", "starter", "--price", "12.00", "--by", "x"])
    assert edited.exit_code == 0, edited.output
    stripe.store.save({**stripe.store.get_any(old), "active": False})
    assert code_of(buy(shop, "order-1")) == (502, "stripe_rejected")
    resumes(shop, stripe, "order-1")
    row = only_row(shop)
    assert (row["unit_amount"], row["amount_credits"], row["stripe_price_id"]) == (1000, 1000, None)
