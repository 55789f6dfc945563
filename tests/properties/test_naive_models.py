"""The worlds tell what is right from what is usual: each naive model ends wrong in one of them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from .naive import NAIVE, Facts
from .worlds import make_world, shuffled

WORLDS = 400


def first_wrong(model: Any) -> int | None:
    """The seed of the first world in which ``model`` ends with other credits than are due."""
    for seed in range(WORLDS):
        random = Random(seed)
        world = make_world(random)
        found = model(world.sales)
        for told in shuffled(world, random):
            found.deliver(told)
        if any(found.balance(sale) != sale.balance for sale in world.sales):
            return seed
    return None


@pytest.mark.parametrize("model", NAIVE, ids=lambda model: model.__name__)
def test_a_naive_model_ends_wrong(model: Any) -> None:
    assert first_wrong(model) is not None


def test_another_right_model_than_ours_is_right_in_all_of_them() -> None:
    assert first_wrong(Facts) is None
