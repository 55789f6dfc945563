"""The recipes of the page about credit managers elsewhere, run as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from ..outbox.conftest import Clock, CreditManager, Shop
from ..outbox.conftest import clock as clock
from ..outbox.credit_service import CreditService

PAGE = "how-to/deliver-to-another-service.md"
Load = Callable[[str], tuple[Any, Shop]]


@pytest.fixture
def load(load_page: Any, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the page for a credit service's address."""

    def load_for(url: str) -> tuple[Any, Shop]:
        monkeypatch.setenv("FLASK_CREDIT_SERVICE_URL", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        page, secret = load_page(PAGE, database_url)
        host = Host(page.app, page.db, page.credits, None, secret)
        with page.app.app_context():
            page.db.create_all()
        return page, Shop(host, CreditManager())

    return load_for


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Callable[..., CreditService]]:
    started: list[CreditService] = []

    def start(**options: Any) -> CreditService:
        service = CreditService(tmp_path / "service.sqlite", **options)
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.kill()


def _deliver_until_done(shop: Shop, service: CreditService, clock: Clock) -> None:
    for _ in range(20):
        shop.deliver()
        service.restart_if_dead()
        if all(row["delivered_at"] for row in shop.host.grants()):
            return
        clock.pass_by(hours=1)
    raise AssertionError("never delivered")


@pytest.mark.parametrize("keyed", [True, False])
def test_C22_a_service_that_dies_before_it_answers_books_each_grant_once_if_it_has_the_key(
    load: Load, new_service: Callable[..., CreditService], clock: Clock, keyed: bool
) -> None:
    service = new_service(die_every=3, keyed=keyed)
    _, shop = load(service.url)
    for user in ("alice", "bob", "carol"):
        purchase = shop.buy(user_id=user)
        if user != "bob":
            shop.refund(purchase, 400)
    service.kill()
    assert shop.deliver() == 0  # down: nothing is taken, nothing is lost
    assert service.balance() == {}
    service.start()
    clock.pass_by(seconds=1)
    _deliver_until_done(shop, service, clock)
    owed = {"alice": 600, "bob": 1000, "carol": 600}
    assert service.deaths >= 1
    assert (service.balance() == owed) is keyed
    assert_invariants(shop.host.app)


def test_a_user_whom_the_service_does_not_know_is_refused(
    load: Load, new_service: Callable[..., CreditService]
) -> None:
    service = new_service()
    _, shop = load(service.url)
    purchase = shop.buy(user_id="nobody")
    assert shop.deliver() == 0
    row = shop.host.purchase(purchase["id"])
    assert (row["status"], row["review_reason"]) == (
        "review",
        "refused by a receiver: there is no user nobody",
    )
