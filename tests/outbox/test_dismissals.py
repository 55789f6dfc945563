"""What is refused and dismissed is never handed over, and nobody is told anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.monitoring.standing import read_standing
from flask_stripe_credits.reading import reading
from flask_stripe_credits.reports import Period, Undelivered, figures
from flask_stripe_credits.testing import assert_invariants

from ..hosts import PREFIX
from ..payloads import dispute, event, refund
from ..web.pages.conftest import PAGES, titled, words
from .conftest import Shop, make_shop

CONTACT = "Please contact us and give us the reference below."
PROMISES = ("on their way", "added by themselves", "Check again", "data-fsc-watch")


class Desk:
    """A shop with one purchase, whose credits the credit manager may refuse."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.host = shop, shop.host
        self.host.credits.admin_check(lambda: self.host.user == "olga")
        self.refuse(lambda credits: False)
        self.purchase = shop.buy()

    def refuse(self, refuses: Callable[[int], bool]) -> None:
        """Refuse the grants whose credits are like this from now on."""

        def take(grant: GrantSnapshot) -> None:
            if refuses(grant.credits):
                raise self.host.credits.Refuse("there is no such user")

        self.shop.manager.trouble = take

    def hear(self, kind: str, document: dict[str, Any]) -> None:
        assert self.host.post_event(event(kind, document)).status_code == 200

    def dismiss(self) -> dict[str, Any]:
        """As an operator does it, after the worker has been refused."""
        self.shop.deliver()
        assert self.host.purchase(self.purchase["id"])["status"] == "review"
        answer = self.as_olga(
            f"reviews/{self.purchase['id']}", {"decision": "dismiss", "reason": "no such user"}
        )
        self.refuse(lambda credits: False)
        assert self.shop.deliver() == 0
        return answer

    def as_olga(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        self.host.user = "olga"
        method = "GET" if body is None else "POST"
        answer = self.host.client.open(f"{PREFIX}/admin/{path}", method=method, json=body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json
        return found

    def meaning(self) -> str:
        """The state in a sentence, which the route and the command have alike."""
        found = self.as_olga(f"purchases/{self.purchase['id']}")["meaning"]
        assert found in self.run("purchases", "show", str(self.purchase["id"]))
        return str(found)

    def run(self, *command: str) -> str:
        return self.host.app.test_cli_runner().invoke(args=["credits", *command]).output

    def dashboard(self) -> str:
        self.host.user = "olga"
        return self._said(f"{PAGES}/dashboard/purchases/{self.purchase['id']}")

    def page(self) -> str:
        """What the buyer reads below the title. Never that something is still to come."""
        self.host.user = "alice"
        return self._said(f"{PAGES}/purchases/{self.purchase['id']}")

    def _said(self, path: str) -> str:
        page = self.host.client.get(path).text
        assert not [promise for promise in PROMISES if promise in page]
        return f"{titled(page)}: {words(page)}"

    def undelivered(self) -> Undelivered:
        """What the figures say waits, which is what the metrics say."""
        state = self.host.state
        with self.host.app.app_context(), reading(state) as connection:
            found = figures(connection, state.models, Period(None, None), None).undelivered
            assert found.grants == read_standing(state, connection).undelivered.count
        return found


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """Somebody has paid and is granted 1,000 credits; once on SQLite and once on PostgreSQL."""
    desk = Desk(make_shop(database_url, STRIPE_CREDITS_PAGES=PAGES))
    yield desk
    assert_invariants(desk.host.app)


def test_operators_are_told_that_nobody_will_have_the_credits(desk: Desk) -> None:
    desk.refuse(lambda credits: True)
    answer = desk.dismiss()
    assert (answer["status"], answer["credits_posted"]) == ("completed", 1_000)
    assert answer["credits_never_delivered"] == 1_000
    assert desk.meaning() == (
        "It is paid. olga dismissed it: 1,000 credits were recorded and will never be handed over."
    )
    shown = desk.run("purchases", "show", str(desk.purchase["id"]))
    assert "1,000, 0 handed over" in shown
    assert "+1,000 credits (purchase), never to be delivered" in shown
    assert "not delivered yet" not in shown
    said = desk.dashboard()
    assert "olga dismissed it: +1,000 credits were recorded and will never be handed over." in said
    assert "Credits granted 0" in said
    assert "never to be delivered" in said


def test_the_buyer_is_promised_nothing_and_told_whom_to_ask(desk: Desk) -> None:
    desk.refuse(lambda credits: True)
    desk.dismiss()
    said = desk.page()
    assert said.startswith("Closed: ")
    assert f"This purchase was closed and no credits were added. {CONTACT}" in said
    assert "Status Closed" in said


def test_after_a_refund_none_of_what_was_never_given_remains(desk: Desk) -> None:
    desk.refuse(lambda credits: True)
    desk.dismiss()
    payment = desk.purchase["stripe_payment_intent_id"]
    desk.hear("refund.created", refund(payment, 400))
    said = desk.page()
    assert said.startswith("Partly refunded: ")
    closed = "This purchase was closed and no credits were added."
    assert f"$4.00 of $10.00 were refunded. {closed} {CONTACT}" in said
    never = "olga dismissed it: 1,000 credits were recorded and will never be handed over."
    assert desk.meaning() == f"It is paid; $4.00 of $10.00 went back. {never}"
    desk.hear("refund.created", refund(payment, 600))
    said = desk.page()
    assert f"Your payment of $10.00 was refunded. {closed}" in said
    assert "remain" not in said
    assert desk.meaning() == f"All that was paid went back. {never}"


def test_a_take_back_that_never_happened_leaves_the_buyer_the_credits(desk: Desk) -> None:
    assert desk.shop.deliver() == 1
    desk.refuse(lambda credits: credits < 0)
    desk.hear("refund.created", refund(desk.purchase["stripe_payment_intent_id"], 1_000))
    answer = desk.dismiss()
    assert (answer["credits_posted"], answer["credits_never_delivered"]) == (0, -1_000)
    said = desk.page()
    assert said.startswith("Refunded: ")
    assert "1,000 of the 1,000 credits of this purchase remain." in said
    assert desk.meaning() == (
        "All that was paid went back. olga dismissed it: 1,000 credits to take back were recorded "
        "and will never be handed over."
    )
    assert "1,000, 1,000 handed over" in desk.run("purchases", "show", str(desk.purchase["id"]))
    assert "Credits granted 1,000" in desk.dashboard()


def test_only_what_was_delivered_counts_where_some_of_it_was(desk: Desk) -> None:
    assert desk.shop.deliver() == 1
    desk.refuse(lambda credits: credits == -300)
    payment = desk.purchase["stripe_payment_intent_id"]
    desk.hear("refund.created", refund(payment, 200))
    desk.hear("refund.created", refund(payment, 300))
    assert desk.shop.deliver() == 1
    answer = desk.dismiss()
    assert (answer["credits_posted"], answer["credits_never_delivered"]) == (500, -300)
    kept = "800 of the 1,000 credits of this purchase remain."
    assert f"$5.00 of $10.00 were refunded. {kept} {CONTACT}" in desk.page()


def test_credits_that_were_to_be_given_back_are_not_among_those_that_remain(desk: Desk) -> None:
    assert desk.shop.deliver() == 1
    desk.refuse(lambda credits: credits == 400)
    given_back = refund(desk.purchase["stripe_payment_intent_id"], 400)
    desk.hear("refund.created", given_back)
    assert desk.shop.deliver() == 1
    desk.hear("refund.failed", given_back | {"status": "failed"})
    desk.dismiss()
    said = desk.page()
    assert said.startswith("Closed: ")
    assert f"600 of the 1,000 credits of this purchase remain. {CONTACT}" in said
    assert "credits were added" not in said


def test_nothing_depends_on_a_dispute_any_more(desk: Desk) -> None:
    assert desk.shop.deliver() == 1
    desk.refuse(lambda credits: credits < 0)
    told = dispute(desk.purchase["stripe_payment_intent_id"], 1_000)
    desk.hear("charge.dispute.funds_withdrawn", told)
    desk.dismiss()
    kept = "1,000 of the 1,000 credits of this purchase remain."
    assert f"The payment is disputed at the bank. {kept}" in desk.page()
    assert desk.meaning() == (
        "The buyer's bank withdrew the money. olga dismissed it: 1,000 credits to take back were "
        "recorded and will never be handed over."
    )


def test_figures_and_metrics_leave_out_what_is_never_delivered(desk: Desk) -> None:
    found = desk.undelivered()
    assert (found.grants, found.credits) == (1, 1_000)
    desk.refuse(lambda credits: True)
    desk.dismiss()
    assert desk.undelivered() == Undelivered(0, 0, None)
    desk.host.user = "olga"
    assert "waits for the credit manager" not in desk.host.client.get(f"{PAGES}/dashboard").text


def test_the_command_says_what_becomes_of_the_credits(desk: Desk) -> None:
    desk.refuse(lambda credits: True)
    desk.shop.deliver()
    id = str(desk.purchase["id"])
    told = desk.run("review", "dismiss", id, "--reason", "no such user")
    assert f"purchase {id}: completed, 0 credits granted" in told
    assert "what was recorded and will never be handed over: +1,000 credits" in told
    assert "flask credits deliver" not in told
