from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from flask_stripe_credits.credentials import Secret
from flask_stripe_credits.signals import webhook_received
from flask_stripe_credits.webhooks import probe as module
from flask_stripe_credits.webhooks.probe import EVENT_TYPE, Answer, probe

from ..hosts import PREFIX, Host, make_host
from ..payloads import new_secret
from ..serving import serving
from ..stripe_stub import StripeStub


@pytest.fixture
def address(sqlite_host: Host) -> Iterator[str]:
    with serving(sqlite_host.app) as url:
        yield f"{url}{PREFIX}/webhook"


def ask(url: str, secret: str | None = None, timeout_seconds: float = 5.0) -> Answer:
    signing = Secret(secret or new_secret())
    return probe(url, signing, livemode=False, timeout_seconds=timeout_seconds)


def test_the_webhook_takes_a_test_event_and_nothing_happens(
    sqlite_host: Host, address: str
) -> None:
    before = sqlite_host.row_counts()
    answer = ask(address, sqlite_host.webhook_secret)
    assert (answer.accepted, answer.status, answer.verdict) == (True, 200, "ignored")
    assert 0 < answer.seconds < 5
    assert sqlite_host.row_counts() == before
    assert sqlite_host.received == []


def test_a_host_may_see_the_test_event(sqlite_host: Host, address: str) -> None:
    seen = []

    def look(sender: object, event: dict[str, object]) -> None:
        seen.append(event["type"])

    with webhook_received.connected_to(look, sender=sqlite_host.app):
        assert ask(address, sqlite_host.webhook_secret).accepted
    assert seen == [EVENT_TYPE]


def test_another_secret_is_told(address: str) -> None:
    answer = ask(address)
    assert (answer.accepted, answer.status, answer.verdict) == (False, 400, "invalid_signature")
    assert "another secret" in answer.meaning


@pytest.mark.parametrize(("seconds", "word"), [(900, "behind"), (-900, "ahead of")])
def test_C26_a_clock_that_is_wrong_is_told(
    sqlite_host: Host, address: str, monkeypatch: pytest.MonkeyPatch, seconds: int, word: str
) -> None:
    here = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=time.monotonic)
    monkeypatch.setattr(module, "time", here)
    answer = ask(address, sqlite_host.webhook_secret)
    assert answer.verdict == "invalid_signature"
    assert f" s {word} this machine's" in answer.meaning


def test_E01_an_app_without_a_secret_is_told(sqlite_host: Host) -> None:
    host = make_host(sqlite_host.db_url, STRIPE_WEBHOOK_SECRET_CREDITS="whsec_placeholder")
    with serving(host.app) as url:
        answer = ask(f"{url}{PREFIX}/webhook")
    assert (answer.status, answer.verdict) == (503, "not_configured")
    assert "STRIPE_WEBHOOK_SECRET_CREDITS" in answer.meaning


def test_another_path_is_told(address: str) -> None:
    assert "STRIPE_CREDITS_URL_PREFIX" in ask(address + "s").meaning
    assert "STRIPE_CREDITS_URL_PREFIX" in ask(address.replace("webhook", "history")).meaning


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "not our webhook"),
        (204, "not our webhook"),
        (401, "login"),
        (403, "CSRF"),
        (404, "no webhook at this path"),
        (418, "something before our webhook"),
        (429, "rate limit"),
        (500, "its log"),
        (502, "a proxy"),
        (503, "isn't ready"),
        (504, "too long"),
    ],
)
def test_each_answer_has_a_meaning(stub: StripeStub, status: int, words: str) -> None:
    stub.answer(b"" if status == 204 else b"<html>", status)
    answer = ask(stub.url)
    assert (answer.accepted, answer.status, answer.verdict) == (False, status, None)
    assert words in answer.meaning


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(stub: StripeStub, status: int) -> None:
    stub.answer(b"", status, Location=f"{stub.url}/login")
    answer = ask(stub.url)
    assert (answer.accepted, answer.status) == (False, status)
    assert f"{stub.url}/login" in answer.meaning
    assert len(stub.requests) == 1


@pytest.mark.parametrize("body", [b'{"verdict": "handled"}', b'{"verdict": 1}', b"[]", b"\xff"])
def test_only_our_own_verdict_counts(stub: StripeStub, body: bytes) -> None:
    stub.answer(body)
    assert not ask(stub.url).accepted


def test_nobody_there_is_told() -> None:
    answer = ask("http://127.0.0.1:9/")
    assert (answer.accepted, answer.status) == (False, None)
    assert "nothing listens" in answer.meaning


def test_a_name_that_nobody_has_is_told() -> None:
    assert "name isn't known" in ask("http://nobody.invalid/").meaning


def test_what_speaks_no_TLS_is_told(stub: StripeStub) -> None:
    assert "no TLS" in ask(stub.url.replace("http", "https")).meaning


def test_D07_a_silent_port_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        answer = ask(url, timeout_seconds=0.2)
    assert "no answer within" in answer.meaning
    assert answer.seconds < 2


def test_what_is_no_HTTP_is_told() -> None:
    with serving(lambda environ, start_response: 1 / 0) as url:
        assert ask(url).accepted is False


def test_D14_a_proxy_of_the_environment_is_not_asked_for_loopback(
    sqlite_host: Host, address: str, stub: StripeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, stub.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert ask(address, sqlite_host.webhook_secret).accepted
    assert stub.requests == []
