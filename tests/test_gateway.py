from __future__ import annotations

import datetime as dt
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe as stripe_library

from flask_stripe_credits import checkout_limits
from flask_stripe_credits.config import read_settings
from flask_stripe_credits.errors import (
    GatewayError,
    GatewayKeyRefused,
    GatewayRejected,
    GatewayUnavailable,
    NotConfigured,
)
from flask_stripe_credits.gateway import Gateway, limits
from flask_stripe_credits.sandbox import Sandbox

from .payloads import new_api_key
from .stripe_stub import CREATE, StripeStub

SECRET = new_api_key()
PARAMS: dict[str, Any] = {
    "mode": "payment",
    "success_url": "https://shop.test/thanks",
    "line_items": [
        {
            "quantity": 1,
            "price_data": {
                "currency": "usd",
                "unit_amount": 1000,
                "product_data": {"name": "Starter Pack"},
            },
        }
    ],
}

SINCE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def gateway_to(url: str, key: str = SECRET) -> Gateway:
    return Gateway(read_settings({"STRIPE_SECRET_KEY": key, "STRIPE_CREDITS_API_BASE": url}, {}))


def create(found: Gateway, key: str = "key") -> Any:
    return found.create_checkout_session(PARAMS, idempotency_key=key)


@pytest.fixture(autouse=True)
def _quick(quick_retries: None) -> None:
    pass


CALLS: dict[str, Callable[[Gateway], object]] = {
    "create_checkout_session": create,
    "retrieve_checkout_session": lambda g: g.retrieve_checkout_session("cs_test_1"),
    "find_checkout_session": lambda g: g.find_checkout_session("cs_test_1"),
    "page_checkout_sessions": lambda g: g.page_checkout_sessions(since=SINCE),
    "page_refunds": lambda g: g.page_refunds(since=SINCE),
    "page_disputes": lambda g: g.page_disputes(since=SINCE),
    "page_refunds_of": lambda g: g.page_refunds_of("pi_1"),
    "page_disputes_of": lambda g: g.page_disputes_of("pi_1"),
    "has_payment_failed": lambda g: g.has_payment_failed("pi_1"),
    "expire_checkout_session": lambda g: g.expire_checkout_session("cs_test_1"),
    "create_refund": lambda g: g.create_refund(
        {"payment_intent": "pi_1", "amount": 1}, idempotency_key="k"
    ),
    "receipt_url_of": lambda g: g.receipt_url_of("pi_1"),
    "find_event": lambda g: g.find_event("evt_1"),
    "page_events": lambda g: g.page_events(since=SINCE, types=["refund.created"]),
    "find_object_of": lambda g: g.find_object_of("refund.created", "re_1"),
    "list_refunds_of": lambda g: g.list_refunds_of("pi_1"),
    "ask": lambda g: g.ask("/v1/account"),
    "ask_to_change": lambda g: g.ask_to_change("/v1/refunds/re_none"),
    "retrieve_product": lambda g: g.retrieve_product("prod_1"),
    "list_products": lambda g: g.list_products(),
    "create_product": lambda g: g.create_product({"name": "x"}),
    "update_product": lambda g: g.update_product("prod_1", {"name": "x"}),
    "retrieve_price": lambda g: g.retrieve_price("price_1"),
    "list_prices": lambda g: g.list_prices("prod_1"),
    "update_price": lambda g: g.update_price("price_1", {"active": False}),
    "find_price_by_lookup_key": lambda g: g.find_price_by_lookup_key("x"),
    "create_price": lambda g: g.create_price({"currency": "usd"}),
    "list_webhook_endpoints": lambda g: g.list_webhook_endpoints(),
    "create_webhook_endpoint": lambda g: g.create_webhook_endpoint(
        {"url": "https://shop.test", "enabled_events": ["*"]}, idempotency_key="k"
    ),
    "update_webhook_endpoint": lambda g: g.update_webhook_endpoint("we_1", {"disabled": True}),
    "delete_webhook_endpoint": lambda g: g.delete_webhook_endpoint("we_1"),
}


def test_every_public_call_is_in_this_table() -> None:
    public = {name for name in dir(Gateway) if not name.startswith("_")}
    assert public == set(CALLS)


