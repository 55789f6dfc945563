"""B31: payloads of other API versions, and with anything missing or of another type."""

from __future__ import annotations

import copy
import itertools
import uuid
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from ..hosts import Host
from ..payloads import checkout_session, event
from ..profiles import short

GONE = object()
_numbers = itertools.count()


def _as_in_2019(session: dict[str, Any]) -> dict[str, Any]:
    """Before sessions had a status, a payment status and details of their total."""
    for name in ("status", "payment_status", "total_details", "currency", "amount_subtotal"):
        session.pop(name)
    session["display_items"] = [{"amount": session["amount_total"], "quantity": 1, "type": "sku"}]
    session["payment_method_types"] = ["card"]
    return session


def _as_in_2020(session: dict[str, Any]) -> dict[str, Any]:
    session.pop("status")
    session.pop("automatic_tax")
    session["total_details"] = {"amount_discount": 0, "amount_tax": 0}
    return session


def _acacia(session: dict[str, Any]) -> dict[str, Any]:
    session["currency_conversion"] = None
    session["payment_method_types"] = ["card", "link"]
    session["ui_mode"] = "hosted"
    return session


def _expanded(session: dict[str, Any]) -> dict[str, Any]:
    session["payment_intent"] = {
        "id": session["payment_intent"],
        "object": "payment_intent",
        "latest_charge": {"id": "ch_1", "object": "charge"},
    }
    session["customer"] = {"id": "cus_1", "object": "customer", "deleted": True}
    session["line_items"] = {"object": "list", "data": [{"quantity": 1}], "has_more": False}
    return session


def _without_a_payment_intent(session: dict[str, Any]) -> dict[str, Any]:
    return session | {"payment_intent": None}


def _endive(session: dict[str, Any]) -> dict[str, Any]:
    session["presentment_details"] = {
        "presentment_amount": 900,
        "presentment_currency": "eur",
    }
    session["ui_mode"] = "hosted_page"
    session["total_details"]["breakdown"] = {"discounts": [], "taxes": []}
    session["something_new"] = {"id": [None, {"metadata": {"purchase_id": "1"}}]}
    return session


# Which of them say enough to grant credits.
SHAPES = {
    _as_in_2019: False,
    _as_in_2020: True,
    _acacia: True,
    _expanded: True,
    _without_a_payment_intent: True,
    _endive: True,
}


@pytest.mark.parametrize(
    ("shape", "granted"), SHAPES.items(), ids=[shape.__name__ for shape in SHAPES]
)
def test_B31_every_shape_is_answered_and_grants_if_it_says_enough(
    host: Host, shape: Any, granted: bool
) -> None:
    purchase = host.add_purchase()
    document = event("checkout.session.completed", shape(checkout_session(purchase)))
    for version in ("2019-12-03", "2024-09-30.acacia", None, 7, "x" * 300):
        answer = host.post_event(document | {"api_version": version})
        assert answer.status_code == 200
    assert host.ledger() == ([1000] if granted else [])
    assert host.purchase(purchase["id"])["status"] == ("completed" if granted else "review")


def _paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(document, dict):
        return []
    found = []
    for name, value in document.items():
        found.append((*path, name))
        found += _paths(value, (*path, name))
    return found


wrong_values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 999, 1000, 1000.0, 2000, 2**63, 10**30, "", "x", "usd", "paid"]),
    st.sampled_from([[], {}, ["x"], {"id": "pi_other"}, {"id": None}, "\x00", "é", "a" * 6_000]),
    st.sampled_from([str(uuid.UUID(int=7)), "local", "payment", "complete", "acct_1", "live"]),
)


def _may_grant(document: dict[str, Any], row: dict[str, Any]) -> bool:
    """Our rule I8, written down a second time."""
    session = document["data"]["object"]
    totals = session.get("total_details")
    totals = totals if isinstance(totals, dict) else {}
    discount, tax = totals.get("amount_discount"), totals.get("amount_tax")
    return (
        document.get("livemode") is False
        and document.get("account") is None
        and document["type"]
        in ("checkout.session.completed", "checkout.session.async_payment_succeeded")
        and session.get("mode") == "payment"
        and session.get("livemode") is False
        and session.get("id") == row["stripe_checkout_session_id"]
        and session.get("currency") == row["currency"]
        and session.get("amount_subtotal") == row["unit_amount"]
        and session.get("amount_total") == row["unit_amount"]
        and not (isinstance(discount, int) and discount > 0)
        and not (isinstance(tax, int) and tax > 0)
        and session.get("payment_status") == "paid"
    )


@short(150)
@given(data=st.data(), shape=st.sampled_from(list(SHAPES)))
def test_B31_whatever_is_missing_or_wrong_there_is_no_outage_and_no_wrong_grant(
    shared_host: Host, data: st.DataObject, shape: Any
) -> None:
    host, user = shared_host, f"shape {next(_numbers)} {uuid.uuid4()}"
    purchase = host.add_purchase(user_id=user)
    document = event("checkout.session.completed", shape(checkout_session(purchase)))
    document = copy.deepcopy(document)
    paths = data.draw(st.lists(st.sampled_from(_paths(document)), max_size=4, unique=True), "paths")
    for path in paths:
        holder: Any = document
        for name in path[:-1]:
            holder = holder.get(name) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and path[-1] in holder:
            value = data.draw(st.just(GONE) | wrong_values, str(path))
            if value is GONE:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
    answer = host.post_event(document)
    note(f"answer {answer.status_code}")
    assert answer.status_code in (200, 400)
    ledger = host.ledger(user)
    assert ledger in ([], [1000])
    if ledger:
        assert _may_grant(document, purchase)
    again = host.post_event(document)
    assert again.status_code == answer.status_code
    assert host.ledger(user) == ledger
    row = host.purchase(purchase["id"])
    assert (row["user_id"], row["amount_credits"]) == (user, 1000)
    assert (row["status"] == "completed") is bool(ledger)
