"""Every check of the audit, on a database that was damaged by hand in just this way."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits import audit as audit_module
from flask_stripe_credits.audit import Audit
from flask_stripe_credits.errors import TablesOutOfDate
from flask_stripe_credits.invariants import WHAT_TO_DO, Breach, Rule
from flask_stripe_credits.testing import assert_invariants

from .hosts import Host, make_host
from .parallel import in_parallel
from .payloads import checkout_session, dispute, event, refund

LONG_AGO = dt.timedelta(minutes=6)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def breaches(host: Host) -> list[Breach]:
    with host.app.app_context():
        return list(Audit(host.state).breaches())


def rules(host: Host) -> list[str]:
    return [str(breach.rule) for breach in breaches(host)]


def update(host: Host, model: str, where: dict[str, Any], **values: Any) -> None:
    """Change rows by hand, as an operator with SQL would."""
    table = host.state.models.table(getattr(host.credits, model))
    conditions = [table.c[name] == value for name, value in where.items()]
    with host.app.app_context(), host.db.engine.begin() as connection:
        changed = connection.execute(sa.update(table).where(*conditions).values(values))
        assert changed.rowcount == 1


def insert(host: Host, model: str, **values: Any) -> None:
    table = host.state.models.table(getattr(host.credits, model))
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.insert(table), values)


def delete(host: Host, model: str, **where: Any) -> None:
    table = host.state.models.table(getattr(host.credits, model))
    conditions = [table.c[name] == value for name, value in where.items()]
    with host.app.app_context(), host.db.engine.begin() as connection:
        assert connection.execute(sa.delete(table).where(*conditions)).rowcount == 1


def host_without(database_url: str, constraint: str) -> Host:
    """A host whose tables lack one constraint, as after a careless restore."""
    host = make_host(database_url, tables=False)
    careless = sa.MetaData()
    for table in host.db.metadata.sorted_tables:
        copy = table.to_metadata(careless)
        for one in [one for one in copy.constraints if one.name == constraint]:
            copy.constraints.remove(one)
    with host.app.app_context():
        careless.create_all(host.db.engine)
    return host


def paid(host: Host, **overrides: Any) -> dict[str, Any]:
    purchase = host.add_purchase(**overrides)
    assert host.pay(purchase).status_code == 200
    return host.purchase(purchase["id"])


def give_back(host: Host, purchase: dict[str, Any], amount: int, **overrides: Any) -> None:
    told = refund(purchase["stripe_payment_intent_id"], amount, **overrides)
    assert host.post_event(event("refund.created", told)).status_code == 200


def grant_values(purchase: dict[str, Any], sequence: int, credits: int) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "purchase_id": purchase["id"],
        "sequence": sequence,
        "user_id": purchase["user_id"],
        "credits": credits,
        "reason": "review",
        "cause": "somebody",
        "created_at": now(),
        "delivered_at": now(),
        "attempts": 1,
    }


def a_world(host: Host) -> None:
    """Purchases in every status."""
    host.add_purchase()
    give_back(host, paid(host), 333)
    give_back(host, paid(host), 1000)
    give_back(host, paid(host), 400, status="failed")
    host.pay(host.add_purchase(), payment_status="unpaid")
    host.pay(host.add_purchase(), currency="eur")
    for name in ("expired", "async_payment_failed"):
        told = checkout_session(host.add_purchase(), payment_status="unpaid", status="expired")
        host.post_event(event(f"checkout.session.{name}", told))
    told = dispute(paid(host)["stripe_payment_intent_id"], 1000)
    assert host.post_event(event("charge.dispute.created", told)).status_code == 200


def test_I1_nothing_is_wrong_with_purchases_in_every_status(host: Host) -> None:
    a_world(host)
    assert {row["status"] for row in host.purchases()} == {
        "pending",
        "completed",
        "refunded",
        "processing",
        "review",
        "expired",
        "failed",
        "disputed",
    }
    assert breaches(host) == []
    assert_invariants(host.app)


def test_an_empty_database_has_no_breach(host: Host) -> None:
    with host.app.app_context():
        audit = Audit(host.state)
        assert list(audit.breaches()) == []
    assert (audit.purchases, audit.grants, audit.due, audit.posted, audit.found) == (0, 0, 0, 0, 0)


def test_the_figures_are_those_of_the_database(host: Host) -> None:
    a_world(host)
    with host.app.app_context():
        audit = Audit(host.state)
        list(audit.breaches())
    posted = sum(grant["credits"] for grant in host.grants())
    assert (audit.purchases, audit.grants) == (len(host.purchases()), len(host.grants()))
    assert audit.due == audit.posted == posted == 1000 - 333 + 0 + 1000 + 0
    assert audit.waiting == {"purchase": 1, "event": 0, "orphan": 0, "failed event": 0}


Damage = Callable[[Host, dict[str, Any]], object]


def twice(host: Host, purchase: dict[str, Any]) -> None:
    insert(host, "Grant", **grant_values(purchase, 2, 1000) | {"reason": "purchase"})


def forget_payment_grant(host: Host, purchase: dict[str, Any]) -> None:
    """Paid, but the grant never came to be: what a naive handler leaves."""
    delete(host, "Grant", purchase_id=purchase["id"])
    values = {"completed_at": None, "paid_at": now() - LONG_AGO}
    update(host, "Purchase", {"id": purchase["id"]}, **values)


def lift_and_lower(host: Host, purchase: dict[str, Any]) -> None:
    insert(host, "Grant", **grant_values(purchase, 2, 500))
    insert(host, "Grant", **grant_values(purchase, 3, -500))


def split_first(host: Host, purchase: dict[str, Any]) -> None:
    update(host, "Grant", {"purchase_id": purchase["id"]}, credits=-1)
    insert(host, "Grant", **grant_values(purchase, 2, 1001))


def foreign_refund(host: Host, purchase: dict[str, Any]) -> None:
    insert(
        host,
        "Refund",
        stripe_refund_id="re_foreign",
        stripe_payment_intent_id=purchase["stripe_payment_intent_id"],
        amount=700,
        currency="eur",
        status="succeeded",
        live_rank=20,
        created_at=now(),
        updated_at=now(),
    )


def foreign_dispute(host: Host, purchase: dict[str, Any]) -> None:
    insert(
        host,
        "Dispute",
        stripe_dispute_id="dp_foreign",
        stripe_payment_intent_id=purchase["stripe_payment_intent_id"],
        amount=700,
        currency="eur",
        status="lost",
        live_rank=16,
        created_at=now(),
        updated_at=now(),
    )


def changed(model: str, **values: Any) -> Damage:
    """Overwrite columns of the purchase or of its only grant."""
    key = "id" if model == "Purchase" else "purchase_id"
    return lambda host, purchase: update(host, model, {key: purchase["id"]}, **values)


def log(
    host: Host,
    purchase: dict[str, Any],
    action: str,
    details: dict[str, Any],
    actor: str = "stripe",
) -> None:
    """The line that the money's path would have written."""
    about = {"purchase_id": purchase["id"], "action": action, "actor": actor}
    insert(host, "AuditLog", created_at=now(), details=details, **about)


