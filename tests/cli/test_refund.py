from __future__ import annotations

import getpass
import json

import pytest
from click.testing import Result

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.errors import Refuse
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from ..payloads import new_api_key
from ..reconciliation.shoppers import on_sqlite
from ..refunds.buyers import REFUND, acts, amounts, sold
from ..stripe_stub import NewShop


def refund(shop: Host, *arguments: str) -> Result:
    return shop.app.test_cli_runner().invoke(args=["credits", "refund", *arguments])


def test_it_says_what_went_back_and_what_was_taken(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    id = str(purchase["id"])
    lines = refund(shop, id, "--amount", "2.5", "--by", "olivia").output.splitlines()
    assert lines[0] == "Stripe in test mode, site local"
    assert lines[1].startswith("refunded $2.50: re_") and lines[1].endswith(", succeeded")
    assert lines[2] == f"purchase {id}: completed, 250 credits taken back in all"
    again = refund(shop, id, "--amount", "2.50", "--by", "pete")
    assert again.exit_code == 0
    assert "nothing done: $2.50 were refunded before, asked for by olivia: re_" in again.output
    assert "add --again" in again.output
    assert amounts(stripe, purchase) == [250]
    all_of_it = json.loads(refund(shop, purchase["stripe_payment_intent_id"], "--json").output)
    assert (all_of_it["how"], all_of_it["amount"], all_of_it["status"]) == ("made", 750, "refunded")
    assert amounts(stripe, purchase) == [250, 750]
    assert acts(shop, purchase)[-1][0] == getpass.getuser()
    assert shop.ledger() == [1000, -250, -750]


@on_sqlite
def test_a_lost_answer_says_to_run_it_again_and_then_that_it_went_on(
    shop: Host, stripe: Sandbox
) -> None:
    purchase = sold(shop, stripe)
    id = str(purchase["id"])
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True)
    lost = refund(shop, id, "--by", "olivia")
    assert lost.exit_code == 1
    assert "run the same command again, it goes on where it was" in lost.output
    went_on = refund(shop, id, "--by", "pete")
    assert went_on.exit_code == 0
    assert "went on with request " in went_on.output and "of olivia" in went_on.output
    assert (amounts(stripe, purchase), shop.ledger()) == ([1000], [1000, -1000])


@pytest.mark.parametrize(
    "amount, problem",
    [
        ("12,50", "'12,50' is no amount: write it as 12.50"),
        ("$5", "'$5' is no amount"),
        ("1e1", "'1e1' is no amount"),
        ("\u0665", "is no amount"),
        ("-1", "'-1' is no amount"),
        ("0.001", "0.001 has more decimal digits than usd allows"),
        ("99999999999999999", "is no amount"),
        ("", "'' is no amount"),
    ],
)
def test_amounts_that_nobody_can_mean(
    small_shop: Host, stripe: Sandbox, amount: str, problem: str
) -> None:
    purchase = sold(small_shop, stripe)
    result = refund(small_shop, str(purchase["id"]), f"--amount={amount}")
    assert (result.exit_code, problem in result.output) == (2, True), result.output
    assert amounts(stripe, purchase) == []


def test_refusals_are_sentences(small_shop: Host, stripe: Sandbox) -> None:
    purchase = sold(small_shop, stripe)
    for arguments, problem in (
        (["cs_test_nothing"], "there is no purchase cs_test_nothing: `flask credits purchases"),
        ([str(purchase["id"]), "--amount", "0"], "the amount must be more than zero"),
        ([str(purchase["id"]), "--amount", "11"], "$11.00 is more than the $10.00 that are left"),
        ([str(purchase["id"]), "--live"], "--live was given, but the API key is a test key"),
    ):
        result = refund(small_shop, *arguments)
        assert (result.exit_code, problem in result.output) == (1, True), result.output
    assert amounts(stripe, purchase) == []


@on_sqlite
def test_F25_live_money_needs_live(database_url: str, new_shop: NewShop) -> None:
    shop = new_shop(database_url, STRIPE_SECRET_KEY=new_api_key("live"))
    purchase = shop.add_purchase(livemode=True)
    result = refund(shop, str(purchase["id"]))
    assert (result.exit_code, "add --live if that is meant" in result.output) == (1, True)


@on_sqlite
def test_with_the_outbox_it_names_the_command_that_delivers(
    database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    shop = new_shop(database_url, STRIPE_CREDITS_DELIVERY="outbox")
    purchase = sold(shop, stripe)
    output = refund(shop, str(purchase["id"])).output
    assert "2 grants are posted and not delivered yet: `flask credits deliver`" in output


@on_sqlite
def test_what_a_dismissal_has_ended_is_not_said_to_be_delivered(
    database_url: str, new_shop: NewShop, stripe: Sandbox, quick_retries: None
) -> None:
    def refuse(grant: GrantSnapshot) -> None:
        raise Refuse("there is no such user")

    shop = new_shop(database_url, receiver=refuse, STRIPE_CREDITS_DELIVERY="outbox")
    purchase = sold(shop, stripe)
    with shop.app.app_context():
        shop.credits.deliver_due()
    command = ["credits", "review", "dismiss", str(purchase["id"]), "--reason", "no such user"]
    assert shop.app.test_cli_runner().invoke(args=command).exit_code == 0
    output = refund(shop, str(purchase["id"])).output
    assert f"purchase {purchase['id']}: refunded, 0 credits taken back in all" in output
    assert "flask credits deliver" not in output
