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
