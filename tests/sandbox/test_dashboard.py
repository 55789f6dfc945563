"""The dashboard's buttons, pressed as a browser does, and what the host's ledger says then."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import requests
import stripe

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.sandbox.chaos import Chaos

from .conftest import open_session
from .receiver import Receiver
from .shop import Shop

RIBBON = "Sandbox \N{EN DASH} no real money"
NASTY = "<script>alert(1)</script>\"'"
LISTS = ("payments", "sessions", "customers", "events", "deliveries", "endpoints")


class Dashboard:
    """A browser on the dashboard, without JavaScript."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.url + "/dashboard"

    def get(self, path: str) -> str:
        answer = requests.get(self.url + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return html.unescape(answer.text)

    def press(self, page: str, action: str, **fields: str) -> requests.Response:
        """Send a form that is on ``page``; fails when it isn't there."""
        text = self.get(page)
        assert f'action="/dashboard{action}"' in text
        token = re.search(r'name="token" value="([^"]+)"', text)
        assert token is not None
        return requests.post(
            self.url + action,
            data={"token": token[1], **fields},
            timeout=30,
            allow_redirects=False,
        )

    def done(self, page: str, action: str, **fields: str) -> str:
        """Press a button that does its work; return the page that it leads to."""
        answer = self.press(page, action, **fields)
        assert answer.status_code == 303, answer.text
        where = answer.headers["Location"]
        assert where.startswith(f"/dashboard{page}?done=")
        return self.get(where.removeprefix("/dashboard"))


@pytest.fixture
def dashboard(sandbox: Sandbox) -> Dashboard:
    return Dashboard(sandbox)


def test_a_part_and_then_the_rest_is_refunded(shop: Shop, dashboard: Dashboard) -> None:
    id = shop.buy()
    page = f"/payments/{id}"
    shown = dashboard.done(page, f"{page}/refund", amount="2.50")
    assert "Refunded." in shown
    assert "partly refunded" in shown
    shop.assert_ledger(1000, -250)
    dashboard.done(page, f"{page}/refund")
    shop.assert_ledger(1000, -250, -750)
    assert [refund["amount"] for refund in shop.sandbox.objects("refund")] == [250, 750]
    assert "All of it is refunded." in dashboard.get(page)


@pytest.mark.parametrize("amount", ["10.01", "2.505", "ten", "-1", "0", "1e9", "NaN"])
def test_a_refund_of_no_such_amount_says_why_and_does_nothing(
    shop: Shop, dashboard: Dashboard, amount: str
) -> None:
    page = f"/payments/{shop.buy()}"
    answer = dashboard.press(page, f"{page}/refund", amount=amount)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "<title>Error: " in answer.text
    assert shop.sandbox.objects("refund") == []
    shop.assert_ledger(1000)


def test_a_refund_that_fails_gives_the_credits_back(shop: Shop, dashboard: Dashboard) -> None:
    page = f"/payments/{shop.buy()}"
    dashboard.done(page, f"{page}/refund", begins="pending")
    (refund,) = shop.sandbox.objects("refund")
    assert refund["status"] == "pending"
    settle = f"/refunds/{refund['id']}/settle"
    dashboard.done(page, settle, status="succeeded")
    shop.assert_ledger(1000, -1000)
    shown = dashboard.done(page, settle, status="failed")
    shop.assert_ledger(1000, -1000, 1000)
    assert settle not in shown


def test_a_dispute_takes_the_credits_and_its_end_decides(shop: Shop, dashboard: Dashboard) -> None:
    page = f"/payments/{shop.buy()}"
    dashboard.done(page, f"{page}/dispute", kind="dispute", reason="duplicate")
    (dispute,) = shop.sandbox.objects("dispute")
    assert (dispute["status"], dispute["reason"]) == ("needs_response", "duplicate")
    shop.assert_ledger(1000, -1000)
    close = f"/disputes/{dispute['id']}/close"
    dashboard.done(page, close, status="lost")
    shop.assert_ledger(1000, -1000)
    shown = dashboard.done(page, close, status="won")
    shop.assert_ledger(1000, -1000, 1000)
    assert close not in shown


@pytest.mark.parametrize("escalates", [True, False])
def test_an_inquiry_takes_nothing_unless_it_escalates(
    shop: Shop, dashboard: Dashboard, escalates: bool
) -> None:
    page = f"/payments/{shop.buy()}"
    dashboard.done(page, f"{page}/dispute", kind="inquiry", amount="4")
    (dispute,) = shop.sandbox.objects("dispute")
    assert (dispute["status"], dispute["amount"]) == ("warning_needs_response", 400)
    shop.assert_ledger(1000)
    if escalates:
        dashboard.done(page, f"/disputes/{dispute['id']}/escalate")
        shop.assert_ledger(1000, -400)
    else:
        dashboard.done(page, f"/disputes/{dispute['id']}/close", status="warning_closed")
        shop.assert_ledger(1000)


@pytest.mark.parametrize(("answer", "ledger"), [("pay", [1000]), ("refuse", [])])
def test_the_bank_pays_or_refuses(
    shop: Shop, dashboard: Dashboard, answer: str, ledger: list[int]
) -> None:
    id = shop.buy("000123456789")
    page = f"/payments/{id}"
    shop.assert_ledger()
    dashboard.done(page, f"{page}/settle", answer=answer)
    shop.assert_ledger(*ledger)
    assert f"{page}/settle" not in dashboard.get(page)


def test_a_debit_without_a_session_is_settled_too(
    client: stripe.StripeClient, sandbox: Sandbox, dashboard: Dashboard
) -> None:
    method: Any = {
        "type": "us_bank_account",
        "us_bank_account": {"account_number": "000123456789", "routing_number": "110000000"},
    }
    intent = client.v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "usd",
            "confirm": True,
            "payment_method": client.v1.payment_methods.create(method).id,
        }
    )
    page = f"/payments/{intent.id}"
    dashboard.done(page, f"{page}/settle", answer="pay")
    assert client.v1.payment_intents.retrieve(intent.id).amount_received == 700


