"""The four answers of the page on refunds and disputes, as they are written, on both databases."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from ..hosts import Host
from ..payloads import dispute, event, refund

PAGE = "how-to/handle-refunds-and-disputes.md"


class Shop:
    """The page's app with one of its answers, and one user who has spent most of a purchase."""

    def __init__(self, page: ModuleType, secret: str) -> None:
        self.page = page
        self.host = Host(page.app, page.db, page.credits, None, secret)
        with page.app.app_context():
            page.db.create_all()
            page.db.session.add(page.User(id="alice"))
            page.db.session.commit()
        self.purchase = self.buy()
        self.payment = self.host.purchase(self.purchase["id"])["stripe_payment_intent_id"]

    def buy(self) -> dict[str, Any]:
        purchase = self.host.add_purchase()
        assert self.host.pay(purchase).json == {"received": True, "verdict": "handled"}
        return purchase

    def user(self) -> dict[str, Any]:
        (row,) = self.host.rows(self.page.User)
        return row

    def spend_from_balance(self, amount: int) -> None:
        with self.page.app.app_context():
            self.page.db.session.get(self.page.User, "alice").balance -= amount
            self.page.db.session.commit()

    def tell(self, type_: str, about: dict[str, Any]) -> str:
        answer = self.host.post_event(event(type_, about))
        assert answer.status_code == 200, answer.text
        return str((answer.json or {})["verdict"])

    @property
    def status(self) -> str:
        return str(self.host.purchase(self.purchase["id"])["status"])

    @property
    def posted(self) -> list[int]:
        return [grant["credits"] for grant in self.host.grants(purchase_id=self.purchase["id"])]


@pytest.fixture
def shop(request: pytest.FixtureRequest, load_page: Any, database_url: str) -> Shop:
    return Shop(*load_page(PAGE, database_url, request.param))


def choice(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shop", [name], indirect=True)


@choice("negative")
def test_B23_a_balance_may_go_below_zero(shop: Shop) -> None:
    page = shop.page

    def balance() -> int:
        with page.app.app_context():
            return int(page.balance_of("alice"))

    with page.app.app_context():
        page.spend("alice", 800, "job-1")
        page.db.session.commit()
    back = refund(shop.payment, 1000)
    assert shop.tell("refund.created", back) == "handled"
    assert (balance(), shop.status) == (-800, "refunded")
    with page.app.app_context(), pytest.raises(ValueError, match="not enough"):
        page.spend("alice", 1, "job-2")
    shop.buy()
    assert balance() == 200
    shop.tell("refund.failed", back | {"status": "failed"})
    assert balance() == 1200
    assert shop.posted == [1000, -1000, 1000]


@choice("shortfall")
def test_B23_a_shortfall_is_noted_and_settled_when_the_money_comes_back(shop: Shop) -> None:
    def books() -> tuple[int, list[int]]:
        return shop.user()["balance"], [
            row["credits"] for row in shop.host.rows(shop.page.Shortfall)
        ]

    shop.spend_from_balance(800)
    half, other_half = refund(shop.payment, 500), refund(shop.payment, 500)
    assert shop.tell("refund.created", half) == "handled"
    assert books() == (0, [300])
    assert shop.tell("refund.created", other_half) == "handled"
    assert books() == (0, [800])
    shop.buy()
    assert books() == (1000, [800]), "another purchase is not touched"
    shop.tell("refund.failed", half | {"status": "failed"})
    assert books() == (1000, [300])
    shop.tell("refund.failed", other_half | {"status": "failed"})
    assert books() == (1200, [0]), "as if nothing had been refunded"
    assert shop.posted == [1000, -500, -500, 500, 500]


@choice("freeze")
def test_B23_an_account_is_frozen_while_it_owes(shop: Shop) -> None:
    def books() -> tuple[int, bool]:
        return shop.user()["balance"], shop.user()["is_frozen"]

    shop.spend_from_balance(800)
    lost = dispute(shop.payment, 1000)
    assert shop.tell("charge.dispute.created", lost) == "handled"
    assert (books(), shop.status) == ((-800, True), "disputed")
    won = dispute(shop.payment, 1000, id=lost["id"], withdrawals=2, status="won")
    assert shop.tell("charge.dispute.closed", won) == "handled"
    assert (books(), shop.status) == ((200, False), "completed")
    assert shop.posted == [1000, -1000, 1000]


@choice("refuse")
def test_B23_a_refused_refund_waits_for_somebody_to_decide(shop: Shop) -> None:
    shop.spend_from_balance(800)
    back = refund(shop.payment, 1000)
    assert shop.tell("refund.created", back) == "review"
    assert (shop.user()["balance"], shop.status, shop.posted) == (200, "review", [1000])
    (row,) = shop.host.purchases(id=shop.purchase["id"])
    assert "800 of the credits are already spent" in row["review_reason"]
    assert [one["amount"] for one in shop.host.rows(shop.page.credits.Refund)] == [1000]
    assert shop.tell("refund.updated", back) == "review", "200 again: no retries for three days"
    assert shop.posted == [1000]
