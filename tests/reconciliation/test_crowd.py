from __future__ import annotations

import json
from collections import Counter

import pytest

from flask_stripe_credits.reconciliation import known
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .crowds import add_crowd
from .shoppers import findings, repair, run


def test_A16_many_pages_are_compared_and_nobody_is_asked_about_one_by_one(
    shop: Host, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "ROWS_AT_A_TIME", 50)
    count = 400
    expected = add_crowd(shop, stripe, count)
    assert Counter(finding["kind"] for finding in findings(shop)) == expected
    summary = json.loads(run(shop, "--json").stdout.splitlines()[-1])
    # The two that the others were made from are among them.
    assert summary["compared"]["sessions of this site"] == count + 2
    assert "purchases asked about" not in summary["compared"]
    before = sum(shop.ledger())
    repair(shop)
    assert sum(shop.ledger()) == before + 1000 * (expected["paid"] - expected["refund"])