def decided(decision: str, **values: Any) -> Damage:
    complete = {
        "review_reason": "currency is eur",
        "review_decision": decision,
        "reviewed_at": now(),
        "reviewed_by": "olivia",
        "review_note": "they called",
    }
    return changed("Purchase", **complete | values)


def undelivered(host: Host, purchase: dict[str, Any]) -> None:
    long_ago, where = now() - LONG_AGO, {"purchase_id": purchase["id"]}
    update(host, "Grant", where, delivered_at=None, created_at=long_ago, last_error="refused")
    update(host, "Purchase", {"id": purchase["id"]}, completed_at=long_ago)


def overtaken(host: Host, purchase: dict[str, Any]) -> None:
    give_back(host, purchase, 500)
    where = {"purchase_id": purchase["id"], "sequence": 1}
    update(host, "Grant", where, delivered_at=None)


DAMAGES: dict[str, tuple[Damage, list[str], str]] = {
    "a grant is gone": (
        lambda host, purchase: delete(host, "Grant", purchase_id=purchase["id"]),
        ["conservation"],
        "1000 credits are due, 0 are posted",
    ),
    "a gift that no fact explains": (
        lambda host, purchase: insert(host, "Grant", **grant_values(purchase, 2, -1)),
        ["conservation"],
        "1000 credits are due, 999 are posted",
    ),
    "a grant of another amount": (
        changed("Grant", credits=999),
        ["conservation"],
        "1000 credits are due, 999 are posted",
    ),
    "a refund that took nothing": (
        lambda host, purchase: (
            give_back(host, purchase, 500),
            delete(host, "Grant", purchase_id=purchase["id"], sequence=2),
        ),
        ["conservation"],
        "500 credits are due, 1000 are posted",
    ),
    "paid and never granted": (
        forget_payment_grant,
        ["paid_not_granted"],
        "1000 credits are due",
    ),
    "granted twice": (twice, ["conservation", "granted_twice"], "grants 1, 2"),
    "a gap": (changed("Grant", sequence=2), ["sequence"], "numbered 2"),
    "taken before given": (split_first, ["first_grant"], "-1 credits"),
    "another first reason": (changed("Grant", reason="refund"), ["first_grant"], "`refund`"),
    "more than bought in between": (lift_and_lower, ["bounds"], "1500 of 1000"),
    "somebody else's grant": (changed("Grant", user_id="mallory"), ["user"], "'mallory'"),
    "status": (changed("Purchase", status="pending"), ["result"], "status is pending"),
    "amount refunded": (changed("Purchase", amount_refunded=1), ["result"], "amount_refunded is 1"),
    "credits revoked": (changed("Purchase", credits_revoked=1), ["result"], "credits_revoked is 1"),
    "completed at": (
        changed("Purchase", completed_at=now() - LONG_AGO),
        ["result"],
        "completed_at is",
    ),
    "never completed": (changed("Purchase", completed_at=None), ["result"], "completed_at is None"),
    "paid by hand": (
        changed("Purchase", stripe_checkout_session_id=None),
        ["fact"],
        "stripe_checkout_session_id is empty",
    ),
    "decided by nobody": (
        decided("accepted", reviewed_by=None),
        ["decision"],
        "reviewed_by is empty",
    ),
    "decided for no reason": (
        decided("dismissed", review_note=None),
        ["decision"],
        "review_note is empty",
    ),
    "a decision that doesn't exist": (decided("maybe"), ["decision"], "`maybe`"),
    "a refund in euros": (foreign_refund, ["currency"], "refund re_foreign is in eur"),
    "a dispute in euros": (foreign_dispute, ["currency"], "dispute dp_foreign is in eur"),
    "undelivered": (
        undelivered,
        ["undelivered"],
        "last error: refused",
    ),
    "delivered out of order": (overtaken, ["delivery_order"], "grants 2 were delivered before 1"),
}


