"""5.7: what happens is counted, once, under names that stay few; and never in the way of money."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY, Counter, Histogram

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.gateway import limits
from flask_stripe_credits.measurements import Measurements
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.signals import purchase_created
from flask_stripe_credits.unit_of_work import database_trouble, kind_of_trouble

from ..hosts import PREFIX, Host, make_host
from ..payloads import checkout_session, event, refund
from ..stripe_stub import CREATE
from .conftest import Meter, NewMetered, wait_until


def test_a_purchase_from_the_click_to_its_refund(
    new_metered: NewMetered,
    database_url: str,
    meter: Meter,
    stripe: Sandbox,
    quick_retries: None,
) -> None:
    shop = new_metered(database_url, STRIPE_CREDITS_API_BASE=stripe.url)
    shop.load_packages()
    opened = shop.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"}).json or {}
    assert meter("checkouts_created_total") == 1
    session = stripe.pay(opened["session_id"]).session
    for _ in range(3):
        shop.post_event(event("checkout.session.completed", session))
    payment = session["payment_intent"]
    shop.post_event(event("refund.created", refund(payment, 250)))
    assert shop.ledger() == [1000, -250]

    assert meter.all("purchases_completed_total") == {("webhook",): 1}
    assert meter.all("purchase_amount_total") == {("usd",): 1000}
    assert meter.all("grants_total") == {("purchase",): 1, ("refund",): 1}
    assert (meter("credits_given_total"), meter("credits_taken_total")) == (1000, 250)
    # Average purchase value: credits a transaction.
    assert (meter("purchase_credits_sum"), meter("purchase_credits_count")) == (1000, 1)
    assert meter("purchase_completion_seconds_count") == 1
    assert meter.all("webhook_deliveries_total") == {("handled",): 4}
    assert meter.all("webhook_events_total") == {
        ("checkout.session.completed", "handled"): 3,
        ("refund.created", "handled"): 1,
    }
    assert meter("webhook_seconds_count") == meter("webhook_lag_seconds_count") == 4
    assert meter("receivers_seconds_count") == 2
    assert meter.all("stripe_calls_total") == {("POST /v1/checkout/sessions", "ok"): 1}
    assert meter("stripe_call_seconds_count", operation="POST /v1/checkout/sessions") == 1


def test_the_return_page_is_told_from_the_webhook(
    new_metered: NewMetered, database_url: str, meter: Meter, stripe: Sandbox, quick_retries: None
) -> None:
    shop = new_metered(database_url, STRIPE_CREDITS_API_BASE=stripe.url)
    shop.load_packages()
    opened = shop.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"}).json or {}
    stripe.pay(opened["session_id"])
    shop.client.get(f"{PREFIX}/purchases/{opened['purchase_id']}")
    assert shop.ledger() == [1000]
    assert meter.all("purchases_completed_total") == {("return_page",): 1}
    assert meter.all("webhook_deliveries_total") == {}


def test_purchases_that_end_without_money_and_what_is_flagged(metered: Host, meter: Meter) -> None:
    for kind in ("expired", "async_payment_failed"):
        session = checkout_session(metered.add_purchase(), payment_status="unpaid")
        status = "expired" if kind == "expired" else "complete"
        metered.post_event(event(f"checkout.session.{kind}", session | {"status": status}))
    metered.pay(metered.add_purchase(), currency="eur")
    assert meter.all("purchases_failed_total") == {("payment_failed",): 1, ("expired",): 1}
    assert meter("purchases_flagged_total") == 1
    assert meter.all("webhook_deliveries_total") == {("handled",): 2, ("review",): 1}
    assert metered.ledger() == []


def test_each_way_to_fail_a_delivery_has_its_name(
    new_metered: NewMetered, new_database: Callable[[str], str], meter: Meter
) -> None:
    mood: list[Exception] = []

    def receiver(grant: GrantSnapshot) -> None:
        if mood:
            raise mood[0]

    host = new_metered(new_database("sqlite"), receiver=receiver)
    mood.append(RuntimeError("no"))
    assert host.pay(host.add_purchase()).status_code == 503
    host.post_body(b"{}")
    host.post_body(b"{}", **{"Stripe-Signature": "t=1,v1=" + "0" * 64})
    host.client.post(f"{PREFIX}/webhook", data=b"{}")
    host.client.post(f"{PREFIX}/webhook", data=b"{}", headers={"Stripe-Signature": ""})
    assert meter.all("webhook_deliveries_total") == {
        ("failed",): 1,
        ("malformed",): 1,
        ("invalid_signature",): 1,
        ("unsigned",): 2,
    }
    assert meter.all("fulfillment_failures_total") == {("receiver_failed",): 1}
    assert host.grants() == []


def test_credits_without_a_receiver_and_without_a_key(
    new_metered: NewMetered, new_database: Callable[[str], str], meter: Meter
) -> None:
    host = new_metered(new_database("sqlite"), receiver=False)
    assert host.pay(host.add_purchase()).status_code == 503
    assert meter.all("fulfillment_failures_total") == {("no_receiver",): 1}
    unset = new_metered(
        new_database("sqlite"), STRIPE_WEBHOOK_SECRET_CREDITS="", STRIPE_CREDITS_SITE="other"
    )
    assert unset.pay(unset.add_purchase()).status_code == 503
    assert meter("webhook_deliveries_total", site="other", outcome="not_configured") == 1


def test_whatever_an_endpoint_is_sent_the_names_stay_few(metered: Host, meter: Meter) -> None:
    for number in range(50):
        metered.post_event(event(f"invented.{number}", {"id": f"x_{number}"}))
    assert meter.all("webhook_events_total") == {("other", "ignored"): 50}


def test_a_lock_that_isnt_free_in_time_is_a_timeout(
    new_metered: NewMetered, postgres_database_url: str, meter: Meter
) -> None:
    options = {"connect_args": {"options": "-c lock_timeout=50"}}
    host = new_metered(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS=options)
    purchase = host.add_purchase()
    table = host.credits.Purchase.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.select(table).with_for_update())
        assert host.pay(purchase).status_code == 503
    assert meter.all("database_failures_total")[("timeout",)] >= 1
    assert (meter("database_retries_total") or 0) >= 3
    assert meter.all("fulfillment_failures_total") == {("database",): 1}
    assert host.pay(purchase).status_code == 200
    host.assert_exact()


@pytest.mark.parametrize("state", ["55P03", "57014", "25P04"])
def test_a_timeout_is_known_in_every_language_of_the_server(state: str) -> None:
    class DriverError(Exception):
        sqlstate = state

    error = sa.exc.OperationalError("SELECT 1", {}, DriverError("Sperre nicht verfügbar"))
    trouble = database_trouble(error)
    assert trouble is not None
    assert kind_of_trouble(trouble, error) == "timeout"


def test_a_pool_without_a_connection_is_a_timeout(
    new_metered: NewMetered, database_url: str, meter: Meter
) -> None:
    options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    host = new_metered(database_url, SQLALCHEMY_ENGINE_OPTIONS=options)
    purchase = host.add_purchase()
    with host.app.app_context(), host.db.engine.connect():
        assert host.pay(purchase).status_code == 503
    assert set(meter.all("database_failures_total")) == {("timeout",)}
    assert host.pay(purchase).status_code == 200


def test_missing_tables_and_a_database_that_is_gone(
    new_metered: NewMetered, new_database: Callable[[str], str], meter: Meter
) -> None:
    host = new_metered(new_database("sqlite"))
    document = host.paid_event(host.add_purchase())
    with host.app.app_context():
        host.db.drop_all()
    assert host.post_event(document).status_code == 503
    assert ("no_tables",) in meter.all("database_failures_total")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"status": 429}, "rate_limited"),
        ({"status": 401}, "key_refused"),
        ({"status": 500}, "broken"),
        ({"status": 400}, "rejected"),
        ({"reset": True}, "unreachable"),
    ],
)
def test_a_call_of_stripe_is_counted_once_however_often_it_is_tried(
    new_metered: NewMetered,
    new_database: Callable[[str], str],
    meter: Meter,
    stripe: Sandbox,
    quick_retries: None,
    fault: dict[str, Any],
    outcome: str,
) -> None:
    shop = new_metered(new_database("sqlite"), STRIPE_CREDITS_API_BASE=stripe.url)
    shop.load_packages()
    for _ in range(1 + limits.MAX_NETWORK_RETRIES):
        stripe.faults.next(CREATE, **fault)
    shop.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert meter.all("stripe_calls_total") == {("POST /v1/checkout/sessions", outcome): 1}
    # The others are there, at zero: or the first of a kind would be no increase.
    assert meter("stripe_calls_total", operation="POST /v1/checkout/sessions", outcome="ok") == 0


def test_what_leaves_the_outbox_is_counted(
    new_metered: NewMetered, database_url: str, meter: Meter
) -> None:
    mood = [RuntimeError("the credit manager is down")]

    def receiver(grant: GrantSnapshot) -> None:
        if mood:
            raise mood.pop()

    host = new_metered(database_url, receiver=receiver, STRIPE_CREDITS_DELIVERY="outbox")
    host.pay(host.add_purchase())
    table = host.credits.Grant.__table__
    for _ in range(2):
        with host.app.app_context():
            host.credits.deliver_due()
            with host.db.engine.begin() as connection:
                connection.execute(sa.update(table).values(next_attempt_at=table.c.created_at))
    assert meter.all("outbox_deliveries_total") == {("failed",): 1, ("delivered",): 1}


def test_counting_that_fails_is_not_in_the_way_of_money(
    metered: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the disk of PROMETHEUS_MULTIPROC_DIR is full."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Counter, "inc", full)
    monkeypatch.setattr(Histogram, "observe", full)
    assert metered.pay(metered.add_purchase()).status_code == 200
    assert metered.ledger() == [1000]
    assert "could not be counted" in caplog.text
    metered.assert_exact()


# Where they are, and when they aren't.


def test_several_apps_of_one_registry_are_told_apart_by_their_site(
    new_metered: NewMetered, new_database: Callable[[str], str], meter: Meter
) -> None:
    hosts = [
        new_metered(new_database("sqlite"), STRIPE_CREDITS_SITE=site) for site in ("a", "b", "b")
    ]
    for host in hosts:
        host.pay(host.add_purchase())
    assert meter("purchases_completed_total", site="a", by="webhook") == 1
    assert meter("purchases_completed_total", site="b", by="webhook") == 2


def test_without_a_registry_of_its_own_an_app_counts_in_the_librarys(
    new_database: Callable[[str], str],
) -> None:
    host = make_host(new_database("sqlite"), STRIPE_CREDITS_SITE="the-librarys")
    host.pay(host.add_purchase())
    labels = {"site": "the-librarys", "mode": "test", "by": "webhook"}
    assert REGISTRY.get_sample_value("stripe_credits_purchases_completed_total", labels) == 1


def test_an_app_that_is_gone_is_neither_kept_nor_counted(
    new_database: Callable[[str], str], meter: Meter
) -> None:
    gc.collect()
    listening = len(purchase_created.receivers)
    host = make_host(new_database("sqlite"), metrics_registry=meter.registry)
    host.pay(host.add_purchase())
    assert meter("database_up") == 1
    assert len(purchase_created.receivers) == listening + 1
    gone = weakref.ref(host.app)
    with host.app.app_context():
        host.db.engine.dispose()
    del host

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    # The thread that asked the database for the gauges may still be ending.
    wait_until(is_gone)
    assert len(purchase_created.receivers) == listening
    assert meter("database_up") is None
    assert meter.all("purchases_completed_total") == {("webhook",): 1}


def test_switched_off_nothing_is_counted(
    new_metered: NewMetered, new_database: Callable[[str], str], meter: Meter
) -> None:
    host = new_metered(new_database("sqlite"), STRIPE_CREDITS_METRICS=False)
    assert type(host.state.measurements) is Measurements
    assert host.pay(host.add_purchase()).status_code == 200
    assert list(meter.registry.collect()) == []


WITHOUT_THE_LIBRARY = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "prometheus_client":
            raise ModuleNotFoundError(name)
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: (
    None if name == "prometheus_client" else real(name, *rest)
)
sys.meta_path.insert(0, Gone())
from tests.hosts import make_host
host = make_host("sqlite://", STRIPE_CREDITS_METRICS_TOKEN="a-token-of-a-test")
assert host.pay(host.add_purchase()).status_code == 200
assert host.ledger() == [1000]
answer = host.client.get(
    "/api/v1/billing/credits/metrics", headers={"Authorization": "Bearer a-token-of-a-test"}
)
print(answer.status_code, answer.json["code"])
assert host.client.get("/api/v1/billing/credits/health").status_code == 200
assert not any(name.startswith("prometheus_client") for name in sys.modules)
"""


def test_without_prometheus_client_nothing_happens() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_LIBRARY], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "503 not_configured\n"
    assert "pip install flask-stripe-credits[metrics]" in done.stderr
