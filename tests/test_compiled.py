"""Engines share compiled statements only where they would compile the same."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

TABLE = sa.Table("note", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("text", sa.JSON))
QUERY = sa.select(TABLE).where(TABLE.c.id == 1)


def compilations(monkeypatch: pytest.MonkeyPatch, *options: dict[str, Any]) -> int:
    """How often the query is compiled when an engine of each of the options runs it."""
    count = 0
    compiler = type(QUERY)._compiler

    def counted(*arguments: Any, **others: Any) -> Any:
        nonlocal count
        count += 1
        return compiler(*arguments, **others)

    monkeypatch.setattr(type(QUERY), "_compiler", counted)
    for option in options:
        with sa.create_engine("sqlite://", **option).begin() as connection:
            connection.exec_driver_sql("CREATE TABLE note (id INTEGER, text TEXT)")
            connection.execute(QUERY)
    return count


def test_equal_engines_compile_a_statement_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compilations(monkeypatch, {}, {}, {}) <= 1


@pytest.mark.parametrize(
    "option",
    [
        {"json_deserializer": lambda text: text},
        {"paramstyle": "named"},
        {"label_length": 9},
    ],
    ids=lambda option: next(iter(option)),
)
def test_others_compile_it_for_themselves(
    monkeypatch: pytest.MonkeyPatch, option: dict[str, Any]
) -> None:
    compilations(monkeypatch, {})
    assert compilations(monkeypatch, option) == 1
