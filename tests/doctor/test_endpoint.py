"""What the doctor says of the webhook: Stripe's endpoint, and the running app's answer."""

from __future__ import annotations

from typing import Any

import pytest

from flask_stripe_credits.credentials import Secret
from flask_stripe_credits.doctor import Level
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.webhook_endpoints import API_VERSION, fingerprint
from flask_stripe_credits.webhooks.handlers import HANDLERS

from ..hosts import PREFIX, Host, make_host
from ..payloads import new_api_key, new_secret
from ..serving import serving
from ..stripe_stub import NewShop, StripeStub
from .examined import examined, level, only

URL = f"http://127.0.0.1:5000{PREFIX}/webhook"


@pytest.fixture
def shop(new_shop: NewShop, quick_retries: None, sandbox: Sandbox) -> Host:
    base = {"STRIPE_CREDITS_BASE_URL": "http://127.0.0.1:5000"}
    return new_shop(STRIPE_CREDITS_API_BASE=sandbox.url, **base)


def add_endpoint(sandbox: Sandbox, **changes: Any) -> str:
    """One that is right but for ``changes``; return its id."""
    sandbox.register_webhook(URL)
    endpoint = sandbox.objects("webhook_endpoint")[-1]
    right = {"enabled_events": sorted(HANDLERS), "api_version": API_VERSION}
    sandbox.store.save({**endpoint, **right, **changes})
    return str(endpoint["id"])


def mark_of(secret: str) -> dict[str, str]:
    return {"secret_fingerprint": fingerprint(Secret(secret))}


def test_nobody_says_where_the_app_is(new_shop: NewShop) -> None:
    found = examined(new_shop(), "webhook_endpoint", "webhook_answer")
    for id in ("webhook_endpoint", "webhook_answer"):
        (line,) = found[id]
        assert line.level is Level.SKIPPED
        assert "the app's address isn't known" in line.found


def test_the_endpoint_that_is_right(shop: Host, sandbox: Sandbox) -> None:
    id = add_endpoint(sandbox)
    found = only(shop, "webhook_endpoint")
    assert (found.level, found.found) == (Level.OK, f"{id} sends what is handled to {URL}")


def test_there_is_no_endpoint(shop: Host, sandbox: Sandbox) -> None:
    found = only(shop, "webhook_endpoint")
    assert (found.level, found.found) == (Level.ERROR, f"Stripe has no endpoint for {URL}")
    assert found.command == "flask credits webhook create --write-env .env"
    marks = {"flask_stripe_credits": "127.0.0.1:5000"}
    id = add_endpoint(sandbox, url="http://127.0.0.1:1/webhook", metadata=marks)
    found = only(shop, "webhook_endpoint")
    assert f"; {id} of this site sends to http://127.0.0.1:1/webhook" in found.found


@pytest.mark.parametrize(
    ("changes", "expected", "told", "command"),
    [
        ({"status": "disabled"}, Level.ERROR, "it is disabled", "webhook create"),
        (
            {"enabled_events": sorted(set(HANDLERS) - {"refund.failed"})},
            Level.ERROR,
            "it doesn't send refund.failed",
            "webhook create",
        ),
        (
            {"api_version": "2020-08-27"},
            Level.WARNING,
            f"its API version is 2020-08-27, not {API_VERSION}",
            "webhook rotate --write-env .env",
        ),
    ],
)
def test_the_endpoint_differs(
    shop: Host,
    sandbox: Sandbox,
    changes: dict[str, Any],
    expected: Level,
    told: str,
    command: str,
) -> None:
    id = add_endpoint(sandbox, **changes)
    found = only(shop, "webhook_endpoint")
    assert (found.level, found.found) == (expected, f"{id}: {told}")
    assert found.command == f"flask credits {command}"


def test_events_of_every_type_cost_in_live_mode_only(sqlite_url: str, stub: StripeStub) -> None:
    endpoint = {
        "id": "we_1",
        "url": f"https://shop.test{PREFIX}/webhook",
        "status": "enabled",
        "enabled_events": ["*"],
        "api_version": API_VERSION,
    }
    stub.answer({"data": [endpoint]})
    for mode, expected in (("test", Level.OK), ("live", Level.WARNING)):
        host = make_host(
            sqlite_url,
            tables=False,
            STRIPE_SECRET_KEY=new_api_key(mode),
            STRIPE_CREDITS_API_BASE=stub.url,
            STRIPE_CREDITS_BASE_URL="https://shop.test",
        )
        without = ("secret_key", "stripe")
        (found,) = examined(host, "webhook_endpoint", without=without)["webhook_endpoint"]
        assert found.level is expected


