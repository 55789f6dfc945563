"""Whatever a mail server, a host's function or a template does: the money is right, and at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy

from flask_stripe_credits import StripeCredits, mail
from flask_stripe_credits.errors import ConfigurationError, MailFailed
from flask_stripe_credits.mail import Letter, sending
from flask_stripe_credits.mail.office import _postman
from flask_stripe_credits.mail.postman import Postman
from flask_stripe_credits.webhooks.receive import receive

from ..hosts import Host, make_host
from ..payloads import encode, sign
from .conftest import MailServer, MakeMailer, sent


def pay(host: Host) -> None:
    """Pay one more purchase, and see that it is granted."""
    before = len(host.ledger())
    purchase = host.add_purchase()
    assert host.pay(purchase).json == {"received": True, "verdict": "handled"}
    assert host.ledger()[before:] == [1000]
    host.assert_exact()


def test_a_server_that_refuses_costs_a_log_line(
    mailer: Host, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server.refusal = "550 no such user alice@users.test"
    pay(mailer)
    assert sent(mailer, mail_server) == []
    lines = [r for r in caplog.records if getattr(r, "event", None) == "mail_failed"]
    (line,) = lines
    assert "SMTPRecipientsRefused 550" in line.getMessage()
    assert "users.test" not in line.getMessage()
    (purchase,) = mailer.purchases()
    assert line.purchase_id == str(purchase["id"])  # type: ignore[attr-defined]


def test_no_server_costs_a_log_line(
    make_mailer: MakeMailer,
    database_url: str,
    mail_server: MailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = make_mailer(database_url, MAIL_PORT=9)
    pay(host)
    assert sent(host, mail_server) == []
    assert "ConnectionRefusedError" in caplog.text


def test_a_server_that_hangs_holds_no_webhook_up(mailer: Host, mail_server: MailServer) -> None:
    mail_server.mute.set()
    for _ in range(3):
        pay(mailer)
    assert not mail.wait_until_sent(mailer.app, 0), "the webhooks answered before the first was out"
    assert mail_server.received == []
    mail_server.mute.clear()
    assert len(sent(mailer, mail_server)) == 3


def test_a_server_that_hangs_for_too_long_is_given_up(
    small_mailer: Host,
    mail_server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a time of ours, since the host's settings name none."""
    assert sending.TIMEOUT_SECONDS == 10
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 0.2)
    mail_server.mute.set()
    pay(small_mailer)
    assert sent(small_mailer, mail_server) == []
    assert "SMTPServerDisconnected" in caplog.text
    mail_server.mute.clear()
    pay(small_mailer)
    assert len(sent(small_mailer, mail_server)) == 1


def failing(*_: object) -> Any:
    raise RuntimeError("a host's function failed")


