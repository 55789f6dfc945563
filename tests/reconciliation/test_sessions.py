from __future__ import annotations

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .shoppers import (
    CLEAN,
    DRIFT,
    assert_in_line,
    buy,
    buy_and_pay,
    run,
)


def test_A16_what_was_paid_while_no_webhook_came_is_granted(shop: Host, stripe: Sandbox) -> None:
    paid = [buy_and_pay(shop, stripe, user) for user in ("alice", "bob", "carol")]
    buy(shop, "dave")
    result = run(shop)
    assert result.exit_code == DRIFT
    assert [
        f"paid: purchase {row['id']} of {row['user_id']}: $10.00 was paid at Stripe, it is pending "
        f"here: +1000 credits"
        for row in reversed(paid)
    ] == result.output.splitlines()[1:4]
    assert shop.ledger() == []
    result = run(shop, "--apply")
    assert result.exit_code == CLEAN
    assert result.output.splitlines()[-1] == "3 repaired (+3000 -0 credits)"
    for row in paid:
        assert shop.ledger(row["user_id"]) == [1000]
        assert shop.purchase(row["id"])["status"] == "completed"
    assert shop.ledger("dave") == []
    before = shop.row_counts()
    assert_in_line(shop)
    assert run(shop, "--apply").exit_code == CLEAN
    assert shop.row_counts() == before
