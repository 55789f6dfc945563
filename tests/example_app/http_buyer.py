"""Buying without a browser: a Bearer token here, the sandbox's script-payment routes there."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tests.example_app.demo_process import DemoProcess

API = "/api/v1/billing/credits"


def call(
    url: str, token: str, body: bytes | None = None, content_type: str = "application/json"
) -> tuple[int, Any]:
    """Send a request (a POST if it has a body); return the status and the JSON of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def buy(demo: DemoProcess, user: str, package_code: str = "starter") -> dict[str, Any]:
    body = json.dumps({"package_code": package_code}).encode()
    status, purchase = call(f"{demo.url}{API}/purchase", f"demo-{user}", body)
    assert status in (200, 201), purchase
    return dict(purchase)


def at_sandbox(demo: DemoProcess, path: str, **form: str) -> tuple[int, Any]:
    return call(
        demo.sandbox_url + path,
        demo.secrets["STRIPE_SECRET_KEY"],
        urllib.parse.urlencode(form).encode(),
        "application/x-www-form-urlencoded",
    )


def pay(demo: DemoProcess, purchase: dict[str, Any], token: str) -> tuple[int, Any]:
    form = {"type": "card", "card[token]": token}
    status, method = at_sandbox(demo, "/v1/payment_methods", **form)
    assert status == 200, method
    page = f"/v1/payment_pages/{purchase['session_id']}/confirm"
    return at_sandbox(demo, page, payment_method=method["id"])


def refund(demo: DemoProcess, purchase: dict[str, Any], **form: str) -> dict[str, Any]:
    """Refund a paid purchase at the sandbox, all of it unless ``form`` has an amount."""
    key = demo.secrets["STRIPE_SECRET_KEY"]
    session_url = f"{demo.sandbox_url}/v1/checkout/sessions/{purchase['session_id']}"
    status, session = call(session_url, key)
    assert status == 200, session
    form["payment_intent"] = session["payment_intent"]
    status, refunded = at_sandbox(demo, "/v1/refunds", **form)
    assert status == 200, refunded
    return dict(refunded)


def settled(demo: DemoProcess, user: str, purchase: dict[str, Any]) -> str:
    """Ask the app as its return page does, which makes it ask Stripe."""
    url = f"{demo.url}{API}/purchases/{purchase['purchase_id']}"
    status, answer = call(url, f"demo-{user}")
    assert status == 200
    return str(answer["status"])


def buy_and_pay(demo: DemoProcess, user: str, package_code: str = "starter") -> dict[str, Any]:
    """Buy a package and wait until its credits have been granted."""
    purchase = buy(demo, user, package_code)
    status, answer = pay(demo, purchase, "tok_visa")
    assert status == 200, answer
    demo.wait_for_status(purchase["purchase_id"], "completed")
    return purchase
