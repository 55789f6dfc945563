from __future__ import annotations

import json

import pytest
from click.testing import Result

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from ..reconciliation.shoppers import buy_and_pay, on_sqlite
from ..stripe_stub import NewShop
from ..test_replays import Manager, fail, told_by


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def selling(database_url: str, new_shop: NewShop, quick_retries: None, manager: Manager) -> Host:
    return new_shop(database_url, receiver=lambda grant: manager(grant))


def replay(shop: Host, *arguments: str) -> Result:
    return shop.app.test_cli_runner().invoke(args=["credits", "replay", *arguments])


def test_it_tells_of_each_event_what_it_did(
    selling: Host, stripe: Sandbox, manager: Manager
) -> None:
    purchase = buy_and_pay(selling, stripe)
    paid = told_by(stripe, purchase, "checkout.session.completed")
    fail(selling, manager, paid)
    manager.down = True
    failed = replay(selling, "--failed")
    assert failed.exit_code == 1
    assert "not replayed: a receiver of purchase_completed raised" in failed.output
    manager.down = False
    lines = replay(selling, "--failed", "--by", "olivia").output.splitlines()
    session = purchase["stripe_checkout_session_id"]
    assert lines == [
        "Stripe in test mode, site local",
        f"{paid['id']} checkout.session.completed {session}, purchase {purchase['id']}: "
        f"handled, +1,000 credits",
        "1 replayed, 0 of them not ours, 0 with problems: 1,000 credits given, 0 taken back",
    ]
    again = replay(selling, paid["id"])
    assert again.exit_code == 0
    assert again.output.endswith("handled, nothing was missing\n")
    *events, summary = map(json.loads, replay(selling, paid["id"], "--json").output.splitlines())
    assert [one["credits"] for one in events] == [0]
    assert summary == {"events": 1, "ignored": 0, "problems": 0, "given": 0, "taken": 0}
    assert manager.booked == [1000]


@on_sqlite
def test_since_tells_of_what_was_missed(
    database_url: str, new_shop: NewShop, manager: Manager
) -> None:
    with Sandbox().start(deliver=False) as stripe:
        selling = new_shop(
            database_url, receiver=lambda grant: manager(grant), STRIPE_CREDITS_API_BASE=stripe.url
        )
        purchase = buy_and_pay(selling, stripe)
        result = replay(selling, "--since", "60d")
    assert result.exit_code == 0, result.output
    assert "Stripe keeps events for 30 days only" in result.output
    assert f"purchase {purchase['id']}: handled, +1,000 credits" in result.output
    assert manager.booked == [1000]


def test_wrong_words_are_sentences(small_shop: Host) -> None:
    for arguments, code, problem in (
        ([], 2, "name an EVENT, or say --failed or --since: one of them"),
        (["evt_1", "--failed"], 2, "one of them"),
        (["--since", "soon"], 2, "'soon' is none of 35d"),
        (["evt_nobody"], 1, "Stripe has no event evt_nobody"),
        (["--failed", "--live"], 1, "--live was given, but the API key is a test key"),
    ):
        result = replay(small_shop, *arguments)
        assert (result.exit_code, problem in result.output) == (code, True), result.output
