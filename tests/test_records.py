from __future__ import annotations

from functools import cached_property
from typing import Any

import pytest

from flask_stripe_credits.records import Record


class Point(Record):
    x: int
    y: int

    @cached_property
    def sum(self) -> int:
        return self.x + self.y


def test_a_record_has_what_it_was_given() -> None:
    point = Point(x=1, y=2)
    assert (point.x, point.y, point.sum) == (1, 2, 3)
    assert Point.names() == ("x", "y")


@pytest.mark.parametrize("values", [{}, {"x": 1}, {"x": 1, "y": 2, "z": 3}])
def test_neither_more_nor_less_is_taken(values: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Point takes x, y"):
        Point(**values)


def test_a_record_is_frozen() -> None:
    point = Point(x=1, y=2)
    with pytest.raises(AttributeError, match="Point is frozen"):
        point.x = 3  # type: ignore[misc]
    assert point.x == 1


def test_another_is_made_of_it_without_what_was_computed() -> None:
    point = Point(x=1, y=2)
    assert point.sum == 3
    other = point.replaced(y=5)
    assert (other.x, other.y, other.sum) == (1, 5, 6)
    assert point.y == 2
