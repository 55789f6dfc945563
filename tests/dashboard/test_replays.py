"""An event that failed, replayed in a real browser; the credits are read from the ledger."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page

from ..sandbox.chromium import MARKS
from .conftest import DASHBOARD, OPERATOR, Shop

pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the dashboard")]


@pytest.fixture
def failed(shop: Shop) -> dict[str, Any]:
    """A paid purchase whose event the ledger couldn't take when it came."""
    purchase = shop.open(user="ann")
    shop.stripe.pay(purchase["stripe_checkout_session_id"])
    with broken_ledger(shop):
        shop.stripe.deliver(retries=False)
    assert shop.host.ledger("ann") == []
    session_id = purchase["stripe_checkout_session_id"]
    (event,) = shop.host.rows(shop.host.credits.WebhookEvent, object_id=session_id)
    assert event["verdict"] == "failed"
    return event


class broken_ledger:
    """While it lasts, the host's ledger has another name."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def __enter__(self) -> None:
        self._rename("ledger_entry", "ledger_gone")

    def __exit__(self, *_: object) -> None:
        self._rename("ledger_gone", "ledger_entry")

    def _rename(self, before: str, after: str) -> None:
        host = self._shop.host
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {before} RENAME TO {after}"))


def test_a_replay_grants_what_was_missed_once(
    shop: Shop, plain_page: Page, failed: dict[str, Any]
) -> None:
    page = plain_page
    page.goto(DASHBOARD)
    page.get_by_role("link", name="One event of Stripe's failed").click()
    page.get_by_role("link", name=f"Replay … {failed['stripe_event_id']}").click()
    assert "0 / 1,000" in page.inner_text("form")
    assert shop.host.ledger("ann") == [], "asking changes nothing"
    with broken_ledger(shop):
        page.get_by_role("button", name="Replay").click()
        told = page.get_by_role("status").inner_text()
        assert "It failed again: sqlalchemy.exc.OperationalError." in told
    for told in ("Replayed: +1,000 credits.", "Replayed: nothing had to change."):
        page.goto(f"{DASHBOARD}/events/{failed['stripe_event_id']}/replay")
        page.get_by_role("button", name="Replay").click()
        assert page.get_by_role("status").inner_text() == told
        assert shop.host.ledger("ann") == [1000]
    (purchase,) = shop.host.purchases(user_id="ann")
    assert len(shop.log(purchase_id=purchase["id"], actor=OPERATOR)) == 2, "who did it, each time"
    assert page.url.endswith(f"/purchases/{purchase['id']}")
    page.goto(f"{DASHBOARD}/reviews")
    assert failed["stripe_event_id"] not in page.content()
    shop.stripe.deliver()
    assert shop.host.ledger("ann") == [1000]
    shop.host.assert_exact()


def test_what_waits_for_a_decision_has_no_button(shop: Shop) -> None:
    purchase = shop.sell(user="bob")
    events = shop.host.credits.WebhookEvent.__table__
    with shop.host.app.app_context(), shop.host.db.engine.begin() as connection:
        whose = events.c.purchase_id == purchase["id"]
        connection.execute(sa.update(events).where(whose).values(verdict="review"))
    (event,) = shop.host.rows(shop.host.credits.WebhookEvent, purchase_id=purchase["id"])
    page = shop.host.client.get(f"{DASHBOARD}/events/{event['stripe_event_id']}/replay")
    assert "can&#39;t be replayed" in page.text
    assert "<button" not in page.text
    assert shop.host.client.get(f"{DASHBOARD}/events/evt_unknown1234/replay").status_code == 404
