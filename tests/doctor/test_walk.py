"""From nothing to a sale by doing what the doctor says; then everything is broken, and mended.

The tables of :file:`docs/how-to/troubleshoot.md` name the same faults.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from flask_stripe_credits import monitoring
from flask_stripe_credits.doctor import CHECKS
from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.sandbox import Sandbox

from ..docs.pages import codes, read, sections, tables
from ..payloads import new_api_key, new_secret
from .fresh_host import FreshHost

MOST_VISITS = 6


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshHost]:
    """A host that the walk sets up and the faults share: each of them is mended at its end."""
    folder: Path = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as environment, Sandbox().start(deliver=False) as sandbox:
        yield FreshHost(folder, sandbox, environment)


@pytest.fixture(scope="module")
def address(host: FreshHost) -> Iterator[str]:
    with host.served() as address:
        yield address


@pytest.fixture
def healthy(host: FreshHost, address: str) -> FreshHost:
    """The host after the walk."""
    if host.running is None:
        set_up(host, address)
    return host


def set_up(host: FreshHost, address: str) -> list[str]:
    """Do what the doctor says until it has nothing to say; return the commands."""
    host.start()
    host.address = address
    # What only the operator can know, as the lines `secret_key` and `redirects` ask for it.
    host.set(
        STRIPE_SECRET_KEY=new_api_key(),
        STRIPE_CREDITS_API_BASE=host.sandbox.url,
        STRIPE_CREDITS_BASE_URL=address,
        STRIPE_CREDITS_SUCCESS_URL="/thanks",
        STRIPE_CREDITS_CANCEL_URL="/thanks",
        STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR="1000",
    )
    host.restart()
    return visit(host)


def visit(host: FreshHost) -> list[str]:
    """Do what the doctor prints until there is nothing more to do; return the commands."""
    done: list[str] = []
    for _ in range(MOST_VISITS):
        code, lines = host.doctor()
        if not lines:
            assert code == 0
            return done
        printed = list(dict.fromkeys(line["command"] for line in lines if line["command"]))
        assert printed, lines
        host.do(*printed)
        done += printed
    raise AssertionError(f"the doctor is never content: {lines}")


def test_from_nothing_to_a_sale(host: FreshHost, address: str) -> None:
    code, lines = host.doctor()
    assert code == 1
    errors = {line["check"]: line for line in lines if line["level"] == "error"}
    assert list(errors) == ["secret_key", "webhook_secret", "tables"]
    assert "set STRIPE_SECRET_KEY" in errors["secret_key"]["advice"]
    assert {line["check"] for line in lines if line["level"] == "warning"} == {"redirects"}

    assert set_up(host, address) == [
        "flask credits db upgrade",
        "flask credits webhook create --write-env .env",
        "flask credits packages load",
        "flask credits sync --apply",
    ]
    opened = host.open()
    assert host.pay(opened["session_id"]) == 200
    assert host.status_of(opened["purchase_id"]) == "completed"
    assert host.balance() == 1000
    host.assert_invariants()


Act = Callable[[FreshHost], object]


@dataclass(frozen=True)
class Fault:
    """Something that breaks, the doctor's line about it, and what mends it.

    :ivar name: as on the page.
    :ivar told: a part of what the doctor says.
    :ivar mend: what mends it; None: the commands that the doctor prints, until it is content.
    :ivar buyer: what a buyer is answered who asks for a checkout; None: 201.
    :ivar event: what Stripe is answered that tells of a payment; None: it doesn't tell.
    :ivar logged: the event of the line in the log that comes of it.
    :ivar counted: the metric that counts it, and the label's value.
    :ivar alert: what of the shipped alerts fires, if it stays so.
    """

    name: str
    broken: Act
    check: str
    level: str
    told: str
    mend: Act | None = None
    buyer: int = 201
    event: int | None = 200
    logged: str | None = None
    counted: tuple[str, str] | None = None
    alert: str | None = None


def at_stripe(host: FreshHost, method: str, path: str, **form: str) -> None:
    """Do something in Stripe's Dashboard."""
    answer = host.sandbox.app.test_client().open(
        path, method=method, data=form, headers={"Authorization": "Bearer sk_test_dashboard"}
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)