def test_a_session_expires_now_and_its_purchase_with_it(shop: Shop, dashboard: Dashboard) -> None:
    id = shop.open()
    page = f"/sessions/{id}"
    dashboard.done(page, f"{page}/expire")
    assert shop.sandbox.session(id)["status"] == "expired"
    (purchase,) = shop.host.purchases()
    assert purchase["status"] == "expired"
    assert f"{page}/expire" not in dashboard.get(page)


def test_an_event_sent_again_grants_nothing_more(shop: Shop, dashboard: Dashboard) -> None:
    shop.buy()
    (completed,) = shop.sandbox.events("checkout.session.completed")
    page = f"/events/{completed['id']}"
    (endpoint,) = shop.sandbox.objects("webhook_endpoint")
    dashboard.done(page, f"{page}/resend")
    dashboard.done(page, f"{page}/resend", endpoint=endpoint["id"])
    assert [one.attempts[0].status for one in shop.sandbox.deliveries(completed["id"])] == [200] * 3
    shop.assert_ledger(1000)
    assert dashboard.get(page).count("<strong>200</strong>") == 3


def signed_with(receiver: Receiver, secret: str) -> bool:
    request = receiver.received.get(timeout=30)
    try:
        stripe.Webhook.construct_event(request.body, request.headers["Stripe-Signature"], secret)
    except stripe.SignatureVerificationError:
        receiver.received.put(request)
        return False
    receiver.received.put(request)
    return True


def test_both_secrets_are_valid_for_a_while_after_a_rotation(
    client: stripe.StripeClient, sandbox: Sandbox, dashboard: Dashboard, receiver: Receiver
) -> None:
    old = sandbox.register_webhook(receiver.url, enabled_events=["checkout.session.completed"])
    (endpoint,) = sandbox.objects("webhook_endpoint")
    page = f"/endpoints/{endpoint['id']}"
    assert old in dashboard.get(page)
    shown = dashboard.done(page, f"{page}/rotate", keep_seconds="3600")
    found = re.search(r"<code>(whsec_\w+)</code>", shown)
    assert found is not None
    new = found[1]
    assert old not in shown
    sandbox.pay(open_session(client).id)
    assert signed_with(receiver, new)
    assert signed_with(receiver, old)
    receiver.received.get()
    sandbox.advance(3601)
    sandbox.pay(open_session(client).id)
    assert signed_with(receiver, new)
    assert not signed_with(receiver, old)
    receiver.received.get()
    dashboard.done(page, f"{page}/rotate", keep_seconds="0")
    sandbox.pay(open_session(client).id)
    assert not signed_with(receiver, new)


