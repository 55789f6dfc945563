"""Deliveries that go wrong on purpose, always alike for one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Self

from .api_version import is_version

_MOST_COPIES = 100
_MOST_PARALLEL = 16


class Spoiled(Enum):
    """What is wrong with one attempt to deliver."""

    DROPPED = "chaos: dropped on its way"
    FORGED = "chaos: signed with a wrong secret"
    STALE = "chaos: signed an hour ago"


@dataclass(frozen=True, slots=True)
class Chaos:
    """What goes wrong with deliveries. The default is nothing.

    Shares are of attempts, from 0 to 1. Whatever was spoiled is sent again later, and the last
    attempt arrives as it should, as Stripe's do in the end; only a share of 1 spoils it too.

    :ivar duplicate: how often each event is delivered in all, up to 100.
    :ivar reorder: whether what is due is delivered in any order.
    :ivar drop: share that never arrives.
    :ivar delay: each delivery waits up to so many seconds.
    :ivar parallel: how many are delivered at the same moment, up to 16.
    :ivar early: whether what an API call caused is delivered before the call returns.
    :ivar wrong_signature: share signed with a secret that isn't the endpoint's.
    :ivar stale: share whose signature is an hour old.
    :ivar api_version: the version whose payload shapes are sent, such as ``"2020-08-27"``.
    :ivar seed: another one makes other choices.
    :raises ValueError: for a value that makes no sense; names it.
    """

    duplicate: int = 1
    reorder: bool = False
    drop: float = 0.0
    delay: float = 0.0
    parallel: int = 1
    early: bool = False
    wrong_signature: float = 0.0
    stale: float = 0.0
    api_version: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.duplicate <= _MOST_COPIES:
            raise ValueError(f"duplicate must be from 1 to {_MOST_COPIES}, not {self.duplicate}")
        if not 1 <= self.parallel <= _MOST_PARALLEL:
            raise ValueError(f"parallel must be from 1 to {_MOST_PARALLEL}, not {self.parallel}")
        for name in ("drop", "wrong_signature", "stale"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1, not {share}")
        if self.drop + self.wrong_signature + self.stale > 1:
            raise ValueError("drop, wrong_signature and stale are more than 1 together")
        if not 0 <= self.delay <= 86_400:
            raise ValueError(f"delay must be from 0 to 86,400 seconds, not {self.delay}")
        if self.api_version is not None and not is_version(str(self.api_version)):
            raise ValueError(f"api_version must be like 2020-08-27, not {self.api_version!r}")

    @classmethod
    def chosen(cls, values: dict[str, Any]) -> Self:
        """Return the chaos of these values.

        :raises ValueError: also for a name that there isn't.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ValueError(f"there is no {name}; there are {', '.join(known)}")
        return cls(**values)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``duplicate=2,reorder,drop=0.1``.

        :raises ValueError: as for the values themselves.
        """
        values: dict[str, Any] = {}
        for item in filter(None, text.replace(" ", "").split(",")):
            name, equals, value = item.partition("=")
            name = name.replace("-", "_")
            read = type(getattr(cls(), name, None))
            if read is bool and equals:
                raise ValueError(f"{name} takes no value")
            try:
                values[name] = read(value) if read in (int, float) else value if equals else True
            except ValueError:
                raise ValueError(f"{name} needs a number, not {value!r}") from None
        return cls.chosen(values)

    def due_in(self, delivery: int) -> float:
        """Return how many seconds a delivery waits."""
        return self._random("delay", delivery).uniform(0, self.delay) if self.delay else 0.0

    def rank(self, delivery: int) -> float:
        """Return a number by which deliveries that are due are sorted."""
        return self._random("order", delivery).random() if self.reorder else 0.0

    def spoils(self, delivery: int, attempt: int, *, last: bool) -> Spoiled | None:
        """Return what is wrong with an attempt.

        :param last: whether no other would follow.
        """
        drawn = self._random("spoil", delivery, attempt).random()
        for share, spoiled in (
            (self.drop, Spoiled.DROPPED),
            (self.wrong_signature, Spoiled.FORGED),
            (self.stale, Spoiled.STALE),
        ):
            if drawn < share:
                return None if last and share < 1 else spoiled
            drawn -= share
        return None

    def _random(self, *about: object) -> random.Random:
        return random.Random(repr((self.seed, *about)))  # noqa: S311 - not for secrets
