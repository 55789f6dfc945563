"""The request that recorded a grant tries it when its answer has been sent, and only then."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests
from werkzeug.serving import make_server

from flask_stripe_credits import GrantSnapshot

from ..hosts import PREFIX
from ..payloads import encode, sign
from .conftest import Shop


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    """The shop behind a real server, a thread for each request."""
    server = make_server("127.0.0.1", 0, shop.host.app, threaded=True)
    # So that closing the server waits for every request to have ended, delivery and all.
    server.daemon_threads = False  # type: ignore[misc]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    server.shutdown()
    thread.join()
    server.server_close()


def _pay(shop: Shop, address: str, event: object) -> requests.Response:
    body = encode(event)
    headers = {
        "Stripe-Signature": sign(body, shop.host.webhook_secret),
        "Content-Type": "application/json",
    }
    return requests.post(f"{address}/webhook", data=body, headers=headers, timeout=30)


def test_nobody_waits_for_a_slow_receiver(shop: Shop, address: str) -> None:
    may_end, ended = threading.Event(), threading.Event()

    def hang(grant: GrantSnapshot) -> None:
        assert may_end.wait(30)
        ended.set()

    shop.manager.trouble = hang
    purchase = shop.host.add_purchase()
    answer = _pay(shop, address, shop.host.paid_event(purchase))
    assert answer.json() == {"received": True, "verdict": "handled"}
    assert not ended.is_set()
    assert shop.grant(purchase)["delivered_at"] is None
    may_end.set()
    assert ended.wait(30)


def test_the_grant_is_delivered_by_the_request_alone(shop: Shop) -> None:
    purchase = shop.host.add_purchase()
    answer = shop.host.pay(purchase)
    assert shop.manager.calls == []
    answer.close()
    assert shop.manager.called == [1000]
    assert shop.grant(purchase)["delivered_at"] is not None
    assert shop.grant(purchase)["attempts"] == 1


def test_a_request_delivers_its_own_purchase_and_leaves_the_others(shop: Shop) -> None:
    other = shop.buy()
    purchase = shop.host.add_purchase()
    shop.host.pay(purchase).close()
    assert [call.purchase_id for call in shop.manager.calls] == [str(purchase["id"])]
    assert shop.grant(other)["attempts"] == 0


def test_an_event_that_grants_nothing_delivers_nothing(shop: Shop) -> None:
    purchase = shop.host.add_purchase()
    event = shop.host.paid_event(purchase)
    shop.host.post_event(event)
    shop.host.post_event(event).close()
    assert shop.manager.calls == []


@pytest.mark.parametrize("error", [RuntimeError("no"), None])
def test_what_goes_wrong_changes_no_answer(
    shop: Shop, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(grant: GrantSnapshot) -> None:
        if error is not None:
            raise error
        # Our tables are gone: marking the grant fails, and that is a bug of nobody's receiver.
        with shop.host.db.engine.begin() as connection:
            shop.host.credits.Grant.__table__.drop(connection)
            shop.host.credits.AuditLog.__table__.drop(connection)

    shop.manager.trouble = fail
    purchase = shop.host.add_purchase()
    answer = shop.host.pay(purchase)
    answer.close()
    assert answer.json == {"received": True, "verdict": "handled"}
    said = "was not delivered" if error else "are left to the next run"
    assert said in caplog.text
    if error is None:
        with shop.host.app.app_context():
            shop.host.db.create_all()
            shop.host.db.drop_all()
            shop.host.db.create_all()


def test_a_command_leaves_what_it_grants_to_the_worker(shop: Shop) -> None:
    from flask_stripe_credits.facts import SessionNews, record_session
    from flask_stripe_credits.fulfillment import settle
    from flask_stripe_credits.stripe_objects import CheckoutSession

    purchase = shop.host.add_purchase()
    paid = shop.host.paid_event(purchase)["data"]["object"]
    session = CheckoutSession.from_payload(paid)
    with shop.host.app.app_context():
        settle(
            shop.host.state,
            lambda uow: record_session(uow, session, SessionNews.COMPLETED),
            cause="a command",
        )
    assert shop.manager.calls == []
    assert shop.deliver() == 1