def at_the_endpoint(method: str, **form: str) -> Act:
    def act(host: FreshHost) -> None:
        id = host.sandbox.objects("webhook_endpoint")[-1]["id"]
        at_stripe(host, method, f"/v1/webhook_endpoints/{id}", **form)

    return act


def archive_a_price(host: FreshHost) -> None:
    for price in host.sandbox.objects("price"):
        if price["active"] and price["metadata"]["package_code"] == "starter":
            at_stripe(host, "POST", f"/v1/prices/{price['id']}", active="false")


def settings(**changed: str | None) -> Act:
    def act(host: FreshHost) -> None:
        host.set(**changed)
        host.restart()

    return act


def source(old: str, new: str) -> Act:
    def act(host: FreshHost) -> None:
        assert old in host.source
        host.source = host.source.replace(old, new)
        host.restart()

    return act


def commands(*printed: str) -> Act:
    return lambda host: host.do(*printed)


def restart_with_another_secret(host: FreshHost) -> None:
    """The running app has a secret that the operator's shell hasn't."""
    known = os.environ["STRIPE_WEBHOOK_SECRET_CREDITS"]
    settings(STRIPE_WEBHOOK_SECRET_CREDITS=new_secret())(host)
    host.set(STRIPE_WEBHOOK_SECRET_CREDITS=known)


def stop(host: FreshHost) -> None:
    host.running = None


def back_to_a_test_key(host: FreshHost) -> None:
    settings(STRIPE_SECRET_KEY=new_api_key())(host)
    _, lines = host.doctor()
    # Of what the buyer tried with the live key.
    assert [line["check"] for line in lines] == ["mode_of_data"]
    host.open()


