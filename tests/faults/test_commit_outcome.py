"""C08: the connection is lost while COMMIT is under way, so nobody knows whether it was done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_stripe_credits import unit_of_work

from ..databases import dispose_engines
from ..hosts import Host, make_host
from ..naive.shops import Handler, Shop, event_id_first, signal_then_complete
from ..payloads import checkout_session, dispute, event, refund
from .tcp_proxy import CommitCutter, Moment, commit_cutter


@pytest.fixture
def cutter_and_host(postgres_database_url: str) -> Iterator[tuple[CommitCutter, Host]]:
    with commit_cutter(postgres_database_url) as (cutter, url):
        yield cutter, make_host(url)
        dispose_engines()


moments = pytest.mark.parametrize("moment", ["before", "after"])


@moments
def test_C08_a_commit_of_unknown_outcome_is_tried_again(
    cutter_and_host: tuple[CommitCutter, Host], moment: Moment
) -> None:
    cutter, host = cutter_and_host
    purchase = host.add_purchase()
    cutter.cut(moment, 1)
    assert host.pay(purchase).status_code == 200
    assert cutter.cuts == 1
    assert host.ledger() == [1000]
    assert len(host.grants()) == 1


@moments
def test_C08_commits_that_are_never_answered_are_503_and_the_redelivery_decides(
    cutter_and_host: tuple[CommitCutter, Host], moment: Moment
) -> None:
    cutter, host = cutter_and_host
    purchase = host.add_purchase()
    document = host.paid_event(purchase)
    cutter.cut(moment, 10**6)
    for _ in range(2):
        answer = host.post_event(document)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert cutter.cuts >= unit_of_work.MAX_TRIES
    cutter.cut(moment, 0)
    assert host.ledger() == ([] if moment == "before" else [1000])
    assert host.post_event(document).status_code == 200
    assert host.post_event(document).status_code == 200
    assert host.ledger() == [1000]
    assert host.purchase(purchase["id"])["status"] == "completed"


@moments
def test_C08_a_whole_history_with_every_first_commit_cut_ends_right(
    cutter_and_host: tuple[CommitCutter, Host], moment: Moment
) -> None:
    cutter, host = cutter_and_host
    purchase = host.add_purchase()
    session = checkout_session(purchase)
    payment_intent = session["payment_intent"]
    lost, failed = dispute(payment_intent, 300), refund(payment_intent, 500)
    for document in (
        event("refund.created", refund(payment_intent, 200)),
        event("checkout.session.completed", session),
        event("charge.dispute.created", lost),
        event("refund.created", failed),
        event("refund.failed", failed | {"status": "failed"}),
    ):
        cutter.cut(moment, 1)
        assert host.post_event(document).status_code == 200
    assert cutter.cuts == 5
    assert host.balance() == 500
    host.assert_exact()


@pytest.mark.parametrize(
    ("handler", "moment"), [(event_id_first, "after"), (signal_then_complete, "after")]
)
def test_C08_the_usual_handlers_lose_or_double(
    cutter_and_host: tuple[CommitCutter, Host], handler: Handler, moment: Moment
) -> None:
    cutter, host = cutter_and_host
    shop = Shop(host, handler)
    document = host.paid_event(host.add_purchase())
    cutter.cut(moment, 1)
    assert shop.deliver(document).status_code == 503
    shop.deliver_until_taken(document)
    assert cutter.cuts == 1
    assert host.ledger() != [1000]