def test_the_secret_is_told_by_its_fingerprint(shop: Host, sandbox: Sandbox) -> None:
    add_endpoint(sandbox, metadata=mark_of(shop.webhook_secret))
    assert level(shop, "webhook_endpoint") is Level.OK
    id = add_endpoint(sandbox, metadata=mark_of(new_secret()))
    found = only(shop, "webhook_endpoint")
    assert found.level is Level.ERROR
    assert found.found == f"the secret of {id} isn't in STRIPE_WEBHOOK_SECRET_CREDITS"
    assert found.command == "flask credits webhook rotate --write-env .env"


def test_E12_a_rotation_in_its_steps(shop: Host, sandbox: Sandbox) -> None:
    id = add_endpoint(sandbox, metadata=mark_of(shop.webhook_secret))
    old: Any = sandbox.store.get("webhook_endpoint", id)
    new = {**old, "id": f"{id}2", "metadata": mark_of(new_secret())}
    sandbox.store.add(new, {"secrets": ["x"]})
    # Begun, and the new secret isn't there yet.
    found = only(shop, "webhook_endpoint")
    assert found.level is Level.ERROR
    assert found.found.endswith("isn't in STRIPE_WEBHOOK_SECRET_CREDITS: a rotation was begun")
    assert found.command is None
    assert found.advice is not None
    assert found.advice.endswith("`flask credits webhook rotate --write-env .env --again`")
    # Both are there.
    sandbox.store.save({**new, "metadata": old["metadata"]})
    found = only(shop, "webhook_endpoint")
    assert (found.level, found.command) == (
        Level.WARNING,
        "flask credits webhook rotate --finish",
    )
    assert "every event comes 2 times, which moves no credit twice" in found.found
    assert "isn't configured any more" not in found.found
    # The old one was taken out too early.
    sandbox.store.save({**old, "metadata": mark_of(new_secret())})
    found = only(shop, "webhook_endpoint")
    assert found.found.endswith(f", and the secret of {id} isn't configured any more")


def test_stripe_itself_cannot_reach_this_machine(sqlite_url: str) -> None:
    host = make_host(
        sqlite_url,
        tables=False,
        STRIPE_CREDITS_API_BASE=None,
        STRIPE_CREDITS_BASE_URL="http://localhost:5000",
    )
    without = ("stripe",)
    (found,) = examined(host, "webhook_endpoint", without=without)["webhook_endpoint"]
    assert found.level is Level.WARNING
    assert (
        found.advice is not None and "stripe listen --forward-to http://localhost" in found.advice
    )


def test_the_running_app_answers(sqlite_host: Host) -> None:
    before = sqlite_host.row_counts()
    with serving(sqlite_host.app) as base:
        url = f"{base}{PREFIX}/webhook"
        found = only(sqlite_host, "webhook_answer", url)
        assert found.level is Level.OK
        assert f"{url} answered 200 ignored" in found.found
        other = make_host(sqlite_host.db_url, tables=False)
        found = only(other, "webhook_answer", url)
        assert found.level is Level.ERROR
        assert (
            f"answered 400 invalid_signature to an event signed with …{other.webhook_secret[-4:]}"
        )
        assert found.advice is not None and "another secret" in found.advice
        rotating = make_host(
            sqlite_host.db_url,
            tables=False,
            STRIPE_WEBHOOK_SECRET_CREDITS=[sqlite_host.webhook_secret, new_secret()],
        )
        lines = examined(rotating, "webhook_answer", url=url)["webhook_answer"]
        assert [line.level for line in lines] == [Level.OK, Level.WARNING]
    assert sqlite_host.row_counts() == before
    found = only(sqlite_host, "webhook_answer", url)
    assert (found.level, found.advice) == (
        Level.ERROR,
        "nothing listens there: is the app running, and is the port right?",
    )
