"""The tests' engines share what SQLAlchemy compiles of equal statements.

A host compiles each statement once and then keeps it. With thousands of hosts, each of which is
asked a few times, that was a fifth of what the tests cost.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.util import LRUCache

from flask_stripe_credits import state

_compiled: LRUCache[Any, Any] = LRUCache(5_000)


class _Shared:
    """Looks like the cache of one engine, whose keys begin with its dialect."""

    def __init__(self, dialect: sa.Dialect) -> None:
        # All that may change what is compiled: versions, flags, functions of its own.
        plain = (str, int, tuple, type(None))
        differs = {
            (name, value)
            for name, value in vars(dialect).items()
            if isinstance(value, plain) or callable(value)
        }
        self._dialect = (type(dialect), frozenset(differs))

    def get(self, key: Any) -> Any:
        return _compiled.get((self._dialect, *key[1:]))

    def __setitem__(self, key: Any, compiled: Any) -> None:
        _compiled[self._dialect, *key[1:]] = compiled


def _share(connection: sa.Connection) -> None:
    engine: Any = connection.engine
    if isinstance(engine._compiled_cache, LRUCache):
        engine._compiled_cache = _Shared(engine.dialect)


def pytest_configure(config: pytest.Config) -> None:
    sa.event.listen(sa.Engine, "engine_connect", _share)
    build = functools.lru_cache(16)(state._Statements)
    # A copy for each: tests of what is wrong put statements of their own into a host's.
    state._Statements = lambda *given: copy.copy(build(*given))  # type: ignore[assignment]
