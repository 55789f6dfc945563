"""Grants and the audit log are only added to: what was posted or said stays as it was."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from .hosts import Host
from .payloads import dispute, event, refund

TOUCHES_THEM = re.compile(
    r'\s*(UPDATE|DELETE FROM|TRUNCATE)\s+"?credit_(?:grants|audit_log)', re.IGNORECASE
)


def test_I15_no_event_changes_a_grant_or_a_line_that_is_there(host: Host) -> None:
    changed: list[str] = []

    def watch(_: Any, __: Any, statement: str, *___: Any) -> None:
        if TOUCHES_THEM.match(statement):
            changed.append(statement)

    with host.app.app_context():
        engine = host.db.engine
    sa.event.listen(engine, "before_cursor_execute", watch)
    purchase = host.add_purchase()
    paid = host.paid_event(purchase)
    payment = paid["data"]["object"]["payment_intent"]
    part, rest = refund(payment, 300), refund(payment, 700)
    disputed = dispute(payment, 1000)
    story = [
        paid,
        event("refund.created", part),
        event("refund.created", rest),
        event("refund.failed", rest | {"status": "failed"}),
        event("charge.dispute.created", disputed),
        event("charge.dispute.funds_reinstated", disputed),
        event("refund.failed", part | {"status": "failed"}),
    ]
    expected = [1000, -300, -700, 700, -700, 700, 300]
    before: list[dict[str, Any]] = []
    for number, told in enumerate(story, start=1):
        for _ in range(2):
            assert host.post_event(told).status_code == 200
        after = host.grants(purchase_id=purchase["id"])
        assert after[: len(before)] == before, "a posted grant was changed"
        assert [grant["credits"] for grant in after] == expected[:number]
        assert after[-1]["cause"] == told["id"]
        before = after
    assert [grant["sequence"] for grant in before] == list(range(1, len(story) + 1))
    assert host.ledger() == expected
    assert changed == []


def test_I15_the_watch_can_fail() -> None:
    for statement in ("UPDATE credit_grants SET credits=1", 'DELETE FROM "credit_audit_log"'):
        assert TOUCHES_THEM.match(statement)
    assert not TOUCHES_THEM.match("INSERT INTO credit_grants (id) VALUES (1)")