def error_of(call: Callable[[Gateway], object], found: Gateway) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        call(found)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "kind", "answered"),
    [
        (400, {"type": "invalid_request_error", "param": "mode"}, GatewayRejected, None),
        (400, {"type": "idempotency_error"}, GatewayRejected, None),
        (402, {"type": "card_error", "code": "card_declined"}, GatewayRejected, None),
        (401, {"type": "invalid_request_error"}, GatewayKeyRefused, None),
        (403, {"type": "invalid_request_error"}, GatewayKeyRefused, None),
        (409, {"type": "idempotency_error"}, GatewayUnavailable, False),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, GatewayUnavailable, False),
        (500, {"type": "api_error"}, GatewayUnavailable, True),
        (503, {"type": "api_error"}, GatewayUnavailable, True),
        (504, {}, GatewayUnavailable, True),
    ],
)
def test_D05_each_answer_of_stripe_has_its_error(
    stub: StripeStub, status: int, body: dict[str, Any], kind: type, answered: bool | None
) -> None:
    stub.answer({"error": body | {"message": "secret details"}}, status, Request_Id="req_1")
    for name, call in CALLS.items():
        error = error_of(call, gateway_to(stub.url))
        assert type(error) is kind, name
        assert error.request_id == "req_1"
        assert "secret details" not in str(error)
        if isinstance(error, GatewayUnavailable):
            assert error.answered is answered
        elif status == 400:
            assert error.code == body["type"]


def test_a_missing_product_or_price_is_none_and_a_missing_session_an_error(
    stub: StripeStub,
) -> None:
    missing = {"type": "invalid_request_error", "code": "resource_missing", "param": "id"}
    stub.answer({"error": missing}, 404)
    found = gateway_to(stub.url)
    assert found.retrieve_product("prod_1") is None
    assert found.retrieve_price("price_1") is None
    assert found.find_checkout_session("cs_1") is None
    assert found.page_refunds_of("pi_1").items == found.page_disputes_of("pi_1").items == []
    assert found.has_payment_failed("pi_1") is False
    assert found.delete_webhook_endpoint("we_1") is False
    error = error_of(CALLS["retrieve_checkout_session"], found)
    assert isinstance(error, GatewayRejected)
    assert error.code == "resource_missing"
    stub.answer({"id": "prod_1", "object": "product", "deleted": True})
    assert found.retrieve_product("prod_1") is None


def test_D08_no_call_fails_otherwise_whatever_comes_back(stub: StripeStub) -> None:
    found = gateway_to(stub.url)
    for status in (200, 404):
        for body in (b"", b"[]", b"null", b'"x"', b"1", b"<html>", b"{", b"\xff", b'{"data": 1}'):
            stub.answer(body, status)
            for name, call in CALLS.items():
                try:
                    call(found)
                except GatewayError:
                    continue
                # Nothing is there, or what comes is given on as it is.
                may_end = (
                    "list_products list_prices find_price_by_lookup_key ask ask_to_change "
                    "receipt_url_of find_object_of"
                ).split()
                assert name in may_end, (name, status, body)


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_D01_a_server_that_is_not_there_is_unavailable(call: Callable[[Gateway], object]) -> None:
    error = error_of(call, gateway_to("http://127.0.0.1:9"))
    assert isinstance(error, GatewayUnavailable)
    assert (error.answered, error.request_id) == (False, None)


def test_E01_without_a_key_nothing_is_sent(stub: StripeStub) -> None:
    found = gateway_to(stub.url, "sk_test_placeholder")
    for call in CALLS.values():
        with pytest.raises(NotConfigured, match="STRIPE_SECRET_KEY"):
            call(found)
    assert stub.requests == []


def count(stub: StripeStub, call: Callable[[Gateway], object]) -> int:
    stub.requests.clear()
    error_of(call, gateway_to(stub.url))
    return len(stub.requests)


def test_only_what_nobody_waits_for_impatiently_is_tried_again(stub: StripeStub) -> None:
    stub.answer({"error": {"type": "api_error"}}, 500)
    for name, call in CALLS.items():
        once = "expire_checkout_session list_refunds_of ask ask_to_change receipt_url_of".split()
        assert count(stub, call) == (1 if name in once else 3), name
    assert count(stub, lambda g: g.retrieve_checkout_session("cs_1", impatient=True)) == 1
    stub.answer({"error": {"type": "invalid_request_error"}}, 429)
    assert count(stub, create) == 3
    for status in (400, 401):
        stub.answer({"error": {"type": "invalid_request_error"}}, status)
        assert count(stub, create) == 1


def test_each_try_carries_the_same_key(stub: StripeStub) -> None:
    stub.answer({"error": {"type": "api_error"}}, 500)
    error_of(create, gateway_to(stub.url))
    assert [headers["Idempotency-Key"] for _, headers, _ in stub.requests] == ["key"] * 3
    assert len({body for _, _, body in stub.requests}) == 1


def test_D07_a_hanging_answer_is_given_up(
    stripe: Sandbox, give_up_soon: Callable[[], None]
) -> None:
    session = create(gateway_to(stripe.url), key=os.urandom(8).hex())
    stripe.faults.next("GET /v1/checkout/sessions/*", hang_seconds=60)
    give_up_soon()
    started = time.monotonic()
    with pytest.raises(GatewayUnavailable):
        gateway_to(stripe.url).retrieve_checkout_session(session.id, impatient=True)
    assert time.monotonic() - started < 30


