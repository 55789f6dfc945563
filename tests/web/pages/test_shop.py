"""The shop: what it says of the packages, and what its buttons do."""

from __future__ import annotations

import logging
import re
from decimal import Decimal
from typing import Any

import pytest
from flask import Response

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.web.pages.offers import Card, cards_of
from tests.hosts import Host
from tests.stripe_stub import CREATE
from tests.web.pages.conftest import PAGES, OpenShop, buyer_of, set_package, titled, words

LOOPBACK = "http://127.0.0.1:5000"
LOCALHOST = "http://localhost:5000"


def package(code: str, credits: int, unit_amount: int, **more: Any) -> dict[str, Any]:
    usual = {
        "package_code": code,
        "package_name": code.title(),
        "description": None,
        "credits": credits,
        "unit_amount": unit_amount,
        "currency": "usd",
        "discount_percentage": 0,
    }
    return usual | more


def cards(*packages: dict[str, Any]) -> dict[str, Card]:
    return {card.package_code: card for card in cards_of(packages)}


def best(*packages: dict[str, Any]) -> list[str]:
    return [code for code, card in cards(*packages).items() if card.is_best_value]


def test_best_value_is_the_one_lowest_price_of_a_credit() -> None:
    small, big = package("small", 1_000, 1_000), package("big", 3_000, 2_999)
    assert best(small, big) == ["big"]
    assert best(big, small) == ["big"]
    assert best(small, package("twice", 2_000, 2_000)) == []  # a tie has no best
    assert best(small) == []  # nothing to be better than
    euros = package("euros", 1_000, 100, currency="eur")
    assert best(small, big, euros) == ["big"]  # no rate of exchange is known


def test_savings_are_the_catalogues_if_it_has_any_and_computed_else() -> None:
    small, big = package("small", 1_000, 1_000), package("big", 3_000, 2_000)
    assert [card.saving for card in cards(small, big).values()] == [0, 33]
    stated = package("big", 3_000, 2_000, discount_percentage=25)
    assert [card.saving for card in cards(small, stated).values()] == [0, 25]
    free = package("free", 10, 0)
    assert cards(free)["free"].saving == 0


@pytest.mark.parametrize(
    ("credits", "amount", "currency", "expected"),
    [
        (5_000, 4_500, "usd", 900),
        (3_000, 1_000, "usd", 333),
        (3_000, 500, "jpy", 167),
        (7, 70, "usd", 10_000),
        (1_000, 1_230, "bhd", 1_230),
        (3_000, 1_000, "bhd", 330),  # three decimals, of which Stripe takes tens
        (1_000_000, 100, "usd", None),  # less than a cent
    ],
)
def test_price_of_1000_credits(
    credits: int, amount: int, currency: str, expected: int | None
) -> None:
    assert cards(package("one", credits, amount, currency=currency))["one"].per_thousand == expected


def test_the_shop_shows_what_is_for_sale_in_order(pages: Host) -> None:
    page = buyer_of(pages).get()
    assert titled(page) == "Buy credits"
    said = words(page)
    assert re.findall(r"(\w+) Pack (?:Best value )?[\d,]+ credits", said) == [
        "Starter",
        "Standard",
        "Pro",
        "Enterprise",
    ]
    for expected in ("5,000 credits", "$45.00", "Save 10%", "$9.00 per 1,000 credits"):
        assert expected in said
    assert said.count("Best value 50,000") == said.count("Best value ") - 1 == 1
    set_package(pages, "pro", is_active=False)
    assert "Pro Pack" not in buyer_of(pages).get()


def test_an_empty_shop_says_so(pages: Host) -> None:
    for code in ("starter", "standard", "pro", "enterprise"):
        set_package(pages, code, is_active=False)
    page = buyer_of(pages).get()
    assert "Nothing is for sale right now" in page
    assert "<form" not in page


