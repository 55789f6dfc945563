"""What the doctor says of mail, without sending any."""

from __future__ import annotations

import importlib.util

import pytest

from flask_stripe_credits.doctor import Level
from flask_stripe_credits.doctor import mail as module

from ..doctor.examined import examined, level, only
from ..hosts import Host, make_host
from ..payloads import new_api_key
from .conftest import MailServer, MakeMailer


def test_all_is_well_and_nothing_is_sent(small_mailer: Host, mail_server: MailServer) -> None:
    found = only(small_mailer, "mail")
    assert found.level is Level.OK
    assert found.found == f"127.0.0.1:{mail_server.port} answers; the doctor sends none"
    assert mail_server.received == []


def test_mail_is_off(sqlite_host: Host) -> None:
    assert only(sqlite_host, "mail").found.startswith("off: ")


def test_nobody_tells_addresses(sqlite_url: str) -> None:
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_MAIL=True)
    found = only(host, "mail")
    assert found.level is Level.ERROR
    assert found.advice == "decorate a function with @credits.user_email_loader"


def test_the_host_carries_mail_itself(small_mailer: Host) -> None:
    def carry(letter: object) -> None:
        raise AssertionError

    small_mailer.credits.mail_sender(carry)
    assert only(small_mailer, "mail").found.endswith("carry")


def test_a_server_that_is_not_there_and_no_sender(make_mailer: MakeMailer, sqlite_url: str) -> None:
    host = make_mailer(sqlite_url, MAIL_PORT=9, MAIL_DEFAULT_SENDER=None)
    found = examined(host, "mail")["mail"]
    assert [line.level for line in found] == [Level.ERROR, Level.ERROR]
    assert found[0].found == "MAIL_DEFAULT_SENDER isn't set: no mail is sent"
    assert found[1].found == "127.0.0.1:9 doesn't answer: ConnectionRefusedError"


def test_a_backend_that_sends_nothing(make_mailer: MakeMailer, sqlite_url: str) -> None:
    host = make_mailer(sqlite_url, MAIL_BACKEND=None)
    assert only(host, "mail").found == "MAIL_BACKEND is locmem"
    host = make_mailer(
        sqlite_url, MAIL_BACKEND="console", STRIPE_SECRET_KEY=new_api_key("live"), tables=False
    )
    assert level(host, "mail") is Level.WARNING


def test_flask_mailman_is_missing(small_mailer: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert importlib.util.find_spec("flask_mailman") is not None
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    found = only(small_mailer, "mail")
    assert (found.level, found.command) == (
        Level.ERROR,
        'pip install "flask-stripe-credits[mail]"',
    )
