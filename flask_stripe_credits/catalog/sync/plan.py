"""What there is to do at Stripe, package by package, in words and for :mod:`.apply`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ...errors import GatewayOtherMode
from ...money import Money
from ...state import AppState
from ...stripe_objects import Price, Product
from ...unit_of_work import in_transaction
from ..changes import Row
from ..packages import all_packages
from .checkouts import Needed, prices_needed
from .marks import is_ours, price_changes, product_changes
from .twins import Twins

_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class PackagePlan:
    """A package beside what Stripe has of it.

    :ivar product: the product to use, None when one has to be made; of a package that isn't for
        sale, the one to archive, None when there is nothing to do.
    :ivar price: the price to use, None when one has to be made.
    :ivar old_prices: what we made for the package and don't use any more.
    :ivar needed: which prices open checkouts still need; those wait, and so does their product.
    :ivar problem: why nothing can be done; None when it can.
    """

    package: Row
    site: str
    product: Product | None = None
    price: Price | None = None
    prices: tuple[Price, ...] = ()
    old_prices: tuple[Price, ...] = ()
    needed: Mapping[str, Needed] = field(default_factory=dict)
    problem: str | None = None

    @property
    def code(self) -> str:
        """The package's code."""
        return str(self.package["package_code"])

    @property
    def steps(self) -> tuple[str, ...]:
        """What has to be done, in words; nothing when the package is in sync."""
        if self.problem is not None:
            return ()
        return tuple(self._keep() if self.package["is_active"] else self._end())

    @property
    def waiting(self) -> tuple[str, ...]:
        """What is left to a later sync, in words, because open checkouts still need it."""
        return tuple(
            f"archive price {price.id} ({_amount(price)}) when {_checkouts(self.needed[price.id])}"
            for price in self.old_prices
            if price.id in self.needed
        ) + tuple(self._waiting_product())

    @property
    def refuses_buyers(self) -> bool:
        """Whether a checkout would name a price that Stripe doesn't sell at.

        A package without a stored price isn't refused: its price is sent with the checkout.
        """
        stored, price = self.package["stripe_price_id"], self.price
        if stored is None or not self.package["is_active"]:
            return False
        if self.product is None or not self.product.active:
            return True
        return price is None or price.id != stored or not price.active

    def _keep(self) -> Iterator[str]:
        yield from self._product_steps()
        yield from self._price_steps()
        if self.replaces_default_price:
            yield "make that the product's default price"
        for price in self.old_prices:
            if price.id not in self.needed:
                yield f"archive price {price.id} ({_amount(price)})"

    def _end(self) -> Iterator[str]:
        if self.product is not None and not self.needed:
            yield f"archive product {self.product.id}"

    def _waiting_product(self) -> Iterator[str]:
        if self.package["is_active"] or self.product is None or not self.needed:
            return
        until = max(self.needed.values(), key=lambda one: one.until).until
        count = sum(one.checkouts for one in self.needed.values())
        told = _checkouts(Needed(count, until))
        yield f"archive product {self.product.id} when {told}"

    def _product_steps(self) -> Iterator[str]:
        product = self.product
        if product is None:
            yield "create product"
            return
        if product.id != self.package["stripe_product_id"]:
            yield f"adopt product {product.id}"
        changes = product_changes(self.site, self.package, product)
        if changes.get("active"):
            yield f"activate product {product.id}"
        for name, text in (("name", product.name), ("description", product.description)):
            if name in changes:
                yield f"change product's {name} {_shown(text)} -> {_shown(changes[name])}"
        if "metadata" in changes:
            yield f"mark product {product.id} as ours"

    def _price_steps(self) -> Iterator[str]:
        price, amount = self.price, Money(self.package["unit_amount"], self.package["currency"])
        if price is None:
            yield f"create price {amount}{self._what_is_stored()}"
            return
        if price.id != self.package["stripe_price_id"]:
            yield f"adopt price {price.id}{self._what_is_stored()}"
        changes = price_changes(self.site, self.package, price)
        if changes.get("active"):
            yield f"activate price {price.id}"
        if "metadata" in changes:
            yield f"mark price {price.id} as ours"

    def _what_is_stored(self) -> str:
        """Why the stored price can't be used."""
        stored = self.package["stripe_price_id"]
        if stored is None:
            return ""
        found = next((price for price in self.prices if price.id == stored), None)
        if found is None:
            return f" ({stored} is no price of this product)"
        return f" ({stored} is {_amount(found)})"

    @property
    def replaces_default_price(self) -> bool:
        """Whether the product's default price, which Stripe lets nobody archive, is an old one."""
        default = None if self.product is None else self.product.default_price_id
        return any(price.id == default for price in self.old_prices)


def plan_sync(state: AppState, *, replace_ids: bool = False) -> list[PackagePlan]:
    """Compare all packages with Stripe. Changes nothing. As :func:`compare`."""
    return list(compare(state, replace_ids=replace_ids))


def compare(
    state: AppState,
    *,
    replace_ids: bool = False,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Iterator[PackagePlan]:
    """Compare the packages with Stripe, one by one. Changes nothing.

    :param replace_ids: forget stored ids of live mode, although the API key is a test key.
    :param progress: is told how many of how many packages were compared.
    :raises GatewayError, NotConfigured: when Stripe can't be asked.
    :raises DatabaseBusy, TablesOutOfDate: when the database can't be read.
    """
    packages = in_transaction(state, all_packages)
    twins = Twins(state, replace_ids=replace_ids)
    for_sale = {row["stripe_product_id"] for row in packages if row["is_active"]}
    for number, package in enumerate(packages, start=1):
        yield _plan(state, twins, package, shared=package["stripe_product_id"] in for_sale)
        progress(number, len(packages))


def _plan(state: AppState, twins: Twins, package: Row, *, shared: bool) -> PackagePlan:
    site = state.settings.site
    try:
        product = twins.product_of(package)
    except GatewayOtherMode as error:
        if not package["is_active"]:
            return PackagePlan(package, site)
        problem = (
            f"{error}: use that key; or, if this database is a copy of a live one, "
            f"`flask credits sync --apply --replace-ids`"
        )
        return PackagePlan(package, site, problem=problem)
    if not package["is_active"]:
        return _plan_end(state, twins, PackagePlan(package, site), None if shared else product)
    if product is None:
        return PackagePlan(package, site)
    prices = twins.prices_of(product)
    price = twins.choose(package, prices)
    old = twins.old_prices(package, prices, price)
    needed = prices_needed(state, [one.id for one in old])
    return PackagePlan(package, site, product, price, tuple(prices), tuple(old), needed)


def _plan_end(
    state: AppState, twins: Twins, nothing: PackagePlan, product: Product | None
) -> PackagePlan:
    package, site = nothing.package, nothing.site
    if product is None or not product.active or not is_ours(product, site, nothing.code):
        return nothing
    prices = twins.prices_of(product)
    needed = prices_needed(state, [price.id for price in prices])
    return PackagePlan(package, site, product, prices=tuple(prices), needed=needed)


def _amount(price: Price) -> str:
    if price.unit_amount is None or price.currency is None or not price.is_one_time:
        return "no plain price"
    told = str(Money(price.unit_amount, price.currency))
    return told if price.active else f"{told}, archived"


def _checkouts(needed: Needed) -> str:
    one = needed.checkouts == 1
    what = "1 open checkout is" if one else f"{needed.checkouts} open checkouts are"
    return f"{what} done, at the latest {needed.until:%Y-%m-%d %H:%M} UTC"


def _shown(text: str | None) -> str:
    text = text or ""
    shown = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
    return json.dumps(shown, ensure_ascii=False)