NOWHERE = "http://127.0.0.1:9"
FAULTS = [
    Fault(
        "the app has another webhook secret than its endpoint",
        settings(STRIPE_WEBHOOK_SECRET_CREDITS=new_secret()),
        "webhook_endpoint",
        "error",
        "isn't in STRIPE_WEBHOOK_SECRET_CREDITS",
        event=400,
        logged="webhook_unsigned",
        counted=("webhook_deliveries_total", "invalid_signature"),
        alert="StripeCreditsWebhookFailures",
    ),
    Fault(
        "the app wasn't restarted with the new webhook secret",
        restart_with_another_secret,
        "webhook_answer",
        "error",
        "400 invalid_signature",
        mend=FreshHost.restart,
        event=400,
        logged="webhook_unsigned",
        counted=("webhook_deliveries_total", "invalid_signature"),
        alert="StripeCreditsWebhookFailures",
    ),
    Fault(
        "the webhook secret is a placeholder",
        settings(STRIPE_WEBHOOK_SECRET_CREDITS="whsec_placeholder"),
        "webhook_secret",
        "error",
        "a placeholder or no signing secret",
        mend=commands(),
        event=503,
        logged="setting_unusable",
        counted=("webhook_deliveries_total", "not_configured"),
        alert="StripeCreditsWebhookFailures",
    ),
    Fault(
        "the endpoint was deleted",
        at_the_endpoint("DELETE"),
        "webhook_endpoint",
        "error",
        "Stripe has no endpoint for",
        event=None,
        alert="StripeCreditsWebhooksMissing",
    ),
    Fault(
        "the endpoint was disabled",
        at_the_endpoint("POST", disabled="true"),
        "webhook_endpoint",
        "error",
        "it is disabled",
        event=None,
        alert="StripeCreditsWebhooksMissing",
    ),
    Fault(
        "the endpoint sends other events",
        at_the_endpoint("POST", **{"enabled_events[0]": "refund.created"}),
        "webhook_endpoint",
        "error",
        "it doesn't send charge.dispute.closed",
        event=None,
        alert="StripeCreditsWebhooksMissing",
    ),
    Fault(
        "a price was archived at Stripe",
        archive_a_price,
        "prices",
        "error",
        "starter: activate price price_",
        buyer=502,
        logged="stripe_rejected",
        counted=("stripe_calls_total", "rejected"),
        alert="StripeCreditsStripeErrors",
    ),
    Fault(
        "a package's price was changed",
        commands("flask credits packages edit pro --price 81"),
        "prices",
        "warning",
        "pro: create price $81.00",
    ),
    Fault(
        "no receiver is connected",
        source("@credits.on_grant\n", ""),
        "receivers",
        "error",
        "nobody receives credits",
        mend=source("def book(", "@credits.on_grant\ndef book("),
        event=503,
        logged="receiver_missing",
        counted=("fulfillment_failures_total", "no_receiver"),
        alert="StripeCreditsAllocationErrors",
    ),
    Fault(
        "only purchases have a receiver",
        source("@credits.on_grant\n", "@credits.on_purchase_completed\n"),
        "receivers",
        "error",
        "nobody receives purchase_reversed",
        mend=source("@credits.on_purchase_completed\n", "@credits.on_grant\n"),
    ),
    Fault(
        "nobody tells who is asking",
        source("@credits.user_id_loader\n", ""),
        "login",
        "error",
        "nobody tells who is asking",
        mend=source("def current_user_id(", "@credits.user_id_loader\ndef current_user_id("),
        buyer=401,
    ),
    Fault(
        "the database is down",
        settings(FLASK_SQLALCHEMY_DATABASE_URI="postgresql+psycopg://shop@127.0.0.1:9/shop"),
        "database",
        "error",
        "doesn't answer: ",
        mend=lambda host: settings(FLASK_SQLALCHEMY_DATABASE_URI=host.database)(host),
        buyer=503,
        event=503,
        logged="webhook_failed",
        counted=("database_failures_total", "down"),
        alert="StripeCreditsDatabaseDown",
    ),
    Fault(
        "the tables are behind",
        commands("flask credits db downgrade"),
        "tables",
        "error",
        "the credit tables are at revision 0001, the newest is ",
        event=503,
        logged="fulfillment_failed",
        counted=("database_failures_total", "no_tables"),
        alert="StripeCreditsAllocationErrors",
    ),
    Fault(
        "the key is of the other mode",
        settings(STRIPE_SECRET_KEY=new_api_key("live")),
        "secret_key",
        "error",
        "a live key, and STRIPE_CREDITS_API_BASE sends it to",
        mend=back_to_a_test_key,
        buyer=503,
        logged="stripe_key_refused",
        counted=("stripe_calls_total", "key_refused"),
        alert="StripeCreditsStripeErrors",
    ),
    Fault(
        "Stripe can't be reached",
        settings(STRIPE_CREDITS_API_BASE=NOWHERE),
        "stripe",
        "error",
        "Stripe is not available",
        mend=lambda host: settings(STRIPE_CREDITS_API_BASE=host.sandbox.url)(host),
        buyer=503,
        logged="stripe_unavailable",
        counted=("stripe_calls_total", "unreachable"),
        alert="StripeCreditsStripeErrors",
    ),
    Fault(
        "the base URL is missing",
        settings(STRIPE_CREDITS_BASE_URL=None),
        "redirects",
        "warning",
        "STRIPE_CREDITS_BASE_URL isn't set",
        mend=lambda host: settings(STRIPE_CREDITS_BASE_URL=host.address)(host),
        buyer=422,
    ),
    Fault(
        "the app is down",
        stop,
        "webhook_answer",
        "error",
        "answered 502",
        mend=FreshHost.start,
        event=502,
        alert="StripeCreditsMetricsMissing",
    ),
    # The sandbox's clock can't be put back: nothing comes after this.
    Fault(
        "the clock is wrong",
        lambda host: host.sandbox.advance(400),
        "clock",
        "error",
        "s behind Stripe's: every webhook is refused",
        mend=lambda host: None,
        event=400,
        logged="webhook_unsigned",
        counted=("webhook_deliveries_total", "invalid_signature"),
        alert="StripeCreditsWebhookFailures",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_what_breaks_is_told_and_mended(
    healthy: FreshHost, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    host, balance = healthy, healthy.balance()
    opened = host.open()
    fault.broken(host)
    code, lines = host.doctor()
    (line, *_) = (line for line in lines if line["check"] == fault.check)
    assert (line["level"], fault.told in line["found"]) == (fault.level, True), line
    assert code == (1 if "error" in {line["level"] for line in lines} else 2)
    assert line["advice"] or line["command"]
    before = fault.counted and how_often(*fault.counted)
    if host.running is not None:
        assert host.ask_to_buy().status_code == fault.buyer
    assert host.pay(opened["session_id"]) == fault.event
    if fault.logged is not None:
        assert fault.logged in {getattr(record, "event", None) for record in caplog.records}
    if fault.counted is not None:
        assert how_often(*fault.counted) > before
    if fault.check == "clock":
        return
    (fault.mend or commands(line["command"]))(host)
    visit(host)
    host.do("flask credits reconcile --apply")
    assert host.status_of(opened["purchase_id"]) == "completed"
    assert host.balance() == balance + 1000
    host.assert_invariants()


def how_often(metric: str, value: str) -> float:
    """What a metric has counted with this label's value, for whatever app."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == f"stripe_credits_{metric}" and value in sample.labels.values()
    )


def test_the_alerts_are_those_that_the_package_ships() -> None:
    rules = (Path(monitoring.__file__).with_name("rules.yml")).read_text()
    shipped = set(re.findall(r"alert: (\w+)", rules))
    assert {fault.alert for fault in FAULTS if fault.alert} <= shipped


def test_the_page_names_the_same_faults() -> None:
    rows = next(tables(sections("how-to/troubleshoot.md")["What breaks, and what tells"]))
    assert rows[1:] == [
        [
            fault.name,
            f"`{fault.check}`",
            f"`{fault.logged}`" if fault.logged else "",
            "`{}`: `{}`".format(*fault.counted) if fault.counted else "",
            f"`{fault.alert}`" if fault.alert else "",
        ]
        for fault in FAULTS
    ]


def commands_on(page: str) -> set[str]:
    """The commands of ours that a page names, in its text and in its blocks."""
    text = read(page)
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    return {
        command
        for command in [*codes(text), *blocks.splitlines()]
        if command.startswith("flask credits ")
    }


@pytest.mark.parametrize("page", ["how-to/troubleshoot.md", "how-to/go-live.md"])
def test_the_commands_on_a_page_are_there(healthy: FreshHost, page: str) -> None:
    runner = healthy.load().test_cli_runner()
    found = commands_on(page)
    assert len(found) > 8
    for command in found:
        words = [word for word in shlex.split(command)[1:] if not word.isupper()]
        options = [word for word in words if word.startswith("--")]
        names = itertools.takewhile(lambda word: not word.startswith("-"), words)
        told = runner.invoke(args=[*names, "--help"])
        assert told.exit_code == 0, command
        assert all(option in told.output for option in options), command


def test_the_checks_on_a_page_are_there() -> None:
    ids = {check.id for check in CHECKS}
    (symptoms,) = tables(sections("how-to/troubleshoot.md")["From a symptom to a command"])
    asked = [ask for _, ask, _ in symptoms if ask.startswith("`flask credits doctor`:")]
    assert len(asked) > 5
    assert {id for ask in asked for id in codes(ask)[1:]} <= ids
    _, checklist = (
        table
        for name in ("2. The settings", "3. Stripe")
        for table in tables(sections("how-to/go-live.md")[name])
    )
    assert {id for row in checklist[1:] for id in codes(row[1])} <= ids


def test_keys_of_different_modes_keep_the_app_from_starting(healthy: FreshHost) -> None:
    host = healthy
    host.set(STRIPE_PUBLISHABLE_KEY="pk_live_" + "0f" * 12)
    with pytest.raises(ConfigurationError, match="are of different modes"):
        host.load()
    host.set(STRIPE_PUBLISHABLE_KEY=None)
    assert host.load()
