"""5.8: however Stripe behaves, all that one request asks of it ends before its worker is killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_stripe_credits.errors import GatewayUnavailable
from flask_stripe_credits.gateway import limits, transport

from .figures import Figures
from .hosts import PREFIX
from .slow_server import Slowness, slow_server
from .stripe_stub import NewShop, StripeStub
from .test_gateway import create, error_of, gateway_to

DOWN = {"error": {"type": "api_error"}}


@pytest.fixture
def quick(quick_retries: None) -> None:
    pass


def test_S12_D07_the_limits_leave_a_worker_time_to_answer() -> None:
    """The real constants, in a process of their own: elsewhere they are made small."""
    program = """
from flask_stripe_credits import checkout
from flask_stripe_credits.gateway import limits
tries = (limits.MAX_NETWORK_RETRIES + 1) * sum(limits.timeouts(False))
pauses = limits.FIRST_PAUSE_SECONDS * 1.5 * (1 + 2)
# A command's call, without a request that limits all of them.
assert tries + pauses < 25, (tries, pauses)
assert limits.LONGEST_REQUEST_SECONDS + 3 <= 25
# Nobody else may begin meanwhile.
assert limits.LONGEST_REQUEST_SECONDS < checkout.LEASE.total_seconds()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def seconds_of(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


@pytest.mark.parametrize("slowness", Slowness)
def test_D07_a_slow_answer_is_given_up_however_it_is_slow(
    quick: None, monkeypatch: pytest.MonkeyPatch, slowness: Slowness
) -> None:
    monkeypatch.setattr(limits, "CONNECT_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "READ_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(limits, "IMPATIENT_TIMEOUT_SECONDS", 0.6)
    with slow_server(slowness) as url:
        found = gateway_to(url)
        seconds = seconds_of(lambda: error_of(create, found))
        impatient = seconds_of(
            lambda: error_of(lambda g: g.expire_checkout_session("cs_test_1"), found)
        )
    # Three tries of 0.3 s at most; 0.6 s for one. The rest is for a busy machine: the answer itself
    # takes minutes.
    assert 0.5 < seconds < 30
    assert 0.3 < impatient < 30


def test_D07_a_name_server_that_hangs_is_given_up(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only part that no timeout of a socket covers."""
    over = threading.Event()
    real = socket.getaddrinfo

    def hanging(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "localhost":
            over.wait(60)
            raise socket.gaierror("no answer")
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    monkeypatch.setattr(limits, "CONNECT_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "READ_TIMEOUT_SECONDS", 0.2)
    seconds = seconds_of(lambda: error_of(create, gateway_to("http://localhost:9")))
    over.set()
    assert seconds < 30


def test_D07_what_one_request_asks_in_all_is_limited(
    quick: None, monkeypatch: pytest.MonkeyPatch, stub: StripeStub
) -> None:
    """However many calls and pages: a list that never ends, too."""
    monkeypatch.setattr(limits, "LONGEST_REQUEST_SECONDS", 1.5)
    refund = {"id": "re_1", "object": "refund", "amount": 1, "currency": "usd"}
    stub.answer({"object": "list", "data": [refund], "has_more": True, "url": "/v1/refunds"})
    app, found = Flask("limited"), gateway_to(stub.url)
    with app.test_request_context():
        started = time.monotonic()
        error = error_of(lambda g: g.list_refunds_of("pi_1"), found)
        assert isinstance(error, GatewayUnavailable)
        sent = len(stub.requests)
        assert sent > 3
        # And nothing more is asked in this request.
        error_of(create, found)
        assert len(stub.requests) == sent
        assert time.monotonic() - started < 30
    with app.test_request_context():
        stub.answer({"id": "prod_1", "object": "product"})
        assert found.retrieve_product("prod_1") is not None


def test_D07_no_try_begins_that_would_end_too_late(
    quick: None, monkeypatch: pytest.MonkeyPatch, stub: StripeStub
) -> None:
    clock = [time.monotonic()]
    monkeypatch.setattr(limits.time, "monotonic", lambda: clock[0])  # type: ignore[attr-defined]
    sleep = lambda seconds: clock.append(clock.pop() + seconds)  # noqa: E731
    monkeypatch.setattr(transport.time, "sleep", sleep)  # type: ignore[attr-defined]
    monkeypatch.setattr(limits, "LONGEST_REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(limits, "FIRST_PAUSE_SECONDS", 0.3)
    stub.answer(DOWN, 500)
    with Flask("limited").test_request_context():
        error_of(create, gateway_to(stub.url))
    assert len(stub.requests) == 2, "a third try would end too late"


def test_a_context_that_outlives_every_request_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a web socket's does, or a test suite's."""
    now = time.monotonic()
    clock = [now]
    monkeypatch.setattr(limits.time, "monotonic", lambda: clock[0])  # type: ignore[attr-defined]
    with Flask("socket").test_request_context():
        assert limits.seconds_left() == limits.LONGEST_REQUEST_SECONDS
        clock[0] = now + 80
        assert limits.seconds_left() < 0
        clock[0] = now + 90
        assert limits.seconds_left() == limits.LONGEST_REQUEST_SECONDS


def test_a_command_may_take_its_time(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST_REQUEST_SECONDS", 0.0)
    with Flask("command").app_context():
        assert limits.seconds_left() == float("inf")


# Rate limits.


def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", slept.append)  # type: ignore[attr-defined]
    return slept


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_within_bounds(
    quick: None, monkeypatch: pytest.MonkeyPatch, stub: StripeStub, status: int
) -> None:
    slept = waits(monkeypatch)
    stub.answer(DOWN, status, Retry_After="3")
    error = error_of(create, gateway_to(stub.url))
    assert slept == [3, 3]
    assert isinstance(error, GatewayUnavailable)
    assert error.retry_after_seconds == 3
    # Longer than a request may wait: whoever asked us is told to come back then.
    slept.clear()
    stub.answer(DOWN, status, Retry_After="120")
    error = error_of(create, gateway_to(stub.url))
    assert (slept, getattr(error, "retry_after_seconds", 0)) == ([], 120)


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1e9", "²", "999999", "Wed, 21 Oct 2026 07:28:00 GMT"]
)
def test_an_unreadable_retry_after_counts_as_none(
    quick: None, monkeypatch: pytest.MonkeyPatch, stub: StripeStub, value: str
) -> None:
    slept = waits(monkeypatch)
    stub.answer(DOWN, 429, **({"Retry_After": value} if value.isascii() else {}))
    error = error_of(create, gateway_to(stub.url))
    assert len(slept) == 2
    assert 0.02 <= slept[0] < slept[1] <= 0.06
    assert getattr(error, "retry_after_seconds", 0) is None
    assert transport.retry_after({"Retry-After": value}) is None


def test_stripes_word_on_trying_again_decides(
    quick: None, monkeypatch: pytest.MonkeyPatch, stub: StripeStub
) -> None:
    waits(monkeypatch)
    for status, word, tries in ((500, "false", 1), (400, "true", 3), (409, "", 3), (402, "", 1)):
        stub.requests.clear()
        stub.answer(DOWN, status, **({"Stripe_Should_Retry": word} if word else {}))
        error_of(create, gateway_to(stub.url))
        assert len(stub.requests) == tries, status


def test_the_buyer_is_told_when_stripe_wants_to_be_asked_again(
    quick: None, new_shop: NewShop, stub: StripeStub
) -> None:
    shop = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    stub.answer(DOWN, 429, Retry_After="77", Request_Id="req_busy")
    answer = shop.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "77")
    assert answer.json is not None
    assert answer.json["stripe_request_id"] == "req_busy"
    assert shop.ledger() == []


# Stripe's request id.


def test_every_error_about_an_answer_names_stripes_request(quick: None, stub: StripeStub) -> None:
    found = gateway_to(stub.url)
    for status, document in (
        (200, b"<html>"),
        (200, {"object": "list", "data": 1}),
        (200, {"object": "product"}),
        (400, {"error": {"type": "invalid_request_error"}}),
        (401, {"error": {}}),
        (429, {"error": {}}),
        (500, b""),
    ):
        stub.answer(document, status, Request_Id="req_9")
        error = error_of(lambda g: g.retrieve_product("prod_1"), found)
        assert error.request_id == "req_9", (status, document)
    # One of an earlier answer isn't taken for it.
    assert error_of(create, gateway_to("http://127.0.0.1:9")).request_id is None


# What is measured.


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("post", "/v1/checkout/sessions", "POST /v1/checkout/sessions"),
        ("get", "/v1/checkout/sessions/cs_test_1?x=1", "GET /v1/checkout/sessions/*"),
        ("post", "/v1/checkout/sessions/cs_1/expire", "POST /v1/checkout/sessions/*/expire"),
        ("get", "/v1/refunds?payment_intent=pi_1", "GET /v1/refunds"),
        ("delete", "/v1/webhook_endpoints/we_1", "DELETE /v1/webhook_endpoints/*"),
        ("get", "/v1/prices/../secret/a/b/c/d/e/f", "GET /v1/prices/*/*/*/*"),
    ],
)
def test_an_operation_has_no_ids(method: str, path: str, operation: str) -> None:
    assert transport.operation_of(method, "https://api.stripe.com" + path) == operation


# The real limits against a real clock.


@pytest.mark.soak
@pytest.mark.parametrize("slowness", Slowness)
def test_S12_D07_a_call_in_real_time(figures: Figures, slowness: Slowness) -> None:
    with slow_server(slowness) as url, Flask("real").test_request_context():
        found = gateway_to(url)
        seconds = seconds_of(lambda: error_of(create, found))
    figures(seconds=round(seconds, 1))
    assert seconds < 25
