"""Every symptom of the guide's troubleshooting has its line, and the line's command finds it.

Most are broken by the doctor's own walk (``tests/doctor/faults.py``); the others are broken here.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

import click
import pytest
from flask import Flask

from flask_stripe_credits.sandbox import Sandbox

from ..doctor.conftest import stamped
from ..doctor.faults import FAULTS
from ..hosts import Host, make_host
from ..payloads import new_api_key
from ..stripe_stub import NewShop, StripeStub
from ..stripe_stub import stub as stub
from .pages import codes, sections, tables

PAGE = "how-to/troubleshoot.md"


@dataclass(frozen=True)
class Symptom:
    """What the guide calls a symptom, or has its reader check.

    :ivar meant: in our own words.
    :ivar line: what its line on the page begins with.
    :ivar command: what the line has the reader run.
    :ivar faults: which of the faults that the doctor is shown are this one.
    """

    meant: str
    line: str
    command: str
    faults: tuple[str, ...] = ()


SYMPTOMS = [
    Symptom(
        "paid at Stripe, no credits here",
        "Somebody has paid, Stripe shows it, and there are no credits",
        "flask credits purchases show",
    ),
    Symptom(
        "nothing about credits in the log",
        "The log says nothing of credits",
        "flask credits doctor",
        ("the endpoint was deleted", "the endpoint was disabled"),
    ),
    Symptom(
        "is the secret right",
        "Is the webhook's secret the right one?",
        "flask credits doctor",
        (
            "the app has another webhook secret than its endpoint",
            "the app wasn't restarted with the new webhook secret",
            "the webhook secret is a placeholder",
        ),
    ),
    Symptom(
        "is the endpoint enabled",
        "Is the endpoint enabled",
        "flask credits webhook list",
    ),
    Symptom(
        "what deliveries were answered",
        "Which deliveries failed",
        "flask credits doctor",
    ),
    Symptom(
        "is the address reachable",
        "Can the endpoint be reached from outside",
        "flask credits webhook test",
    ),
    Symptom(
        "webhook fine, no credits",
        "The webhook is answered with 200, but credits don't increase",
        "flask credits audit",
    ),
    Symptom(
        "metadata of the session",
        "Is the metadata of a session right?",
        "flask credits purchases show",
    ),
    Symptom(
        "does the credit manager work",
        "Is the credit manager called?",
        "flask credits doctor",
        ("no receiver is connected", "only purchases have a receiver"),
    ),
    Symptom(
        "is there a database",
        "Does the database answer",
        "flask credits doctor",
        ("the database is down", "the tables are behind"),
    ),
    Symptom(
        "not authenticated",
        "Every buyer is answered with 401",
        "flask credits doctor",
        ("nobody tells who is asking",),
    ),
    Symptom(
        "signed in, and the cookie",
        "Somebody who is signed in is answered with 401",
        "flask credits doctor",
    ),
    Symptom(
        "is Keycloak running",
        "Buyers are answered with 503 `service_unavailable` since Keycloak is down",
        "flask credits doctor",
    ),
    Symptom(
        "invalid API key",
        "`Invalid API Key provided`",
        "flask credits doctor",
        ("the key is of the other mode",),
    ),
    Symptom(
        "no such price",
        "`No such price`",
        "flask credits sync",
        (),
    ),
    Symptom(
        "rate limit",
        "`Too many requests`",
        "flask credits doctor",
        ("Stripe can't be reached",),
    ),
]


def lines() -> list[tuple[str, str, str]]:
    (table,) = tables(sections(PAGE)["From a symptom to a command"])
    return [(seen, ask, then) for seen, ask, then in table[1:]]


def line_of(symptom: Symptom) -> tuple[str, str, str]:
    (found,) = [line for line in lines() if line[0].startswith(symptom.line)]
    return found


def command_of(app: Flask, written: str) -> click.Command:
    """The command that ``flask credits …`` is, with options that it has."""
    words = shlex.split(written)[1:]
    context = click.Context(app.cli)
    command: click.Command = app.cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, written
        command = found
    _, left, _ = command.make_parser(context).parse_args(words)
    assert left == [], written
    return command


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: symptom.meant)
def test_every_symptom_of_the_guide_has_its_line(symptom: Symptom) -> None:
    _, ask, _ = line_of(symptom)
    asked = codes(ask)
    assert asked[0].startswith(symptom.command)
    for name in symptom.faults:
        (fault,) = [one for one in FAULTS if one.name == name]
        assert fault.check in asked, f"the doctor tells of “{name}” at {fault.check}"


def test_every_line_names_a_command_that_is_there(sqlite_host: Host) -> None:
    assert len(lines()) > len(SYMPTOMS)
    for seen, ask, then in lines():
        named = [code for code in codes(ask) if code.startswith("flask ")]
        assert len(named) == 1, seen
        for written in [*named, *(one for one in codes(then) if one.startswith("flask "))]:
            assert not isinstance(command_of(sqlite_host.app, written), click.Group), written


class Desk:
    """Somebody who runs the commands of the page."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def run(self, written: str, **ids: str) -> str:
        for name, value in ids.items():
            written = re.sub(rf"\b{name}\b", value, written)
        result = self.host.app.test_cli_runner().invoke(args=shlex.split(written)[1:])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return str(result.output)

    def ask(self, beginning: str, **ids: str) -> str:
        """Run what the line asks for."""
        (ask,) = [ask for seen, ask, _ in lines() if seen.startswith(beginning)]
        return self.run(codes(ask)[0], **ids)


