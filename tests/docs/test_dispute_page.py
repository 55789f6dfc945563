"""The page about answering a dispute: its commands, on disputes and inquiries of the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from flask_stripe_credits.testing import StripeSandbox, assert_invariants

from ..hosts import PREFIX
from .pages import read

PAGE = "how-to/answer-a-dispute.md"


class Desk:
    """An operator at the page's app."""

    def __init__(self, page: Any, stripe: StripeSandbox) -> None:
        self.page, self.stripe = page, stripe

    def buy(self) -> str:
        client = self.page.app.test_client()
        bought = client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
        assert bought.status_code == 201, bought.text
        session_id: str = bought.json["session_id"]
        self.stripe.pay(session_id)
        self.stripe.deliver()
        return session_id

    def run(self, written: str, dispute: str = "") -> str:
        assert written in read(PAGE)
        words = written.replace("du_…", dispute).split()[1:]
        result = self.page.app.test_cli_runner().invoke(args=words)
        assert result.exit_code == 0, result.output
        return str(result.output)

    def ledger(self) -> list[int]:
        with self.page.app.app_context():
            entries = self.page.db.select(self.page.LedgerEntry.credits)
            return sorted(self.page.db.session.scalars(entries))


@pytest.fixture
def desk(load_page: Any, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("STRIPE_CREDITS_SUCCESS_URL", "http://localhost/thanks")
    monkeypatch.setenv("STRIPE_CREDITS_CANCEL_URL", "http://localhost/credits")
    page, _ = load_page(PAGE, database_url)
    page.credits.user_id_loader(lambda: "alice")
    with page.app.app_context():
        page.db.create_all()
    loaded = page.app.test_cli_runner().invoke(args=["credits", "packages", "load"])
    assert loaded.exit_code == 0, loaded.output
    with StripeSandbox(page.app) as stripe:
        yield Desk(page, stripe)
    assert_invariants(page.app)


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_is_found_read_and_ended(
    desk: Desk, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = desk.buy()
    dispute = desk.stripe.dispute(session).id
    desk.stripe.deliver()
    assert "of user alice is disputed" in caplog.text
    assert desk.run("flask credits purchases list --status disputed").count("starter") == 1
    story = desk.run("flask credits purchases show du_…", dispute)
    (shown,) = re.findall(r"^```text\n(.*?)^```", read(PAGE), re.MULTILINE | re.DOTALL)
    for line in shown.splitlines():
        pattern = re.escape(line).replace("…", r"\w+")
        assert re.search(pattern, story), line
    known = json.loads(desk.run("flask credits purchases show du_… --json", dispute))
    assert known["purchase"]["amount_credits"] == 1000
    desk.stripe.sandbox.close_dispute(dispute, outcome)
    desk.stripe.deliver()
    assert desk.ledger() == ([-1000, 1000, 1000] if outcome == "won" else [-1000, 1000])


def test_an_inquiry_is_ended_by_a_refund(desk: Desk) -> None:
    inquiry = desk.stripe.dispute(desk.buy(), inquiry=True).id
    desk.stripe.deliver()
    assert desk.ledger() == [1000]
    assert "refunded $10.00" in desk.run("flask credits refund du_…", inquiry)
    desk.stripe.deliver()
    assert desk.ledger() == [-1000, 1000]
