"""C27: old events leave the inbox, and no money depends on them."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_stripe_credits import purging
from flask_stripe_credits.sandbox import Sandbox

from .hosts import Host, make_host
from .payloads import checkout_session, dispute, event, new_api_key, refund
from .stripe_stub import NewShop

ROOT = Path(__file__).parents[1]
LONG_AGO = dt.timedelta(days=200)


def purge(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "purge", *arguments])


def applied(host: Host, *arguments: str) -> list[str]:
    result = purge(host, "--apply", "--by", "ann", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()[1:]


def age(
    host: Host, *ids: str, by: dt.timedelta = LONG_AGO, columns: str = "received updated"
) -> None:
    """Make the inbox's rows older; without ids, all of them."""
    times = {f"{name}_at": dt.datetime.now(dt.UTC) - by for name in columns.split()}
    for event_id in ids or (None,):
        set_rows(host, host.credits.WebhookEvent, event_id, **times)


def set_rows(host: Host, model: type[Any], event_id: str | None = None, **values: Any) -> None:
    table = host.state.models.table(model)
    statement = sa.update(table).values(values)
    if event_id is not None:
        statement = statement.where(table.c.stripe_event_id == event_id)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(statement)


def inbox(host: Host) -> set[str]:
    return {row["stripe_event_id"] for row in host.rows(host.credits.WebhookEvent)}


def others(host: Host) -> dict[str, int]:
    """How many rows every table has but the inbox and the audit log."""
    told = ("credit_webhook_events", "credit_audit_log")
    return {name: count for name, count in host.row_counts().items() if name not in told}


