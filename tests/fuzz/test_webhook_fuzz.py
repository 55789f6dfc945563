"""B31, E18, E19, I7, I12: hostile deliveries never make an outage, a write or a wrong grant."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_stripe_credits.webhooks.handlers import HANDLERS

from ..figures import Figures
from ..hosts import Host, make_host
from ..payloads import encode, new_secret, sign
from ..profiles import long, short
from ..stripe_stub import StripeStub
from ..webhooks.hostile import BAD_SIGNATURES, nothing_written, post
from .corpus import SHAPES, TYPES, VERSIONS, Json, make_event, payment_of
from .spoiled import spoil

WITHDRAWN, REINSTATED = "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"
LARGEST = 2**53


@pytest.fixture
def asking(database_url: str, stub: StripeStub, quick_retries: None) -> Host:
    """A host whose Stripe knows of no refund."""
    stub.answer({"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"})
    return make_host(database_url, STRIPE_CREDITS_API_BASE=stub.url)


@st.composite
def events(draw: st.DrawFn, purchase: Any) -> Json:
    """An event about ``purchase`` in any shape, spoiled."""
    kind, shape = draw(st.sampled_from(list(TYPES))), draw(st.integers(0, 5))
    document = make_event(kind, shape, purchase, draw(st.sampled_from(VERSIONS)))
    spoiled: Json = spoil(draw, document)
    for one in _reversals_in(spoiled):
        # Stripe never gives one id to what belongs to two payments, however spoiled.
        if isinstance(one, dict) and isinstance(one.get("id"), str) and one["id"]:
            one["id"] += purchase["id"].hex
    return spoiled


def _reversals_in(document: Json) -> list[Any]:
    """The refunds and disputes that an event carries, spoiled or not."""
    data = document.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    if not isinstance(found, dict) or str(document.get("type")).startswith("checkout.session"):
        return []
    listed = found["refunds"].get("data") if isinstance(found.get("refunds"), dict) else None
    return [found, *(listed if isinstance(listed, list) else [])]


def test_the_corpus_has_every_type_that_is_handled() -> None:
    assert set(TYPES) == set(HANDLERS)
    assert {name for name, _ in TYPES.values()} == set(SHAPES)


def _is_amount(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


def taken_by(document: Json, purchase: dict[str, Any]) -> int:
    """The credits that this event may take: our rules, written down a second time.

    A credit of the purchase costs a cent, so that credits are minor units.
    """
    found, kind = document["data"]["object"], document["type"]
    if document.get("livemode") is not False or document.get("account") is not None:
        return 0
    if _id(found.get("payment_intent")) != payment_of(purchase):
        return 0
    if kind == "charge.refunded":
        listed = found.get("refunds")
        if not isinstance(listed, dict) or listed.get("has_more") is not False:
            return 0
        data = listed.get("data")
        return _refunded(data[0]) if isinstance(data, list) and data else 0
    name = TYPES.get(kind, ("", None))[0]
    if name == "refund":
        return _refunded(found)
    return _disputed(found, kind) if name == "dispute" else 0


def _refunded(refund: Json) -> int:
    live = refund.get("status") in ("pending", "requires_action", "succeeded")
    fits = _is_amount(refund.get("amount")) and refund.get("currency") == "usd"
    return min(refund["amount"], 1000) if live and fits else 0


def _disputed(dispute: Json, kind: str) -> int:
    moved, status = dispute.get("balance_transactions"), dispute.get("status")
    funds = max(
        min(len(moved), 2) if isinstance(moved, list) else 0,
        {WITHDRAWN: 1, REINSTATED: 2}.get(kind, 0),
        {"lost": 1, "won": 2}.get(status, 0) if isinstance(status, str) else 0,
    )
    fits = _is_amount(dispute.get("amount")) and dispute.get("currency") == "usd"
    return min(dispute["amount"], 1000) if funds == 1 and fits else 0


def _fuzz_signed(host: Host, profile: settings) -> int:
    """Returns how many requests were sent."""
    sent = 0

    @profile
    @given(st.data())
    def send(data: st.DataObject) -> None:
        nonlocal sent
        user = f"buyer {uuid.uuid4()}"
        purchase = host.add_purchase(user_id=user)
        assert host.pay(purchase, payment_intent=payment_of(purchase)).status_code == 200
        document = data.draw(events(purchase), "event")
        before = host.row_counts()
        answer = host.post_event(document)
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            assert host.row_counts() == before
        taken = taken_by(document, purchase) if answer.status_code == 200 else 0
        assert sorted(host.ledger(user)) == ([-taken, 1000] if taken else [1000])
        assert host.post_event(document).status_code == answer.status_code
        assert host.pay(purchase, payment_intent=payment_of(purchase)).status_code == 200
        assert host.balance(user) == 1000 - taken
        sent += 4

    send()
    return sent


def test_B31_E18_E19_I12_spoiled_events_take_what_they_may_and_nothing_else(
    asking: Host,
) -> None:
    _fuzz_signed(asking, short(120))


@pytest.mark.soak
def test_B31_E18_E19_I12_spoiled_events_for_long(asking: Host, figures: Figures) -> None:
    figures(requests=_fuzz_signed(asking, long(5_000)))


hostile_bytes = st.binary(max_size=400)
# What a server hands to an application: every character below 256 but line breaks.
header_texts = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200)
header_items = st.sampled_from(
    ["t=", "t=1", f"t={'9' * 12}", "v1=", f"v1={'0' * 64}", "v0=1", "v1", "=", ",", "t=-1", "V1=x"]
)
headers = (
    st.none() | header_texts | st.lists(header_items | header_texts, max_size=20).map(",".join)
)


def _spoil_header(draw: st.DrawFn, header: str) -> str:
    """Another header than ``header``, mostly of the same characters."""
    position = draw(st.integers(0, len(header) - 1))
    character = draw(st.characters(min_codepoint=32, max_codepoint=255))
    spoiled = draw(
        st.sampled_from(
            [
                header[:position] + character + header[position + 1 :],
                header[:position] + header[position + 1 :],
                header[position:],
                header[::-1],
                header.replace("v1", "v2"),
            ]
        )
    )
    # A genuine signature in any of the items is one.
    genuine = set(header.split(","))
    return "" if genuine <= set(spoiled.split(",")) else spoiled


@st.composite
def unsigned(draw: st.DrawFn, purchase: Any, secret: str) -> tuple[bytes, str | None]:
    """A body and a header that don't fit each other."""
    kind = draw(st.sampled_from(list(TYPES)))
    good = encode(make_event(kind, draw(st.integers(0, 5)), purchase, VERSIONS[-1]))
    how = draw(st.sampled_from(["hostile", "table", "another body", "another secret", "spoiled"]))
    if how == "hostile":
        return draw(hostile_bytes | st.just(good)), draw(headers)
    if how == "table":
        return draw(st.sampled_from(list(BAD_SIGNATURES.values())))(good, secret)
    if how == "another body":
        other = draw(hostile_bytes)
        return (good, sign(other, secret)) if other != good else (good, None)
    if how == "another secret":
        return good, sign(good, draw(st.sampled_from([new_secret(), "", "whsec_", secret[:-1]])))
    return good, _spoil_header(draw, sign(good, secret))


def _fuzz_unsigned(host: Host, profile: settings) -> int:
    purchase, sent = host.add_purchase(), 0

    @profile
    @given(unsigned(purchase, host.webhook_secret))
    def send(delivery: tuple[bytes, str | None]) -> None:
        nonlocal sent
        with nothing_written(host):
            answer = post(host, *delivery)
        assert answer.status_code in (400, 413)
        sent += 1

    send()
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]
    return sent


def test_I7_E04_E05_E06_E07_E29_nothing_unsigned_is_written_or_makes_an_outage(
    asking: Host,
) -> None:
    _fuzz_unsigned(asking, short(150))


@pytest.mark.soak
def test_I7_E29_nothing_unsigned_is_written_for_long(asking: Host, figures: Figures) -> None:
    figures(requests=_fuzz_unsigned(asking, long(10_000)))