def test_I2_I3_G07_what_no_fact_explains_is_named(host: Host) -> None:
    """Each damage to a purchase of its own, so that exactly its breaches have to be new."""
    paid(host)
    known: set[Breach] = set()
    for name, (damage, expected, words) in DAMAGES.items():
        purchase = paid(host, user_id=f"buyer of {name}")
        damage(host, purchase)
        found = [breach for breach in breaches(host) if breach not in known]
        assert [str(breach.rule) for breach in found] == expected, name
        assert {breach.purchase_id for breach in found} == {str(purchase["id"])}, name
        assert any(words in breach.problem for breach in found), name
        known |= set(found)
    assert len(breaches(host)) == len(known)
    with pytest.raises(AssertionError, match="conservation: purchase"):
        assert_invariants(host.app)


@pytest.mark.parametrize("decision", [None, "dismissed"])
def test_B32_what_a_receiver_refused_is_not_overdue(host: Host, decision: str | None) -> None:
    purchase = paid(host)
    undelivered(host, purchase)
    assert rules(host) == ["undelivered"]
    refused = {"review_reason": "refused by a receiver: gone"}
    log(host, purchase, "purchase.review", {"from": "completed", "to": "review"})
    if decision is not None:
        log(host, purchase, f"purchase.{decision}", {}, actor="olivia")
        log(host, purchase, "purchase.completed", {"from": "review", "to": "completed"})
    if decision is None:
        update(host, "Purchase", {"id": purchase["id"]}, status="review", **refused)
    else:
        decided(decision, **refused)(host, purchase)
    assert breaches(host) == []


def test_every_rule_says_what_to_do() -> None:
    assert set(WHAT_TO_DO) == set(Rule)
    told = Breach(Rule.BOUNDS, "1001 of 1000 credits", "4f0c").what_to_do
    assert "`flask credits purchases show 4f0c`" in told
    assert "`flask credits purchases show ID`" in Breach(Rule.BOUNDS, "?", None).what_to_do


