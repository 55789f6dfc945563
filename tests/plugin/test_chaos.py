"""Deliveries that go wrong on purpose: a host that embeds us survives all of it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask, request

from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.sandbox import Chaos, Sandbox
from flask_stripe_credits.sandbox.transport import WebhookAnswer, WebhookRequest
from flask_stripe_credits.testing import Delivered, StripeSandbox
from flask_stripe_credits.testing.in_process import InProcessTransport

from ..hosts import Host, make_host
from ..payloads import new_api_key
from .test_stripe_sandbox import COMPLETED, buy, of_type

EVERYTHING: dict[str, Any] = {
    "duplicate": 3,
    "reorder": True,
    "drop": 0.2,
    "delay": 60.0,
    "parallel": 4,
    "early": True,
    "wrong_signature": 0.2,
    "stale": 0.2,
}


def trade(host: Host, sandbox: StripeSandbox) -> list[Delivered]:
    """Three purchases: one is kept, one half refunded by API, one disputed and won."""
    kept, refunded, disputed = (buy(host, user=user)["session_id"] for user in ("al", "bo", "cy"))
    for session_id in (kept, refunded, disputed):
        sandbox.pay(session_id)
    payment = sandbox.client.v1.checkout.sessions.retrieve(refunded).payment_intent
    sandbox.client.v1.refunds.create({"payment_intent": str(payment), "amount": 500})
    dispute = sandbox.dispute(disputed)
    sandbox.sandbox.close_dispute(dispute.id, "won")
    return sandbox.deliver()


@pytest.mark.parametrize("seed", range(3))
def test_every_credit_survives_everything_at_once(
    app: Flask, host: Host, stripe_sandbox: StripeSandbox, seed: int
) -> None:
    stripe_sandbox.chaos(**EVERYTHING, seed=seed)
    delivered = trade(host, stripe_sandbox)
    answers = Counter(one.status for one in delivered)
    assert answers[None] and answers[400] and answers[200] > 30
    assert set(answers) <= {None, 200, 400, 503}
    assert [host.balance(user) for user in ("al", "bo", "cy")] == [1000, 500, 1000]
    host.assert_exact()


@pytest.mark.parametrize("version", ["2019-12-03", "2020-08-27", "2022-08-01", "2024-09-30.acacia"])
def test_older_payloads_mean_the_same(
    app: Flask, host: Host, stripe_sandbox: StripeSandbox, version: str
) -> None:
    stripe_sandbox.chaos(api_version=version)
    assert {one.status for one in trade(host, stripe_sandbox)} == {200}
    assert [host.balance(user) for user in ("al", "bo", "cy")] == [1000, 500, 1000]
    host.assert_exact()


@pytest.mark.parametrize(
    ("chosen", "statuses"),
    [
        ({"drop": 1.0}, [None] * 4),
        ({"wrong_signature": 1.0}, [400] * 4),
        ({"stale": 1.0}, [400] * 4),
        ({"duplicate": 3}, [200] * 3),
        ({"drop": 0.99, "seed": 1}, [None] * 3 + [200]),
    ],
)
def test_each_kind_does_what_it_says(
    app: Flask,
    host: Host,
    stripe_sandbox: StripeSandbox,
    chosen: dict[str, Any],
    statuses: list[int | None],
) -> None:
    stripe_sandbox.chaos(**chosen)
    stripe_sandbox.pay(buy(host)["session_id"])
    assert of_type(stripe_sandbox.deliver(), COMPLETED) == statuses
    assert host.ledger() == ([1000] if 200 in statuses else [])
    host.assert_exact()


def test_reordered_and_alike_for_one_seed() -> None:
    def order(**chosen: Any) -> list[str]:
        arrived: list[str] = []
        with Sandbox(transport=InProcessTransport(_counting(arrived))) as sandbox:
            sandbox.register_webhook("http://127.0.0.1:9/hook")
            sandbox.chaos(**chosen)
            _sell_one(sandbox)
            sandbox.deliver_pending()
        return arrived

    straight = order()
    assert len(straight) > 4
    shuffled = order(reorder=True, seed=1)
    assert shuffled != straight and sorted(shuffled) == sorted(straight)
    assert order(reorder=True, seed=1) == shuffled
    assert order(reorder=True, seed=2) != shuffled


def test_a_naive_handler_does_not_survive() -> None:
    """What our own hosts are spared: the same chaos doubles a naive shop's credits."""
    arrived: list[str] = []
    with Sandbox(transport=InProcessTransport(_counting(arrived))) as sandbox:
        sandbox.register_webhook("http://127.0.0.1:9/hook")
        sandbox.chaos(duplicate=2)
        _sell_one(sandbox)
        sandbox.deliver_pending()
    assert arrived.count(COMPLETED) == 2


@dataclass
class Recorder:
    """A transport that goes nowhere: keeps bodies, and waits until ``together`` have come."""

    together: int = 1
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._all_here = threading.Barrier(self.together)

    def send(self, request: WebhookRequest, timeout_seconds: float) -> WebhookAnswer:
        self._all_here.wait(30)
        self.bodies.append(json.loads(request.body))
        return WebhookAnswer(200)

    def abort(self) -> None: ...


