"""What every call has in common: keys, idempotency, headers, faults."""

from __future__ import annotations

import base64
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import new_client, new_key, open_session, session_params


def call(sandbox: Sandbox, path: str = "/v1/products", **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {new_key()}"} | options.pop("headers", {})
    method = "POST" if "data" in options else "GET"
    url = sandbox.url + path
    return requests.request(method, url, headers=headers, timeout=30, **options)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer nonsense", "Bearer pk_test_abc", "Basic !!", "Digest x"]
)
def test_a_missing_or_wrong_key_is_refused(sandbox: Sandbox, authorization: str) -> None:
    answer = call(sandbox, headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_live_key_is_refused_and_not_repeated(sandbox: Sandbox) -> None:
    key = "sk_live_" + "z" * 8
    answer = call(sandbox, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    assert "live API key" in answer.text
    assert key not in answer.text


@pytest.mark.parametrize("kind", ["sk_test_", "rk_test_"])
def test_secret_and_restricted_keys_work_as_basic_authentication_too(
    sandbox: Sandbox, kind: str
) -> None:
    encoded = base64.b64encode(f"{kind}a1:".encode()).decode()
    assert call(sandbox, headers={"Authorization": f"Basic {encoded}"}).status_code == 200


def test_every_answer_has_a_request_id_and_the_version(sandbox: Sandbox) -> None:
    answer = call(sandbox)
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == stripe.api_version
    older = call(sandbox, headers={"Stripe-Version": "2025-09-30.clover"})
    assert older.headers["Stripe-Version"] == "2025-09-30.clover"
    assert call(sandbox, headers={"Stripe-Version": "newest"}).status_code == 400


@pytest.mark.parametrize(
    ("version", "types"),
    [
        (None, ["sepa_debit"]),
        ("2026-08-26.dahlia", ["sepa_debit"]),
        ("2026-09-30.endive", None),
        ("2026-10-28.endive", None),
    ],
)
def test_payment_method_types_are_taken_until_the_version_that_dropped_them(
    sandbox: Sandbox, version: str | None, types: list[str] | None
) -> None:
    """The command-line client names no version and sends them: to Stripe that's an older one."""
    price = "line_items[0][price_data]"
    answer = call(
        sandbox,
        "/v1/checkout/sessions",
        headers={"Stripe-Version": version} if version else {},
        data={
            "mode": "payment",
            "success_url": "https://example.com/",
            "payment_method_types[]": "sepa_debit",
            f"{price}[currency]": "eur",
            f"{price}[unit_amount]": "1500",
            f"{price}[product_data][name]": "Pack",
            "line_items[0][quantity]": "2",
            "payment_intent_data[shipping][name]": "A Buyer",
            "payment_intent_data[shipping][address][line1]": "1 Some Street",
        },
    )
    if types is None:
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("parameter_unknown", "payment_method_types")
        assert sandbox.objects("checkout.session") == []
    else:
        assert answer.json()["payment_method_types"] == types
        assert answer.json()["amount_total"] == 3000


def test_what_stripe_does_not_have_is_answered_in_its_words(sandbox: Sandbox) -> None:
    for path in ("/v1/nonsense", "/v2/core/accounts", "/v1/events/evt_none"):
        answer = call(sandbox, path)
        assert answer.status_code == 404
    assert (
        call(sandbox, "/v1/events/x", data={})
        .json()["error"]["message"]
        .startswith("Unrecognized request URL (POST: /v1/events/x)")
    )


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "[", "10.0.0.1"])
def test_a_foreign_host_name_is_refused(sandbox: Sandbox, host: str) -> None:
    assert call(sandbox, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "body", [b"a[=1", b"name=%ff", b"a=1&a[b]=2", b"metadata[a][b]=1&name=x", b"x" * 1_100_000]
)
def test_a_malformed_body_is_refused_and_writes_nothing(sandbox: Sandbox, body: bytes) -> None:
    answer = call(sandbox, data=body)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert sandbox.objects("product") == []