def test_paid_without_an_amount_is_named(host: Host) -> None:
    purchase = paid(host)
    update(host, "Purchase", {"id": purchase["id"]}, amount_paid=None)
    assert rules(host) == ["fact"]


def test_an_amount_of_what_is_not_paid_is_named(host: Host) -> None:
    purchase = host.add_purchase()
    update(host, "Purchase", {"id": purchase["id"]}, amount_paid=1000)
    assert rules(host) == ["fact"]


def test_young_troubles_are_not_overdue(host: Host) -> None:
    purchase = paid(host)
    update(host, "Grant", {"purchase_id": purchase["id"]}, delivered_at=None)
    assert breaches(host) == []
    delete(host, "Grant", purchase_id=purchase["id"])
    update(host, "Purchase", {"id": purchase["id"]}, completed_at=None)
    assert rules(host) == ["conservation"]


@pytest.mark.parametrize("column", ["stripe_checkout_session_id", "stripe_payment_intent_id"])
def test_one_payment_for_two_purchases_is_named(database_url: str, column: str) -> None:
    host = host_without(database_url, f"uq_credit_purchases_{column}")
    first, second = paid(host), paid(host)
    assert breaches(host) == []
    update(host, "Purchase", {"id": second["id"]}, **{column: first[column]})
    (found,) = breaches(host)
    assert (found.rule, found.purchase_id) == (Rule.SHARED, None)
    assert found.problem == f"2 purchases have the {column} {first[column]}"


def test_C25_a_grant_whose_purchase_is_gone_is_named(database_url: str) -> None:
    host = host_without(database_url, "fk_credit_grants_purchase_id")
    kept, gone = paid(host), paid(host)
    delete(host, "Purchase", id=gone["id"])
    grant, event = breaches(host)
    assert {grant.rule, event.rule} == {Rule.STRAY}
    assert {grant.purchase_id, event.purchase_id} == {str(gone["id"])}
    assert "of 1000 credits belongs to no purchase" in grant.problem
    assert "(handled) is about a purchase that is gone" in event.problem
    assert str(kept["id"]) not in f"{grant} {event}"


def test_C25_an_orphan_waits_and_is_no_breach(host: Host) -> None:
    purchase = host.add_purchase()
    document = host.paid_event(purchase)
    delete(host, "Purchase", id=purchase["id"])
    assert host.post_event(document).json == {"received": True, "verdict": "orphan"}
    with host.app.app_context():
        audit = Audit(host.state)
        assert list(audit.breaches()) == []
    assert audit.waiting["orphan"] == 1


def test_a_foreign_session_waits_and_is_no_breach(host: Host) -> None:
    purchase = paid(host)
    foreign = checkout_session(purchase, id="cs_test_foreign", payment_intent="pi_foreign")
    host.post_event(event("checkout.session.completed", foreign))
    with host.app.app_context():
        audit = Audit(host.state)
        assert list(audit.breaches()) == []
    assert audit.waiting == {"purchase": 0, "event": 1, "orphan": 0, "failed event": 0}


def test_I1_what_is_in_review_or_dismissed_keeps_what_is_posted(host: Host) -> None:
    purchase = paid(host)
    where = {"id": purchase["id"]}
    update(host, "Purchase", where, review_reason="refused by a receiver", status="review")
    log(host, purchase, "purchase.review", {"from": "completed", "to": "review"})
    foreign = {"review_decision": "dismissed", "reviewed_at": now(), "reviewed_by": "olivia"}
    # A take-back that was refused: the facts say zero, one thousand stay posted.
    insert(
        host,
        "Refund",
        stripe_refund_id="re_1",
        stripe_payment_intent_id=purchase["stripe_payment_intent_id"],
        amount=1000,
        currency="usd",
        status="succeeded",
        live_rank=20,
        created_at=now(),
        updated_at=now(),
    )
    update(host, "Purchase", where, amount_refunded=1000)
    assert breaches(host) == []
    update(host, "Purchase", where, **foreign, review_note="they keep them", status="refunded")
    log(host, purchase, "purchase.dismissed", {}, actor="olivia")
    log(host, purchase, "purchase.refunded", {"from": "review", "to": "refunded"})
    assert breaches(host) == []
    # The same purchase without the decision owes everything back.
    nobody = dict.fromkeys(("review_decision", "reviewed_at", "reviewed_by", "review_note"))
    update(host, "Purchase", where, **nobody, review_reason=None)
    assert "conservation" in rules(host)


