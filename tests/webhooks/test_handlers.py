from __future__ import annotations

from ..hosts import Host


def test_a_paid_session_grants_its_credits_once(host: Host) -> None:
    purchase = host.add_purchase()
    for _ in range(3):
        answer = host.pay(purchase)
        assert (answer.status_code, answer.json) == (200, {"received": True, "verdict": "handled"})
    assert host.ledger() == [1000]
    (grant,) = host.grants()
    assert (grant["credits"], grant["reason"], grant["sequence"]) == (1000, "purchase", 1)
    assert host.purchase(purchase["id"])["status"] == "completed"
