"""Doing at Stripe what a plan says. Each step can be the last one, and the next run goes on."""

from __future__ import annotations

from dataclasses import replace

from ...errors import GatewayRejected
from ...notices import log_act
from ...state import AppState
from ...stripe_objects import Price, Product
from ...unit_of_work import UnitOfWork, in_transaction
from ..changes import Row, change_to, lock_one
from .checkouts import prices_needed
from .marks import lookup_key, price_changes, price_params, product_changes, product_params
from .plan import PackagePlan
from .twins import fits


def apply_sync(state: AppState, plan: PackagePlan, *, actor: str) -> PackagePlan:
    """Make Stripe and the package's row agree. Commits each id at once. Safe to repeat.

    Writes into the audit log what it sets out to do, and each id that it stores.

    :returns: the plan, with what :attr:`~.PackagePlan.waiting` tells now.
    :raises GatewayError, NotConfigured: when Stripe didn't do it; what is done stays done.
    :raises DatabaseBusy: when the database gave up; what is done stays done.
    """
    if not plan.steps:
        return plan
    _note(state, plan, actor)
    if not plan.package["is_active"]:
        return _end(state, plan, actor)
    product = _make_product(state, plan)
    _store(state, plan, actor, stripe_product_id=product.id)
    price = _make_price(state, plan, product)
    _store(state, plan, actor, stripe_price_id=price.id)
    return _archive_prices(state, plan, product, price)


def _note(state: AppState, plan: PackagePlan, actor: str) -> None:
    details = {"package_code": plan.code, "steps": list(plan.steps)}
    in_transaction(state, lambda uow: log_act(uow, actor, "package.sync", None, details))


def _make_product(state: AppState, plan: PackagePlan) -> Product:
    product = plan.product or _create_product(state, plan)
    changes = product_changes(plan.site, plan.package, product)
    return state.gateway.update_product(product.id, changes) if changes else product


def _create_product(state: AppState, plan: PackagePlan) -> Product:
    params = product_params(plan.site, plan.package)
    try:
        return state.gateway.create_product(params)
    except GatewayRejected as error:
        if error.code != "resource_already_exists":
            raise
        # Made by another run a moment ago, or its marks were taken off.
        found = state.gateway.retrieve_product(params["id"])
        if found is None:
            raise
        return found


def _make_price(state: AppState, plan: PackagePlan, product: Product) -> Price:
    price = plan.price or _create_price(state, plan, product)
    changes = price_changes(plan.site, plan.package, price)
    return state.gateway.update_price(price.id, changes) if changes else price


def _create_price(state: AppState, plan: PackagePlan, product: Product) -> Price:
    params = price_params(plan.site, plan.package, product)
    try:
        return state.gateway.create_price(params)
    except GatewayRejected:
        # Made by another run a moment ago, or the key is that of another product's price.
        found = state.gateway.find_price_by_lookup_key(lookup_key(plan.site, plan.package))
        if found is None:
            raise
        if found.product_id == product.id and fits(found, plan.package):
            return found
        return state.gateway.create_price({**params, "transfer_lookup_key": True})


def _archive_prices(
    state: AppState, plan: PackagePlan, product: Product, price: Price
) -> PackagePlan:
    """Archive what nobody needs, now that new checkouts get the new price."""
    if not plan.old_prices or not _sells_at(state, plan, price):
        return replace(plan, needed={})
    if plan.replaces_default_price:
        state.gateway.update_product(product.id, {"default_price": price.id})
    needed = prices_needed(state, [old.id for old in plan.old_prices])
    for old in plan.old_prices:
        if old.id not in needed:
            state.gateway.update_price(old.id, {"active": False})
    return replace(plan, needed=needed)


def _end(state: AppState, plan: PackagePlan, actor: str) -> PackagePlan:
    needed = prices_needed(state, [price.id for price in plan.prices])
    if plan.product is not None and not needed and _forget_price(state, plan, actor):
        state.gateway.update_product(plan.product.id, {"active": False})
    return replace(plan, needed=needed)


def _forget_price(state: AppState, plan: PackagePlan, actor: str) -> bool:
    """Take the price away from the package, unless that is for sale again.

    If it comes back, it is sold before the next sync too: a price of an archived product isn't.
    """

    def forget(uow: UnitOfWork) -> bool:
        row = lock_one(uow, plan.code)
        if row is None or row["is_active"]:
            return False
        change_to(uow, row, {"stripe_price_id": None}, actor=actor)
        return True

    return in_transaction(state, forget)


def _sells_at(state: AppState, plan: PackagePlan, price: Price) -> bool:
    """Whether new checkouts get this price, and nobody has changed it meanwhile."""

    def look(uow: UnitOfWork) -> bool:
        row = lock_one(uow, plan.code)
        return row is not None and row["stripe_price_id"] == price.id

    return in_transaction(state, look)


def _store(state: AppState, plan: PackagePlan, actor: str, **ids: str) -> None:
    """Commit an id, unless the price that it belongs to has changed meanwhile."""

    def store(uow: UnitOfWork) -> None:
        row = lock_one(uow, plan.code)
        if row is not None and _costs_the_same(row, plan.package):
            change_to(uow, row, ids, actor=actor)

    in_transaction(state, store)


def _costs_the_same(row: Row, package: Row) -> bool:
    return all(row[name] == package[name] for name in ("unit_amount", "currency"))
