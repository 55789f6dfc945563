"""5.7: lines that nobody can forge, with what they are about as attributes, plain or as JSON."""

from __future__ import annotations

import json
import logging
import logging.config
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_stripe_credits import GrantSnapshot, logs
from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.logs import FIELDS, JsonLines, Log

from .hosts import Host, make_host
from .payloads import event, new_secret
from .stripe_stub import StripeStub

FORGED = "INFO: Successfully processed credit purchase for user mallory: 9 credits"
HOSTILE_USERS = [
    f"alice\n{FORGED}",
    f"alice\r\n{FORGED}",
    "alice\x1b[2J\x1b[31mred",
    f"alice\u2028{FORGED}",
    f"alice\x85{FORGED}",
    "alice\u202eecila",
    "alice\x08\x08\x08\x08\x08bob",
    f"alice: 1000 credits {FORGED}",
    "%s%s%(user_id)s{user}",
    "a" * 255,
]
log = Log("flask_stripe_credits.tests")


def plain(record: logging.LogRecord) -> str:
    """As a host's formatter writes it, attributes and traceback too."""
    about = " ".join(f"%({name})s" for name in FIELDS)
    return logging.Formatter(f"%(levelname)s: %(message)s [{about}]").format(record)


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name.startswith("flask_stripe_credits")]


@pytest.mark.parametrize("user", HOSTILE_USERS)
def test_a_user_id_can_neither_forge_a_line_nor_colour_the_terminal(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture, user: str
) -> None:
    host = make_host(new_database("sqlite"))
    assert host.pay(host.add_purchase(user_id=user)).status_code == 200
    (record,) = ours(caplog)
    line = plain(record)
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert line.startswith("INFO: Successfully processed credit purchase for user ")
    assert ": 1000 credits [purchase_completed " in line
    # Who it was can still be told, by the id as it is where nothing of it had to be escaped.
    if user.isprintable():
        assert record.user_id == user  # type: ignore[attr-defined]