def test_the_same_key_and_parameters_get_the_same_answer(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    params: Any = session_params()
    options: Any = {"idempotency_key": "purchase-1"}
    first = client.v1.checkout.sessions.create(params, options)
    second = client.v1.checkout.sessions.create(params, options)
    assert second.to_dict() == first.to_dict()
    assert len(sandbox.objects("checkout.session")) == 1
    params["success_url"] = "http://127.0.0.1:5000/elsewhere"
    with pytest.raises(stripe.IdempotencyError) as refused:
        client.v1.checkout.sessions.create(params, options)
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.products.create({"name": "x"}, options)


def test_an_error_of_the_work_is_kept_under_the_key_but_not_one_of_the_parameters(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    options: Any = {"idempotency_key": "key-1"}
    item: Any = [{"price": "price_none", "quantity": 1}]
    params: Any = session_params(line_items=item)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create(params, options)
    # The price appears, but the answer under this key stays.
    sandbox.store.add({"id": "price_none", "object": "price"})
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.checkout.sessions.create(params, options)
    assert again.value.code == "resource_missing"
    options = {"idempotency_key": "key-2"}
    wrong: Any = {"name": "x", "colour": "red"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.products.create(wrong, options)
    assert client.v1.products.create({"name": "x"}, options).name == "x"


def test_a_key_in_flight_is_a_conflict(sandbox: Sandbox) -> None:
    sandbox.faults.next("POST /v1/products", hang_seconds=60)
    answers: list[requests.Response] = []

    def create() -> requests.Response:
        return call(sandbox, data={"name": "x"}, headers={"Idempotency-Key": "k"})

    slow = threading.Thread(target=lambda: answers.append(create()))
    slow.start()
    while not sandbox.store.query("SELECT key FROM idempotency"):
        pass
    conflict = create()
    assert conflict.status_code == 409
    assert conflict.json()["error"]["code"] == "idempotency_key_in_use"
    sandbox.faults.release()
    slow.join()
    assert answers[0].status_code == 200
    assert create().json() == answers[0].json()


def test_a_rate_limit_and_an_error_of_stripes_side(sandbox: Sandbox) -> None:
    client = new_client(sandbox, max_network_retries=0)
    sandbox.faults.next("POST /v1/products", status=429)
    with pytest.raises(stripe.RateLimitError):
        client.v1.products.create({"name": "x"})
    sandbox.faults.next("POST /v1/products", status=500)
    with pytest.raises(stripe.APIError):
        client.v1.products.create({"name": "x"})
    assert sandbox.objects("product") == []
    assert client.v1.products.create({"name": "x"}).name == "x"


def test_a_lost_reply_is_recovered_by_the_same_key(sandbox: Sandbox) -> None:
    client = new_client(sandbox, max_network_retries=0)
    params: Any = session_params()
    options: Any = {"idempotency_key": "attempt-1"}
    sandbox.faults.next("POST /v1/checkout/sessions", reset=True, after_work=True)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.checkout.sessions.create(params, options)
    (made,) = sandbox.objects("checkout.session")
    assert client.v1.checkout.sessions.create(params, options).id == made["id"]
    sandbox.faults.next("POST /v1/checkout/sessions", reset=True)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.checkout.sessions.create(params)
    assert len(sandbox.objects("checkout.session")) == 1


def test_a_session_can_be_paid_before_its_creator_hears_of_it(sandbox: Sandbox) -> None:
    sandbox.faults.next(
        "POST /v1/checkout/sessions", before_reply=lambda session: sandbox.pay(session["id"])
    )
    session = open_session(new_client(sandbox))
    assert session.status == "open"
    assert sandbox.session(session.id)["status"] == "complete"


def test_a_restricted_key_that_lacks_a_permission(sandbox: Sandbox) -> None:
    client = new_client(sandbox, max_network_retries=0)
    sandbox.faults.next("GET /v1/refunds", lacking="rak_charge_read")
    with pytest.raises(stripe.PermissionError) as caught:
        client.v1.refunds.list()
    assert caught.value.http_status == 403
    assert "Having the 'rak_charge_read' permission would" in str(caught.value.user_message)
    assert client.v1.refunds.list().data == []


def test_answers_tell_the_sandboxes_time() -> None:
    with Sandbox().start(deliver=False) as served:
        served.advance(3_600)
        answer = requests.get(f"{served.url}/v1/account", auth=(new_key(), ""))
    told = parsedate_to_datetime(answer.headers["Date"])
    ahead = told.timestamp() - time.time()
    assert 3_595 < ahead < 3_605