def test_more_purchases_than_a_batch_are_all_checked(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "ROWS_AT_A_TIME", 3)
    purchases = [paid(host) for _ in range(7)]
    assert breaches(host) == []
    for purchase in purchases:
        update(host, "Grant", {"purchase_id": purchase["id"]}, credits=999)
    found = breaches(host)
    assert {breach.purchase_id for breach in found} == {str(row["id"]) for row in purchases}
    assert len(found) == 7
    with pytest.raises(AssertionError) as raised:
        assert_invariants(host.app)
    assert len(str(raised.value).splitlines()) == 8


def test_at_most_twenty_breaches_are_listed(host: Host) -> None:
    for number in range(21):
        host.add_purchase(user_id=f"user{number}", amount_refunded=1)
    with pytest.raises(AssertionError, match="amount_refunded is 1") as raised:
        assert_invariants(host.app)
    assert str(raised.value).splitlines()[-1] == "…"
    assert len(str(raised.value).splitlines()) == 22


def test_I1_no_false_alarm_beside_live_webhooks(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between what is read of a batch everything else commits; one moment is seen all the same."""
    if host.db_url.startswith("sqlite"):
        with host.app.app_context(), host.db.engine.connect() as connection:
            connection.execute(sa.text("PRAGMA journal_mode = WAL"))
    purchases = [host.add_purchase() for _ in range(4)]
    read_grants = audit_module._Batch.grants

    def read_late(batch: Any) -> Any:
        for purchase in purchases:
            in_parallel([lambda purchase=purchase: host.pay(purchase)])
        return read_grants(batch)

    monkeypatch.setattr(audit_module._Batch, "grants", read_late)
    assert breaches(host) == []
    monkeypatch.undo()
    assert host.balance() == 4000
    assert breaches(host) == []


def test_it_writes_nothing(host: Host) -> None:
    a_world(host)
    before = [host.rows(getattr(host.credits, name)) for name in ("Purchase", "Grant")]
    counts = host.row_counts()

    def refuse(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        assert statement.lstrip().split()[0] in ("SELECT", "BEGIN", "ROLLBACK"), statement

    with host.app.app_context():
        sa.event.listen(host.db.engine, "before_cursor_execute", refuse)
    assert breaches(host) == []
    with host.app.app_context():
        sa.event.remove(host.db.engine, "before_cursor_execute", refuse)
    assert [host.rows(getattr(host.credits, name)) for name in ("Purchase", "Grant")] == before
    assert host.row_counts() == counts


def test_it_sees_what_a_test_wrapped_in_one_transaction_has_written(host: Host) -> None:
    """The usual fixture: everything on one connection, rolled back at the end."""
    purchase = host.add_purchase()
    with host.app.app_context(), host.db.engine.connect() as connection:
        transaction, engine = connection.begin(), host.db.engines[None]
        host.db.engines[None] = connection  # type: ignore[assignment]
        assert host.pay(purchase).status_code == 200
        assert_invariants(host.app)
        grants = host.state.models.table(host.credits.Grant)
        connection.execute(sa.update(grants).values(credits=999))
        with pytest.raises(AssertionError, match="1000 credits are due, 999 are posted"):
            assert_invariants(host.app)
        assert connection.in_transaction()
        host.db.engines[None] = engine
        transaction.rollback()
    assert_invariants(host.app)


def test_it_works_inside_and_outside_of_an_application_context(
    host: Host, new_database: Callable[[str], str]
) -> None:
    purchase = paid(host)
    update(host, "Purchase", {"id": purchase["id"]}, status="pending")
    other = make_host(new_database("sqlite"))
    with other.app.app_context():
        assert_invariants(other.app)
        with pytest.raises(AssertionError):
            assert_invariants(host.app)
    with host.app.app_context(), pytest.raises(AssertionError):
        assert_invariants(host.app)


def test_missing_tables_are_told(database_url: str) -> None:
    host = make_host(database_url, tables=False)
    with pytest.raises(TablesOutOfDate, match="flask credits db upgrade"):
        assert_invariants(host.app)