@pytest.fixture
def sandbox_shop(new_shop: NewShop) -> Host:
    shop = stamped(new_shop())
    shop.load_packages()
    return shop


def _bought(shop: Host) -> dict[str, str]:
    answer = shop.client.post("/api/v1/billing/credits/purchase", json={"package_code": "starter"})
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json or {}
    return found


def test_paid_at_stripe_and_no_credits_here(sandbox_shop: Host, stripe: Sandbox) -> None:
    bought = _bought(sandbox_shop)
    stripe.pay(bought["session_id"], "4242424242424242")
    desk = Desk(sandbox_shop)
    told = desk.ask(SYMPTOMS[0].line, ID=bought["session_id"])
    assert f"purchase {bought['purchase_id']}: pending" in told
    assert "user" in told and "alice" in told
    (next_,) = re.findall(r"next: `(flask credits [^`]+)`", told)
    assert next_ == "flask credits reconcile --apply"
    assert sandbox_shop.ledger() == []
    desk.run(next_)
    assert sandbox_shop.ledger() == [1000]


def test_answered_with_200_and_no_credits(host: Host) -> None:
    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 200
    with host.app.app_context():
        table = host.credits.Grant.__table__
        with host.db.engine.begin() as connection:
            connection.execute(table.delete())
    told = Desk(host).ask("The webhook is answered with 200, but credits don't increase")
    assert f"purchase {purchase['id']}: 1000 credits are due, 0 are posted" in told


def test_a_session_of_somebody_elses(host: Host) -> None:
    purchase = host.add_purchase()
    stranger = host.paid_event(
        purchase, id="cs_test_stranger", metadata={}, client_reference_id=None
    )
    assert (host.post_event(stranger).json or {})["verdict"] == "ignored"
    told = Desk(host).ask("The webhook is answered with 200 and `ignored`", ID="cs_test_stranger")
    assert told.startswith("Error: there is no purchase cs_test_stranger")


def test_somebody_is_signed_in_nowhere(sqlite_host: Host) -> None:
    told = Desk(sqlite_host).ask("Somebody who is signed in is answered with 401")
    assert "users are told by tests.hosts.make_host" in told


def test_stripe_says_that_there_were_too_many_requests(
    sqlite_url: str, stub: StripeStub, quick_retries: None
) -> None:
    shop = make_host(sqlite_url, STRIPE_CREDITS_API_BASE=stub.url)
    shop.load_packages()
    error = {"type": "rate_limit_error", "code": "rate_limit", "message": "Too many requests"}
    stub.answer({"error": error}, 429)
    answer = shop.client.post("/api/v1/billing/credits/purchase", json={"package_code": "starter"})
    assert (answer.status_code, (answer.json or {})["code"]) == (503, "stripe_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "RateLimitError" in Desk(shop).ask("`Too many requests`")


def test_stripe_has_no_such_price(sandbox_shop: Host, stripe: Sandbox) -> None:
    desk = Desk(sandbox_shop)
    desk.run("flask credits sync --apply")
    for price in stripe.objects("price"):
        answer = stripe.app.test_client().post(
            f"/v1/prices/{price['id']}",
            data={"active": "false"},
            headers={"Authorization": f"Bearer {new_api_key()}"},
        )
        assert answer.status_code == 200
    body = {"package_code": "starter"}
    refused = sandbox_shop.client.post("/api/v1/billing/credits/purchase", json=body)
    assert (refused.status_code, (refused.json or {})["code"]) == (502, "stripe_rejected")
    assert "starter" in desk.ask("`No such price`")
    desk.run("flask credits sync --apply")
    assert _bought(sandbox_shop)["status"] == "pending"