def test_an_exception_of_the_hosts_cant_forge_a_line_either(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    def receiver(grant: GrantSnapshot) -> None:
        raise RuntimeError(f"no account\n{FORGED}\x1b[0m")

    host = make_host(new_database("sqlite"), receiver=receiver)
    assert host.pay(host.add_purchase()).status_code == 503
    records = ours(caplog)
    assert any(record.exc_info for record in records)
    for record in records:
        first, *more = plain(record).splitlines()
        assert not any(line.startswith("INFO") for line in (first, *more))
        # Where it came from is still there to read.
        assert all(line.startswith("  | ") for line in more[:-1])
        assert "\x1b" not in plain(record)
    assert "in receiver" in caplog.text
    assert "RuntimeError: no account" in caplog.text
    assert host.ledger() == []


def test_the_guides_lines_at_the_guides_levels(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    host = make_host(new_database("sqlite"))
    purchase = host.add_purchase(user_id="123")
    assert host.pay(purchase).status_code == 200
    host.post_body(b"{}", **{"Stripe-Signature": "t=1,v1=" + "0" * 64})
    with host.app.app_context():
        host.db.drop_all()
    assert host.pay(purchase).status_code == 503
    told = {(record.levelname, record.getMessage()) for record in ours(caplog)}
    assert ("INFO", "Successfully processed credit purchase for user 123: 1000 credits") in told
    assert any(
        level == "WARNING" and text.startswith("Webhook delivery failed: Invalid signature")
        for level, text in told
    )


def test_a_database_that_is_gone_fails_to_add_credits(
    caplog: pytest.LogCaptureFixture, new_database: Callable[[str], str]
) -> None:
    host = make_host(new_database("sqlite"))
    document = host.paid_event(host.add_purchase())
    with host.app.app_context():
        host.db.engine.dispose()
    Path(host.db_url.removeprefix("sqlite:///")).unlink()
    Path(host.db_url.removeprefix("sqlite:///")).mkdir()
    assert host.post_event(document).status_code == 503
    (record,) = [one for one in ours(caplog) if one.levelno == logging.ERROR and is_about(one)]
    assert record.getMessage() == "Failed to add credits: Database connection error"


def is_about(record: Any, about: str = "fulfillment_failed") -> bool:
    return bool(record.event == about)


def test_every_record_has_the_four_attributes(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture, stub: StripeStub
) -> None:
    stub.answer({"error": {"type": "api_error"}}, 400, Request_Id="req_1")
    host = make_host(new_database("sqlite"), STRIPE_CREDITS_API_BASE=stub.url)
    host.load_packages()
    answer = host.client.post("/api/v1/billing/credits/purchase", json={"package_code": "starter"})
    assert answer.status_code == 502
    assert {record.stripe_request_id for record in ours(caplog)} == {"req_1"}  # type: ignore[attr-defined]
    purchase = host.add_purchase(user_id="bob")
    host.pay(purchase)
    host.post_event(event("customer.created", {"id": "cus_1"}) | {"livemode": True})
    for record in ours(caplog):
        assert set(FIELDS) <= set(vars(record))
    (completed,) = [one for one in ours(caplog) if is_about(one, "purchase_completed")]
    about = [getattr(completed, name) for name in FIELDS]
    assert about == ["purchase_completed", str(purchase["id"]), "bob", None]


def test_a_record_names_where_it_was_logged(caplog: pytest.LogCaptureFixture) -> None:
    log.warning("test", "here")
    (record,) = caplog.records
    assert (record.filename, record.funcName) == (
        "test_logs.py",
        "test_a_record_names_where_it_was_logged",
    )


def test_what_is_not_wanted_costs_no_record(caplog: pytest.LogCaptureFixture) -> None:
    class Loud:
        def __str__(self) -> str:
            raise AssertionError("nobody wants to read it")

    caplog.set_level(logging.ERROR, "flask_stripe_credits")
    log.info("test", "%s", Loud())
    assert caplog.records == []


# Lines of JSON.


def test_a_host_that_configures_logging_by_itself_takes_the_formatter(
    new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    made = logging.config.DictConfigurator(
        {"version": 1, "formatters": {"json": {"()": "flask_stripe_credits.logs.JsonLines"}}}
    ).configure_formatter({"()": "flask_stripe_credits.logs.JsonLines"})
    host = make_host(new_database("sqlite"))
    for user in HOSTILE_USERS:
        caplog.clear()
        purchase = host.add_purchase(user_id=user)
        host.pay(purchase)
        (record,) = ours(caplog)
        line = made.format(record)
        assert line.isascii() and line.isprintable()
        told = json.loads(line)
        assert told["event"] == "purchase_completed"
        assert told["purchase_id"] == str(purchase["id"])
        assert (told["level"], told["logger"]) == ("INFO", "flask_stripe_credits.delivery")
        assert told["time"].endswith("+00:00")
    # And for everybody else's records.
    other = json.loads(made.format(logging.makeLogRecord({"msg": "hello\n%s", "args": ("x",)})))
    assert other["message"] == "hello\nx"
    assert "event" not in other


PROGRAM = """
import logging, sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_stripe_credits import StripeCredits
from flask_stripe_credits.logs import Log
for number in range(2):
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    StripeCredits(app, SQLAlchemy(app))
try:
    1 / 0
except ZeroDivisionError:
    Log("flask_stripe_credits.x").exception("test", "it %s", "failed\\n")
Log("flask_stripe_credits.x").info("test", "all is well")
logging.getLogger("host").warning("the host's own")
print(logging.getLogger().handlers, logging.getLogger("flask_stripe_credits").handlers)
"""


def run(**environ: str) -> subprocess.CompletedProcess[str]:
    keys = {"STRIPE_WEBHOOK_SECRET_CREDITS": new_secret()}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=keys | environ,
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_setting_writes_lines_of_json_once_and_touches_nothing_else() -> None:
    done = run(STRIPE_CREDITS_LOG_FORMAT="json")
    *lines, last = done.stderr.splitlines()
    told = [json.loads(line) for line in lines]
    # The missing key, of each app; then ours.
    assert [one["event"] for one in told] == ["setting_unusable"] * 2 + ["test"] * 2
    assert told[2]["message"] == "it failed\\n"
    assert "ZeroDivisionError" in told[2]["exception"]
    assert last == "the host's own"
    assert done.stdout.startswith("[] [<StreamHandler")


def test_without_the_setting_no_handler_is_touched() -> None:
    done = run()
    assert done.stdout == "[] []\n"
    assert "all is well" not in done.stderr
    with pytest.raises(ConfigurationError, match="STRIPE_CREDITS_LOG_FORMAT must be 'host' or"):
        make_host("sqlite://", tables=False, STRIPE_CREDITS_LOG_FORMAT="xml")


def test_long_values_are_cut() -> None:
    assert logs.one_line("x" * 10_000) == "x" * 499 + "…"


def test_F16_a_hostile_payer_shows_up_nowhere(
    sqlite_host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """Card and address are in the event; tests/leaks.py watches the same in every other test."""
    marker = "424242"
    person = {
        "email": f"{marker}@shop.test",
        "name": f"{marker}\n{FORGED}",
        "address": {"line1": marker, "postal_code": marker},
        "phone": marker,
    }
    card = {"card": {"last4": marker, "fingerprint": marker}}
    for overrides in ({}, {"currency": "eur"}, {"amount_subtotal": marker}, {"mode": marker}):
        session = {"customer_details": person, "payment_method_details": card} | overrides
        sqlite_host.pay(sqlite_host.add_purchase(), **session)
    shown = [plain(record) + JsonLines().format(record) for record in ours(caplog)]
    assert len(shown) > 2
    assert not any(marker in line for line in shown)
