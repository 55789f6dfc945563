"""Checkout sessions: opening them and ending them."""

from __future__ import annotations

import secrets

from ..money import Money, smallest_step
from . import catalog, events, methods
from .errors import invalid, no_such, other_mode
from .objects import checkout
from .objects.catalog import line_item
from .store import Json, Where
from .world import World

# The smallest charge of each currency, in minor units, where Stripe has one.
# Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
SMALLEST_CHARGE = {
    **dict.fromkeys("aud brl cad chf eur inr jpy nzd sgd usd".split(), 50),
    "aed": 200,
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
}
_AT_ONCE = 100
_SHORTEST_SECONDS = 30 * 60
_LONGEST_SECONDS = 24 * 60 * 60
# Clocks differ a little, and so may the time that the parameters were written and read.
_LENIENCE_SECONDS = 60


def create(world: World, params: Json) -> Json:
    """Open a session.

    :param params: those of ``POST /v1/checkout/sessions``, already checked one by one.
    :raises ApiError: when they don't fit each other or what exists.
    """
    if "customer" in params and "customer_email" in params:
        raise invalid("You may only specify one of these parameters: customer, customer_email.")
    if "customer" in params and world.store.get("customer", params["customer"]) is None:
        raise no_such("customer", params["customer"], param="customer", status=400)
    _check_expiry(world, params)
    items = [_line_item(world, given, index) for index, given in enumerate(params["line_items"])]
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All line items must use the same currency.", param="line_items")
    held = params.get("payment_intent_data", {}).get("capture_method") == "manual"
    types = methods.offered(params, items[0]["currency"], held=held)
    session = checkout.session(params, items, method_types=types, url=world.url, now=world.now())
    _check_total(session)
    hidden = {
        "line_items": items,
        "payment_intent_data": params.get("payment_intent_data", {}),
        "form_token": secrets.token_urlsafe(24),
    }
    world.store.add(session, hidden)
    return session


def _check_expiry(world: World, params: Json) -> None:
    if "expires_at" not in params:
        return
    seconds = params["expires_at"] - world.now()
    if seconds > _LONGEST_SECONDS + _LENIENCE_SECONDS:
        problem = "less than 24 hours"
    elif seconds < _SHORTEST_SECONDS - _LENIENCE_SECONDS:
        problem = "at least 30 minutes"
    else:
        return
    raise invalid(
        f"The `expires_at` timestamp must be {problem} from Checkout Session creation.",
        param="expires_at",
    )


def _line_item(world: World, given: Json, index: int) -> Json:
    path = f"line_items[{index}]"
    if ("price" in given) == ("price_data" in given):
        both = "price" in given
        raise invalid(
            f"You may only specify one of these parameters: {path}[price], {path}[price_data]."
            if both
            else f"Missing required param: {path}[price].",
            param=f"{path}[price]",
            code=None if both else "parameter_missing",
        )
    if "quantity" not in given:
        raise invalid(
            f"Quantity is required. Add `quantity` to `{path}`", param=f"{path}[quantity]"
        )
    if "price_data" in given:
        price = catalog.create_price(world, given["price_data"], active=False)
    else:
        price = _active_price(world, given["price"], f"{path}[price]")
    product = world.store.get("product", price["product"]) or {}
    name = str(product.get("name", price["product"]))
    return line_item(price, given["quantity"], name, given.get("metadata", {}))


def _active_price(world: World, id: str, param: str) -> Json:
    price = world.store.get("price", id)
    if price is None:
        raise no_such("price", id, param=param, status=400)
    if price["livemode"]:
        raise other_mode("price", id, param=param, status=400)
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", param=param
        )
    product = world.store.get("product", price["product"])
    if product is not None and not product["active"]:
        raise invalid(
            f"The price specified is for the inactive product {product['id']}.", param=param
        )
    return price


def _check_total(session: Json) -> None:
    total, currency = session["amount_total"], session["currency"]
    least = SMALLEST_CHARGE.get(currency, 1)
    if 0 < total < least:
        code = currency.upper()
        raise invalid(
            "The Checkout Session's total amount due must add up to at least "
            f"{Money(least, currency)} {code}",
            code="amount_too_small",
        )
    if total > 99_999_999:
        raise invalid(
            "The Checkout Session's total amount due must be no more than "
            f"{Money(99_999_999, currency)}",
            code="amount_too_large",
        )
    if total % smallest_step(currency):
        raise invalid(
            f"Amounts in {currency} must be multiples of {smallest_step(currency)}.",
            param="line_items",
        )


def get(world: World, id: str) -> Json:
    """Return a session; one whose time is over expires first.

    :raises ApiError: 404 when there is none.
    """
    session = world.store.get("checkout.session", id)
    if session is None:
        raise no_such("checkout.session", id, param="session")
    if session["status"] == "open" and session["expires_at"] <= world.now():
        with world.store.transaction():
            session = world.store.get("checkout.session", id) or session
            if session["status"] == "open":
                session = _close(world, session)
    return session


def expire(world: World, id: str) -> Json:
    """Expire an open session now.

    :raises ApiError: when it isn't open any more.
    """
    session = get(world, id)
    if session["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of `{session['status']}`."
        )
    return _close(world, session)


def expire_overdue(world: World) -> None:
    """Expire every open session whose time is over."""
    overdue = [Where("status", "=", "open"), Where("expires_at", "<=", world.now())]
    while world.store.find("checkout.session", overdue, limit=1):
        with world.store.transaction():
            for session in world.store.find("checkout.session", overdue, limit=_AT_ONCE):
                _close(world, session)


def _close(world: World, session: Json) -> Json:
    closed = {**session, "status": "expired", "url": None}
    world.store.save(closed)
    intent = world.store.get("payment_intent", session["payment_intent"] or "")
    if intent is not None:
        canceled = {
            **intent,
            "status": "canceled",
            "canceled_at": world.now(),
            "cancellation_reason": "automatic",
            "next_action": None,
        }
        world.store.save(canceled)
        events.record(world, "payment_intent.canceled", canceled)
    events.record(world, "checkout.session.expired", closed)
    return closed


def line_items(world: World, id: str) -> list[Json]:
    """Return what a session sells."""
    return list(world.store.hidden(id).get("line_items", []))
