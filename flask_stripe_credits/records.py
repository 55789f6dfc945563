"""Frozen records that take no time to define, for what every process defines at its start.

A dataclass compiles its methods from text: one with a field for each setting takes 2 ms.
"""

from __future__ import annotations

from typing import Any, Self, dataclass_transform


@dataclass_transform(eq_default=False, kw_only_default=True, frozen_default=True)
class Record:
    """Has what its class annotates, given by name, and keeps it."""

    def __init__(self, **values: Any) -> None:
        if values.keys() != set(self.names()):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self.names())}")
        vars(self).update(values)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of what it has, in order."""
        return tuple(cls.__annotations__)

    def replaced(self, **values: Any) -> Self:
        """Another one, which differs in ``values``."""
        return type(self)(**{name: vars(self)[name] for name in self.names()} | values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")