@pytest.mark.parametrize("keep_seconds", ["", "-1", "604801", "soon"])
def test_an_old_secret_is_kept_for_a_week_at_most(
    sandbox: Sandbox, dashboard: Dashboard, receiver: Receiver, keep_seconds: str
) -> None:
    secret = sandbox.register_webhook(receiver.url)
    (endpoint,) = sandbox.objects("webhook_endpoint")
    page = f"/endpoints/{endpoint['id']}"
    answer = dashboard.press(page, f"{page}/rotate", keep_seconds=keep_seconds)
    assert answer.status_code == 400
    assert secret in dashboard.get(page)


def test_a_button_needs_the_token_of_the_dashboards_own_pages(
    shop: Shop, dashboard: Dashboard
) -> None:
    id = shop.buy()
    (event, *_) = shop.sandbox.events()
    (endpoint,) = shop.sandbox.objects("webhook_endpoint")
    actions = [rule for rule in shop.sandbox.app.url_map.iter_rules() if "POST" in rule.methods]
    paths = [rule.rule for rule in actions if rule.rule.startswith("/dashboard/")]
    assert len(paths) == 10
    before = len(shop.sandbox.events()), len(shop.sandbox.deliveries())
    ids = {"payments": id, "events": event["id"], "endpoints": endpoint["id"]}
    for path in paths:
        kind = path.split("/")[2]
        url = shop.sandbox.url + path.replace("<id>", ids.get(kind, "x"))
        for token in ({}, {"token": "wrong"}):
            answer = requests.post(url, data=token, timeout=30)
            assert answer.status_code == 403, path
    assert (len(shop.sandbox.events()), len(shop.sandbox.deliveries())) == before
    shop.assert_ledger(1000)


def test_only_names_of_this_machine_are_answered(sandbox: Sandbox) -> None:
    answer = requests.get(
        f"{sandbox.url}/dashboard/payments", headers={"Host": "evil.example"}, timeout=30
    )
    assert answer.status_code == 403


def test_every_list_is_there_before_anything_happened(dashboard: Dashboard) -> None:
    for name in LISTS:
        text = dashboard.get(f"/{name}")
        assert RIBBON in text
        assert 'class="empty"' in text
    assert "Payments" in dashboard.get("/")


def test_what_others_wrote_is_escaped_on_every_page(
    client: stripe.StripeClient, sandbox: Sandbox, dashboard: Dashboard, receiver: Receiver
) -> None:
    sandbox.register_webhook(receiver.url)
    customer = client.v1.customers.create(
        {"name": NASTY, "email": "a@example.com", "metadata": {NASTY[:30]: NASTY}}
    )
    price: Any = {"currency": "usd", "unit_amount": 1000, "product_data": {"name": NASTY}}
    session = open_session(
        client,
        customer=customer.id,
        line_items=[{"price_data": price, "quantity": 1}],
        metadata={"note": NASTY},
    )
    sandbox.pay(session.id, name=NASTY, email="<b>@example.com")
    intent = sandbox.session(session.id)["payment_intent"]
    ids = [f"/{name}" for name in LISTS]
    ids += [f"/payments/{intent}", f"/sessions/{session.id}", f"/customers/{customer.id}"]
    ids += [f"/events/{event['id']}" for event in sandbox.events()]
    shown = ""
    for path in ids:
        raw = requests.get(dashboard.url + path, timeout=30).text
        assert "<script>alert" not in raw, path
        assert "<b>@" not in raw, path
        shown += html.unescape(raw)
    assert shown.count(NASTY) > 4
    lost = requests.get(f"{dashboard.url}/find", params={"id": NASTY}, timeout=30)
    assert (lost.status_code, "<script>alert" in lost.text) == (404, False)


def test_long_lists_are_shown_page_by_page(
    client: stripe.StripeClient, sandbox: Sandbox, dashboard: Dashboard
) -> None:
    ids = [client.v1.customers.create({"name": f"Buyer {number}"}).id for number in range(60)]

    def shown(text: str) -> list[str]:
        return re.findall(r"<code>(cus_\w+)</code>", text)

    def follow(text: str, rel: str) -> str | None:
        link = re.search(rf'<a href="(\?[^"]*)" rel="{rel}">', text)
        return dashboard.get(f"/customers{link[1]}") if link else None

    first = dashboard.get("/customers")
    second = follow(first, "next")
    assert second is not None
    third = follow(second, "next")
    assert third is not None
    assert shown(first) + shown(second) + shown(third) == ids[::-1]
    assert follow(third, "next") is None
    back = follow(third, "prev")
    assert back is not None
    assert shown(back) == shown(second)
    assert follow(first, "prev") is None