def paid(host: Host, **overrides: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A purchase that was paid, and the event that told of it."""
    purchase = host.add_purchase()
    told = host.paid_event(purchase, **overrides)
    assert host.post_event(told).status_code == 200
    return host.purchase(purchase["id"]), told


def test_C27_the_plan_counts_and_deletes_nothing(host: Host) -> None:
    assert purge(host).exit_code == 0
    for _ in range(3):
        paid(host)
    age(host)
    paid(host)
    before, log = inbox(host), host.rows(host.credits.AuditLog)
    for arguments in ([], ["--plan"]):
        result = purge(host, *arguments)
        assert result.exit_code == 2
        first, *rest = result.stdout.splitlines()
        assert first.startswith("Stripe in test mode, site local, events from before 20")
        assert rest == ["3 to delete, 0 to keep", "to delete them: `flask credits purge --apply`"]
    assert (inbox(host), host.rows(host.credits.AuditLog)) == (before, log)


def test_A02_C27_what_is_delivered_again_after_it_was_purged_grants_nothing(host: Host) -> None:
    purchase, told = paid(host)
    intent = purchase["stripe_payment_intent_id"]
    reversals = [
        event("refund.created", refund(intent, 300)),
        event("charge.dispute.funds_withdrawn", dispute(intent, 200)),
        event("charge.dispute.funds_reinstated", dispute(intent, 200, withdrawals=2)),
    ]
    for one in reversals:
        assert host.post_event(one).status_code == 200
    ledger, rest = host.ledger(), others(host)
    age(host)
    assert applied(host) == ["4 deleted, 0 kept"]
    assert (inbox(host), host.ledger(), others(host)) == (set(), ledger, rest)
    for one in (told, *reversals, *reversed([told, *reversals])):
        assert host.post_event(one).json == {"received": True, "verdict": "handled"}
    assert (host.ledger(), others(host)) == (ledger, rest)
    assert len(inbox(host)) == 4
    host.assert_exact()


def test_C27_who_purged_and_how_far_is_in_the_audit_log(host: Host) -> None:
    paid(host)
    age(host)
    log = len(host.rows(host.credits.AuditLog))
    applied(host, "--older-than", "100d")
    assert applied(host) == ["0 deleted, 0 kept"]
    (line,) = host.rows(host.credits.AuditLog, action="inbox.purge")
    assert line["actor"] == "ann"
    before = dt.datetime.fromisoformat(line["details"]["before"])
    assert dt.timedelta(days=100) <= dt.datetime.now(dt.UTC) - before < dt.timedelta(days=101)
    assert len(host.rows(host.credits.AuditLog)) == log + 1


def test_C27_what_somebody_has_to_decide_on_or_did_is_kept_whatever_its_age(host: Host) -> None:
    purchase, told = paid(host)
    flagged = host.paid_event(host.add_purchase(), amount_subtotal=1)
    foreign = event(
        "refund.created", refund(purchase["stripe_payment_intent_id"], 5, currency="eur")
    )
    dismissed = event(
        "refund.created", refund(purchase["stripe_payment_intent_id"], 6, currency="eur")
    )
    gone = {**purchase, "id": "00000000-0000-4000-8000-000000000000"}
    orphan = host.paid_event(gone, id="cs_test_lost")
    for one in (flagged, foreign, dismissed, orphan):
        host.post_event(one)
    answer = host.app.test_cli_runner().invoke(
        args=["credits", "review", "dismiss", dismissed["id"], "--reason", "known", "--by", "ann"]
    )
    assert answer.exit_code == 0, answer.output
    failing = host.paid_event(host.add_purchase())
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_entry RENAME TO hidden"))
    assert host.post_event(failing).status_code == 503
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE hidden RENAME TO ledger_entry"))
    age(host)
    kept = {one["id"] for one in (flagged, foreign, dismissed, orphan, failing)}
    assert inbox(host) == kept | {told["id"]}
    assert applied(host) == ["1 deleted, 5 kept"]
    assert inbox(host) == kept
    # A word that was given is not asked for again.
    assert host.post_event(dismissed).status_code == 200
    (row,) = host.rows(host.credits.WebhookEvent, stripe_event_id=dismissed["id"])
    assert row["verdict"] == "dismissed"


def test_C27_an_event_of_a_purchase_in_review_is_kept_for_whoever_decides(host: Host) -> None:
    _, told = paid(host)
    set_rows(host, host.credits.Purchase, status="review", review_reason="why")
    age(host)
    assert applied(host) == ["0 deleted, 1 kept"]
    assert inbox(host) == {told["id"]}


def test_C27_what_tells_reconciliation_that_a_session_was_dealt_with_is_kept(host: Host) -> None:
    """Handled, but not as the purchase's own session; or after somebody had been asked."""
    (_, another), (purchase, told) = paid(host), paid(host)
    set_rows(host, host.credits.WebhookEvent, another["id"], object_id="cs_test_another")
    foreign = refund(purchase["stripe_payment_intent_id"], 5, currency="eur")
    asked = event("refund.created", foreign)
    host.post_event(asked)
    set_rows(host, host.credits.WebhookEvent, asked["id"], verdict="handled")
    age(host)
    assert applied(host) == ["1 deleted, 2 kept"]
    assert inbox(host) == {another["id"], asked["id"]}
    assert told["id"] not in inbox(host)


def test_C27_what_came_lately_or_was_delivered_again_lately_is_kept(host: Host) -> None:
    events = [paid(host)[1] for _ in range(3)]
    age(host, events[0]["id"], by=dt.timedelta(days=179))
    age(host, events[1]["id"], columns="received")
    age(host, events[2]["id"])
    assert applied(host) == ["1 deleted, 1 kept"]
    assert inbox(host) == {events[0]["id"], events[1]["id"]}
    assert applied(host, "--older-than", "100d") == ["1 deleted, 1 kept"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--older-than", "34d"], 2, "at least 35d: Stripe may deliver again what is younger"),
        (["--older-than", "soon"], 2, "is none of 35d, 12h, 2026-10-31"),
        (["--apply", "--by", ""], 2, "1 to 255 characters"),
        (["--live"], 1, "--live was given, but the API key is a test key"),
    ],
)
def test_C27_what_is_wrong_is_told_and_deletes_nothing(
    sqlite_host: Host, arguments: list[str], code: int, told: str
) -> None:
    paid(sqlite_host)
    age(sqlite_host)
    result = purge(sqlite_host, *arguments)
    assert (result.exit_code, told in result.stderr) == (code, True), result.output
    assert len(inbox(sqlite_host)) == 1


def test_C27_F25_a_live_database_is_purged_only_with_live(sqlite_host: Host) -> None:
    paid(sqlite_host)
    age(sqlite_host)
    live = make_host(sqlite_host.db_url, tables=False, STRIPE_SECRET_KEY=new_api_key("live"))
    assert purge(live).exit_code == 2
    refused = purge(live, "--apply")
    assert (refused.exit_code, len(inbox(live))) == (1, 1)
    assert purge(live, "--apply", "--live").exit_code == 0
    assert inbox(live) == set()


def test_C27_machines_get_one_object(sqlite_host: Host) -> None:
    paid(sqlite_host)
    age(sqlite_host)
    counts = {"to_delete": 1, "kept": 0, "finished": True}
    told = json.loads(purge(sqlite_host, "--json").stdout)
    assert told == counts | {"before": told["before"], "deleted": 0, "applied": False}
    told = json.loads(purge(sqlite_host, "--json", "--apply").stdout)
    assert told == counts | {"before": told["before"], "deleted": 1, "applied": True}