def test_F14_package_name_can_not_become_markup(small_pages: Host) -> None:
    evil = "<script>alert(1)</script>"
    set_package(small_pages, "starter", package_name=evil, description=f'"><b>{evil}')
    page = buyer_of(small_pages).get()
    assert evil not in page
    assert "&lt;script&gt;alert" in page
    small_pages.add_purchase(package_name=evil)
    assert evil not in buyer_of(small_pages).get("/history")


class TestBalance:
    def test_it_is_the_hosts(self, pages: Host) -> None:
        pages.pay(pages.add_purchase())
        assert "Your balance 1,000" in words(buyer_of(pages).get())

    def test_any_whole_number_and_nothing_else_is_shown(self, small_pages: Host) -> None:
        loaded: list[Any] = []
        small_pages.credits.balance_loader(lambda user_id: loaded.pop())
        for value, shown in (
            (-800, "\N{MINUS SIGN}800"),
            (0, "0"),
            (Decimal(12_345), "12,345"),
            (10**15, "1,000,"),
        ):
            loaded.append(value)
            assert f"Your balance {shown}" in words(buyer_of(small_pages).get())
        for value in (None, "12", 1.5, True, Decimal("1.5"), Decimal("NaN"), Decimal("Infinity")):
            loaded.append(value)
            assert "Your balance" not in buyer_of(small_pages).get(), value

    def test_a_loader_that_fails_hides_the_balance_alone(
        self, pages: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        @pages.credits.balance_loader
        def broken(user_id: str) -> int:
            pages.db.session.execute(pages.db.text("SELECT nothing"))
            return 1

        @pages.app.after_request
        def count_visits(response: Response) -> Response:
            pages.db.session.execute(pages.db.text("SELECT 1"))
            return response

        page = buyer_of(pages).get()
        assert "Starter Pack" in page
        assert "Your balance" not in page
        (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
        assert getattr(record, "event", "") == "balance_unknown"


class TestButton:
    def test_it_leads_to_stripes_page_and_back_to_ours(self, pages: Host, stripe: Sandbox) -> None:
        answer = buyer_of(pages).press("standard")
        assert answer.status_code == 303
        (bought,) = pages.purchases()
        assert answer.location == bought["checkout_url"]
        assert (bought["package_code"], bought["unit_amount"]) == ("standard", 4_500)
        session = stripe.session(bought["stripe_checkout_session_id"])
        page = f"http://localhost{PAGES}/purchases/{bought['id']}"
        assert session["success_url"] == f"{page}?returned=paid"
        assert session["cancel_url"] == f"{page}?returned=left"
        assert pages.ledger() == []

    def test_the_purchase_is_of_who_pressed(self, pages: Host) -> None:
        pages.user = "bob"
        assert buyer_of(pages).press().status_code == 303
        assert [row["user_id"] for row in pages.purchases()] == ["bob"]

    def test_D09_pressed_twice_it_is_one_purchase(self, pages: Host) -> None:
        buyer = buyer_of(pages)
        form = buyer.form()
        answers = [buyer.send(form), buyer.send(form)]
        assert [answer.status_code for answer in answers] == [303, 303]
        assert len({answer.location for answer in answers}) == 1
        assert len(pages.purchases()) == 1

    def test_F11_nobody_pays_another_price_than_the_one_shown(self, pages: Host) -> None:
        buyer = buyer_of(pages)
        for change in ({"unit_amount": 1_200}, {"credits": 900}, {"currency": "eur"}):
            form = buyer.form()
            set_package(pages, "starter", **change)
            answer = buyer.send(form)
            assert answer.status_code == 409
            assert "This package has just changed" in answer.text
            assert pages.purchases() == []
        assert "\N{EURO SIGN}12.00" in answer.text
        assert buyer.press().status_code == 303
        (bought,) = pages.purchases()
        assert (bought["unit_amount"], bought["currency"]) == (1_200, "eur")

    def test_an_open_checkout_of_the_old_price_is_not_joined_by_the_new_one(
        self, pages: Host
    ) -> None:
        buyer = buyer_of(pages)
        old = buyer.form()
        first = buyer.send(old)
        set_package(pages, "starter", unit_amount=1_200)
        assert buyer.send(old).status_code == 409
        second = buyer.press()
        assert second.status_code == 303
        assert second.location != first.location
        assert sorted(row["unit_amount"] for row in pages.purchases()) == [1_000, 1_200]

    def test_a_form_that_shows_nonsense_buys_nothing(self, small_pages: Host) -> None:
        buyer = buyer_of(small_pages)
        form = buyer.form()
        for field in ("credits", "unit_amount", "currency"):
            for value in ("", "1e3", "-1", "9" * 400, "\u0661", "null"):
                assert buyer.send(form | {field: value}).status_code == 409, (field, value)
        assert small_pages.purchases() == []

    def test_a_package_that_was_just_withdrawn(self, pages: Host) -> None:
        buyer = buyer_of(pages)
        form = buyer.form()
        set_package(pages, "starter", is_active=False)
        answer = buyer.send(form)
        assert answer.status_code == 404
        assert "This package is no longer for sale." in answer.text
        assert "Pro Pack" in answer.text
        assert pages.purchases() == []

    def test_F12_a_package_that_never_was(self, small_pages: Host) -> None:
        buyer = buyer_of(small_pages)
        form = buyer.form()
        for code in ("", "STARTER", "nothing", "\0", "<b>", "x" * 500):
            answer = buyer.send(form | {"package_code": code})
            assert answer.status_code == 404, code
            assert "<b>" not in answer.text
        assert small_pages.purchases() == []

    def test_D11_the_limit_is_told_beside_the_button_with_the_time_to_wait(
        self, open_shop: OpenShop, database_url: str
    ) -> None:
        host = open_shop(database_url, STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR=1)
        buyer = buyer_of(host)
        assert buyer.press("starter").status_code == 303
        answer = buyer.press("pro")
        assert answer.status_code == 429
        assert 3_500 < int(answer.headers["Retry-After"]) <= 3_600
        assert "You can start another in 60 minutes." in answer.text
        card = answer.text.partition('id="package-pro"')[2].partition("</li>")[0]
        assert 'role="alert"' in card
        assert answer.text.count('role="alert"') == 1
        assert len(host.purchases()) == 1

    def test_stripe_being_away_is_told_beside_the_button(
        self, pages: Host, stripe: Sandbox
    ) -> None:
        for _ in range(3):
            stripe.faults.next(CREATE, status=503)
        answer = buyer_of(pages).press("pro")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        card = answer.text.partition('id="package-pro"')[2].partition("</li>")[0]
        assert "The payment page can&#39;t be opened right now." in card
        assert titled(answer.text) == "Not bought: Pro Pack"
        assert buyer_of(pages).press("pro").status_code == 303
        assert len(pages.purchases()) == 1

    def test_a_key_that_is_missing_is_nothing_that_a_buyer_hears_of(
        self, open_shop: OpenShop
    ) -> None:
        host = open_shop(STRIPE_SECRET_KEY=None)
        answer = buyer_of(host).press()
        assert answer.status_code == 503
        assert "STRIPE_SECRET_KEY" not in answer.text
        assert host.purchases() == []

    def test_nothing_is_bought_by_looking(self, small_pages: Host) -> None:
        answer = small_pages.client.get(f"{PAGES}/buy")
        assert (answer.status_code, answer.location) == (303, PAGES)
        assert small_pages.purchases() == []

    def test_away_from_loopback_the_base_url_has_to_be_set(
        self, small_pages: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The Host header is written by whoever sends the request."""
        buyer = buyer_of(small_pages)
        form = buyer.form()
        answer = buyer.send(form, Host="shop.example.com")
        assert answer.status_code in (400, 503)
        assert small_pages.purchases() == []

    def test_F23_the_base_url_decides_and_not_the_host_header(
        self, open_shop: OpenShop, stripe: Sandbox
    ) -> None:
        host = open_shop(STRIPE_CREDITS_BASE_URL="https://shop.example.com")
        assert buyer_of(host).press().status_code == 303
        (bought,) = host.purchases()
        session = stripe.session(bought["stripe_checkout_session_id"])
        assert session["success_url"].startswith(f"https://shop.example.com{PAGES}/purchases/")

    @pytest.mark.parametrize(
        ("listed", "asked", "back"),
        [
            (f"{LOOPBACK} {LOCALHOST}", LOCALHOST, LOCALHOST),
            (f"{LOOPBACK} {LOCALHOST}", LOOPBACK, LOOPBACK),
            (f"{LOOPBACK} {LOCALHOST}", "http://localhost:6000", LOOPBACK),
            (f"{LOOPBACK} https://shop.example.com", "https://shop.example.com", LOOPBACK),
            ("", LOCALHOST, LOOPBACK),
        ],
    )
    def test_on_ones_own_machine_it_is_the_name_that_the_buyer_uses_if_it_is_listed(
        self, open_shop: OpenShop, stripe: Sandbox, listed: str, asked: str, back: str
    ) -> None:
        """Where somebody is signed in on localhost, nobody is on 127.0.0.1."""
        host = open_shop(
            STRIPE_CREDITS_BASE_URL=LOOPBACK, STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS=listed
        )
        assert buyer_of(host, asked).press().status_code == 303
        (bought,) = host.purchases()
        session = stripe.session(bought["stripe_checkout_session_id"])
        assert session["success_url"].startswith(f"{back}{PAGES}/purchases/")

    def test_elsewhere_no_host_header_sends_buyers_to_their_own_machine(
        self, open_shop: OpenShop, stripe: Sandbox
    ) -> None:
        """As behind a proxy that passes no ``Host`` on."""
        shop = "https://shop.example.com"
        host = open_shop(
            STRIPE_CREDITS_BASE_URL=shop,
            STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS=f"{shop} {LOOPBACK}",
        )
        assert buyer_of(host, LOOPBACK).press().status_code == 303
        (bought,) = host.purchases()
        session = stripe.session(bought["stripe_checkout_session_id"])
        assert session["success_url"].startswith(f"{shop}{PAGES}/purchases/")

    def test_a_host_of_its_own_return_page_keeps_it(
        self, open_shop: OpenShop, stripe: Sandbox
    ) -> None:
        host = open_shop(STRIPE_CREDITS_SUCCESS_URL="http://localhost/thanks")
        assert buyer_of(host).press().status_code == 303
        (bought,) = host.purchases()
        session = stripe.session(bought["stripe_checkout_session_id"])
        assert session["success_url"] == "http://localhost/thanks"


def test_a_payment_page_elsewhere_is_reached_by_a_link(
    small_pages: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers hold a form's redirect against form-action; Stripe lets merchants have domains."""
    from flask_stripe_credits.web.pages import headers

    monkeypatch.setattr(headers, "checkout_origin", lambda settings: "https://checkout.stripe.com")
    answer = buyer_of(small_pages).press()
    assert answer.status_code == 200
    (bought,) = small_pages.purchases()
    assert f'href="{bought["checkout_url"]}"' in answer.text
    assert f'content="0; url={bought["checkout_url"]}"' in answer.text


def test_public_packages_are_shown_to_everybody_and_sold_to_users(open_shop: OpenShop) -> None:
    host = open_shop(STRIPE_CREDITS_PUBLIC_PACKAGES=True)
    host.user = None
    page = buyer_of(host).get()
    assert "Starter Pack" in page
    assert "<form" not in page
    assert "Sign in to buy" in page
    assert host.client.get(f"{PAGES}/buy?sign_in=1").status_code == 401
    host.user = "alice"
    assert buyer_of(host).press().status_code == 303