def test_parallel_means_at_the_same_moment() -> None:
    recorder = Recorder(together=3)
    with Sandbox(transport=recorder) as sandbox:
        sandbox.register_webhook("http://127.0.0.1:9/hook", enabled_events=[COMPLETED])
        sandbox.chaos(duplicate=3, parallel=3)
        _sell_one(sandbox)
        assert sandbox.deliver_pending() == 3
        assert [one.state for one in sandbox.deliveries()] == ["delivered"] * 3
    assert len({body["id"] for body in recorder.bodies}) == 1


def test_delayed_means_not_yet(app: Flask, host: Host, stripe_sandbox: StripeSandbox) -> None:
    stripe_sandbox.chaos(delay=600)
    stripe_sandbox.pay(buy(host)["session_id"])
    assert stripe_sandbox.deliver(retries=False) == []
    stripe_sandbox.advance(600)
    assert of_type(stripe_sandbox.deliver(retries=False), COMPLETED) == [200]
    assert host.ledger() == [1000]


def test_an_older_version_has_its_own_shapes() -> None:
    def about(version: str | None) -> dict[str, Any]:
        recorder = Recorder()
        with Sandbox(transport=recorder) as sandbox:
            sandbox.register_webhook("http://127.0.0.1:9/hook")
            _sell_one(sandbox)
            [intent] = sandbox.objects("payment_intent")
            sandbox.refund(intent["id"], 400)
            sandbox.chaos(api_version=version)
            sandbox.deliver_pending()
        assert len({body["api_version"] for body in recorder.bodies}) == 1
        return {body["type"]: body["data"]["object"] for body in recorder.bodies}

    newest, old = about(None), about("2020-08-27")
    assert newest.keys() == old.keys()
    assert "latest_charge" in newest["payment_intent.succeeded"]
    paid = old["payment_intent.succeeded"]
    assert "latest_charge" not in paid
    assert [charge["amount"] for charge in paid["charges"]["data"]] == [1000]
    assert "refunds" not in newest["charge.refunded"]
    assert [one["amount"] for one in old["charge.refunded"]["refunds"]["data"]] == [400]
    assert newest[COMPLETED]["status"] == "complete"
    assert "status" not in old[COMPLETED]
    assert old[COMPLETED]["payment_status"] == "paid"


def test_early_means_before_the_call_returns(
    app: Flask, host: Host, stripe_sandbox: StripeSandbox
) -> None:
    session_id = buy(host)["session_id"]
    stripe_sandbox.client.v1.checkout.sessions.expire(session_id)
    assert host.purchases()[0]["status"] == "pending"
    stripe_sandbox.deliver()
    other = buy(host)["session_id"]
    stripe_sandbox.chaos(early=True)
    stripe_sandbox.client.v1.checkout.sessions.expire(other)
    assert [row["status"] for row in host.purchases()] == ["expired", "expired"]


def test_parallel_is_refused_where_there_is_one_connection() -> None:
    host = make_host("sqlite://")
    with StripeSandbox(host.app) as sandbox:
        with pytest.raises(ConfigurationError, match="one connection"):
            sandbox.chaos(parallel=2)
        sandbox.chaos(duplicate=2)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", Chaos()),
        ("duplicate=2, reorder,drop=0.1", Chaos(duplicate=2, reorder=True, drop=0.1)),
        ("wrong-signature=1,seed=7", Chaos(wrong_signature=1.0, seed=7)),
        ("api-version=2020-08-27,early", Chaos(api_version="2020-08-27", early=True)),
    ],
)
def test_chaos_is_read_from_text(text: str, read: Chaos) -> None:
    assert Chaos.parse(text) == read


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("loud=1", "there is no loud; there are duplicate, reorder"),
        ("parse", "there is no parse"),
        ("drop=much", "drop needs a number"),
        ("drop", "drop needs a number"),
        ("drop=nan", "drop must be a share"),
        ("drop=1.1", "drop must be a share"),
        ("drop=0.6,stale=0.6", "more than 1 together"),
        ("reorder=yes", "reorder takes no value"),
        ("duplicate=0", "duplicate must be from 1 to 100"),
        ("parallel=17", "parallel must be from 1 to 16"),
        ("delay=-1", "delay must be from 0"),
        ("api_version=old", "api_version must be like"),
        ("api_version", "api_version must be like"),
    ],
)
def test_chaos_that_makes_no_sense_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Chaos.parse(text)


def _counting(arrived: list[str]) -> Flask:
    app = Flask("naive")

    @app.post("/hook")
    def hook() -> str:
        arrived.append((request.get_json())["type"])
        return ""

    return app


def _sell_one(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {new_api_key()}"}
    form = {
        "mode": "payment",
        "success_url": "http://localhost/",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "1000",
        "line_items[0][price_data][product_data][name]": "Pack",
    }
    client = sandbox.app.test_client()
    made = client.post("/v1/checkout/sessions", data=form, headers=headers)
    assert made.json is not None
    sandbox.pay(made.json["id"], wait_seconds=None)