def test_a_session_is_read_as_the_sandbox_tells_it(stripe: Sandbox) -> None:
    found = gateway_to(stripe.url)
    session = create(found, key=os.urandom(8).hex())
    assert (session.amount_total, session.currency, session.mode) == (1000, "usd", "payment")
    assert session.url is not None and session.url.startswith(stripe.url)
    assert found.retrieve_checkout_session(session.id) == session
    assert found.expire_checkout_session(session.id).status == "expired"
    with pytest.raises(GatewayRejected):
        found.expire_checkout_session(session.id)


# One process, several apps, threads and forks.


def test_C30_two_keys_in_one_process_stay_apart(stub: StripeStub) -> None:
    stub.answer({"error": {"type": "invalid_request_error"}}, 400)
    keys = [new_api_key(), new_api_key()]
    gateways = [gateway_to(stub.url, key) for key in keys]
    for found in (*gateways, *gateways):
        error_of(create, found)
    used = [headers["Authorization"] for _, headers, _ in stub.requests]
    assert used == [f"Bearer {key}" for key in keys * 2]
    assert stripe_library.api_key is None


def test_one_client_is_kept_and_threads_share_it(stripe: Sandbox) -> None:
    found = gateway_to(stripe.url)
    sessions: list[Any] = []
    threads = [
        threading.Thread(target=lambda: sessions.append(create(found, os.urandom(8).hex())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({session.id for session in sessions}) == 8
    assert list(found._clients) == [(os.getpid(), False)]


def test_C29_a_forked_worker_opens_a_connection_of_its_own(stub: StripeStub) -> None:
    """In a process of its own: a fork of this one would take the tests' threads with it."""
    stub.answer({"id": "cs_test_1"})
    program = f"""
import os
from tests.test_gateway import create, gateway_to
found = gateway_to({stub.url!r})
create(found)
create(found)
child = os.fork()
create(found)
create(found)
if child:
    os.wait()
    create(found)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    parent, child = stub.ports[0], ({*stub.ports} - {stub.ports[0]}).pop()
    assert sorted(stub.ports) == sorted([parent] * 5 + [child] * 2)


def test_D14_a_proxy_of_the_environment_is_not_asked_for_loopback(
    stub: StripeStub, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, stub.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert create(gateway_to(stripe.url), os.urandom(8).hex()).id
    assert stub.requests == []


def test_the_libraries_globals_are_left_alone(stripe: Sandbox) -> None:
    names = ("api_key", "api_base", "max_network_retries", "app_info", "default_http_client")
    before = {name: getattr(stripe_library, name) for name in names}
    create(gateway_to(stripe.url), os.urandom(8).hex())
    assert {name: getattr(stripe_library, name) for name in names} == before


# What may be told.


def test_I13_no_key_and_no_body_gets_into_messages_and_logs(
    stub: StripeStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "flask_stripe_credits")
    found = gateway_to(stub.url)
    message = f"Invalid API Key provided: {SECRET}, SENTINEL"
    for status in (400, 401, 402, 403, 404, 409, 429, 500):
        stub.answer({"error": {"type": "x", "message": message}}, status, Request_Id="req_7")
        for call in CALLS.values():
            try:
                call(found)
            except GatewayError as error:
                for text in (str(error), repr(error), repr(error.args)):
                    assert SECRET not in text
                    assert "SENTINEL" not in text
                assert error.__cause__ is None
                assert error.__suppress_context__
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("flask_stripe_credits")]
    assert any("req_7" in line for line in ours)
    assert not any("SENTINEL" in line or SECRET[-4:] in line for line in ours)
    assert SECRET not in repr(found) + repr(found._settings)


@pytest.mark.parametrize("chosen", [logging.NOTSET, logging.DEBUG, logging.ERROR])
def test_F16_I13_the_librarys_own_log_is_quiet_unless_the_host_chose_a_level(
    stub: StripeStub, chosen: int
) -> None:
    """It tells the whole answer, with the payer's name and address, at DEBUG."""
    library = logging.getLogger("stripe")
    before = library.level
    library.setLevel(chosen)
    try:
        stub.answer({"id": "prod_1", "object": "product"})
        gateway_to(stub.url).retrieve_product("prod_1")
        assert library.level == (chosen or logging.WARNING)
    finally:
        library.setLevel(before)


def test_constants_are_what_the_tests_make_small() -> None:
    assert limits.MAX_NETWORK_RETRIES == 2
    assert limits.FIRST_PAUSE_SECONDS < 0.1
    assert checkout_limits.LONGEST_MAKING_ROOM_SECONDS == 1.0


def test_D01_a_lost_answer_is_asked_for_again_with_the_same_key(stripe: Sandbox) -> None:
    stripe.faults.next(CREATE, reset=True, after_work=True)
    key = os.urandom(8).hex()
    found = gateway_to(stripe.url)
    assert create(found, key).id == create(found, key).id
