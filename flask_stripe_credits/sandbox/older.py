"""Events as older versions of Stripe's API wrote them.

Only what the changelog calls breaking, of the objects that the sandbox has:
https://docs.stripe.com/changelog and https://docs.stripe.com/upgrades
"""

from __future__ import annotations

from collections.abc import Callable

from .api_version import at_least
from .store import Json

# Finds all objects of a kind whose field has a value: what belongs to another object.
Find = Callable[[str, str, str], list[Json]]

_SESSION_SINCE = {
    "2026-03-25": ("managed_payments", "integration_identifier"),
    "2025-09-30": ("branding_settings", "origin_context", "customer_account"),
    "2025-03-31": ("adaptive_pricing", "collected_information", "permissions"),
    "2022-08-01": ("customer_creation", "shipping_cost", "shipping_options", "invoice_creation"),
    "2021-01-01": ("status", "automatic_tax", "tax_id_collection", "after_expiration"),
}


def as_of(version: str, event: Json, find: Find) -> Json:
    """Return ``event`` as ``version`` would write it. Amounts, ids and states stay.

    :param find: such as ``find("refund", "charge", charge_id)``.
    """
    about = dict(event["data"]["object"])
    if about["object"] == "checkout.session":
        _session(version, about)
    elif not at_least(version, "2022-11-15"):
        if about["object"] == "payment_intent":
            about.pop("latest_charge", None)
            charges = find("charge", "payment_intent", about["id"])
            about["charges"] = _list(
                [_charge(one, find) for one in charges], "/v1/charges?payment_intent=" + about["id"]
            )
        elif about["object"] == "charge":
            about = _charge(about, find)
    return {**event, "api_version": version, "data": {**event["data"], "object": about}}


def _session(version: str, session: Json) -> None:
    for since, names in _SESSION_SINCE.items():
        if not at_least(version, since):
            for name in names:
                session.pop(name, None)
    if not at_least(version, "2025-03-31"):
        session["shipping_details"] = None
    if not at_least(version, "2022-08-01"):
        session["shipping"] = None
    if session.get("ui_mode") is not None and not at_least(version, "2026-03-25"):
        session["ui_mode"] = "hosted"


def _charge(charge: Json, find: Find) -> Json:
    path = f"/v1/charges/{charge['id']}/refunds"
    return {**charge, "refunds": _list(find("refund", "charge", charge["id"]), path)}


def _list(items: list[Json], url: str) -> Json:
    return {
        "object": "list",
        "data": items,
        "has_more": False,
        "total_count": len(items),
        "url": url,
    }