@pytest.mark.parametrize("name", ["user_email_loader", "mail_opt_out", "mail_sender"])
def test_a_hosts_function_that_fails_costs_a_log_line(
    small_mailer: Host, mail_server: MailServer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    getattr(small_mailer.credits, name)(failing)
    pay(small_mailer)
    assert sent(small_mailer, mail_server) == []
    assert "a host's function failed" in caplog.text


def test_a_balance_that_cannot_be_read_is_left_out(
    small_mailer: Host, mail_server: MailServer
) -> None:
    small_mailer.credits.balance_loader(failing)
    pay(small_mailer)
    assert len(sent(small_mailer, mail_server)) == 1


def test_what_a_host_function_leaves_in_its_session_is_nobodys(
    mailer: Host, mail_server: MailServer
) -> None:
    def untidy(user_id: str) -> str:
        mailer.db.session.add(mailer.LedgerEntry(id="x", user_id=user_id, credits=5))
        return f"{user_id}@users.test"

    mailer.credits.user_email_loader(untidy)
    body = encode(mailer.paid_event(mailer.add_purchase()))
    with mailer.app.app_context():
        callers = mailer.db.session()
        receive(mailer.state, body, sign(body, mailer.webhook_secret))
        assert mailer.db.session() is callers
        callers.commit()
    assert mailer.ledger() == [1000]
    assert len(sent(mailer, mail_server)) == 1


def test_users_say_no(mailer: Host, mail_server: MailServer) -> None:
    asked: list[tuple[str, str]] = []

    def no_confirmations(user_id: str, kind: str) -> bool:
        asked.append((user_id, kind))
        return kind == "purchase"

    mailer.credits.mail_opt_out(no_confirmations)
    pay(mailer)
    assert sent(mailer, mail_server) == []
    assert asked == [("alice", "purchase")]
    mailer.credits.mail_opt_out(lambda user_id, kind: False)
    mailer.credits.user_email_loader(lambda user_id: None)
    pay(mailer)
    assert sent(mailer, mail_server) == []


def test_a_missing_loader_is_told(
    small_mailer: Host, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    small_mailer.state.callbacks.user_email_loader = None
    pay(small_mailer)
    assert sent(small_mailer, mail_server) == []
    assert "@credits.user_email_loader" in caplog.text


def test_a_hosts_task_queue_carries_letters(mailer: Host, mail_server: MailServer) -> None:
    queue: list[Letter] = []
    mailer.credits.mail_sender(queue.append)
    pay(mailer)
    assert sent(mailer, mail_server) == []
    (letter,) = queue
    for hidden in (letter.to, letter.subject, letter.text):
        assert hidden not in repr(letter)
    with mailer.app.app_context():
        mail.send(letter)
        mail_server.refusal = "451 later"
        with pytest.raises(MailFailed, match="SMTPRecipientsRefused 451") as caught:
            mail.send(letter)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    (message,) = mail_server.received
    assert message["Message-ID"] == letter.message_id


# Switched on and off.


def test_mail_is_off_until_it_is_switched_on(
    new_database: Callable[[str], str], mail_server: MailServer
) -> None:
    config = {"MAIL_BACKEND": "smtp", "MAIL_SERVER": "127.0.0.1", "MAIL_PORT": mail_server.port}
    host = make_host(new_database("sqlite"), **config)
    host.credits.user_email_loader(lambda user_id: "alice@users.test")
    pay(host)
    assert sent(host, mail_server) == []
    assert "stripe_credits_mail" not in host.app.blueprints


def test_a_missing_library_is_told_and_costs_no_purchase(
    make_mailer: MakeMailer,
    new_database: Callable[[str], str],
    mail_server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "flask_mailman", None)
    host = make_mailer(new_database("sqlite"))
    (told,) = [r for r in caplog.records if r.levelname == "CRITICAL"]
    assert "flask-stripe-credits[mail]" in told.getMessage()
    pay(host)
    assert sent(host, mail_server) == []
    assert "Flask-Mailman isn't installed" in caplog.text


@pytest.mark.parametrize("name", ["user_email_loader", "mail_opt_out", "mail_sender"])
def test_coroutines_are_refused(name: str) -> None:
    async def later(*_: object) -> None:
        pass

    credits = StripeCredits(db=SQLAlchemy())
    with pytest.raises(ConfigurationError, match=f"{name} .*later must be an ordinary function"):
        getattr(credits, name)(later)


# The thread.

LETTER = Letter("purchase", "p", "u", "<m@x>", "a@x.test", "s", "t", "h")


def test_nothing_runs_when_nothing_waits() -> None:
    carried: list[Letter] = []
    postman = Postman(carried.append)
    assert postman.wait(0)
    for _ in range(3):
        assert postman.take(LETTER)
        assert postman.wait(30)
    assert carried == [LETTER] * 3
    assert not any(thread.name == "credits mail" for thread in threading.enumerate())


def test_too_many_letters_are_refused_at_once() -> None:
    gate = threading.Event()
    postman = Postman(lambda letter: gate.wait(30) and None, most_waiting=2)
    taken = [postman.take(LETTER) for _ in range(10)]
    assert taken.count(True) in (2, 3), "one may be on its way"
    assert taken[-1] is False
    assert not postman.finish(0.01)
    gate.set()
    assert postman.finish(30)
    assert postman.take(LETTER)
    assert postman.wait(30)


def test_what_is_too_much_is_logged(
    small_mailer: Host, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    _postman(small_mailer.app)._most_waiting = 0
    pay(small_mailer)
    assert sent(small_mailer, mail_server) == []
    assert "too many wait already" in caplog.text


_PROGRAM = """
import os, sys
from flask_stripe_credits import mail
from tests.hosts import make_host
host = make_host(
    "sqlite://", STRIPE_CREDITS_MAIL=True, MAIL_BACKEND="smtp", MAIL_SERVER="127.0.0.1",
    MAIL_PORT=int(sys.argv[1]), MAIL_DEFAULT_SENDER="shop@shop.test",
)
host.credits.user_email_loader(lambda user_id: f"{user_id}@users.test")
assert host.pay(host.add_purchase(user_id="parent")).status_code == 200
"""


def test_a_process_that_ends_sends_what_it_has(mail_server: MailServer) -> None:
    arguments = [sys.executable, "-c", _PROGRAM, str(mail_server.port)]
    run = subprocess.run(arguments, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert mail_server.recipients == ["parent@users.test"]


def test_C29_a_forked_worker_has_a_thread_of_its_own(mail_server: MailServer) -> None:
    forking = """
from flask_stripe_credits.mail.office import _postman
before = _postman(host.app)
child = os.fork()
assert child or before.finish(60), "what was copied has no thread"
assert host.pay(host.add_purchase(user_id="child" if child == 0 else "again")).status_code == 200
assert mail.wait_until_sent(host.app)
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    arguments = [sys.executable, "-c", _PROGRAM + forking, str(mail_server.port)]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    expected = ["again@users.test", "child@users.test", "parent@users.test"]
    assert sorted(mail_server.recipients) == expected


def test_every_app_has_its_own(
    make_mailer: MakeMailer, new_database: Callable[[str], str], mail_server: MailServer
) -> None:
    hosts = [make_mailer(new_database("sqlite"), STRIPE_CREDITS_SITE=f"s{n}") for n in range(2)]
    pay(hosts[0])
    for host in hosts:
        sent(host, mail_server)
    (message,) = mail_server.received
    assert message["Message-ID"].endswith("@s0>")
    assert not hosts[1].received