def test_deliveries_are_shown_page_by_page_with_answer_and_filter(
    sandbox: Sandbox, dashboard: Dashboard, receiver: Receiver, client: stripe.StripeClient
) -> None:
    sandbox.register_webhook(receiver.url, enabled_events=["customer.created"])
    receiver.statuses = [500]
    for _ in range(30):
        client.v1.customers.create({})
    sandbox.deliver_pending()
    first = dashboard.get("/deliveries")
    assert first.count("customer.created") == 25
    link = re.search(r'<a href="(\?[^"]*)" rel="next">', first)
    assert link is not None
    assert dashboard.get(f"/deliveries{link[1]}").count("customer.created") == 5
    pending = dashboard.get("/deliveries?state=pending")
    assert pending.count("customer.created") == 1
    assert "<td>500</td>" in pending


def test_an_id_leads_to_its_page(shop: Shop, dashboard: Dashboard) -> None:
    intent = shop.buy()
    refund = shop.sandbox.refund(intent)["id"]
    (session,) = shop.sandbox.objects("checkout.session")
    for id, page in (
        (refund, f"/payments/{intent}"),
        (session["id"], f"/sessions/{session['id']}"),
    ):
        answer = requests.get(
            f"{dashboard.url}/find", params={"id": id}, timeout=30, allow_redirects=False
        )
        assert answer.headers["Location"] == f"/dashboard{page}"
    for path in ("/find?id=nothing", "/payments/pi_none", "/endpoints/we_none", "/sessions/x"):
        answer = requests.get(dashboard.url + path, timeout=30)
        assert (answer.status_code, RIBBON in answer.text) == (404, True)


def test_a_list_of_very_many_is_as_quick_as_one_of_few(sandbox: Sandbox) -> None:
    """Each list and the page of a payment read a bounded number of rows: an index leads there."""
    plan = sandbox.store.query(
        "EXPLAIN QUERY PLAN SELECT body FROM objects WHERE kind = 'event' AND"
        " coalesce(json_extract(body, '$.data.object.payment_intent'),"
        " json_extract(body, '$.data.object.id')) = 'pi_1'"
        " ORDER BY created DESC, sequence DESC LIMIT 50"
    )
    assert "events_by_subject" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_chaos_delivers_twice_until_it_ends_and_grants_once(
    shop: Shop, dashboard: Dashboard
) -> None:
    answer = dashboard.press("/chaos", "/chaos", duplicate="2", reorder="on")
    assert answer.headers["Location"] == "/dashboard/chaos?done=chaos"
    assert shop.sandbox.courier.chaos == Chaos(duplicate=2, reorder=True)
    shop.buy()
    shop.sandbox.deliver_pending()
    (first,) = shop.sandbox.events("checkout.session.completed")
    assert [one.state for one in shop.sandbox.deliveries(first["id"])] == ["delivered"] * 2
    shop.assert_ledger(1000)
    assert 'name="duplicate" type="number" min="1" max="100" step="1" value="2"' in dashboard.get(
        "/chaos"
    )
    answer = dashboard.press("/chaos", "/chaos")
    assert answer.headers["Location"] == "/dashboard/chaos?done=calm"
    assert shop.sandbox.courier.chaos == Chaos()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"duplicate": "0"}, "Duplicate must be from 1 to 100"),
        ({"drop": "1.5"}, "Drop must be a share from 0 to 1"),
        ({"drop": "nan"}, "Drop must be a share from 0 to 1"),
        ({"parallel": "many"}, "parallel needs a number"),
        ({"api_version": "newest"}, "Api_version must be like"),
    ],
)
def test_chaos_that_makes_no_sense_says_why_and_changes_nothing(
    sandbox: Sandbox, dashboard: Dashboard, changes: dict[str, str], problem: str
) -> None:
    answer = dashboard.press("/chaos", "/chaos", **changes)
    assert answer.status_code == 400
    assert problem in html.unescape(answer.text)
    (typed,) = changes.values()
    assert f'value="{typed}"' in answer.text
    assert sandbox.courier.chaos == Chaos()