def test_C27_batches_are_small_and_stopping_between_them_loses_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    kept = host.paid_event(host.add_purchase(), amount_subtotal=1)
    host.post_event(kept)
    for _ in range(5):
        paid(host)
    age(host)
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=100)
    with host.app.app_context():
        batches = purging.purge(host.state, before, actor="ann")
        assert next(batches) == 2
        assert len(inbox(host)) == 4
        assert list(purging.purge(host.state, before, actor="bob")) == [2, 1]
        assert list(batches) == []
    assert inbox(host) == {kept["id"]}


_DIES = """
import itertools, os, signal, sys
from flask_stripe_credits import purging
from tests.hosts import make_host

purging.BATCH = 2
host = make_host(sys.argv[1], tables=False)
original, count = purging._delete, itertools.count(1)

def dies_inside_the_third(uow, **options):
    deleted = original(uow, **options)
    if next(count) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return deleted

purging._delete = dies_inside_the_third
host.app.test_cli_runner().invoke(args=["credits", "purge", "--apply", "--by", "ann"])
"""


def test_C27_a_run_that_is_killed_is_finished_by_the_next(host: Host) -> None:
    for _ in range(7):
        paid(host)
    age(host)
    killed = subprocess.run([sys.executable, "-c", _DIES, host.db_url], cwd=ROOT, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert len(inbox(host)) == 3
    assert applied(host) == ["3 deleted, 0 kept"]
    assert host.ledger() == [1000] * 7
    host.assert_exact()


def test_C27_beside_webhooks_nobody_hangs_and_nothing_is_granted_twice(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 3)
    old = [paid(host)[1] for _ in range(30)]
    new = [host.paid_event(host.add_purchase()) for _ in range(10)]
    age(host)
    barrier, answers = threading.Barrier(3), []

    def deliver(events: list[dict[str, Any]]) -> None:
        barrier.wait()
        answers.extend(host.post_event(one).status_code for one in events)

    threads = [threading.Thread(target=deliver, args=(part,)) for part in (old[::-1], new)]
    for thread in threads:
        thread.start()
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=100)
    with host.app.app_context():
        batches = purging.purge(host.state, before, actor="ann")
        deleted = next(batches)
        barrier.wait()
        deleted += sum(batches)
    for thread in threads:
        thread.join()
    assert answers == [200] * 40
    assert 3 <= deleted <= 30
    assert host.ledger() == [1000] * 40
    # Each is there unless it was purged after its last delivery.
    assert {one["id"] for one in new} <= inbox(host)
    host.assert_exact()


@pytest.fixture
def account() -> Iterator[Sandbox]:
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


def test_C27_reconciliation_finds_nothing_new_after_a_purge(
    new_shop: NewShop, database_url: str, account: Sandbox
) -> None:
    """It asks the inbox what was decided: a session that isn't its purchase's, a lost one."""
    host = new_shop(database_url, STRIPE_CREDITS_API_BASE=account.url)
    opened = [host.client.post("/api/v1/billing/credits/purchase", json=body) for body in _ORDERS]
    purchases = [host.purchase((answer.json or {})["purchase_id"]) for answer in opened]
    for purchase in purchases:
        account.pay(purchase["stripe_checkout_session_id"])
    for told in account.events():
        if told["type"].startswith("checkout.session."):
            host.post_event(told)
    # Somebody's decision: the second purchase's session is said to be the first one's.
    stranger = checkout_session(purchases[0], id="cs_test_stranger")
    host.post_event(event("checkout.session.completed", stranger, id="evt_stranger"))
    review = ["credits", "review", "dismiss", "evt_stranger", "--reason", "ours", "--by", "ann"]
    assert host.app.test_cli_runner().invoke(args=review).exit_code == 0
    age(host)

    def reconciled() -> tuple[int, list[str]]:
        result = host.app.test_cli_runner().invoke(args=["credits", "reconcile", "--apply"])
        return result.exit_code, result.output.splitlines()[1:]

    before = reconciled()
    assert before[0] == 0
    assert applied(host) == ["2 deleted, 1 kept"]
    assert reconciled() == before
    assert sum(host.ledger()) == 6_000
    host.assert_exact()


_ORDERS = ({"package_code": "starter"}, {"package_code": "standard"})
