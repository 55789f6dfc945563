"""What can break in an installation: how, what the doctor says, what else tells, what mends it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ..payloads import new_api_key, new_secret
from .fresh_host import FreshHost

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
# The sandbox's clock can't be put back.
CLOCK = Fault(
    "the clock is wrong",
    lambda host: host.sandbox.advance(400),
    "clock",
    "error",
    "s behind Stripe's: every webhook is refused",
    event=400,
    logged="webhook_unsigned",
    counted=("webhook_deliveries_total", "invalid_signature"),
    alert="StripeCreditsWebhookFailures",
)

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
    CLOCK,
]
