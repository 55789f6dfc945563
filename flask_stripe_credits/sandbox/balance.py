"""The merchant's balance: every movement is kept, so that ``expand`` finds it."""

from __future__ import annotations

from .objects import balance
from .store import Json
from .world import World


def move(
    world: World,
    of: Json,
    amount: int,
    *,
    type: str,
    description: str | None = None,
    category: str | None = None,
) -> Json:
    """Keep and return a balance transaction.

    :param amount: minor units; negative for money that leaves.
    """
    transaction = balance.transaction(
        of, amount, world.now(), type=type, description=description, category=category or type
    )
    world.store.add(transaction)
    return transaction


def total(world: World) -> dict[str, int]:
    """Return what the merchant has of each currency, in minor units."""
    rows = world.store.query(
        "SELECT json_extract(body, '$.currency'), sum(json_extract(body, '$.net')) FROM objects"
        " WHERE kind = 'balance_transaction' GROUP BY 1 ORDER BY 1"
    )
    return dict(rows)
